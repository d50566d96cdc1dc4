"""Looks for a counterexample to a user's own claim: over a box of real numbers, or over attention rows.

A search in float64 proposes points; each is an exact rational, at which Arb decides. Nothing found is UNDECIDED with
the nearest miss: an attack never proves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, ctx, fmpq
from scipy import special
from scipy.optimize import differential_evolution, minimize
from sympy import Expr, Interval, Set, Symbol
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Boolean, BooleanAtom, Equivalent, Implies, Not, Or, true

from proofs_check.adversary import Tightness, tightness
from proofs_check.instances import KINDS
from proofs_check.rows import AttentionRow
from proofs_check.sampling import Counterexample
from proofs_check.screen import ScreenResult, screen
from proofs_check.verdict import Verdict
from theory.errors import DomainError
from theory.lowering import Undecided, UnknownNode, arb_target, array_target, evaluate
from theory.statement import Clause, Kind, Statement

_PRECISIONS = (96, 384, 2048)
_DECIDED = 64
_FAR = 9.0
_CONNECTIVES = (And, Or, Not, Implies, Equivalent)


@dataclass(frozen=True)
class Attack:
    """What an attack over a box found: REFUTED with the exact point, or UNDECIDED with the nearest miss.

    `slack` is `(rhs - lhs)/(|lhs| + |rhs|)` at `nearest`, enclosed by Arb where the claim is one relation (for one
    built from several, in float64): it holds there by that much. `points` counts those of the random search.
    """

    verdict: Verdict
    point: dict[Symbol, Fraction] | None
    nearest: dict[Symbol, Fraction] | None
    slack: float
    points: int


@dataclass(frozen=True)
class RowAttack:
    """What an attack over attention rows found: REFUTED with the row, VACUOUS, or UNDECIDED with the best ratio."""

    verdict: Verdict
    counterexample: Counterexample | None
    ratio: float
    nearest: AttentionRow | None
    screened: ScreenResult


def attack(claim: Boolean, domain: Mapping[Symbol, Set], samples: int = 100_000, seed: int = 0) -> Attack:
    """Search a box `{symbol: Interval}` for a point at which the claim is false; the same seed repeats the search.

    Ends are included where the interval says so, unbounded intervals are searched out to 10^9 and beyond by local
    steps, symbols declared integer take integers only. Raises `DomainError` for a letter without an interval, an empty
    interval, an unknown form of claim, or a function that Arb cannot evaluate.

    >>> from sympy import symbols
    >>> x = symbols("x", real=True)
    >>> attack(x**2 >= x, {x: Interval(0, 2)}, samples=1000).verdict
    <Verdict.REFUTED: 'refuted'>
    """
    box = _Box(claim, domain)
    rng = np.random.default_rng(seed)
    proposals = _Proposals(box)
    with np.errstate(all="ignore"):
        for start in range(0, samples, 50_000):
            proposals.add(box.draw(rng, min(50_000, samples - start)))
        found = proposals.refuted()
        if found is None:
            _refine(box, proposals, seed)
            found = proposals.refuted()
    nearest, worst = proposals.best()
    verdict = Verdict.UNDECIDED if found is None else Verdict.REFUTED
    return Attack(verdict, found, nearest, _slack(claim, nearest, -worst), proposals.count)


def attack_row(claim: Boolean, given: Boolean = true, samples: float = 1e5, seed: int = 0) -> RowAttack:
    """Search for an attention row at which a claim in the letters of `theory.symbols` is false where `given` holds.

    The screen and the adversarial search run in turn; a row that refutes was decided exactly. Raises `DomainError`
    for a letter that rows do not have, an unknown form of claim, or a function that cannot be evaluated.
    """
    _known_form(claim)
    _known_form(given)
    strange = (claim.free_symbols | given.free_symbols) - set(KINDS["row"].definitions)
    if strange:
        known = "a letter of theory.symbols that is measured on a row"
        raise DomainError(f"letter {min(map(str, strange))} must be {known}")
    clause = Clause("attacked", claim, given)
    statement = Statement(
        "user", "user-claim", "A claim to attack", Kind.ONE_SIDED, (clause,), "the caller", lambda: ()
    )
    screened = screen(statement, samples, seed)
    skipped = screened.clauses[clause.name].skipped
    if skipped:
        raise DomainError(f"claim {claim} cannot be attacked: {skipped}")
    if screened.counterexample is not None:
        return RowAttack(Verdict.REFUTED, screened.counterexample, float("nan"), None, screened)
    nearest: Tightness = tightness(statement, clause, seed)
    refuted = nearest.verdict is Verdict.REFUTED
    vacuous = nearest.verdict is Verdict.VACUOUS and screened.verdict is Verdict.VACUOUS
    verdict = Verdict.REFUTED if refuted else Verdict.VACUOUS if vacuous else Verdict.UNDECIDED
    return RowAttack(verdict, nearest.counterexample, nearest.ratio, nearest.row, screened)


def decide_at(claim: Boolean, point: Mapping[Symbol, Fraction]) -> Verdict:
    """PROVED or REFUTED at one exact point by Arb, or UNDECIDED; sides that agree are told equal only if exact."""
    if isinstance(claim, BooleanAtom):
        return Verdict.PROVED if claim == true else Verdict.REFUTED
    if isinstance(claim, Relational):
        sign = _sign(claim.lhs - claim.rhs, point)
        if sign is None:
            return Verdict.UNDECIDED
        holds = {"<=": sign <= 0, "<": sign < 0, ">=": sign >= 0, ">": sign > 0, "==": sign == 0, "!=": sign != 0}
        return Verdict.PROVED if holds[claim.rel_op] else Verdict.REFUTED
    parts = [decide_at(part, point) for part in claim.args]
    if isinstance(claim, Not):
        return _OPPOSITE[parts[0]]
    if isinstance(claim, Implies):
        parts = [_OPPOSITE[parts[0]], parts[1]]
    if isinstance(claim, And):
        return _all(parts)
    if isinstance(claim, Or | Implies):
        return _OPPOSITE[_all([_OPPOSITE[part] for part in parts])]
    if Verdict.UNDECIDED in parts:
        return Verdict.UNDECIDED
    return Verdict.PROVED if len(set(parts)) == 1 else Verdict.REFUTED


_OPPOSITE = {
    Verdict.PROVED: Verdict.REFUTED,
    Verdict.REFUTED: Verdict.PROVED,
    Verdict.UNDECIDED: Verdict.UNDECIDED,
}


def _all(parts: list[Verdict]) -> Verdict:
    for verdict in (Verdict.REFUTED, Verdict.UNDECIDED):
        if verdict in parts:
            return verdict
    return Verdict.PROVED


def _sign(gap: Expr, point: Mapping[Symbol, Fraction]) -> int | None:
    for precision in _PRECISIONS:
        with ctx.workprec(precision):
            values = {x: arb(fmpq(v.numerator, v.denominator)) for x, v in point.items()}
            try:
                ball = evaluate(gap, values, arb_target())
            except (Undecided, ZeroDivisionError):
                continue
            if not ball.is_finite():
                continue
            if ball > 0 or ball < 0:
                return 1 if ball > 0 else -1
            if ball.is_zero():
                return 0
    return None


def _slack(claim: Boolean, point: Mapping[Symbol, Fraction] | None, otherwise: float) -> float:
    if point is None or not isinstance(claim, Relational):
        return otherwise
    with ctx.workprec(1024):
        values = {x: arb(fmpq(v.numerator, v.denominator)) for x, v in point.items()}
        try:
            left, right = (evaluate(side, values, arb_target()) for side in (claim.lhs, claim.rhs))
        except (Undecided, ZeroDivisionError):
            return otherwise
        if left == right:
            return 0.0
        gap = (right - left) / (abs(left) + abs(right))
        if claim.rel_op in (">=", ">"):
            gap = -gap
        return float(-abs(gap) if claim.rel_op == "==" else gap) if gap.is_finite() else otherwise


def _known_form(claim: Boolean) -> None:
    if isinstance(claim, Relational | BooleanAtom):
        return
    if not isinstance(claim, _CONNECTIVES):
        raise DomainError(f"claim {claim} must be built from relations by And, Or, Not, Implies and Equivalent")
    for part in claim.args:
        _known_form(part)


class _Box:
    """The claim with its box, in coordinates that are all of the real line mapped from [0, 1]."""

    def __init__(self, claim: Boolean, domain: Mapping[Symbol, Set]) -> None:
        _known_form(claim)
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
            self.intervals.append(interval)
        try:
            decide_at(claim, self.exact(np.array([0.37] * len(self.letters))))
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
        return np.broadcast_to(_wrongness(self.claim, values), unit.shape[1:])


def _stretched(unit: Any) -> Any:
    """[0, 1] onto [0, 10^18], half of it below 1."""
    return np.where(unit < 0.5, 2 * unit, 10.0 ** (2 * _FAR * (2 * unit - 1)))


def _wrongness(claim: Boolean, values: Mapping[Symbol, Any]) -> Any:
    if isinstance(claim, BooleanAtom):
        return -1.0 if claim == true else 1.0
    if isinstance(claim, Relational):
        target = array_target(np, special)
        left, right = (np.asarray(evaluate(side, values, target), dtype=float) for side in (claim.lhs, claim.rhs))
        size = np.abs(left) + np.abs(right)
        gap = np.where(size > 0, (left - right) / np.where(size > 0, size, 1.0), 0.0)
        gap = np.where(np.isnan(gap), -2.0, gap)
        if claim.rel_op in ("==", "!="):
            return np.abs(gap) if claim.rel_op == "==" else -np.abs(gap)
        return gap if claim.rel_op in ("<=", "<") else np.where(gap == -2.0, -2.0, -gap)
    parts = [_wrongness(part, values) for part in claim.args]
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


class _Proposals:
    """The most promising points seen, and how many were looked at."""

    def __init__(self, box: _Box) -> None:
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


def _refine(box: _Box, proposals: _Proposals, seed: int) -> None:
    """Local searches from the best points, then differential evolution over the whole box."""

    def objective(unit: Any) -> Any:
        points = np.clip(np.asarray(unit, dtype=float), 0, 1)
        return -box.wrongness(points if points.ndim == 2 else points[:, None])

    for start in proposals.seeds(12):
        local = minimize(
            lambda unit: float(objective(unit)[0]), start, method="Nelder-Mead", options={"maxfev": 300, "xatol": 1e-15}
        )
        proposals.add(np.clip(local.x, 0, 1)[:, None])
    bounds = [(0.0, 1.0)] * len(box.letters)
    found = differential_evolution(
        objective, bounds, seed=seed, maxiter=150, popsize=25, vectorized=True, updating="deferred", polish=False, tol=0
    )
    proposals.add(np.asarray(found.x)[:, None])
