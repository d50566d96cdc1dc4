"""Searches a box in float64 for points where a claim is false: proposals for the exact decision."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial, reduce
from typing import Any

import numpy as np
import sympy
from scipy import special
from scipy.optimize import differential_evolution, minimize
from sympy import Expr, Piecewise, Symbol
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean

from proofs_check.inequalities.points import RealPower, check_form, decide_at, readable, real_target
from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.domains import whole
from proofs_check.inequalities.verdict import Verdict
from theory.booleans import Logic
from theory.errors import DomainError
from theory.lowering import Target, array_target, evaluate

_DECIDED = 64
_FAR = 9.0


class Box:
    """The claim with its box; a coordinate in [0, 1] maps to each letter's interval, however long."""

    def __init__(self, claim: Boolean, domain: Mapping[Symbol, Side]) -> None:
        check_form(claim)
        self.claim = claim
        self.letters = sorted(domain, key=str)
        self.sides = {each: whole(domain[each]) if each.is_integer else domain[each] for each in self.letters}
        self._floats = [_float_ends(letter, side) for letter, side in self.sides.items()]
        relations = claim.atoms(Relational)
        self._read = {side: readable(side) for each in relations for side in (each.lhs, each.rhs)}
        self._check_functions()

    def _check_functions(self) -> None:
        known = _floats().operations.keys() & real_target().operations.keys()
        for side, read in self._read.items():
            for node in sympy.preorder_traversal(read):
                plain = node.is_Symbol or node.is_Rational or node.is_Add or node.is_Mul or node.is_Pow
                if isinstance(node, Expr) and not (plain or isinstance(node, Piecewise) or node.func in known):
                    raise DomainError(f"claim {self.claim} cannot be attacked: {node} in {side} has no meaning here")
        middle = np.full((len(self.letters), 1), 0.37)
        try:
            decide_at(self.claim, self.exact(middle[:, 0]))
            with np.errstate(all="ignore"):
                self.wrongness(middle)
        except TypeError as unknown:
            # A function may need whole numbers, and floats have no rule for a Piecewise that may have no value.
            raise DomainError(f"claim {self.claim} cannot be attacked: {unknown}") from unknown

    def only(self) -> dict[Symbol, Fraction] | None:
        """The only point of the box; None if there are more."""
        point = {letter: side.low for letter, side in self.sides.items() if side.low is not None and side.is_point}
        return point if len(point) == len(self.letters) else None

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
        side, unit = self.sides[self.letters[i]], np.clip(unit, 0.0, 1.0)
        low, high = self._floats[i]
        if low is not None and high is not None:
            # Halved: the whole width may overflow.
            half = high / 2 - low / 2
            below, above = np.minimum(2 * unit, 1.0), np.minimum(2 * (1 - unit), 1.0)
            value = np.where(unit < 0.5, low + half * below, high - half * above)
        elif low is not None:
            value = low + _stretched(unit)
        elif high is not None:
            value = high - _stretched(1 - unit)
        else:
            value = np.sign(unit - 0.5) * _stretched(np.abs(2 * unit - 1))
        if self.letters[i].is_integer:
            value = np.round(value)
        if low is not None:
            value = np.maximum(value, np.nextafter(low, np.inf) if side.low_open else low)
        if high is not None:
            value = np.minimum(value, np.nextafter(high, -np.inf) if side.high_open else high)
        return value

    def exact(self, unit: Any) -> dict[Symbol, Fraction]:
        """One point as exact rationals, clamped to the interval where its rounded ends lie outside."""
        point = {}
        for letter, value in zip(self.letters, self.values(unit), strict=True):
            side, rational = self.sides[letter], Fraction(float(value))
            if side.low is not None and not side.low_open:
                rational = max(rational, side.low)
            if side.high is not None and not side.high_open:
                rational = min(rational, side.high)
            point[letter] = rational
        return point

    def inside(self, point: Mapping[Symbol, Fraction]) -> bool:
        """Whether an exact point is in the box, and integer where it must be."""
        return all(
            side.holds(point[letter]) and not (letter.is_integer and point[letter].denominator != 1)
            for letter, side in self.sides.items()
        )

    def wrongness(self, unit: Any) -> Any:
        """How far the claim is from holding at points of the unit cube, positive where floats find it false."""
        values = dict(zip(self.letters, self.values(unit), strict=True))
        return np.broadcast_to(_Wrongness(values, self._read).value(self.claim), unit.shape[1:])


