"""The theory of tokens: whatever real texts do is possible, and what is called impossible never happens."""

from __future__ import annotations

import json

import pytest
import z3
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from ruled_texts import FORMULAS, PLACE, texts

from empirical.rules.formula import parse_formula
from empirical.rules.token_theory import Shape, Token, TokenTheory, possible


def described(token):
    """A formula that says everything about a token."""
    said = [f"text == {json.dumps(token['text'])}", *(f"{place} == {token[place]}" for place in PLACE)]
    return " and ".join(said) + (" and seen_before" if token["seen_before"] else " and not seen_before")


def shape_of(tokens):
    sizes = [sum(each["block"] == n for each in tokens) for n in range(tokens[-1]["block"] + 1)]
    # The last block may be cut short.
    return Shape(len(tokens), min(sizes[:-1], default=1), max(sizes))


@settings(max_examples=40)
@given(texts(), FORMULAS, FORMULAS, st.data())
def test_rows_of_real_texts_are_possible(drawn, one, other, data):
    _, tokens = drawn
    q = data.draw(st.integers(0, len(tokens) - 1))
    k = data.draw(st.integers(0, q))
    of_query, of_key, extra, more = (
        parse_formula(each) for each in (described(tokens[q]), described(tokens[k]), one[0], other[0])
    )
    for shape in (Shape(), shape_of(tokens)):
        theory = TokenTheory([of_query, of_key, extra, more], shape)
        query, key = theory.token("query"), theory.token("key")
        solver = theory.solver(query.laws, key.laws, theory.sees(query, key))
        solver.add(query.satisfies(of_query), key.satisfies(of_key))
        assert possible(solver)
        # A fully described token decides every formula, as its meaning does.
        for formula, means, token, place in ((extra, one, query, q), (more, other, key, k)):
            assert possible(solver, token.satisfies(formula)) is means[1](tokens[place])


@given(texts(), FORMULAS)
def test_formulas_that_hold_somewhere_are_possible_without_their_texts(drawn, formula):
    """Here the theory does not know the token's text unless the formula names it."""
    _, tokens = drawn
    read = parse_formula(formula[0])
    theory = TokenTheory([read], Shape())
    token = theory.token("token")
    solver = theory.solver(token.laws, token.satisfies(read))
    assert possible(solver) or not any(formula[1](each) for each in tokens)


def impossible(query, key, shape=None):
    formulas = parse_formula(query), parse_formula(key)
    theory = TokenTheory(formulas, shape or Shape())
    tokens = theory.token("query"), theory.token("key")
    solver = theory.solver(theory.sees(*tokens), *(each.laws for each in tokens))
    solver.add(*(each.satisfies(formula) for each, formula in zip(tokens, formulas, strict=True)))
    return possible(solver) is False


@pytest.mark.parametrize(
    ("query", "key", "shape"),
    [
        ("position == 3", "position == 4", None),
        ("block == 3", "block == 4", None),
        ("position == 3", 'position == 3 and text == "a" and not text == "a"', None),
        ('text == "a" and position == 3', 'text == "b" and position == 3', None),
        ('text == "a" and not seen_before', 'text == "a" and position < 3 and block == 1 and block_position == 2',
         None),
        ("block == 2 and block_position == 1", "block == 2 and block_position == 2", None),
        ("block == 2 and position == 5 and block_position == 1", "block == 2 and position == 4 and block_position == 1",
         None),
        ("block == 1 and block_position == 0 and position == 4", "block == 0 and position == 4", None),
        ("position == 40", "position == 3", Shape(40)),
        ("block == 2 and position < 8", "position == 0", Shape(None, 4)),
        ("block == 2 and position > 11", "position == 0", Shape(None, 1, 4)),
        ("block_position == 4", "position == 0", Shape(None, 1, 4)),
    ],
)  # fmt: skip
def test_rows_that_no_text_has(query, key, shape):
    assert impossible(query, key, shape)


def rows_without_shrinking():
    """The property above, which stops at its first failure."""
    body = test_rows_of_real_texts_are_possible.hypothesis.inner_test
    drawn = given(texts(), FORMULAS, FORMULAS, st.data())(body)
    settings(max_examples=40, phases=[Phase.generate])(drawn)()


def test_planted_law_is_found(monkeypatch):
    """A theory in which a query does not see itself contradicts a real row."""
    real = TokenTheory.sees
    monkeypatch.setattr(
        TokenTheory, "sees", lambda self, q, k: z3.And(real(self, q, k), q.places["position"] > k.places["position"])
    )
    with pytest.raises(AssertionError):
        rows_without_shrinking()


def test_planted_predicate_is_found(monkeypatch):
    real = Token._laws
    monkeypatch.setattr(Token, "_laws", lambda self, shape: [*real(self, shape), self.places["block"] < 2])
    with pytest.raises(AssertionError):
        rows_without_shrinking()
