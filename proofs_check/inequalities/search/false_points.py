"""Points at which a claim is certainly false, sought among simple and extreme numbers of its letters' intervals."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from math import prod

from sympy import Float, Rational, Symbol
from sympy.logic.boolalg import Boolean

from proofs_check.inequalities.points import decide_at
from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.pool import exact
from proofs_check.inequalities.verdict import Verdict
from theory.lowering import UnknownNode

Point = dict[Symbol, Fraction]
_POINTS = 400
_NAMED = 12
_SIZES = tuple(Fraction(10) ** n for n in (0, -1, 1, -2, 2, -4, 4, -8, 8))
_SIMPLE = tuple(Fraction(*pair) for pair in ((0, 1), (1, 2), (2, 1), (3, 1), (1, 3), (9, 10), (5, 1), (7, 1), (1, 4)))
_DOUBLINGS = range(9)


def decided(claim: Boolean, point: Mapping[Symbol, Fraction]) -> Verdict:
    """Verdict at an exact point; UNDECIDED where the claim has no meaning."""
    try:
        return decide_at(claim, point)
    except UnknownNode:
        # The branch of a Piecewise that holds such a node may not be taken at other points.
        return Verdict.UNDECIDED


def false_point(
    claim: Boolean, domain: Mapping[Symbol, Side], is_false: Callable[[Point], bool] | None = None
) -> Point | None:
    """A point of the domain at which the claim is certainly false, or None if no point tried is one.

    `is_false` decides at one point, else Arb does.
    """
    letters = sorted(domain, key=lambda letter: letter.name)
    named = _numbers(claim)
    for values in _grid([list(_candidates(letter, domain[letter], named)) for letter in letters]):
        point = dict(zip(letters, values, strict=True))
        if decided(claim, point) is Verdict.REFUTED if is_false is None else is_false(point):
            return point
    return None


def shown(point: Mapping[Symbol, Fraction] | None) -> str:
    """The point as text; empty for None, `everywhere` for a claim without letters."""
    if point is None:
        return ""
    return ", ".join(f"{letter}={value}" for letter, value in point.items()) or "everywhere"


def _grid(choices: list[list[Fraction]]) -> Iterator[tuple[Fraction, ...]]:
    if prod(map(len, choices)) <= _POINTS:
        yield from itertools.product(*choices)
    elif all(choices):
        generator = random.Random(0)
        yield from (tuple(values[i % len(values)] for values in choices) for i in range(max(map(len, choices))))
        yield from (tuple(generator.choice(values) for values in choices) for _ in range(_POINTS))


def _numbers(claim: Boolean) -> list[Fraction]:
    """The numbers that the claim names, where a peak or a kink may lie."""
    numbers = {exact(number) for number in claim.atoms(Rational, Float) if number.is_finite}
    return sorted(numbers, key=lambda x: (x.denominator, abs(x), x))[:_NAMED]


def _candidates(letter: Symbol, side: Side, named: list[Fraction]) -> Iterator[Fraction]:
    found = dict.fromkeys((side.inside(), *_SIMPLE))
    for size in (*named, *_SIZES):
        found |= dict.fromkeys((size, -size))
    for end, inward in ((side.low, 1), (side.high, -1)):
        if end is not None:
            steps = (Fraction(0), *_SIZES[1::2], *(Fraction(1, 2 ** (2**doubling)) for doubling in _DOUBLINGS[:8]))
            found |= dict.fromkeys(end + inward * step for step in steps)
        else:
            found |= dict.fromkeys(side.inside() - inward * Fraction(2 ** (2**doubling)) for doubling in _DOUBLINGS)
    for value in found:
        if side.holds(value) and (value.denominator == 1 or not letter.is_integer):
            yield value
