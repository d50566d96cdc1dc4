"""Steered attention of single calls, beside rows computed from their definition."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from steering import RULES, check_rows
from tiny import one_thread  # noqa: F401

from empirical.attention.attention_call import AttentionCall
from empirical.steering import pieces
from empirical.steering.firings import Firings, SteeringRule
from empirical.steering.steered_call import steer
from empirical.steering.strengths import Promises, Status, Strengths
from theory.errors import DomainError

BATCH, HEADS, KEYS, WIDTH = 2, 4, 24, 8


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def call(queries=KEYS, layer=1, key_heads=2, bias=0.0, dtype=torch.float64, **options):
    query, key = 2 * random(BATCH, HEADS, queries, WIDTH), random(BATCH, key_heads, KEYS, WIDTH, seed=1)
    value = random(BATCH, key_heads, KEYS, 6, seed=2)
    ids = (torch.arange(KEYS) // 5).expand(BATCH, -1)
    if queries < KEYS and "visible" not in options:
        options["visible"] = torch.ones(1, queries, KEYS, dtype=torch.bool).tril(KEYS - queries)
    states = (each.to(dtype) for each in (query, key, value))
    return AttentionCall(layer, *states, ids=ids, own=ids[:, KEYS - queries :], scale=0.5, bias=bias, **options)


def firings(queries=KEYS, keys=KEYS, rules=RULES, share=0.4):
    generator = torch.Generator().manual_seed(7)
    fires = torch.rand(len(rules), BATCH, queries, generator=generator) < share
    targets = torch.rand(len(rules), BATCH, keys, generator=generator) < 0.3
    return Firings(rules, fires, targets)


def padded():
    """The second text has 5 tokens of padding on the left."""
    real = torch.ones(BATCH, KEYS, dtype=torch.bool)
    real[1, :5] = False
    visible = torch.ones(KEYS, KEYS, dtype=torch.bool).tril() & real[:, None]
    return {"visible": visible, "real": real}


SLIDING = torch.ones(1, KEYS, KEYS, dtype=torch.bool).tril().triu(-6)
SINKS = random(HEADS, seed=3)
CASES = {
    "whole": {},
    "one key head per head": {"key_heads": 4},
    "soft cap": {"softcap": 2.0},
    "sinks": {"sinks": SINKS},
    "sliding window": {"visible": SLIDING},
    "padding": padded(),
    "dial": {"bias": 1.3},
    "a dial per head": {"bias": (0.0, 1.0, math.inf, 2.0), "sinks": SINKS},
    "dial 1": {"bias": math.inf},
    "all at once": {"bias": (0.0, 1.0, math.inf, 2.0), "sinks": SINKS, "softcap": 3.0, **padded()},
}


@pytest.mark.parametrize("case", CASES)
def test_rows_are_those_of_the_definition(case):
    one, which = call(**CASES[case]), firings()
    output, rows = steer(one, which)
    assert check_rows(one, which, output, rows) > 100
    assert Status.MET in rows.status


@pytest.mark.parametrize("queries", [1, 3])
def test_steps_over_a_cache_and_a_sliding_cache(queries):
    # The rules know more tokens than the layer has kept.
    which = firings(queries, KEYS + 9)
    for options in ({}, {"sinks": SINKS}):
        one = call(queries, **options)
        output, rows = steer(one, which)
        assert check_rows(one, which, output, rows) > 0


@pytest.mark.parametrize("queries", [1, KEYS])
def test_pieces_change_nothing(queries, monkeypatch):
    one, which = call(queries, sinks=SINKS), firings(queries, share=0.8)
    found = []
    for scores in (1 << 19, 1):
        monkeypatch.setattr(pieces, "SCORES", scores)
        output, rows = steer(one, which)
        order = (((rows.text * KEYS + rows.query) * HEADS + rows.head) * len(RULES) + rows.rule).argsort()
        found.append((output, rows.strength[order], rows.after[order]))
    for whole, small in zip(*found, strict=True):
        assert torch.allclose(whole, small, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_promises_are_kept_in_other_formats(dtype):
    one = call(dtype=dtype)
    output, rows = steer(one, firings())
    assert output.dtype == dtype
    # Scores of these formats differ from those in float64; promises are kept in the weights that made the output.
    near = 1e-5 if dtype == torch.float32 else 3e-2
    check_rows(one, firings(), output, rows, near=near)
    promised = torch.tensor([rule.promise or 0.0 for rule in RULES], dtype=torch.float64)[rows.rule]
    assert (rows.after[rows.met] >= promised[rows.met] - 1e-9).all()


def test_impossible_promises_leave_the_row_and_are_marked():
    targets = torch.zeros(2, BATCH, KEYS, dtype=torch.bool)
    targets[0, :, ::2], targets[1, :, 1::2] = True, True
    rules = [SteeringRule("even", promise=0.7), SteeringRule("odd", promise=0.6)]
    which = Firings(rules, torch.ones(2, BATCH, KEYS, dtype=torch.bool), targets)
    one = call()
    output, rows = steer(one, which)
    # The first query does not see the second target.
    assert set(rows.status[rows.query > 0].tolist()) == {Status.IMPOSSIBLE}
    assert not rows.met[rows.query > 0].any()
    assert torch.allclose(output[:, :, 1:], one.output[:, :, 1:], atol=1e-12)
    assert set(rows.status[(rows.query == 0) & (rows.rule == 1)].tolist()) == {Status.NO_KEY}


def test_a_layer_or_pass_without_rules_keeps_its_output():
    one = call(layer=0)
    only = [RULES[3]] * 2
    for which in (firings(rules=only), firings(share=0.0)):
        output, rows = steer(one, which)
        assert rows is None
        assert torch.equal(output, one.output)


def _planted(change):
    right = Promises.least_change

    def wrong(self, masses):
        found = right(self, masses)
        return Strengths(*change(found.values, found.status))

    return wrong


@pytest.mark.parametrize(
    "change",
    [
        lambda values, status: (0.99 * values, status),
        lambda values, status: (0.0 * values, status),
        lambda values, status: (values * (np.arange(values.shape[-1]) > 0), status),
    ],
    ids=["a factor", "promises ignored", "one promise ignored"],
)
def test_planted_strengths_too_small_are_measured_as_not_met(change, monkeypatch):
    assert steer(call(), firings())[1].met.sum() > 100
    monkeypatch.setattr(Promises, "least_change", _planted(change))
    _, rows = steer(call(), firings())
    assert (rows.status == Status.UNSOLVED).sum() > 20
    promised = torch.tensor([rule.promise or 0.0 for rule in RULES], dtype=torch.float64)[rows.rule]
    assert (rows.after[rows.met] >= promised[rows.met] - 1e-9).all()


def test_planted_strengths_too_large_are_no_least_change(monkeypatch):
    monkeypatch.setattr(Promises, "least_change", _planted(lambda values, status: (1.01 * values, status)))
    output, rows = steer(call(), firings())
    with pytest.raises(AssertionError):
        check_rows(call(), firings(), output, rows)


def test_a_planted_target_of_another_text_is_found():
    which = firings()
    swapped = replace(which, targets=which.targets.flip(1))
    output, rows = steer(call(), swapped)
    with pytest.raises(AssertionError):
        check_rows(call(), which, output, rows)


def test_refusals():
    with pytest.raises(DomainError, match=r"fire at \(2, 3\) queries and have 24 keys do not fit 2 sequences of 24"):
        steer(call(), firings(3))
    with pytest.raises(DomainError, match="do not fit"):
        steer(call(), firings(keys=KEYS - 1))
    with pytest.raises(DomainError, match="no dropout"):
        steer(call(dropout=0.1), firings())
    learning = call()
    learning.query.requires_grad_()
    with pytest.raises(DomainError, match="no gradients"):
        steer(learning, firings())
    with pytest.raises(DomainError, match="names head 4 of layers that have 4"):
        steer(call(), firings(rules=[SteeringRule("far", promise=0.5, heads=frozenset({4}))]))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "rule 'r' must have either a promise or a strength"),
        ({"promise": 0.5, "strength": 1.0}, "either a promise or a strength"),
        ({"promise": 1.0}, r"promises 1.0: a promise must lie in \(0, 1\)"),
        ({"promise": math.nan}, r"must lie in \(0, 1\)"),
        ({"strength": -1.0}, "has strength -1.0: it must be finite and at least 0"),
        ({"strength": math.nan}, "must be finite"),
        ({"strength": math.inf}, "must be finite"),
    ],
)
def test_wrong_rules(options, reason):
    with pytest.raises(DomainError, match=reason):
        SteeringRule("r", **options)


def test_wrong_firings():
    with pytest.raises(DomainError, match="need bool tensors"):
        Firings(RULES, torch.ones(4, 2, 3), torch.ones(4, 2, 3).bool())
    with pytest.raises(DomainError, match="4 rules need bool tensors"):
        Firings(RULES, torch.ones(3, 2, 3).bool(), torch.ones(3, 2, 3).bool())


def test_more_rules_than_a_word_has_bits():
    rules = [SteeringRule(str(number), promise=0.05) for number in range(70)]
    one, which = call(), firings(rules=rules, share=0.05)
    output, rows = steer(one, which)
    assert check_rows(one, which, output, rows) > 100