def _float_ends(letter: Symbol, side: Side) -> tuple[float | None, float | None]:
    try:
        return tuple(None if end is None else float(end) for end in (side.low, side.high))  # type: ignore[return-value]
    except OverflowError:
        raise DomainError(f"domain of {letter} must have ends below {sys.float_info.max:.3g}, or infinite") from None


def _stretched(unit: Any) -> Any:
    """Maps [0, 1] onto [0, 10^18], half of it below 1."""
    return np.where(unit < 0.5, 2 * unit, 10.0 ** (2 * _FAR * (2 * unit - 1)))


class _Wrongness(Logic[Any]):
    """How far a claim is from holding at given values of its letters, by float64."""

    def __init__(self, values: Mapping[Symbol, Any], written: Mapping[Expr, Expr]) -> None:
        self._values, self._written, self._target = values, written, _floats()

    def constant(self, holds: bool) -> Any:
        return -1.0 if holds else 1.0

    def relation(self, claim: Relational) -> Any:
        sides = (self._written[side] for side in (claim.lhs, claim.rhs))
        left, right = (np.asarray(evaluate(side, self._values, self._target), dtype=float) for side in sides)
        size = np.abs(left) + np.abs(right)
        gap = np.where(size > 0, (left - right) / np.where(size > 0, size, 1.0), 0.0)
        gap = np.where(np.isnan(gap), -2.0, gap)
        if claim.rel_op in ("==", "!="):
            return np.abs(gap) if claim.rel_op == "==" else -np.abs(gap)
        return gap if claim.rel_op in ("<=", "<") else np.where(gap == -2.0, -2.0, -gap)

    def conjunction(self, parts: Iterator[Any]) -> Any:
        return reduce(np.maximum, parts)

    def negation(self, part: Any) -> Any:
        return -part


def _floats() -> Target:
    """numpy, with the functions that `proofs_check.inequalities.points` adds to Arb."""
    plain = array_target(np, special)
    more: dict[Any, Any] = {sympy.atan: np.arctan, sympy.LambertW: lambda x: special.lambertw(x).real}
    more |= {sympy.sin: np.sin, sympy.tan: np.tan, sympy.sinh: np.sinh, sympy.cosh: np.cosh, sympy.tanh: np.tanh}
    return replace(plain, number=_nearest, operations={**plain.operations, **more, RealPower: np.power})


def _nearest(value: Fraction) -> Any:
    try:
        # Python's own float would raise where a constant is divided by 0.
        return np.float64(float(value))
    except OverflowError:
        return np.float64(np.inf if value > 0 else -np.inf)


class Proposals:
    """The most promising points seen, and the number tried."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._kept: list[tuple[float, Any]] = []
        self._tried: set[tuple[Fraction, ...]] = set()
        self.count = 0

    def add(self, unit: Any) -> None:
        """Tries points of the unit cube, shape (letters, count)."""
        wrong = self._box.wrongness(unit)
        self.count += unit.shape[1]
        for i in np.argsort(-wrong)[:_DECIDED]:
            self._kept.append((float(wrong[i]), unit[:, i].copy()))
        self._kept.sort(key=lambda kept: -kept[0])
        del self._kept[_DECIDED:]

    def seeds(self, count: int) -> list[Any]:
        """The best points, to start local searches from."""
        return [unit for _, unit in self._kept[:count]]

    def best(self) -> tuple[dict[Symbol, Fraction] | None, float]:
        """The point where the claim is nearest to false, and how far it is from holding there."""
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
    """Adds the results of local searches from the best points."""
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
    """Adds the result of differential evolution over the whole box."""
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
