"""Confirms that a mutant is false: finds an exact point of its domain at which Arb decides so.

It tries fixed simple and extreme points, so it does not share the blind spots of the methods that the mutant tests.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from fractions import Fraction

from sympy import Symbol
from sympy.logic.boolalg import Boolean

from proofs_check.inequalities.points import decide_at
from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.verdict import Verdict
from theory.lowering import UnknownNode

_POINTS = 300
_SIZES = tuple(Fraction(10) ** n for n in (0, -1, 1, -2, 2, -4, 4, -8, 8))
_SIMPLE = (Fraction(0), *(Fraction(*pair) for pair in ((1, 2), (2, 1), (3, 1), (1, 3), (9, 10), (5, 1), (7, 1))))


def false_point(claim: Boolean, domain: Mapping[Symbol, Side]) -> dict[Symbol, Fraction] | None:
    """A point at which the claim is certainly false, or None if no point tried is one."""
    letters = sorted(domain, key=lambda letter: letter.name)
    for values in _grid([list(_candidates(letter, domain[letter])) for letter in letters]):
        point = dict(zip(letters, values, strict=True))
        try:
            if decide_at(claim, point) is Verdict.REFUTED:
                return point
        except UnknownNode:
            # The branch of a Piecewise that holds such a node may not be taken at other points.
            continue
    return None


def shown(point: Mapping[Symbol, Fraction] | None) -> str:
    """The point as text; empty for None, `everywhere` for a claim without letters."""
    if point is None:
        return ""
    return ", ".join(f"{letter}={value}" for letter, value in point.items()) or "everywhere"


def _grid(choices: list[list[Fraction]]) -> Iterator[tuple[Fraction, ...]]:
    size = 1
    for values in choices:
        size *= len(values)
    if size <= _POINTS:
        yield from itertools.product(*choices)
        return
    generator = random.Random(0)
    yield from (tuple(values[i % len(values)] for values in choices) for i in range(max(map(len, choices))))
    yield from (tuple(generator.choice(values) for values in choices) for _ in range(_POINTS))


def _candidates(letter: Symbol, side: Side) -> Iterator[Fraction]:
    found: dict[Fraction, None] = dict.fromkeys(_SIMPLE)
    for size in _SIZES:
        found |= dict.fromkeys((size, -size))
    for end, inward in ((side.low, 1), (side.high, -1)):
        if end is not None:
            found |= dict.fromkeys(end + inward * part for part in (Fraction(0), *_SIZES[1::2], Fraction(1, 2)))
    for value in found:
        whole = value.denominator == 1 or not letter.is_integer
        if whole and side.holds(value):
            yield value
