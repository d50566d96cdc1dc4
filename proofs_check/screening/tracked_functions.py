"""Exponentials, logarithms, roots and maxima of numbers that carry their rounding error."""

from __future__ import annotations

from typing import Any

from proofs_check.screening.error_rules import (
    LIBRARY,
    TINY,
    UNIT,
    as_array,
    either,
    is_zero,
    plus,
    positive_part,
    ratio,
    times,
)
from proofs_check.screening.linear_forms import Form, added
from proofs_check.screening.running_error import Tracked

# Below 1/2 a complement gives a more accurate logarithm than the number itself; past 1/2 that is at most log(0.51).
_NEAR_ONE = 0.5
_LEAST_LOG = 0.67


def moved_by(x: Tracked) -> Any:
    """How far the exact value may lie from the float."""
    return plus(x.absolute, times(x.relative, x.size) if x.relative else 0.0)


def spread_of(x: Tracked) -> Any:
    """`t + t^2 >= e^t - 1` for the error `t <= 1` of `x`; infinite where `t` is larger."""
    moved = moved_by(x)
    if isinstance(moved, float):
        return moved + moved * moved if moved <= 1.0 else float("inf")
    return either(moved <= 1.0, moved + moved * moved, float("inf"), x.xp)


def exp(x: Tracked) -> Tracked:
    """`e^x`; no bound where the argument's error exceeds 1."""
    xp = x.xp
    value = xp.exp(as_array(x.value, xp))
    spread = spread_of(x)
    if isinstance(spread, float):
        relative = LIBRARY + spread * (1 + LIBRARY)
        if relative != float("inf"):
            result = Tracked(value, 2 * TINY * (1 + spread), xp, relative=relative, loose=x.loose)
        else:
            result = Tracked(value, relative, xp, loose=x.loose)
    else:
        absolute = (value * (1 + LIBRARY) + 2 * TINY) * spread + 2 * TINY
        result = Tracked(value, absolute, xp, relative=LIBRARY, loose=x.loose)
    one = Tracked(1.0, 0.0, xp)
    result.exponential = (one, x, Tracked(0.0, 0.0, xp))
    return result


def log(x: Tracked) -> Tracked:
    """`log x`, by `log1p` of the complement or of the excess over 1 where that is known and small."""
    if x.excess is not None and x.excess.extremes[0] >= 0:
        return log1p(x.excess)
    result = _log_near_one(x, x.one_minus) if x.one_minus is not None else _log(x)
    result.forms = _forms_of_log(x)
    return result


def _log(x: Tracked) -> Tracked:
    value = x.xp.log(as_array(x.value, x.xp))
    return Tracked(value, _log_error(x, x.least), x.xp, relative=LIBRARY, loose=x.loose)


def _log_error(x: Tracked, least: Any) -> Any:
    unsure = plus(x.relative, 0.0 if is_zero(x.absolute) else ratio(x.absolute, least))
    if isinstance(unsure, float):
        return unsure / (1 - unsure) if unsure < 1 else float("inf")
    return unsure / positive_part(1 - unsure, x.xp)


def _log_near_one(x: Tracked, rest: Tracked) -> Tracked:
    xp = x.xp
    low, high = rest.extremes
    if low >= _NEAR_ONE:
        return _log(x)
    complement = as_array(rest.value, xp)
    value = xp.log1p(-complement)
    apart = plus(moved_by(x), moved_by(rest))
    if not (x.loose and isinstance(apart, float)):
        near = complement < _NEAR_ONE
        error = rest.error / positive_part(1 - complement - rest.error, xp)
        value = either(near, value, xp.log(as_array(x.value, xp)), xp)
        return Tracked(value, either(near, error, _log_error(x, x.least), xp), xp, relative=LIBRARY, loose=x.loose)
    # The slope of log1p is at most 1/(1/2 - error), and q <= -log1p(-q). Past 1/2, the number is at most 0.51.
    slope = 1 / 0.49 if apart < 0.01 else float("inf")
    absolute, relative = times(rest.absolute, slope), times(rest.relative, slope)
    if high >= _NEAR_ONE:
        value = either(complement < _NEAR_ONE, value, xp.log(as_array(x.value, xp)), xp)
        relative = max(relative, _log_error(x, x.least) / _LEAST_LOG) if apart < 0.01 else float("inf")
    return Tracked(value, absolute, xp, relative=LIBRARY + relative, loose=True)


