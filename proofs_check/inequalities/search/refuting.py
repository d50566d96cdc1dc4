"""Points at which a claim is certainly false: exact rationals, decided by Arb, and by algebra where its sides agree."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, ctx, fmpq
from sympy import Float, Rational, Set, Symbol

from proofs_check.inequalities.points import decide_at, exactly
from proofs_check.inequalities.search.box_search import Box, Proposals, refine
from proofs_check.inequalities.search.boxes import Side, simplest
from proofs_check.inequalities.search.claims import Question
from proofs_check.inequalities.search.enclosure import Enclosure
from proofs_check.inequalities.search.pieces import is_zero
from proofs_check.inequalities.search.pool import exact
from proofs_check.inequalities.search.spans import NoValue
from proofs_check.inequalities.verdict import Verdict
from theory.errors import DomainError
from theory.lowering import Undecided, UnknownNode, arb_target, evaluate

_PRECISIONS = (64, 256, 1024)
_SCAN = 400
_NAMED = 12
_DRAWN = 20_000
Point = dict[str, Fraction]


def scan(question: Question) -> Point | None:
    """A point of the domain at which the claim is false, among its ends, numbers close to them and simple ones."""
    generator = random.Random(0)
    named = _numbers(question.claim)
    choices = {name: list(_candidates(side, named)) for name, side in question.sides.items()}
    size = 1
    for candidates in choices.values():
        size *= len(candidates)
    if size <= _SCAN:
        points: Iterator[tuple[Fraction, ...]] = itertools.product(*choices.values())
    else:
        points = (tuple(generator.choice(values) for values in choices.values()) for _ in range(_SCAN))
    for values in points:
        point = dict(zip(choices, values, strict=True))
        if is_false(question, point):
            return point
    return None


def _numbers(claim: Any) -> list[Fraction]:
    """The numbers that the claim names, where a peak or a kink may lie."""
    numbers = {exact(number) for number in claim.atoms(Rational, Float) if number.is_finite}
    return sorted(numbers, key=lambda x: (x.denominator, abs(x), x))[:_NAMED]


def _candidates(side: Side, named: list[Fraction]) -> Iterator[Fraction]:
    found: dict[Fraction, None] = {side.inside(): None}
    for number in named:
        found |= {number: None, -number: None}
    for end, inward in ((side.low, 1), (side.high, -1)):
        if end is None:
            for doubling in range(9):
                found[side.inside() - inward * Fraction(2) ** (2**doubling)] = None
            continue
        for step in (0, 1, 2, 4, 8, 16, 32, 64, 128):
            found[end + inward * (Fraction(1, 2**step) if step else Fraction(0))] = None
    for whole in (-2, -1, 0, 1, 2, 3, 5, 10, 100):
        found[Fraction(whole)] = None
    for part in (Fraction(1, 2), Fraction(1, 3), Fraction(2, 3), Fraction(1, 4), Fraction(3, 4), Fraction(1, 10)):
        found |= {part: None, -part: None}
    return (x for x in found if side.holds(x))


def proposed(question: Question, domain: Mapping[Symbol, Set]) -> Point | None:
    """A point of the domain at which the claim is false, among those that a search in floats proposes."""
    try:
        box = Box(question.claim, domain)
    except DomainError:
        # The search in floats knows fewer functions.
        return None
    proposals = Proposals(box)
    with np.errstate(all="ignore"):
        proposals.add(box.draw(np.random.default_rng(0), _DRAWN))
        refine(box, proposals)
    found = proposals.refuted()
    point = None if found is None else {letter.name: value for letter, value in found.items()}
    return point if point is not None and is_false(question, point) else None


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
    found = {name: x for name, x in point.items() if name in question.sides}
    for change in question.changes:
        t = point[change.new]
        if change.kind == "exp":
            found[change.letter] = change.shift + change.sign * _minus_log(t)
        elif change.kind == "reciprocal":
            found[change.letter] = change.shift + change.sign / t
        else:
            found[change.letter] = change.shift + change.sign * t / (1 - t)
    for name, side in question.sides.items():
        found.setdefault(name, side.inside())
        if not side.holds(found[name]):
            return None
    return found


def _minus_log(t: Fraction) -> Fraction:
    with ctx.workprec(128):
        mantissa, exponent = (-arb(fmpq(t.numerator, t.denominator)).log()).mid().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def is_false(question: Question, point: Mapping[str, Fraction]) -> bool:
    """Whether the claim is certainly false at an exact point of its domain; undefined there is not false."""
    if any(point[name].denominator != 1 for name in question.integers):
        return False
    box = {name: Side(x, x, False, False) for name, x in point.items()}
    plain = question.plain
    for precision in _PRECISIONS:
        with ctx.workprec(precision):
            try:
                value = Enclosure(question.pool, box).span(plain)
            except NoValue:
                continue
            if value.is_negative() or (question.strict and value.is_nonpositive()):
                return not _contradicted(question, point, precision)
            if value.is_positive():
                return False
    try:
        Enclosure(question.pool, box).span(plain)
    except NoValue:
        # A power of a negative number has a value at whole exponents, which spans do not know.
        return _decided_false(question, point)
    if not question.strict or any(abs(x.numerator) + x.denominator > 2**16 for x in point.values()):
        return False
    place = {s: Rational(point[s.name].numerator, point[s.name].denominator) for s in question.claim.free_symbols}
    return is_zero((exactly(question.claim.gts) - exactly(question.claim.lts)).subs(place))


def _decided_false(question: Question, point: Mapping[str, Fraction]) -> bool:
    try:
        place = {symbol: point[symbol.name] for symbol in question.claim.free_symbols}
        return decide_at(question.claim, place) is Verdict.REFUTED
    except UnknownNode:
        return False


def _contradicted(question: Question, point: Mapping[str, Fraction], precision: int) -> bool:
    """Whether the toolkit's other Arb evaluation, in balls, certainly finds the claim true at the point."""
    claim: Any = question.claim
    values = {s: arb(fmpq(point[s.name].numerator, point[s.name].denominator)) for s in claim.free_symbols}
    with ctx.workprec(2 * precision):
        try:
            gap = evaluate(claim.gts, values, arb_target()) - evaluate(claim.lts, values, arb_target())
        except (UnknownNode, Undecided, ZeroDivisionError):
            return False
        return bool(gap.is_finite() and (gap > 0 if question.strict else gap >= 0))
