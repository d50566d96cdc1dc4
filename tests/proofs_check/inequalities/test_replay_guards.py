"""One forged certificate for every guard of the replay, hashed anew and stating its own claim, refused for its reason.

Where a guard is loosened the forgery would be accepted; where it is tightened the honest mutant beside it would not.
"""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction

import pytest
from sympy import (
    Add,
    Ge,
    Gt,
    Integer,
    Interval,
    Le,
    Lt,
    Mul,
    Piecewise,
    Pow,
    Rational,
    S,
    cos,
    exp,
    log,
    oo,
    sqrt,
    srepr,
    symbols,
    tanh,
)

from proofs_check.inequalities.replay import replay_bytes
from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.certificates import FORMAT, statement_hash
from proofs_check.inequalities.search.claims import question_of, sides_of
from proofs_check.inequalities.search.substitution import Change

x, y, z, t = symbols("x y z t", real=True)
ZERO, HALF = Integer(0), Rational(1, 2)
UNIT, BOTH = Interval(0, 1), Interval(-1, 1)
ROW = {x: UNIT}


def spelt(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def leaf(method="direct", piece=0, faces=(), **details):
    return {"leaf": {"method": method, "piece": piece, "faces": list(faces), "details": details}, "precision": 64}


def above(expr, strict=False):
    return (Gt if strict else Ge)(expr, ZERO, evaluate=False)


def made(claim, domain, tree, forms=None, choices=None, changes=(), edit=None, aliases=()):
    """The reason for which a certificate is refused that argues so; empty if it holds.

    `forms` maps slopes to expressions; the difference itself is a form of the value unless another is given.
    """
    sides = sides_of(claim, domain)
    question = question_of(claim, sides, tuple(changes))
    pool = question.pool
    written = {(): None, **(forms or {})}
    nodes = {slope: [question.difference if expr is None else pool.from_sympy(expr)] for slope, expr in written.items()}
    pairs = [[pool.from_sympy(a), pool.from_sympy(b)] for a, b in aliases]
    if tree.get("leaf", {}).get("details", {}).get("form") == 0:
        tree["leaf"]["details"]["form"] = nodes[()][0]
    chosen = {str(pool.from_sympy(kink)): side for kink, side in (choices or {}).items()}
    payload = {
        "format": FORMAT,
        "statement": {
            "srepr": srepr(claim),
            "sha256": statement_hash(claim, sides),
            "relation": question.relation,
            "lhs": question.lhs,
            "rhs": question.rhs,
            "domain": {name: side.to_json() for name, side in sides.items()},
        },
        "substitution": {change.letter: change.to_json() for change in changes},
        "nodes": [list(node) for node in pool.nodes],
        "difference": question.difference,
        "aliases": pairs,
        "pieces": [{"choices": chosen, "forms": [{"slope": list(s), "nodes": n} for s, n in nodes.items()]}],
        "tree": tree,
        "boxes": 1,
        "versions": {},
    }
    payload = json.loads(spelt(payload))
    if edit is not None:
        edit(payload)
        said = payload["statement"]
        said["sha256"] = hashlib.sha256(spelt([said["srepr"], said["domain"]]).encode()).hexdigest()
    digest = hashlib.sha256(spelt(payload).encode()).hexdigest()
    return replay_bytes((spelt({"payload": payload, "sha256": digest}) + "\n").encode()).reason


DX, DY, DXX, DYY, DXY = (("x", 1),), (("y", 1),), (("x", 2),), (("y", 2),), (("x", 1), ("y", 1))
LOW, HIGH = ("x", "low"), ("x", "high")
OPEN_0 = {x: Interval.Lopen(0, 1)}
OPEN_END = Interval.Lopen(-1, 0)
PLANE = {x: BOTH, y: BOTH}
BOWL = {(): x**2 + y**2, DX: 2 * x, DY: 2 * y, DXX: Integer(2), DYY: Integer(2), DXY: ZERO}
SADDLE = {(): x**2 - y**2, DX: 2 * x, DY: -2 * y, DXX: Integer(2), DYY: Integer(-2), DXY: ZERO}
ODD = {(): x - 1 - log(x), DX: 1 - 1 / x, DXX: x**-2}


def taylor(order, at="0", letter="x"):
    return leaf("taylor", letter=letter, order=order, at=at, form=0)


def convex(**at):
    return leaf("convex", at=at, form=0)


# Honest arguments: what they prove is true, and a guard that refuses one is too tight.
HONEST = {
    "down to a face": (above(x**2), ROW, leaf(faces=[LOW]), {DX: 2 * x}),
    "up to a face": (above(1 - x), ROW, leaf(faces=[HIGH]), {DX: Integer(-1)}),
    "strict by an open face": (above(x, True), OPEN_0, leaf(faces=[LOW]), {DX: Integer(1)}),
    "strict by a slope that is 0 at the open face": (above(x**2, True), OPEN_0, leaf(faces=[LOW]), {DX: 2 * x}),
    "mean value": (above(x + HALF), ROW, leaf("mean", at={"x": "1/2"}), {DX: Integer(1)}),
    "mean value about an open end": (above(x + HALF), OPEN_0, leaf("mean", at={"x": "0"}), {DX: Integer(1)}),
    "odd order above": (above(x), ROW, taylor(1), {DX: Integer(1)}),
    "odd order under": (above(-x), {x: Interval(-1, 0)}, taylor(1), {DX: Integer(-1)}),
    "odd order at a closed end from outside": (above(x), {x: Interval(HALF, 1)}, taylor(1), {DX: Integer(1)}),
    "strict above an open end": (above(x, True), OPEN_0, taylor(1), {DX: Integer(1)}),
    "even order on both sides": (above(x - 1 - log(x)), {x: Interval(HALF, 2)}, taylor(2, "1"), ODD),
    "at a letter": (above((x - y) ** 2), PLANE, taylor(2, "letter y"), {DX: 2 * x - 2 * y, DXX: Integer(2)}),
    "zero": (above(Add(x, -x, evaluate=False)), ROW, leaf("zero"), {}),
    "convex": (above(x**2 + y**2), PLANE, convex(x="0", y="0"), BOWL),
    "convex and strict beside the point": (
        above(x**2 + y**2, True),
        {x: Interval.Lopen(0, 1), y: BOTH},
        convex(x="0", y="0"),
        BOWL,
    ),
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


SIGN = "does not have the sign claimed"
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
    # Mean values.
    "a centre outside": (
        (above(x**2 - HALF), ROW, leaf("mean", at={"x": "10"}), {DX: 2 * x}),
        "mean value theorem does not apply",
    ),
    "one of two centres outside": (
        (
            above(x + y**2 - HALF),
            {x: UNIT, y: UNIT},
            leaf("mean", at={"x": "0", "y": "10"}),
            {DX: Integer(1), DY: 2 * y},
        ),
        "mean value theorem does not apply",
    ),
    "a mean value where it is not smooth": (
        (above(x * sqrt(x) + 1), ROW, leaf("mean", at={"x": "1/2"}), {DX: Rational(3, 2) * sqrt(x)}),
        "mean value theorem does not apply",
    ),
    "too steep a slope": ((above(x), ROW, leaf("mean", at={"x": "1/2"}), {DX: Integer(1)}), None),
    "strict by a mean value": ((above(x, True), ROW, leaf("mean", at={"x": "0"}), {DX: Integer(1)}), SIGN),
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
    # Where it is 0, and a minimum inside.
    "zero and strict": ((above(Add(x, -x, evaluate=False), True), ROW, leaf("zero"), {}), "0 is not above 0"),
    "zero where it is not": ((above(x - 1), ROW, leaf("zero"), {}), "not 0 there"),
    "convex and strict at the point": (
        (above(x**2 + y**2, True), PLANE, convex(x="0", y="0"), BOWL),
        "equal at the point",
    ),
    "a saddle": ((above(x**2 - y**2), PLANE, convex(x="0", y="0"), SADDLE), "positive definite"),
    "a saddle by its mixed slope": (
        (
            above(x**2 + y**2 - 3 * x * y),
            PLANE,
            convex(x="0", y="0"),
            {DX: 2 * x - 3 * y, DY: 2 * y - 3 * x, DXX: Integer(2), DYY: Integer(2), DXY: Integer(-3)},
        ),
        "positive definite",
    ),
    "no value 0 at the point": (
        (above(x**2 + y**2 - 1), PLANE, convex(x="0", y="0"), BOWL | {(): x**2 + y**2 - 1}),
        "does not vanish smoothly",
    ),
    "a slope at the point": (
        (above(x**2 + y**2 + y), PLANE, convex(x="0", y="0"), BOWL | {(): None, DY: 2 * y + 1}),
        "slope in y does not vanish",
    ),
    "a point beside the face": (
        (above(x**2 + y**2 - 1), {x: BOTH, y: Interval(0, 0)}, convex(x="0", y="1"), BOWL | {(): None}),
        "does not lie on the face",
    ),
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
del FORGED["too steep a slope"]


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


def change(kind, shift, sign, low, high, low_open, high_open):
    side = Side(Fraction(low), None if high is None else Fraction(high), low_open, high_open)
    return Change(kind, "x", "s", Fraction(shift), sign, side)


HALF_LINE, FROM_1 = {x: Interval(0, oo)}, {x: Interval(1, oo)}
DOWN = {x: Interval(-oo, 0)}
CHANGES = {
    # Each new letter would miss part of the old one's side, on which the claim is false; or reach beyond it.
    "exp from above the end": (above(x - 1), HALF_LINE, change("exp", 1, 1, 0, 1, True, False), "start at the end"),
    "exp from below the end": (above(x + 1), HALF_LINE, change("exp", -1, 1, 0, 1, True, False), "start at the end"),
    "fraction from above the end": (
        above(x - 1),
        HALF_LINE,
        change("fraction", 1, 1, 0, 1, False, True),
        "start at the end",
    ),
    "downwards": (above(-x - 1), DOWN, change("exp", -1, -1, 0, 1, True, False), "start at the end"),
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
    "the wrong way": (above(x), HALF_LINE, change("exp", 0, -1, 0, 1, True, False), "one finite end"),
    "two finite ends": (above(x), ROW, change("exp", 0, 1, 0, 1, True, False), "one finite end"),
    "no finite end": (
        above(x**2),
        {x: Interval(-oo, oo)},
        change("reciprocal", 0, 1, 0, None, True, True),
        "one finite end",
    ),
    "a sign that is none": (above(x), HALF_LINE, change("exp", 0, 2, 0, 1, True, False), "no known kind"),
    # The end itself is reached, and there the claim is false.
    "exp at a closed end": (above(x, True), HALF_LINE, change("exp", 0, 1, 0, 1, True, False), SIGN),
    "fraction at a closed end": (above(x, True), HALF_LINE, change("fraction", 0, 1, 0, 1, False, True), SIGN),
    "reciprocal at a closed end": (above(x - 1, True), FROM_1, change("reciprocal", 0, 1, 0, 1, True, False), SIGN),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_letter_that_misses_part_of_its_side(name):
    claim, domain, made_of, reason = CHANGES[name]
    assert reason in made(claim, domain, leaf(), changes=[made_of])


HONEST_CHANGES = {
    "exp": (above(x), HALF_LINE, change("exp", 0, 1, 0, 1, True, False)),
    "exp, strict": (above(x, True), {x: Interval.open(0, oo)}, change("exp", 0, 1, 0, 1, True, True)),
    "exp, downwards": (above(-x), DOWN, change("exp", 0, -1, 0, 1, True, False)),
    "exp, the whole line": (above(x**2), {x: Interval(-oo, oo)}, change("exp", 0, 1, 0, None, True, True)),
    "fraction": (above(x), HALF_LINE, change("fraction", 0, 1, 0, 1, False, True)),
    "fraction, strict": (above(x, True), {x: Interval.open(0, oo)}, change("fraction", 0, 1, 0, 1, True, True)),
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
