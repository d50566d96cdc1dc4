"""What a checker decides about a text: due and idle queries, draws, and the firings made of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from empirical.attention.block_kinds import WindowBlocks
from empirical.attention.text import Text
from empirical.checkers.checker import CheckedText, Checker, Decided, Decision
from empirical.rules.firing import Rules, TokenText
from empirical.rules.rule_file import parse_rules
from empirical.steering.rule_plan import RulePlan
from theory.errors import DomainError

FILE = """
[[rule]]
name = "own"
when = 'class(digit)'
target = 'own block'
fidelity = 0.7

[[rule]]
name = "back"
when = 'text == "a" and block > 0'
target = 'tokens(text == "b" and position > 3)'
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
PARSED = parse_rules(FILE)


def text_of(token):
    return WORDS[token % len(WORDS)]


@pytest.fixture(scope="module")
def tokens():
    return torch.randint(0, 90, (1, 60), generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def said(tokens):
    return Checker(PARSED, text_of).read(tokens, WindowBlocks(BLOCK))


def test_due_and_idle_queries_are_those_of_the_rules(said, tokens):
    text = TokenText([text_of(each) for each in tokens[0].tolist()], np.arange(60) // BLOCK)
    rules = Rules(PARSED)
    due, visible = rules.fires(text), rules.rows(text).any(-1)
    assert np.array_equal(said.due, due)
    assert np.array_equal(said.idle, visible & ~due)
    # Some queries are neither.
    assert due.any(1).all()
    assert said.idle.any(1).all()
    assert not (said.due | said.idle).all()


def test_a_checker_without_errors_decides_as_a_plan_does(said, tokens):
    nothing = np.zeros_like(said.due)
    ours = said.firings(nothing, nothing)
    places = torch.arange(60)[None]
    theirs = RulePlan(PARSED, text_of).firings(Text(1, 60, places, places // BLOCK, None, tokens, []))
    assert [each.name for each in ours.rules] == [each.name for each in theirs.rules]
    assert [each.promise for each in ours.rules] == [each.promise for each in theirs.rules]
    assert torch.equal(ours.fires, theirs.fires)
    assert torch.equal(ours.targets, theirs.targets)


def test_each_decision_is_found_in_the_firings(said):
    missed, false = said.drawn(0.4, 0.3, (1, 2))
    firings, found = said.firings(missed, false), {each: np.zeros_like(said.due) for each in Decision}
    for rule, fires in zip(firings.rules, firings.fires[:, 0].numpy(), strict=True):
        assert rule.name == PARSED[rule.index].name
        found[rule.decision][rule.index] |= fires
        promise, strength = PARSED[rule.index].fidelity, PARSED[rule.index].strength
        assert (rule.promise, rule.strength) == (
            (None, 0.0) if rule.decision is Decision.MISSED else (promise, strength)
        )
        assert (rule.layers, rule.heads) == (PARSED[rule.index].layers, PARSED[rule.index].heads)
    assert np.array_equal(found[Decision.FIRED], said.due & ~missed)
    assert np.array_equal(found[Decision.MISSED], missed)
    assert np.array_equal(found[Decision.FALSE], false)
    assert missed.any()
    assert false.any()


def test_own_blocks_are_the_targets_of_their_own_queries(said):
    missed, false = said.drawn(0.4, 0.3, (1, 2))
    firings = said.firings(missed, false)
    blocks = np.arange(60) // BLOCK
    for rule, fires, targets in zip(firings.rules, firings.fires[:, 0], firings.targets[:, 0], strict=True):
        if rule.name == "own":
            (block,) = set(blocks[fires.numpy()])
            assert np.array_equal(targets.numpy(), blocks == block)


def test_draws_have_their_probabilities_and_no_common_cause():
    shape = 2, 50_000
    text = CheckedText(
        PARSED[:2], np.zeros(2, bool), np.zeros(shape[1], int), *(np.ones(shape, bool) for _ in range(3))
    )
    missed, false = text.drawn(0.3, 0.1, (0, 0))
    for where, chance in ((missed, 0.3), (false, 0.1)):
        # Five standard deviations.
        assert abs(where.mean(1) - chance).max() < 5 * np.sqrt(chance * (1 - chance) / shape[1])
    pairs = [missed[0] & missed[1], missed[0, 1:] & missed[0, :-1]]
    assert max(abs(both.mean() - 0.09) for both in pairs) < 5 * np.sqrt(0.09 * 0.91 / shape[1])
    again = text.drawn(0.3, 0.1, (0, 0))
    assert np.array_equal(missed, again[0])
    assert np.array_equal(false, again[1])
    assert not np.array_equal(missed, text.drawn(0.3, 0.1, (0, 1))[0])


@pytest.mark.parametrize(("share", "expected"), [(0.0, False), (1.0, True)])
def test_draws_at_the_ends(said, share, expected):
    missed, false = said.drawn(share, share, (5,))
    assert np.array_equal(missed, said.due & expected)
    assert np.array_equal(false, said.idle & expected)


def test_firings_for_another_text_are_refused(said, tokens):
    places = torch.arange(60)[None]
    plan = Decided(None, tokens)
    assert plan.firings(Text(1, 60, places, places, None, tokens, [])) is None
    with pytest.raises(DomainError, match="decided for another text"):
        plan.firings(Text(1, 60, places, places, None, tokens.flip(1), []))
