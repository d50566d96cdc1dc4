"""One forged certificate for every guard of the replay, hashed anew and stating its own claim, refused for its reason.

Where a guard is loosened the forgery would be accepted; where it is tightened the honest mutant beside it would not.
"""

from __future__ import annotations

import json

import pytest
from certificates import BOTH, HALF, ROW, SIGN, UNIT, ZERO, above, leaf, made, t, x, y, z
from sympy import (
    Add,
    Ge,
    Integer,
    Interval,
    Le,
    Piecewise,
    Pow,
    Rational,
    S,
    cos,
    exp,
    log,
    oo,
    sqrt,
)

DX, DY, DXX, DYY, DXY = (("x", 1),), (("y", 1),), (("x", 2),), (("y", 2),), (("x", 1), ("y", 1))
LOW, HIGH = ("x", "low"), ("x", "high")
OPEN_0 = {x: Interval.Lopen(0, 1)}
OPEN_END = Interval.Lopen(-1, 0)
PLANE = {x: BOTH, y: BOTH}
ODD = {(): x - 1 - log(x), DX: 1 - 1 / x, DXX: x**-2}


def taylor(order, at="0", letter="x"):
    return leaf("taylor", letter=letter, order=order, at=at, form=0)


# Honest arguments: what they prove is true, and a guard that refuses one is too tight.
HONEST = {
    "down to a face": (above(x**2), ROW, leaf(faces=[LOW]), {DX: 2 * x}),
    "up to a face": (above(1 - x), ROW, leaf(faces=[HIGH]), {DX: Integer(-1)}),
    "strict by an open face": (above(x, True), OPEN_0, leaf(faces=[LOW]), {DX: Integer(1)}),
    "strict by a slope that is 0 at the open face": (above(x**2, True), OPEN_0, leaf(faces=[LOW]), {DX: 2 * x}),
    "odd order above": (above(x), ROW, taylor(1), {DX: Integer(1)}),
    "odd order under": (above(-x), {x: Interval(-1, 0)}, taylor(1), {DX: Integer(-1)}),
    "odd order at a closed end from outside": (above(x), {x: Interval(HALF, 1)}, taylor(1), {DX: Integer(1)}),
    "strict above an open end": (above(x, True), OPEN_0, taylor(1), {DX: Integer(1)}),
    "even order on both sides": (above(x - 1 - log(x)), {x: Interval(HALF, 2)}, taylor(2, "1"), ODD),
    "at a letter": (above((x - y) ** 2), PLANE, taylor(2, "letter y"), {DX: 2 * x - 2 * y, DXX: Integer(2)}),
    "zero": (above(Add(x, -x, evaluate=False)), ROW, leaf("zero"), {}),
    "two boxes": (
        above(x**2),
        {x: BOTH},
        {"cut": ["x", "0", True], "parts": [leaf(), leaf()]},
        {},
    ),
    "a kink across a box": (above(Piecewise((1, x < 0), (2, True))), {x: BOTH}, leaf(piece=-1), {}),
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_argument_holds(name):
    claim, domain, tree, forms = HONEST[name]
    assert made(claim, domain, json.loads(json.dumps(tree)), forms) == ""


FORGED = {
    # Slides to a face.
    "a slope of both signs": (
        (above((x - HALF) ** 2 - Rational(1, 8)), ROW, leaf(faces=[LOW]), {DX: 2 * x - 1}),
        "one sign",
    ),
    "down a rise": ((above(x - HALF), ROW, leaf(faces=[HIGH]), {DX: Integer(1)}), "one sign"),
    "up a fall": ((above(HALF - x), ROW, leaf(faces=[LOW]), {DX: Integer(-1)}), "one sign"),
    "strict at a closed face": ((above(x, True), ROW, leaf(faces=[LOW]), {DX: Integer(1)}), SIGN),
    "strict along a flat open face": (
        (above(Add(x, -x, evaluate=False), True), OPEN_0, leaf(faces=[LOW]), {DX: ZERO}),
        SIGN,
    ),
    "a face at infinity": (
        (above(x), {x: Interval(0, oo)}, leaf(faces=[HIGH]), {DX: Integer(1)}),
        "no face at infinity",
    ),
    "no end": ((above(x), ROW, leaf(faces=[("x", "middle")]), {DX: Integer(1)}), "is not an end"),
    "a root not smooth at its face": (
        (above(sqrt(x)), OPEN_0, leaf(faces=[LOW]), {DX: 1 / (2 * sqrt(x))}),
        "may not run on to the face",
    ),
    # Taylor's theorem.
    "a value that is not 0": (
        (Ge(x - 1 - log(x), 2), {x: Interval(HALF, 2)}, taylor(2, "1"), {DX: 1 - 1 / x, DXX: x**-2}),
        "derivative 0",
    ),
    "a slope that is not 0": (
        (above(x**2 - 1), {x: Interval(0, 2)}, taylor(2, "1"), {DX: 2 * x, DXX: Integer(2)}),
        "derivative 1",
    ),
    "an odd order on both sides": ((above(x), {x: BOTH}, taylor(1), {DX: Integer(1)}), "an odd order needs"),
    "an odd order on the wrong side": ((above(x), {x: Interval(-1, 0)}, taylor(1), {DX: Integer(1)}), SIGN),
    "a fall above the place": ((above(-x), ROW, taylor(1), {DX: Integer(-1)}), SIGN),
    "a place inside the box": ((above(x - HALF), ROW, taylor(1, "1/2"), {DX: Integer(1)}), "an odd order needs"),
    "strict at the place": ((above(x, True), ROW, taylor(1), {DX: Integer(1)}), "equal at the place"),
    "strict on both sides": (
        (above(x**2, True), {x: BOTH}, taylor(2), {DX: 2 * x, DXX: Integer(2)}),
        "equal at the place",
    ),
    "a last derivative of both signs": ((above(x**3), {x: BOTH}, taylor(2), {DX: 3 * x**2, DXX: 6 * x}), SIGN),
    "order 0": ((above(x), ROW, taylor(0), {DX: Integer(1)}), "the letter is not free"),
    "an order that is no number": (
        (above(x), ROW, leaf("taylor", letter="x", order=True, at="0", form=0), {DX: Integer(1)}),
        "whole number",
    ),
    "a letter that is pinned": ((above(x), {x: Interval(1, 1)}, taylor(1), {DX: Integer(1)}), "the letter is not free"),
    "a place at itself": ((above(x), ROW, taylor(1, "letter x"), {DX: Integer(1)}), "is not a place"),
    "a place at no letter": ((above(x), ROW, taylor(1, "letter q"), {DX: Integer(1)}), "is not a place"),
    "a place at a pinned letter": (
        (above(x - y), {x: UNIT, y: Interval(0, 0)}, taylor(1, "letter y"), {DX: Integer(1)}),
        "is not a place",
    ),
    "beyond where it is smooth": (
        (above(x * sqrt(x)), ROW, taylor(1), {DX: Rational(3, 2) * sqrt(x)}),
        "may not be smooth up to the place",
    ),
    "a letter on both sides of another": (
        (above(x - y), PLANE, taylor(1, "letter y"), {DX: Integer(1)}),
        "an odd order needs",
    ),
    # Where it is 0.
    "zero and strict": ((above(Add(x, -x, evaluate=False), True), ROW, leaf("zero"), {}), "0 is not above 0"),
    "zero where it is not": ((above(x - 1), ROW, leaf("zero"), {}), "not 0 there"),
    # Kinks and pieces.
    "a piece across a kink": (
        (above(Piecewise((1, x < 0), (x - 1, True))), {x: BOTH}, leaf("zero", piece=-1), {}),
        "only an enclosure works across a kink",
    ),
    "faces across a kink": (
        (above(Piecewise((1, x < 0), (x - 1, True))), {x: BOTH}, leaf(piece=-1, faces=[HIGH]), {}),
        "only an enclosure works across a kink",
    ),
    "a piece that is not there": ((above(x), ROW, leaf(piece=-2), {}), "whole number"),
    "a method that is none": ((above(x), ROW, leaf("faith"), {}), "faith"),
    # Forms.
    "a form of another value": ((above(x - HALF), ROW, leaf(), {(): x}), "no form of the derivative"),
    "a form of another slope": (
        (above(-x + HALF), ROW, leaf(faces=[LOW]), {DX: Integer(1)}),
        "no form of the derivative",
    ),
    "the size of what may be negative": (
        (above(x - 1 - exp(log((x - 1) ** 2, evaluate=False) / 2)), {x: Interval(-1, 0)}, leaf(), {(): ZERO}),
        "no form of the derivative",
    ),
    "the size of a difference of what is not negative": (
        (
            Le(x + exp(log((x - 1) ** 2, evaluate=False) / 2, evaluate=False), HALF, evaluate=False),
            {x: Interval(0, HALF)},
            leaf(),
            {(): Rational(3, 2) - 2 * x},
        ),
        "no form of the derivative",
    ),
    "the size of a letter below 0": (
        (
            above(x - exp(log(Pow(x, 2, evaluate=False), evaluate=False) / 2)),
            {x: Interval(-1, -HALF)},
            leaf(),
            {(): ZERO},
        ),
        "no form of the derivative",
    ),
    "the size of a cosine": (
        (above(cos(x) - exp(log(cos(x) ** 2, evaluate=False) / 2)), {x: Interval(2, 3)}, leaf(), {(): ZERO}),
        "no form of the derivative",
    ),
    "the size of a logarithm": (
        (
            above(log(x) - exp(log(log(x) ** 2, evaluate=False) / 2)),
            {x: Interval(Rational(1, 4), HALF)},
            leaf(),
            {(): ZERO},
        ),
        "no form of the derivative",
    ),
    "the root of a square below 0": (
        (above(x - sqrt((x + 3) ** 2, evaluate=False) + 3), {x: Interval(-5, -4)}, leaf(), {(): ZERO}),
        "no form of the derivative",
    ),
    "the root of a square on both sides": (
        (above(x - Pow(Pow(x, 2, evaluate=False), HALF, evaluate=False)), {x: BOTH}, leaf(), {(): ZERO}),
        "no form of the derivative",
    ),
    "a letter without domain": ((above(x), ROW, leaf(), {(): x + t - t + z}), "letters without a domain"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_argument_is_refused_for_its_reason(name):
    (claim, domain, tree, forms), reason = FORGED[name]
    assert reason in made(claim, domain, json.loads(json.dumps(tree)), forms)


def test_a_branch_that_a_kink_does_not_take():
    kink = Piecewise((1, x < HALF), (x - 1, True))
    for side, form, reason in ((True, S.One, "branch it is said to"), (False, x - 1, "branch it is said to")):
        assert reason in made(above(kink), ROW, leaf(), {(): form}, choices={kink: side})
    # Where it takes that branch all over the box, the piece alone is argued about.
    assert made(above(kink), {x: Interval.Ropen(0, HALF)}, leaf(), {(): S.One}, choices={kink: True}) == ""


def test_a_condition_that_fails_at_a_closed_end_alone():
    """The coefficient of x is negative, so that the ends, and which of them is open, change places."""
    kink = Piecewise((1, -x + y > 0), (-1, True))
    domain = {x: OPEN_END, y: UNIT}
    assert SIGN in made(above(kink), domain, leaf(piece=-1))
    assert made(above(kink), {x: Interval.Ropen(-1, 0), y: UNIT}, leaf(piece=-1)) == ""


def test_a_limit_that_one_of_two_parts_reaches_is_reached():
    """x y = -1 at (1, -1); where x is below 0 the value -1 is missed, as x = -1 is."""
    domain = {x: Interval.Lopen(-1, 1), y: BOTH}
    assert SIGN in made(above(x * y + 1, True), domain, leaf())
    assert SIGN in made(above(1 - x**2, True), {x: Interval.Lopen(-1, 1)}, leaf())
    assert made(above(1 - x**2, True), {x: Interval.open(-1, 1)}, leaf()) == ""


def test_a_limit_is_missed_or_reached_as_the_part_that_has_it_does():
    """x = 1 brings y - x and 1 - x to 0, though 0 is no value of x; of two branches the lower limit counts."""
    above_x = Piecewise((1, y > x), (-1, True))
    assert SIGN in made(above(above_x, True), {x: Interval.Lopen(0, 1), y: Interval.Ropen(1, 2)}, leaf(piece=-1))
    assert made(above(above_x, True), {x: Interval.Ropen(0, 1), y: Interval(1, 2)}, leaf(piece=-1)) == ""
    assert SIGN in made(above(1 - x, True), {x: Interval.Lopen(0, 1)}, leaf())
    assert made(above(1 - x, True), {x: Interval.Ropen(0, 1)}, leaf()) == ""
    either = Piecewise((x, y > 0), (2 + y, True))
    assert SIGN in made(above(either, True), {x: Interval(0, 1), y: Interval.Lopen(-1, 1)}, leaf())
    assert made(above(either, True), {x: Interval.Lopen(0, 1), y: Interval(-1, 1)}, leaf()) == ""
    other = Piecewise((2 + y, y > 0), (x, True))
    assert SIGN in made(above(other, True), {x: Interval(0, 1), y: Interval.Lopen(-1, 1)}, leaf())


@pytest.mark.parametrize("after", [True, False])
def test_the_number_of_a_cut_belongs_to_one_part(after):
    tree = {"cut": ["x", "0", after], "parts": [leaf(), leaf()]}
    assert SIGN in made(above(x**2, True), {x: BOTH}, tree)
    # It belongs to one part only: where the pieces meet, each holds on its own side.
    kink = Piecewise((1, x <= 0) if after else (1, x < 0), (x if after else 1 + x, True))
    assert made(above(kink, after), {x: BOTH}, {"cut": ["x", "0", after], "parts": [leaf(piece=-1)] * 2}) == ""


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        ({"cut": ["x", "2", True], "parts": [leaf(), leaf()]}, "cut outside itself"),
        ({"cut": ["x", "-1/2", True], "parts": [leaf(), leaf()]}, "cut outside itself"),
        ({"cut": ["x", "1/2", 1], "parts": [leaf(), leaf()]}, "cut outside itself"),
        ({"cut": ["x", "1/2", True], "parts": [leaf()]}, "malformed"),
        ({"cut": ["q", "1/2", True], "parts": [leaf(), leaf()]}, "malformed"),
    ],
    ids=str,
)
def test_a_cut_that_is_none(tree, reason):
    assert reason in made(above(x), ROW, tree)
