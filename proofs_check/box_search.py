"""Searches a box for points at which a claim is false, in float64: proposals for the exact decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import sympy
from scipy import special
from scipy.optimize import differential_evolution, minimize
from sympy import Dummy, Expr, Interval, Set, Symbol, ceiling, floor
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Boolean, BooleanAtom, Equivalent, Implies, Not, true

from proofs_check.points import check_form, decide_at
from proofs_check.verdict import Verdict
from theory.errors import DomainError
from theory.lowering import Target, UnknownNode, array_target, evaluate

_DECIDED = 64
_FAR = 9.0


class Box:
    """The claim with its box, in coordinates that are all of the real line mapped from [0, 1]."""

    def __init__(self, claim: Boolean, domain: Mapping[Symbol, Set]) -> None:
        check_form(claim)
        self.claim = claim
        self.letters = sorted(domain, key=str)
        missing = claim.free_symbols - set(self.letters)
        if missing:
            raise DomainError(f"letter {min(map(str, missing))} of the claim must have an interval in the domain")
        self.intervals = []
        for letter in self.letters:
            interval = domain[letter]
            if not isinstance(interval, Interval) or interval.is_empty:
                raise DomainError(f"domain of {letter}, {interval}, must be a sympy Interval that is not empty")
            if letter.is_integer and ceiling(interval.inf) > floor(interval.sup):
                raise DomainError(f"domain of {letter}, {interval}, must hold an integer")
            self.intervals.append(interval)
        # What is not negative in the box may be raised to any power there.
        ends = zip(self.letters, self.intervals, strict=True)
        self._known = {letter: Dummy(letter.name, positive=True) for letter, each in ends if each.inf >= 0}
        relations = claim.atoms(Relational)
        self._sides = {side: side.xreplace(self._known) for each in relations for side in (each.lhs, each.rhs)}
        middle = np.full((len(self.letters), 1), 0.37)
        try:
            decide_at(claim, self.exact(middle[:, 0]))
            with np.errstate(all="ignore"):
                self.wrongness(middle)
        except UnknownNode as unknown:
            raise DomainError(f"claim {claim} cannot be attacked: {unknown}") from unknown

    def draw(self, rng: np.random.Generator, count: int) -> Any:
        """Points of the unit cube, shape (letters, count), denser near the faces."""
        shape = (len(self.letters), count)
        near = 10.0 ** -rng.uniform(0, 14, shape)
        near = np.where(rng.uniform(size=shape) < 0.5, near, 1 - near)
        points = np.where(rng.uniform(size=count) < 0.6, rng.uniform(size=shape), near)
        corner = rng.uniform(size=shape) < 0.02
        return np.where(corner, np.round(points), points)

    def values(self, unit: Any) -> list[Any]:
        """The letters' values at points of the unit cube."""
        return [self._value(i, unit[i]) for i in range(len(self.letters))]

    def _value(self, i: int, unit: Any) -> Any:
        interval, unit = self.intervals[i], np.clip(unit, 0.0, 1.0)
        low, high = (float(end) if end.is_finite else None for end in (interval.inf, interval.sup))
        if low is not None and high is not None:
            value = np.where(unit < 0.5, low + (high - low) * unit, high - (high - low) * (1 - unit))
        elif low is not None:
            value = low + _stretched(unit)
        elif high is not None:
            value = high - _stretched(1 - unit)
        else:
            value = np.sign(unit - 0.5) * _stretched(np.abs(2 * unit - 1))
        if self.letters[i].is_integer:
            value = np.round(value)
        if low is not None:
            value = np.maximum(value, np.nextafter(low, np.inf) if interval.left_open else low)
        if high is not None:
            value = np.minimum(value, np.nextafter(high, -np.inf) if interval.right_open else high)
        return value

    def exact(self, unit: Any) -> dict[Symbol, Fraction]:
        """One point as exact rationals, moved into the interval where rounding its ends led outside."""
        point = {}
        for i, value in enumerate(self.values(unit)):
            interval, rational = self.intervals[i], Fraction(float(value))
            for end, open_end, outside in (
                (interval.inf, interval.left_open, lambda v, e: v <= e),
                (interval.sup, interval.right_open, lambda v, e: v >= e),
            ):
                if end.is_Rational and not open_end and outside(rational, Fraction(int(end.p), int(end.q))):
                    rational = Fraction(int(end.p), int(end.q))
            point[self.letters[i]] = rational
        return point

    def inside(self, point: Mapping[Symbol, Fraction]) -> bool:
        """Whether an exact point is certainly in the box, and integer where it must be."""
        for letter, interval in zip(self.letters, self.intervals, strict=True):
            value = point[letter]
            if letter.is_integer and value.denominator != 1:
                return False
            conditions = interval.as_relational(letter)
            if decide_at(conditions, point) is not Verdict.PROVED:
                return False
        return True

    def wrongness(self, unit: Any) -> Any:
        """How far the claim is from holding at points of the unit cube, positive where floats find it false."""
        values = dict(zip(self.letters, self.values(unit), strict=True))
        values |= {new: values[letter] for letter, new in self._known.items()}
        return np.broadcast_to(_wrongness(self.claim, values, self._sides), unit.shape[1:])


