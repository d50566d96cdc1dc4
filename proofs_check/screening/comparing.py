"""Comparisons of numbers that carry their rounding error: where they certainly hold, and where they certainly fail.

Better-conditioned forms of a difference may settle what the numbers themselves leave open: complements near 1, and
sums over shared numbers, which cancel before they round.
"""

from __future__ import annotations

from typing import Any

from proofs_check.screening.error_rules import INFLATION, as_array, plus, times
from proofs_check.screening.linear_forms import Form, added, flipped, opaque, total
from proofs_check.screening.running_error import Tracked

Truth = tuple[Any, Any]


def parted(sign: str, left: Tracked, right: Tracked) -> Truth:
    """Where `left sign right` is certainly true, and where certainly false; neither where the errors are too large."""
    if sign in (">=", ">"):
        return parted({">=": "<=", ">": "<"}[sign], right, left)
    if sign in ("==", "!="):
        gap, bound = as_array(left.value - right.value, left.xp), _bound(left, right)
        equal, different = (gap >= bound) & (gap <= -bound), abs(gap) > bound
        return (equal, different) if sign == "==" else (different, equal)
    xp = left.xp
    gap = as_array(left.value - right.value, xp)
    if not gap.shape:
        return _at_most(sign, gap, _bound(left, right))
    if (left.loose or right.loose) and isinstance(left.absolute, float) and isinstance(right.absolute, float):
        holds = _at_most(sign, gap, _bound_for_all(left, right))[0]
        if bool(holds.all()):
            return holds, False
    holds, fails = _at_most(sign, gap, _bound(left, right))
    forms = _other_forms(left, right)
    if forms:
        _settle_by(forms, sign, (holds, fails), xp)
    if right.floor is not None:
        rows = xp.where(~(holds | fails))[0]
        if len(rows):
            small, floor = left[rows], right.floor(rows)
            holds[rows] = _at_most(sign, as_array(small.value - floor.value, xp), _bound(small, floor))[0]
    return holds, fails


def _at_most(sign: str, gap: Any, bound: Any) -> Truth:
    # A rounded sum has the sign of the exact one; of opposite infinities it is NaN, which has none.
    over, under = gap + bound, gap - bound
    return (over <= 0, under > 0) if sign == "<=" else (over < 0, under >= 0)


def _bound_for_all(left: Tracked, right: Tracked) -> float:
    sizes = (times(x.relative, max(map(abs, x.extremes))) for x in (left, right))
    return float((plus(left.absolute, right.absolute) + sum(sizes)) * INFLATION)


def _bound(left: Tracked, right: Tracked) -> Any:
    """How far the difference must be from 0 to have the sign of the exact one.

    A float difference has the sign of the exact difference of its terms: only the errors of the terms count.
    """
    return (left.error + right.error) * INFLATION


def _other_forms(left: Tracked, right: Tracked) -> tuple[Form, ...]:
    """The difference in better-conditioned forms."""
    forms: tuple[Form, ...] = ()
    if left.one_minus is not None and right.one_minus is not None:
        forms = added((opaque(right.one_minus),), (flipped(opaque(left.one_minus)),))
    mine, others = left.forms, right.forms
    if mine or others:
        forms += added(mine or (opaque(left),), tuple(map(flipped, others)) or (opaque(-right),))
    return forms


def _settle_by(forms: tuple[Form, ...], sign: str, truth: Truth, xp: Any) -> None:
    """Settles the rows still open by one form after the other."""
    for form in forms:
        rows = xp.where(~(truth[0] | truth[1]))[0]
        if not len(rows):
            return
        difference = total(form, rows)
        if difference is None:
            also: Truth = (True, False) if sign == "<=" else (False, True)
        else:
            gap = as_array(difference.value, xp)
            also = _at_most(sign, gap, difference.error * INFLATION)
        for settled, now in zip(truth, also, strict=True):
            settled[rows] = now
