"""What a certificate says of its claim, letters and nodes: each wrong entry is refused for its reason."""

from __future__ import annotations

from fractions import Fraction

import pytest
from certificates import HALF, ROW, SIGN, UNIT, above, leaf, made, x, y
from sympy import (
    Add,
    Interval,
    Le,
    Lt,
    Mul,
    Piecewise,
    Rational,
    S,
    exp,
    log,
    oo,
    sqrt,
    srepr,
    symbols,
    tanh,
)

from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.substitution import Change


def change(kind, shift, sign, low, high, low_open, high_open):
    side = Side(Fraction(low), None if high is None else Fraction(high), low_open, high_open)
    return Change(kind, "x", "s", Fraction(shift), sign, side)


HALF_LINE, FROM_1 = {x: Interval(0, oo)}, {x: Interval(1, oo)}
DOWN = {x: Interval(-oo, 0)}
CHANGES = {
    # Each new letter would miss part of the old one's side, on which the claim is false; or reach beyond it.
    "lambert from above the end": (
        above(x - 1),
        HALF_LINE,
        change("lambert", 1, 1, 0, None, False, True),
        "at the end",
    ),
    "lambert the other way": (above(-x - 1), DOWN, change("lambert", 0, -1, 0, None, False, True), "at the end"),
    "lambert with an end": (above(x), ROW, change("lambert", 0, 1, 0, 1, False, False), "at the end"),
    "reciprocal past the end": (
        above(x - 1),
        HALF_LINE,
        change("reciprocal", 1, 1, 0, None, True, True),
        "reach the end",
    ),
    "reciprocal short of a closed end": (
        above(x, True),
        HALF_LINE,
        change("reciprocal", 0, 1, 0, None, True, True),
        "reach the end",
    ),
    "the wrong way": (above(x), HALF_LINE, change("reciprocal", 0, -1, 0, None, True, True), "one finite end"),
    "two finite ends": (above(x), ROW, change("reciprocal", 0, 1, 0, None, True, True), "one finite end"),
    "no finite end": (
        above(x**2),
        {x: Interval(-oo, oo)},
        change("reciprocal", 0, 1, 0, None, True, True),
        "one finite end",
    ),
    "a sign that is none": (above(x), HALF_LINE, change("reciprocal", 0, 2, 0, None, True, True), "no known kind"),
    "a kind for cases only": (above(x), HALF_LINE, change("line", 0, 1, 0, None, False, True), "no known kind"),
    # The end itself is reached, and there the claim is false.
    "lambert at a closed end": (above(x, True), HALF_LINE, change("lambert", 0, 1, 0, None, False, True), SIGN),
    "reciprocal at a closed end": (above(x - 1, True), FROM_1, change("reciprocal", 0, 1, 0, 1, True, False), SIGN),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_letter_that_misses_part_of_its_side(name):
    claim, domain, made_of, reason = CHANGES[name]
    assert reason in made(claim, domain, leaf(), changes=[made_of])


HONEST_CHANGES = {
    "lambert": (above(x), HALF_LINE, change("lambert", 0, 1, 0, None, False, True)),
    "lambert, strict": (above(x, True), {x: Interval.open(0, oo)}, change("lambert", 0, 1, 0, None, True, True)),
    "reciprocal": (above(x), FROM_1, change("reciprocal", 0, 1, 0, 1, True, False)),
    "reciprocal, open": (above(x, True), {x: Interval.open(0, oo)}, change("reciprocal", 0, 1, 0, None, True, True)),
}


@pytest.mark.parametrize("name", HONEST_CHANGES)
def test_an_honest_change_of_letter_holds(name):
    claim, domain, made_of = HONEST_CHANGES[name]
    assert made(claim, domain, leaf(), changes=[made_of]) == ""


def said(**entries):
    return lambda payload: payload["statement"].update(entries)


STATED = {
    "0 > 1": ("StrictGreaterThan(Integer(0), Integer(1))", "not the one replayed, which is x >= 0 for x in [0, 1]"),
    "another constant": ("GreaterThan(Symbol('x', real=True), Integer(1))", "not the one replayed"),
    "another letter": ("GreaterThan(Symbol('y', real=True), Integer(0))", "not the one replayed"),
    "another relation": ("StrictGreaterThan(Symbol('x', real=True), Integer(0))", "not the one replayed"),
    "sides exchanged": ("GreaterThan(Integer(0), Symbol('x', real=True))", "not the one replayed"),
    "an equality": ("Equality(Symbol('x'), Integer(0))", "not an inequality but Equality"),
    "three sides": ("GreaterThan(Symbol('x'), Integer(0), Integer(0))", "not an inequality"),
    "a program": ("__import__('os').system('true')", "not in sympy's spelling"),
    "an unknown function": ("GreaterThan(gamma(Symbol('x')), Integer(0))", "gamma, which has no meaning"),
    "no expression": ("GreaterThan(", "cannot be read"),
    "nothing": ("", "cannot be read"),
    "brackets without end": ("(" * 5000, "cannot be read"),
    "a name that is a number": ("GreaterThan(Symbol(3), Integer(0))", "in a wrong place"),
    "a huge float": ("GreaterThan(Float('1e999999999', precision=53), Integer(0))", "of unusual size"),
}


@pytest.mark.parametrize("name", STATED)
def test_a_claim_that_is_not_the_one_replayed_is_refused(name):
    text, reason = STATED[name]
    assert reason in made(above(x), ROW, leaf(), edit=said(srepr=text))


p = symbols("p", positive=True)
SPELLINGS = {
    "a sum in another order": x + 1 - y + x * y,
    "a coefficient": -x / 2 + x**2 * Rational(2, 3) + 5,
    "roots and powers": sqrt(p) + p ** Rational(-3, 2) + p**y,
    "tanh": 2 + tanh(x * 2),
    "larger and smaller": 7 + symbols("a", real=True) ** 2,
    "numbers": exp(1) + S.Pi + Rational(-1, 3),
    "a float": x**2 + 0.1,
    "cases": Piecewise((1, x < y), (2, x >= 1), (3, True)),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_claim_is_recognised_in_sympys_spelling_and_no_other(name):
    expr = SPELLINGS[name]
    domain = {letter: Interval(1, 2) if letter == p else UNIT for letter in expr.free_symbols}
    assert made(above(expr), domain, leaf(piece=-1)) == ""
    other = srepr(above(expr + Rational(1, 10**9)))
    assert "not the one replayed" in made(above(expr), domain, leaf(piece=-1), edit=said(srepr=other))


def test_what_is_stated_of_the_relation_the_sides_and_the_domain():
    honest = (Lt(x, 2), ROW, leaf(piece=-1))
    assert made(*honest) == ""
    assert "not the one replayed" in made(*honest, edit=said(relation="<="))
    assert "not the one replayed" in made(*honest, edit=said(lhs=0, rhs=0))
    assert "not one of the four" in made(*honest, edit=said(relation="=="))
    wide = {"low": "0", "high": "3", "low_open": False, "high_open": False}
    assert SIGN in made(*honest, edit=said(domain={"x": wide}))
    for side, reason in (
        (wide | {"low": "4"}, "the domain is empty"),
        (wide | {"low": "3", "high_open": True}, "the domain is empty"),
        (wide | {"low_open": 0}, "open or closed"),
        (wide | {"high": "inf"}, "an infinite end is open"),
        (wide | {"low": "-inf"}, "an infinite end is open"),
    ):
        assert reason in made(*honest, edit=said(domain={"x": side}))


@pytest.mark.parametrize("where", [lambda c: c, lambda c: c["statement"]], ids=["certificate", "statement"])
def test_an_entry_that_nothing_reads_is_refused(where):
    assert "unknown entries: claim" in made(above(x), ROW, leaf(), edit=lambda c: where(c).update(claim="0 > 1"))
    name = "versions" if where({"statement": {}}) else "lhs"
    assert made(above(x), ROW, leaf(), edit=lambda c: where(c).pop(name))


NODES = {
    "a part that comes later": (["exp", 99], "does not come before it"),
    "a part that is itself": (["exp", -1], "does not come before it"),
    "a part that is no number": (["exp", "0"], "does not come before it"),
    "two parts for one": (["exp", 0, 0], "wrong number of parts"),
    "one part for two": (["max", 0], "wrong number of parts"),
    "no part": (["+"], "wrong number of parts"),
    "no known kind": (["gamma", 0], "no known kind"),
    "half a power": (["^", 0, "1/2"], "not whole"),
    "root of order 1": (["root", 1, 0], "wrong order"),
    "moment below 0": (["moment", -1, 0], "wrong order"),
    "an odd comparison": (["case", "==", 0, 0, 0], "compares by"),
    "a letter without name": (["x", 7], "malformed"),
    "two names": (["x", "x", "y"], "malformed"),
    "a number that is none": (["q", "one"], "malformed"),
}


@pytest.mark.parametrize("name", NODES)
def test_a_node_that_is_none_is_refused(name):
    node, reason = NODES[name]
    assert reason in made(above(x), ROW, leaf(), edit=lambda c: c["nodes"].append(node))


def test_a_difference_that_is_another():
    def other(payload):
        payload["nodes"] += [["q", "5"], ["+", payload["statement"]["lhs"], len(payload["nodes"])]]
        payload["difference"] = len(payload["nodes"]) - 1
        payload["pieces"][0]["forms"][0]["nodes"] = [payload["difference"]]

    assert "not one side minus the other" in made(above(x - HALF), ROW, leaf(), edit=other)

    def reversed_(payload):
        said = payload["statement"]
        payload["nodes"] += [["q", "-1"], ["*", len(payload["nodes"]), said["lhs"]]]
        payload["nodes"].append(["+", said["rhs"], len(payload["nodes"]) - 1])
        payload["difference"] = len(payload["nodes"]) - 1

    assert "not the claim's" in made(above(x - 2), ROW, leaf(), edit=reversed_)
    assert "not one side minus the other" in made(above(x), ROW, leaf(), edit=lambda c: c.update(difference=0))


def test_aliases_are_checked():
    claim = above(log(x + 1))
    assert made(claim, ROW, leaf(), aliases=[(x + 1, Add(1, x, Mul(0, x, evaluate=False), evaluate=False))]) == ""
    assert "does not have the value" in made(claim, ROW, leaf(), aliases=[(x + 1, x + 2)])
    assert "letters without a domain" in made(claim, ROW, leaf(), aliases=[(x + 1, x + y)])


def test_a_claim_the_other_way_round():
    assert made(Le(x, 1), ROW, leaf()) == ""
    assert SIGN in made(Le(x, HALF), ROW, leaf())