def _forms_of_log(x: Tracked) -> tuple[Form, ...]:
    """`log(c e^y + b) = y + log c + log1p((b/c) e^-y)` for positive `c` and `b`, where `y` has forms."""
    if x.exponential is None:
        return ()
    factor, exponent, constant = x.exponential
    if not (exponent.forms and factor.value > 0 and constant.value >= 0):
        return ()

    def rest(rows: Any) -> Tracked:
        return log(factor) + log1p(constant / factor * exp(-exponent[rows]))

    return added(exponent.forms, (Form((), rest),))


def log1p(x: Tracked) -> Tracked:
    """`log(1 + x)` for `x >= 0`, whose slope times `x` is at most its value."""
    xp = x.xp
    value = xp.log1p(as_array(x.value, xp))
    if x.loose and isinstance(x.absolute, float):
        sure = 1 - x.relative - x.absolute
        if sure <= 0:
            return Tracked(value, float("inf"), xp, loose=True)
        return Tracked(value, x.absolute / sure, xp, relative=LIBRARY + x.relative / sure, loose=True)
    error = x.error
    absolute = 0.0 if x.exact else error / positive_part(1 + x.value - error, xp)
    return Tracked(value, absolute, xp, relative=LIBRARY, loose=x.loose)


def sqrt(x: Tracked) -> Tracked:
    """Square root: `|sqrt(x') - sqrt(x)| <= |x' - x| / sqrt(x')`."""
    xp = x.xp
    value, relative = xp.sqrt(as_array(x.value, xp)), UNIT + x.relative * (1 + UNIT)
    if is_zero(x.absolute):
        return Tracked(value, 0.0, xp, relative=relative, loose=x.loose)
    least = Tracked(value, 0.0, xp, loose=x.loose).least
    return Tracked(value, ratio(x.absolute, least), xp, relative=relative, loose=x.loose)


def larger(x: Tracked, y: Tracked, sign: int = 1) -> Tracked:
    """`max(x, y)`, or with sign -1 `min(x, y)`.

    If loose, the bound is the larger of both: if the term not taken were the exact one, it would lie between the float
    taken and the end of its own bound. Else that term matters only where its error bridges the gap.
    """
    if x.plain and y.plain:
        return x if sign * (x.value - y.value) >= 0 else y
    xp = x.xp
    pick = xp.maximum if sign > 0 else xp.minimum
    one, two = as_array(x.value, xp), as_array(y.value, xp)
    value = pick(one, two)
    rest, other_rest = _complement_of(x), _complement_of(y)
    mirrored = None if rest is None or other_rest is None else larger(rest, other_rest, -sign)
    if x.exact and y.exact:
        return Tracked(value, 0.0, xp, mirrored, loose=x.loose or y.loose)
    simple = isinstance(x.absolute, float) and isinstance(y.absolute, float)
    if (x.loose or y.loose) and simple and max(x.relative, y.relative) < 1:
        absolute, relative = max(x.absolute, y.absolute), max(x.relative, y.relative)
        return Tracked(value, absolute, xp, mirrored, relative=relative, loose=True)
    first = one >= two if sign > 0 else one <= two
    own, other = either(first, x.error, y.error, xp), either(first, y.error, x.error, xp)
    return Tracked(value, xp.maximum(own, other - abs(one - two)), xp, mirrored)


def _complement_of(x: Tracked) -> Tracked | None:
    """The accurate complement, also of a plain 0 or 1; without one of its own, so that the recursion ends."""
    if x.plain:
        return Tracked(1.0 - x.value, 0.0, x.xp) if x.value in (0.0, 1.0) else None
    rest = x.one_minus
    if rest is None:
        return None
    return Tracked(rest.value, rest.absolute, x.xp, relative=rest.relative, loose=rest.loose)


def largest(terms: tuple[Tracked, ...], sign: int = 1) -> Tracked:
    """The largest of several, or with sign -1 the smallest."""
    total = terms[0]
    for term in terms[1:]:
        total = larger(total, term, sign)
    return total


def where(condition: Any, first: Tracked, second: Tracked) -> Tracked:
    """One number known in two forms: the first where the condition holds, else the second. Either is right anywhere."""
    xp = first.xp
    value = either(condition, first.value, second.value, xp)
    loose = first.loose or second.loose
    if isinstance(first.absolute, float) and isinstance(second.absolute, float) and loose:
        absolute: Any = first.absolute
        if first.absolute != second.absolute:
            absolute = either(condition, first.absolute, second.absolute, xp)
        return Tracked(value, absolute, xp, relative=max(first.relative, second.relative), loose=True)
    return Tracked(value, either(condition, first.error, second.error, xp), xp)
