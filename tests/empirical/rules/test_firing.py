"""Where rules fire, against plain functions token by token, and piece by piece."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruled_texts import FORMULAS, TARGETS, rule_file, texts

from empirical.rules import firing
from empirical.rules.firing import Rules, TokenText
from empirical.rules.rule_file import parse_rules
from theory.errors import DomainError, InputError


def read(pairs):
    """The rules whose single checks pass, and their meanings."""
    kept, meanings = [], []
    for when, target in pairs:
        try:
            kept += parse_rules(rule_file([(when[0], target[0], 0.1)]))
            meanings.append((when[1], target[1]))
        except InputError:
            continue
    return kept, meanings


PAIRS = st.lists(st.tuples(FORMULAS, TARGETS), min_size=1, max_size=4)


@given(PAIRS, texts())
def test_rules_mean_what_they_say(pairs, drawn):
    text, tokens = drawn
    rules, meanings = read(pairs)
    if not rules:
        return
    asked = Rules(rules)
    fires, rows = asked.fires(text), asked.rows(text)
    for r, (when, target) in enumerate(meanings):
        for q, query in enumerate(tokens):
            seen = [target(key, query) for key in tokens[: q + 1]]
            assert rows[r, q].tolist() == seen + [False] * (len(tokens) - q - 1)
            assert fires[r, q] == (when(query) and any(seen))


@given(PAIRS, texts(), st.data())
def test_pieces_give_what_the_whole_text_gives(pairs, drawn, data):
    text, _ = drawn
    rules, _ = read(pairs)
    if not rules:
        return
    asked = Rules(rules)
    whole = asked.start().append(text)
    cuts = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text)), max_size=4))})
    reader = asked.start()
    pieces = [reader.append(TokenText(text.tokens[a:b], text.blocks[a:b], np.arange(a, b))) for a, b in pairwise(cuts)]
    assert np.array_equal(np.hstack([each.fires for each in pieces]), whole.fires)
    assert np.array_equal(np.hstack([each.targets for each in pieces]), whole.targets)


def one(when, target="own block"):
    return Rules(parse_rules(rule_file([(when, target, 0.1)])))


def test_rule_fires_only_where_a_key_of_its_target_is_seen():
    rules = one("block_position == 0", 'tokens(text == "a")')
    assert rules.fires(TokenText(["b", "a", "b"], np.array([0, 1, 2]))).tolist() == [[False, True, True]]


def test_each_different_text_is_decided_once(monkeypatch):
    asked = []
    real = firing.holds_for
    monkeypatch.setattr(firing, "holds_for", lambda predicate, text: asked.append(text) or real(predicate, text))
    reader = one('matches("a")').start()
    for _ in range(3):
        reader.append(TokenText(["a", "b", "a"], np.array([0, 0, 0])))
    assert sorted(asked) == ["a", "b"]


def test_empty_piece():
    assert one("seen_before").fires(TokenText([], np.array([]))).shape == (1, 0)


@pytest.mark.parametrize(
    ("tokens", "blocks", "positions", "law"),
    [
        ("ab", [0, 0], None, "tokens must be a sequence of texts"),
        (["a", 3], [0, 0], None, "tokens must be a sequence of texts"),
        (["a", "b"], [0], None, r"blocks of shape \(1,\) must be one integer for each of 2 tokens"),
        (["a", "b"], [0.0, 1.0], None, "must be one integer"),
        (["a", "b"], [-1, 0], None, "blocks must be at least 0, found -1"),
        (["a", "b"], [1, 0], None, "blocks must never fall"),
        (["a", "b"], [0, 0], [0, 2], "positions must be 0 to 1: they count the text's tokens"),
    ],
)
def test_texts_that_are_refused(tokens, blocks, positions, law):
    with pytest.raises(DomainError, match=law):
        one("seen_before").fires(
            TokenText(tokens, np.array(blocks), None if positions is None else np.array(positions))
        )


def test_no_rules_are_refused():
    with pytest.raises(DomainError, match="at least one rule"):
        Rules([])


def test_piece_must_follow_the_one_before():
    reader = one("seen_before").start()
    reader.append(TokenText(["a"], np.array([4])))
    with pytest.raises(DomainError, match="block 3 follows block 4"):
        reader.append(TokenText(["a"], np.array([3])))
    with pytest.raises(DomainError, match="positions must be 1 to 1"):
        reader.append(TokenText(["a"], np.array([4]), np.array([0])))
