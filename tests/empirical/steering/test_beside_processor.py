"""Rules beside a processor that constrains which tokens may follow: promises and constraint both hold."""

import pytest
import torch
from families import tiny_decoder
from ruled_folders import KEPT, VOCABULARY, save_decoder, tokenizer
from tiny import one_thread  # noqa: F401
from transformers import LogitsProcessor, LogitsProcessorList

import localist
from empirical.measuring.generate import generate
from empirical.steering.growth import Sampler
from empirical.steering.strengths import Status
from theory.errors import DomainError

PROMPT = "One of them is"
NEW = 12
FAMILIES = ["gpt2", "llama"]


class Alternating(LogitsProcessor):
    """Lets even tokens follow odd ones and odd ones even ones: a grammar of two states."""

    def __call__(self, input_ids, scores):
        wrong = torch.arange(VOCABULARY) % 2 == input_ids[:, -1:] % 2
        return scores.masked_fill(wrong, -torch.inf)


def obeys(ids):
    return bool((ids.diff() % 2 == 1).all())


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "RULES.toml"
    path.write_text(KEPT, encoding="utf-8")
    return path


def check_promises(firings):
    assert len(firings) > 60
    assert sum(each.strength > 0 for each in firings) > 20
    for each in firings:
        assert each.status == Status.MET
        assert each.after >= each.promise - 1e-5


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("sample", [False, True])
def test_transformers_generates_by_rules_and_a_constraint(family, sample, rules):
    model = tiny_decoder(family, vocabulary=VOCABULARY)
    prompt = torch.tensor([tokenizer().encode(PROMPT).ids])
    torch.manual_seed(0)
    given = {"max_new_tokens": NEW, "min_new_tokens": NEW, "do_sample": sample, "pad_token_id": 0}
    with localist.ruled(model, rules, tokenizer(), 16) as log:
        free = model.generate(prompt, **given)
    with localist.ruled(model, rules, tokenizer(), 16) as log:
        found = model.generate(prompt, **given, logits_processor=LogitsProcessorList([Alternating()]))
    start = prompt.shape[1] - 1
    assert found.shape[1] == prompt.shape[1] + NEW
    assert obeys(found[0, start:])
    assert not obeys(free[0, start:])
    check_promises(list(log))
    assert max(each.position for each in log) >= prompt.shape[1] + 3
    # The constraint alone gives another text: the rules still steer.
    if not sample:
        plain = model.generate(prompt, **given, logits_processor=LogitsProcessorList([Alternating()]))
        assert not torch.equal(plain, found)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_generate_takes_a_processor(family, temperature, rules, tmp_path):
    folder = save_decoder(family, tmp_path)
    given = {"tokens": NEW, "rules": rules, "temperature": temperature}
    passes = []
    from empirical.steering import ruled_texts

    counted = ruled_texts.Fired.count

    def count(self, done):
        passes.append(done)
        counted(self, done)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ruled_texts.Fired, "count", count)
        (found,) = generate(folder, PROMPT, **given, logits_processor=LogitsProcessorList([Alternating()]))
    prompt = tokenizer().encode(PROMPT).ids
    read = torch.cat([each.tokens[0] for each in passes])
    assert read[: len(prompt)].tolist() == prompt
    assert len(read) == len(prompt) + NEW - 1
    assert obeys(read[len(prompt) - 1 :])
    assert found.broken == 0
    check_promises([firing for each in passes for firing in each])


@pytest.mark.parametrize(
    ("processor", "reason"),
    [
        (lambda ids, logits: logits.fill_(-torch.inf), "left no token to choose after 3 tokens"),
        (lambda ids, logits: logits.fill_(torch.nan), "left no token to choose"),
        (lambda ids, logits: logits[:, :-1], r"returned \(1, 6\): it must return logits \(1, 7\)"),
        (lambda ids, logits: None, "returned NoneType"),
    ],
)
def test_a_processor_that_leaves_no_choice_is_refused(processor, reason):
    with pytest.raises(DomainError, match=reason):
        Sampler(0.0, 0, processor).chosen(torch.zeros(1, 3), torch.zeros(1, 7))


def test_a_processor_gets_a_copy_in_float32():
    seen, logits = [], torch.zeros(1, 7, dtype=torch.bfloat16)

    def processor(ids, given):
        seen.append(given.dtype)
        given[0, 3] = 5.0
        return given

    assert Sampler(0.0, 0, processor).chosen(torch.zeros(1, 3), logits).item() == 3
    assert seen == [torch.float32]
    assert not logits.any()


def test_a_processor_that_changes_nothing_changes_nothing(rules, tmp_path):
    folder = save_decoder("gpt2", tmp_path)
    plain, same = (
        generate(folder, PROMPT, tokens=NEW, rules=rules, logits_processor=each)
        for each in (None, lambda ids, logits: logits)
    )
    assert plain == same
