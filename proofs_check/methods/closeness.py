"""How near to false a claim is on each row of a batch: the ratio of its two sides, with the rounding taken off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean

from proofs_check.screening.tracked import INFLATION, UNIT, Tracked
from proofs_check.screening.tracked_target import TRACKED
from theory.booleans import Logic
from theory.lowering import evaluate

# Of every row, or one for all.
Bounds = tuple[Any, Any]


def closeness(claim: Boolean, values: Mapping[Any, Tracked], assumed: bool = False) -> Bounds:
    """Lower and upper bounds on how near to false a claim is on each row, above 1 where it is false.

    An equality exceeds 1 only if `assumed`.
    """
    return _Closeness(values, assumed).value(claim)


@dataclass(frozen=True)
class _Closeness(Logic[Bounds]):
    values: Mapping[Any, Tracked]
    assumed: bool

    def constant(self, holds: bool) -> Bounds:
        return (-np.inf, -np.inf) if holds else (2.0, 2.0)

    def relation(self, claim: Relational) -> Bounds:
        measure = _broken_equality if self.assumed and claim.rel_op == "==" else _relation_closeness
        return measure(claim, self.values)

    def conjunction(self, parts: Iterator[Bounds]) -> Bounds:
        return _merged(np.maximum, parts)

    # Not by negations: 2 - (2 - x) rounds.
    def disjunction(self, parts: Iterator[Bounds]) -> Bounds:
        return _merged(np.minimum, parts)

    def negation(self, part: Bounds) -> Bounds:
        return 2 - part[1], 2 - part[0]


def _merged(pick: Any, parts: Iterator[Bounds]) -> Bounds:
    return reduce(lambda one, other: (pick(one[0], other[0]), pick(one[1], other[1])), parts)


def _broken_equality(claim: Relational, values: Mapping[Any, Tracked]) -> Bounds:
    """1 where the sides may be equal, and more the further they certainly are apart."""
    one, other = (evaluate(side, values, TRACKED) for side in (claim.lhs, claim.rhs))
    apart = np.maximum(np.abs(one.value - other.value) - INFLATION * (one.error + other.error), 0)
    ratio = 1 + apart / np.maximum(np.maximum(np.abs(one.value), np.abs(other.value)), 1e-300)
    return ratio, ratio


def _relation_closeness(claim: Relational, values: Mapping[Any, Tracked]) -> Bounds:
    small, large = (evaluate(side, values, TRACKED) for side in (claim.lhs, claim.rhs))
    if claim.rel_op in (">=", ">"):
        small, large = large, small
    apart = claim.rel_op in ("==", "!=")
    bounds = _ratio(small, large, apart)
    if small.one_minus is None or large.one_minus is None:
        return bounds
    mirrored = _ratio(large.one_minus, small.one_minus, apart)
    return np.minimum(bounds[0], mirrored[0]), np.minimum(bounds[1], mirrored[1])


def _ratio(small: Tracked, large: Tracked, apart: bool) -> Bounds:
    size = np.maximum(np.abs(small.value), np.abs(large.value))
    gap = large.value - small.value
    ratio = 1 - (np.abs(gap) if apart else gap) / size
    wrong = INFLATION * ((large.error + small.error) / size + 4 * UNIT * (1 + np.abs(ratio)))
    exact = (gap == 0) & np.equal(small.error + large.error, 0)
    wrong = np.where(exact, 0.0, wrong)
    return np.where(exact, 1.0, ratio) - wrong, np.where(exact, 1.0, ratio) + wrong