def _stretched(unit: Any) -> Any:
    """[0, 1] onto [0, 10^18], half of it below 1."""
    return np.where(unit < 0.5, 2 * unit, 10.0 ** (2 * _FAR * (2 * unit - 1)))


def _wrongness(claim: Boolean, values: Mapping[Symbol, Any], written: Mapping[Expr, Expr]) -> Any:
    if isinstance(claim, BooleanAtom):
        return -1.0 if claim == true else 1.0
    if isinstance(claim, Relational):
        target = _floats()
        sides = (written[side] for side in (claim.lhs, claim.rhs))
        left, right = (np.asarray(evaluate(side, values, target), dtype=float) for side in sides)
        size = np.abs(left) + np.abs(right)
        gap = np.where(size > 0, (left - right) / np.where(size > 0, size, 1.0), 0.0)
        gap = np.where(np.isnan(gap), -2.0, gap)
        if claim.rel_op in ("==", "!="):
            return np.abs(gap) if claim.rel_op == "==" else -np.abs(gap)
        return gap if claim.rel_op in ("<=", "<") else np.where(gap == -2.0, -2.0, -gap)
    parts = [_wrongness(part, values, written) for part in claim.args]
    if isinstance(claim, Not):
        return -parts[0]
    if isinstance(claim, Implies):
        return np.minimum(-parts[0], parts[1])
    if isinstance(claim, Equivalent):
        return np.maximum(np.minimum(-parts[0], parts[1]), np.minimum(parts[0], -parts[1]))
    pick: Callable[[Any, Any], Any] = np.maximum if isinstance(claim, And) else np.minimum
    total = parts[0]
    for part in parts[1:]:
        total = pick(total, part)
    return total


def _floats() -> Target:
    """numpy, with the functions that `proofs_check.points` adds to Arb."""
    plain = array_target(np, special)
    more = {sympy.sin: np.sin, sympy.tan: np.tan, sympy.sinh: np.sinh, sympy.cosh: np.cosh, sympy.tanh: np.tanh}
    return replace(plain, operations={**plain.operations, **more})


class Proposals:
    """The most promising points seen, and how many were looked at."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._kept: list[tuple[float, Any]] = []
        self._tried: set[tuple[Fraction, ...]] = set()
        self.count = 0

    def add(self, unit: Any) -> None:
        """Look at points of the unit cube, shape (letters, count)."""
        wrong = self._box.wrongness(unit)
        self.count += unit.shape[1]
        for i in np.argsort(-wrong)[:_DECIDED]:
            self._kept.append((float(wrong[i]), unit[:, i].copy()))
        self._kept.sort(key=lambda kept: -kept[0])
        del self._kept[_DECIDED:]

    def seeds(self, count: int) -> list[Any]:
        """The best points, as starts of a local search."""
        return [unit for _, unit in self._kept[:count]]

    def best(self) -> tuple[dict[Symbol, Fraction] | None, float]:
        """The point nearest to falsehood, and how far the claim is from holding there."""
        if not self._kept:
            return None, float("nan")
        return self._box.exact(self._kept[0][1]), self._kept[0][0]

    def refuted(self) -> dict[Symbol, Fraction] | None:
        """The first point kept at which the claim is certainly false, or None."""
        for _, unit in self._kept:
            point = self._box.exact(unit)
            key = tuple(point.values())
            if key in self._tried:
                continue
            self._tried.add(key)
            if self._box.inside(point) and decide_at(self._box.claim, point) is Verdict.REFUTED:
                return point
        return None


def refine(box: Box, proposals: Proposals) -> None:
    """Local searches from the best points."""
    for start in proposals.seeds(12):
        local = minimize(
            lambda unit: float(_objective(box, unit)[0]),
            start,
            method="Nelder-Mead",
            options={"maxfev": 300, "xatol": 1e-15},
        )
        proposals.add(np.clip(local.x, 0, 1)[:, None])


def _objective(box: Box, unit: Any) -> Any:
    points = np.clip(np.asarray(unit, dtype=float), 0, 1)
    return -box.wrongness(points if points.ndim == 2 else points[:, None])


def evolve(box: Box, proposals: Proposals, seed: int) -> None:
    """Differential evolution over the whole box."""
    bounds = [(0.0, 1.0)] * len(box.letters)
    found = differential_evolution(
        partial(_objective, box),
        bounds,
        seed=seed,
        maxiter=150,
        popsize=25,
        vectorized=True,
        updating="deferred",
        polish=False,
        tol=0,
    )
    proposals.add(np.asarray(found.x)[:, None])
