"""Points at which a question's claim is certainly false: simple ones, proposals in floats, and points of open boxes."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from flint import ctx
from sympy import Symbol

from proofs_check.inequalities.search.box_search import Box, Proposals, refine
from proofs_check.inequalities.search.boxes import Side, simplest
from proofs_check.inequalities.search.claims import Question
from proofs_check.inequalities.search.enclosure import Enclosure
from proofs_check.inequalities.search.false_points import decided, false_point
from proofs_check.inequalities.search.spans import NoValue
from proofs_check.inequalities.verdict import Verdict
from theory.errors import DomainError

_PRECISIONS = (64, 256, 2048)
_DRAWN = 20_000
# The exponential of a larger number is an integer of thousands of digits.
_STEEPEST = 2000
Point = dict[str, Fraction]


def scan(question: Question) -> Point | None:
    """A simple or extreme point of the domain at which the claim is false."""
    found = false_point(question.claim, question.domain, lambda point: is_false(question, _by_name(point)))
    return None if found is None else _by_name(found)


def proposed(question: Question) -> Point | None:
    """A point of the domain at which the claim is false, among those that a search in floats proposes."""
    try:
        box = Box(question.claim, question.domain)
    except DomainError:
        # The search in floats knows fewer functions.
        return None
    proposals = Proposals(box)
    with np.errstate(all="ignore"):
        proposals.add(box.draw(np.random.default_rng(0), _DRAWN))
        refine(box, proposals)
    found = proposals.refuted()
    return None if found is None else _by_name(found)


def near(question: Question, box: Mapping[str, Side]) -> Point | None:
    """A point of a box at which the claim is false: its middle, its simplest point, and simple fractions."""
    for pick in (Side.inside, _simple, _fraction):
        point = back({name: pick(side) for name, side in box.items()}, question)
        if point is not None and is_false(question, point):
            return point
    return None


def _simple(side: Side) -> Fraction:
    if side.low is None or side.high is None:
        return side.inside()
    x = simplest(side.low, side.high)
    return x if side.holds(x) else side.inside()


def _fraction(side: Side) -> Fraction:
    if side.low is None or side.high is None:
        return side.inside()
    x = ((side.low + side.high) / 2).limit_denominator(64)
    return x if side.holds(x) else side.inside()


def back(point: Mapping[str, Fraction], question: Question) -> Point | None:
    """The point in the claim's own letters; through a logarithm, a rational close to it."""
    values = dict(point)
    for change in reversed(question.changes):
        if change.kind == "lambert" and values[change.new] > _STEEPEST:
            return None
        values[change.letter] = change.back(values)
    found = {name: x for name, x in values.items() if name in question.sides}
    for name, side in question.sides.items():
        found.setdefault(name, side.inside())
        if not side.holds(found[name]):
            return None
    return found


def is_false(question: Question, point: Point) -> bool:
    """Whether the claim is certainly false at an exact point of its domain; undefined there is not false."""
    place = {symbol: point[symbol.name] for symbol in question.claim.free_symbols}
    if any(symbol.is_integer and x.denominator != 1 for symbol, x in place.items()):
        return False
    seen = _seen_false(question, point)
    if seen is False:
        # Much faster than the decision, and enough at most points.
        return False
    verdict = decided(question.claim, place)
    # An affine condition that holds by equality is certain to the enclosure alone.
    return verdict is Verdict.REFUTED or (seen is True and verdict is Verdict.UNDECIDED)


def _seen_false(question: Question, point: Point) -> bool | None:
    """Whether an enclosure at the point is below 0; None where none tells.

    Sides that no precision separates do not make a claim false that allows equality.
    """
    found = None
    for precision in _PRECISIONS:
        with ctx.workprec(precision):
            try:
                value = Enclosure(question.pool, {name: Side.at(x) for name, x in point.items()}).span(question.plain)
            except NoValue:
                continue
        if value.is_positive():
            return False
        if value.is_negative() or (question.strict and value.is_nonpositive()):
            return True
        found = None if question.strict else False
    return found


def _by_name(point: Mapping[Symbol, Fraction]) -> Point:
    return {symbol.name: x for symbol, x in point.items()}
