"""Decoders steered by rules, in whole passes and in generation."""

from __future__ import annotations

import pytest
import torch
from families import FAMILIES, tiny_decoder
from steering import POSSIBLE, TokenPlan, check_rows
from tiny import one_thread  # noqa: F401
from transformers import DynamicCache

import localist
from empirical.attention.attach import Attachment
from empirical.attention.block_cache import BlockCache
from empirical.attention.block_kinds import WindowBlocks
from empirical.steering import steered as module
from empirical.steering import steered_call
from empirical.steering.firings import SteeringRule
from empirical.steering.steered import steered
from empirical.steering.strengths import Promises, Status, Strengths
from theory.errors import DomainError

BATCH, PROMPT, NEW = 2, 20, 12
PADDED = 6


def plan(rules=POSSIBLE):
    """Each rule fires at two thirds of the tokens and targets a third."""
    conditions = [{token for token in range(97) if (token + shift) % 3} for shift in range(len(rules))]
    targets = [{token for token in range(97) if (token * (shift + 2)) % 7 < 3} for shift in range(len(rules))]
    return TokenPlan(rules, conditions, targets)


def silent():
    return TokenPlan(POSSIBLE, [set()] * 4, [set(range(97))] * 4)


def prompt(padded=False):
    tokens = torch.randint(3, 90, (BATCH, PROMPT), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(tokens)
    if padded:
        mask[1, :PADDED], tokens[1, :PADDED] = 0, 0
    return {"input_ids": tokens, "attention_mask": mask}


def generated(model, **given):
    out = model.generate(
        **(given or prompt()),
        max_new_tokens=NEW,
        min_new_tokens=NEW,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return out.sequences, torch.stack(out.logits)


class Checked:
    """Checks each layer's rows against their definition, as they are computed."""

    def __init__(self, monkeypatch, near):
        self.firings, self.calls = 0, 0

        def steer(call, firings):
            output, rows = steered_call.steer(call, firings)
            self.calls += 1
            if rows is not None:
                self.firings += check_rows(call, firings, output, rows, near)
            return output, rows

        monkeypatch.setattr(module, "steer", steer)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("family", ["gpt2", "llama", "mistral", "gemma2", "gemma3_text", "gpt_oss"])
def test_every_promise_is_met_in_generation(family, padded, monkeypatch):
    model = tiny_decoder(family)
    checked = Checked(monkeypatch, 1e-5)
    with steered(model, plan()) as log:
        generated(model, **prompt(padded))
    assert checked.calls == 2 * NEW
    firings = list(log)
    assert len(firings) == checked.firings > 500
    promised = [each for each in firings if each.promise is not None]
    # Only targets that no key of the row belongs to are not met.
    assert {each.status for each in promised} <= {Status.MET, Status.NO_KEY}
    for each in promised:
        assert each.after >= each.promise - 1e-5 or each.before == each.after == 0
    assert sum(each.broken for each in log.passes) == sum(each.status != Status.MET for each in firings)
    assert len(log.passes) == NEW
    for number, each in enumerate(log.passes):
        last = {(firing.text, firing.position) for firing in each}
        assert max(position for text, position in last if text == 0) <= PROMPT - 1 + number
        assert all(position <= PROMPT - 1 - PADDED * padded + number for text, position in last if text == 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_rules_that_never_fire_leave_every_logit(family):
    model = tiny_decoder(family)
    with Attachment(model, WindowBlocks(2**31 - 1)).attached():
        tokens, logits = generated(model)
    with steered(model, silent()) as log:
        again, found = generated(model)
    assert torch.equal(found, logits)
    assert torch.equal(again, tokens)
    assert list(log) == []


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_oss"])
def test_logits_before_the_first_firing_are_untouched(family):
    model, given = tiny_decoder(family), prompt()["input_ids"][:1]
    given[0, 11] = 95
    late = TokenPlan([SteeringRule("late", promise=0.9)], [{95}], [{int(given[0, 3])}])
    with torch.no_grad(), Attachment(model, WindowBlocks(2**31 - 1)).attached():
        plain = model(given).logits
    with torch.no_grad(), steered(model, late) as log:
        found = model(given).logits
    assert torch.equal(found[:, :11], plain[:, :11])
    assert not torch.allclose(found[:, 11:], plain[:, 11:])
    assert {(each.position, each.layer, each.head) for each in log} == {
        (11, layer, head) for layer in (0, 1) for head in range(4)
    }


@pytest.mark.parametrize(
    "family", ["gpt2", "gpt_oss", *(pytest.param(each, marks=pytest.mark.slow) for each in ("llama", "mistral"))]
)
def test_steps_with_a_cache_are_the_whole_pass(family):
    model, tokens = tiny_decoder(family, torch.float64), prompt()["input_ids"]
    with torch.no_grad(), steered(model, plan()) as whole:
        logits = model(tokens, use_cache=False).logits
    cache, found = DynamicCache(config=model.config), []
    with torch.no_grad(), steered(model, plan()) as log:
        for part in tokens.split([9, 4, *[1] * 7], dim=1):
            found.append(model(part, past_key_values=cache).logits)
    assert torch.allclose(torch.cat(found, 1), logits, atol=1e-6)

    def by_row(log):
        return {(each.text, each.position, each.layer, each.head, each.rule): each for each in log}

    assert by_row(log).keys() == by_row(whole).keys()
    for row, each in by_row(log).items():
        assert each.after == pytest.approx(by_row(whole)[row].after, abs=1e-7)
        assert each.status == by_row(whole)[row].status


def test_dials_and_rules_together(monkeypatch):
    model = tiny_decoder("llama")
    checked = Checked(monkeypatch, 1e-5)
    with steered(model, plan(), block=8, dials=[0.5, 0.8]):
        generated(model)
    assert checked.firings > 500


def test_beams_and_the_models_own_attention_afterwards():
    model = tiny_decoder("gpt2")
    before = model(prompt()["input_ids"]).logits
    with steered(model, plan()) as log:
        model.generate(**prompt(), max_new_tokens=4, num_beams=3, do_sample=False)
    assert len(log.passes) == 4
    assert torch.equal(model(prompt()["input_ids"]).logits, before)


def test_rules_may_change_between_tokens():
    class Changing(TokenPlan):
        passes = 0

        def firings(self, text):
            self.passes += 1
            self.rules = [SteeringRule(f"version {self.passes}", promise=0.5 + self.passes / 100)]
            return super().firings(text)

    model = tiny_decoder("llama")
    with steered(model, Changing([], [set(range(97))], [set(range(0, 97, 2))])) as log:
        generated(model)
    assert [{each.rule for each in every} for every in log.passes] == [{f"version {n + 1}"} for n in range(NEW)]
    assert {each.promise for each in log} == {0.5 + (n + 1) / 100 for n in range(NEW)}


@pytest.mark.parametrize("change", [lambda b: 0.99 * b, lambda b: 0 * b], ids=["a factor", "promises ignored"])
def test_a_planted_solver_that_breaks_promises_is_logged(change, monkeypatch):
    right = Promises.least_change

    def wrong(self, masses):
        found = right(self, masses)
        return Strengths(change(found.values), found.status)

    monkeypatch.setattr(Promises, "least_change", wrong)
    model = tiny_decoder("llama")
    with steered(model, plan()) as log:
        generated(model)
    broken = [each for each in log if each.status == Status.UNSOLVED]
    assert len(broken) > 100
    assert all(each.after < each.promise for each in broken)


def test_a_planted_output_without_rules_is_found(monkeypatch):
    right = steered_call._output
    monkeypatch.setattr(steered_call, "_output", lambda call, piece, weights: right(call, piece, weights * 0.999))
    Checked(monkeypatch, 1e-6)
    model = tiny_decoder("llama")
    with steered(model, plan()), pytest.raises(AssertionError):
        generated(model)


def test_a_pass_that_is_broken_off_is_not_logged():
    class Broken(TokenPlan):
        def firings(self, text):
            raise DomainError("the plan is broken")

    model = tiny_decoder("gpt2")
    with pytest.raises(DomainError, match="the plan is broken"), steered(model, Broken([], [], [])) as log:
        generated(model)
    assert log.passes == []


def test_refusals():
    model, tokens = tiny_decoder("gpt2"), prompt()["input_ids"]
    with steered(model, plan()), pytest.raises(DomainError, match="rules have no gradients"):
        model(tokens)
    with pytest.raises(DomainError, match="dials move attention towards blocks"), steered(model, plan(), dials=0.5):
        pass
    far = [SteeringRule("far", promise=0.5, layers=frozenset({2}))]
    with torch.no_grad(), steered(model, plan(far)), pytest.raises(DomainError, match="'far' names layer 2 of 2"):
        model(tokens)
    with steered(model, plan()), pytest.raises(DomainError, match="already"), steered(model, plan()):
        pass
    with (
        torch.no_grad(),
        steered(model, plan(), block=8, dials=1.0),
        pytest.raises(DomainError, match="steer or watch with another cache"),
    ):
        model(tokens, past_key_values=BlockCache(model))
    with torch.no_grad(), steered(model, plan()), pytest.raises(DomainError, match="need every token"):
        model(inputs_embeds=model.get_input_embeddings()(tokens))
    with torch.no_grad(), localist.watch(model, 8), pytest.raises(DomainError, match="already"), steered(model, plan()):
        pass
