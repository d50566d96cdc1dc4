"""How near to false a claim is on each row of a batch: the ratio of its two sides, with the rounding taken off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Boolean, BooleanAtom, Equivalent, Implies, Not, Or, true

from proofs_check.screening.tracked import INFLATION, UNIT, Tracked
from proofs_check.screening.tracked_target import TRACKED
from theory.lowering import evaluate


def closeness(claim: Boolean, values: Mapping[Any, Tracked], assumed: bool = False) -> tuple[Any, Any]:
    """Lower and upper bounds on how near to false a claim is on each row, above 1 where it is false.

    An equality exceeds 1 only if `assumed`.
    """
    if isinstance(claim, BooleanAtom):
        return (-np.inf, -np.inf) if claim == true else (2.0, 2.0)
    if isinstance(claim, Relational):
        return (
            _broken_equality(claim, values) if assumed and claim.rel_op == "==" else _relation_closeness(claim, values)
        )
    parts = [closeness(part, values, assumed) for part in claim.args]
    if isinstance(claim, Not):
        return _negated(parts[0])
    if isinstance(claim, And):
        return _merged(np.maximum, parts)
    if isinstance(claim, Or):
        return _merged(np.minimum, parts)
    if isinstance(claim, Implies):
        return _merged(np.minimum, [_negated(parts[0]), parts[1]])
    if isinstance(claim, Equivalent) and len(parts) == 2:
        one, other = parts
        ways = [_merged(np.minimum, [_negated(one), other]), _merged(np.minimum, [_negated(other), one])]
        return _merged(np.maximum, ways)
    raise TypeError(f"no rule measures a claim of type {type(claim).__name__}")


def _negated(part: tuple[Any, Any]) -> tuple[Any, Any]:
    return 2 - part[1], 2 - part[0]


def _merged(pick: Any, parts: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    lower, upper = parts[0]
    for also_lower, also_upper in parts[1:]:
        lower, upper = pick(lower, also_lower), pick(upper, also_upper)
    return lower, upper


def _broken_equality(claim: Relational, values: Mapping[Any, Tracked]) -> tuple[Any, Any]:
    """1 where the sides may be equal, and more the further they certainly are apart."""
    one, other = (evaluate(side, values, TRACKED) for side in (claim.lhs, claim.rhs))
    apart = np.maximum(np.abs(one.value - other.value) - INFLATION * (one.error + other.error), 0)
    ratio = 1 + apart / np.maximum(np.maximum(np.abs(one.value), np.abs(other.value)), 1e-300)
    return ratio, ratio


def _relation_closeness(claim: Relational, values: Mapping[Any, Tracked]) -> tuple[Any, Any]:
    small, large = (evaluate(side, values, TRACKED) for side in (claim.lhs, claim.rhs))
    if claim.rel_op in (">=", ">"):
        small, large = large, small
    apart = claim.rel_op in ("==", "!=")
    bounds = _ratio(small, large, apart)
    if small.one_minus is None or large.one_minus is None:
        return bounds
    mirrored = _ratio(large.one_minus, small.one_minus, apart)
    return np.minimum(bounds[0], mirrored[0]), np.minimum(bounds[1], mirrored[1])


def _ratio(small: Tracked, large: Tracked, apart: bool) -> tuple[Any, Any]:
    size = np.maximum(np.abs(small.value), np.abs(large.value))
    gap = large.value - small.value
    ratio = 1 - (np.abs(gap) if apart else gap) / size
    wrong = INFLATION * ((large.error + small.error) / size + 4 * UNIT * (1 + np.abs(ratio)))
    exact = (gap == 0) & np.equal(small.error + large.error, 0)
    wrong = np.where(exact, 0.0, wrong)
    return np.where(exact, 1.0, ratio) - wrong, np.where(exact, 1.0, ratio) + wrong
