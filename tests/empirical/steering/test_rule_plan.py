"""Rules of a file steer a decoder: where they fire, on which keys, and what they promise there."""

import numpy as np
import pytest
import torch
from families import tiny_decoder
from tiny import one_thread  # noqa: F401

import localist
from empirical.attention.text import Text
from empirical.rules.firing import Rules, TokenText
from empirical.rules.rule_file import parse_rules
from empirical.steering import rule_plan
from empirical.steering.rule_plan import RulePlan
from empirical.steering.strengths import Status
from theory.errors import DomainError, InputError

FILE = """
[[rule]]
name = "own"
when = 'class(digit)'
target = 'own block'
fidelity = 0.7

[[rule]]
name = "back"
when = 'text == "a" and block > 0'
target = 'tokens(text == "b" or seen_before)'
fidelity = 0.2
layers = [1]

[[rule]]
name = "push"
when = 'block_position == 1'
target = 'first token'
strength = 1.0
heads = "0-1"
"""
WORDS = ["a", "b", "7", " 12", ".", "c"]
BLOCK = 5


class Words:
    """A tokenizer whose tokens repeat a few words."""

    def decode(self, ids, skip_special_tokens=True):
        assert not skip_special_tokens
        return "".join(WORDS[each % len(WORDS)] for each in ids)


def text_of(token):
    return Words().decode([token], skip_special_tokens=False)


def passes(tokens, cuts, padding):
    """The texts of successive passes over `tokens` `(batch, tokens)` with a cache."""
    real = torch.ones_like(tokens, dtype=torch.bool)
    real[0, :padding] = False
    places = real.long().cumsum(-1) - 1
    blocks = places.clamp(min=0) // BLOCK
    for start, stop in zip((0, *cuts), (*cuts, tokens.shape[1]), strict=True):
        yield Text(
            len(tokens),
            stop - start,
            places[:, :stop],
            blocks[:, :stop],
            real[:, :stop] if padding else None,
            tokens[:, :stop],
            [],
        )


def said(plan, tokens, cuts, padding):
    """`(rule, text, query, key)` of all that the plan says in these passes."""
    found, names = set(), [each.name for each in parse_rules(FILE)]
    for text in passes(tokens, cuts, padding):
        firings = plan.firings(text)
        if firings is None:
            continue
        for rule, fires, targets in zip(firings.rules, firings.fires, firings.targets, strict=True):
            for each, query in fires.nonzero().tolist():
                at = query + text.positions.shape[1] - text.queries
                keys = targets[each, : at + 1].nonzero()[:, 0].tolist()
                found |= {(names.index(rule.name), each, at, key) for key in keys}
    return found


def expected(tokens, padding):
    rules, found = Rules(parse_rules(FILE)), set()
    for each, row in enumerate(tokens.tolist()):
        skipped = 0 if each else padding
        text = TokenText([text_of(token) for token in row[skipped:]], np.arange(len(row) - skipped) // BLOCK)
        pairs = rules.rows(text) & rules.fires(text)[:, :, None]
        found |= {(rule, each, query + skipped, key + skipped) for rule, query, key in np.argwhere(pairs).tolist()}
    return found


@pytest.fixture
def tokens():
    return torch.randint(0, 90, (2, 33), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("cuts", [(), (20,), (1, 2, 19, 20, 21, 32)])
@pytest.mark.parametrize("padding", [0, 4])
def test_passes_say_what_the_rules_say_of_whole_texts(tokens, cuts, padding):
    right = expected(tokens, padding)
    assert {rule for rule, *_ in right} == {0, 1, 2}
    assert said(RulePlan(parse_rules(FILE), text_of), tokens, cuts, padding) == right


def test_a_plan_reads_anew_where_a_text_does_not_go_on(tokens):
    plan = RulePlan(parse_rules(FILE), text_of)
    said(plan, tokens, (20,), 0)
    assert said(plan, tokens.flip(0, 1), (20,), 0) == expected(tokens.flip(0, 1), 0)


def test_targets_of_other_blocks_would_be_seen(tokens, monkeypatch):
    plan = RulePlan(parse_rules(FILE), text_of)
    monkeypatch.setattr(plan._rules, "own_block", np.zeros(3, dtype=bool))
    assert said(plan, tokens, (20,), 0) != expected(tokens, 0)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_generation_keeps_the_promises_of_a_file(family, tokens, tmp_path):
    model = tiny_decoder(family)
    path = tmp_path / "RULES.toml"
    path.write_text(FILE, encoding="utf-8")
    plain = model.generate(tokens, max_new_tokens=10, do_sample=False)
    seen = []
    with localist.ruled(model, path, Words(), BLOCK, on_pass=seen.append) as log:
        model.generate(tokens, max_new_tokens=10, min_new_tokens=10, do_sample=False)
    firings = list(log)
    assert {each.rule for each in firings} == {"own", "back", "push"}
    assert [each for part in seen for each in part] == firings
    assert max(each.position for each in firings) > tokens.shape[1]
    promised = [each for each in firings if each.promise is not None and each.status == Status.MET]
    assert len(promised) > 100
    assert all(each.after >= each.promise - 1e-5 for each in promised)
    assert all(abs(each.after - each.promise) < 1e-5 for each in promised if each.strength)
    assert torch.equal(model.generate(tokens, max_new_tokens=10, do_sample=False), plain)


def test_a_file_with_a_mistake_is_refused_before_the_model_is_touched(tmp_path):
    path = tmp_path / "RULES.toml"
    path.write_text(FILE.replace("seen_before", "sean_before"), encoding="utf-8")
    model = tiny_decoder("gpt2")
    with pytest.raises(InputError, match="sean_before"), localist.ruled(model, path, Words(), BLOCK):
        pass
    assert model.config._attn_implementation == "eager"


def test_embeddings_are_refused(tmp_path):
    path = tmp_path / "RULES.toml"
    path.write_text(FILE, encoding="utf-8")
    model = tiny_decoder("gpt2")
    with localist.ruled(model, path, Words(), BLOCK), pytest.raises(DomainError, match="need every token"):
        model(inputs_embeds=torch.randn(1, 6, 32))


def test_rules_may_be_given_as_they_were_read():
    rules = parse_rules(FILE)
    assert [each.name for each in rule_plan.plan_of(rules, Words())._named] == ["own", "back", "push"]
