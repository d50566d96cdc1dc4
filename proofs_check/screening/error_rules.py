"""How far the result of an operation on floats lies from the exact one: the rules of running error analysis.

Running error analysis (Wilkinson; Higham, *Accuracy and Stability of Numerical Algorithms*, section 3.3): every
operation bounds how far its float64 result lies from the exact result at the exact arguments. The rules assume

- `+ - * /` and square roots rounded to nearest, with unit roundoff `UNIT = 2^-53`, and results below the smallest
  normal number, `TINY = 2^-1022`, wrong by at most that number (so flushing them to 0 is covered);
- `exp`, `log` and `log1p` within `LIBRARY_ULPS` units in the last place, hence `2 LIBRARY_ULPS` unit roundoffs;
  numpy and torch promise less than 4, and a test compares them with Arb;
- a sum of `n` terms, in any order, wrong by at most `(n - 1) UNIT sum |terms|`.

The bound is `|value - exact| <= absolute + relative |value|`. With `a`, `r` for `absolute`, `relative` and primes for
floats: a product has `r = r_x + r_y + r_x r_y` and `a = |x'| a_y (1 + r_x) + |y'| a_x (1 + r_y) + a_x a_y`; a quotient,
from `x'/y' - x/y = ((x' - x) - (x/y)(y' - y))/y'` and `rho = r_y + a_y/|y'|`, has `r = (r_x + rho)/(1 - rho)` and
`a = a_x/(|y'| (1 - rho))`; a sum of terms of one sign keeps the larger `r`, any other moves `r_x |x'| + r_y |y'|`
into `a`. `relative` is one number for all rows. `absolute` is one number where the rows are *loose*, made with the
largest and smallest `|x'|` and `|y'|` of all rows: a cheap bound, too wide for some rows. Else there is one for every
row.

The bounds are themselves computed in float64, from nonnegative terms only: each is right to a relative `2 N UNIT`
for `N` operations on the way. Products of three roundings are left out. `INFLATION` covers both for every `N` below
2^30 and is applied where a bound is used, in `proofs_check.screening.comparing`.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proofs_check.screening.running_error import Tracked

UNIT = 2.0**-53
TINY = 2.0**-1022
LIBRARY_ULPS = 4
LIBRARY = 2 * LIBRARY_ULPS * UNIT
INFLATION = 1 + 2.0**-20

# A float with its absolute and its relative error.
Bounded = tuple[Any, Any, float]


def sum_of(x: Tracked, y: Tracked) -> Bounded:
    """`x + y`; a negated term is subtracted."""
    if y.negated is not None:
        value = x.value - y.negated.value
    elif x.negated is not None:
        value = y.value - x.negated.value
    else:
        value = x.value + y.value
    absolute = plus(x.absolute, y.absolute)
    if x.relative == 0.0 and y.relative == 0.0:
        return value, absolute, UNIT
    if (x.loose or y.loose) and isinstance(absolute, float):
        return (value, *_loose_sum(x, y, absolute))
    for term in (x, y):
        if term.relative:
            absolute = plus(absolute, term.relative * abs((term.negated or term).value))
    return value, absolute, UNIT


def _loose_sum(x: Tracked, y: Tracked, absolute: float) -> tuple[float, float]:
    (low_x, high_x), (low_y, high_y) = x.extremes, y.extremes
    if (low_x >= 0 and low_y >= 0) or (high_x <= 0 and high_y <= 0):
        return absolute, UNIT + max(x.relative, y.relative) * (1 + UNIT)
    sizes = (max(-low_x, high_x), x.relative), (max(-low_y, high_y), y.relative)
    direct = sum(times(relative, size) for size, relative in sizes)
    # |x'| <= |x' + y'| + |y'|: only the smaller term need be bounded by its size.
    (small, of_small), (_, of_large) = sorted(sizes, key=lambda one: one[0])
    turned = times(of_small + of_large, small)
    if turned < direct:
        return absolute + turned, UNIT + of_large * (1 + UNIT)
    return absolute + direct, UNIT


def product_of(x: Tracked, y: Tracked) -> Bounded:
    """`x y`."""
    both = x.relative + y.relative + x.relative * y.relative
    absolute: Any = TINY * (1 + both)
    for one, other in ((x, y), (y, x)):
        if not is_zero(other.absolute):
            absolute = plus(absolute, times(other.absolute * (1 + one.relative), one.size))
    if not (is_zero(x.absolute) or is_zero(y.absolute)):
        absolute = absolute + x.absolute * y.absolute
    return x.value * y.value, absolute, UNIT + both * (1 + UNIT)


def quotient_of(x: Tracked, y: Tracked) -> Bounded:
    """`x / y`, without a bound where the sign of `y` is unknown."""
    if isinstance(x.value, float) and isinstance(y.value, float) and y.value == 0.0:
        # Python's floats raise where arrays give NaN.
        return math.nan, math.inf, 0.0
    xp, value = x.xp, x.value / y.value
    unsure = y.relative if is_zero(y.absolute) else y.relative + ratio(y.absolute, y.least)
    sure = 1 - unsure if isinstance(unsure, float) else positive_part(1 - unsure, xp)
    moved = ratio(x.relative + unsure, sure)
    absolute = 0.0 if is_zero(x.absolute) else ratio(x.absolute, y.least * sure)
    if any(map(math.isinf, y.extremes)):
        # Divided by an overflowed number, the float quotient is 0 whatever the exact one.
        apart = not (x.loose or y.loose or isinstance(y.value, float))
        absolute = plus(absolute, either(abs(y.value) == math.inf, math.inf, 0.0, xp) if apart else math.inf)
    if isinstance(moved, float):
        return value, plus(absolute, TINY * (1 + moved)), UNIT + moved * (1 + UNIT)
    return value, plus(absolute, moved * (abs(value) * (1 + UNIT) + TINY) + TINY), UNIT


def difference_of_masses(x: Tracked, y: Tracked) -> Bounded:
    """`x - y` or `(1 - y) - (1 - x)`, whichever has the smaller error: masses near 1 differ through their complements.

    There is one bound per row, loose or not: such differences vanish with the smaller of the masses.
    """
    xp = x.xp
    pairs = ((x, y), (y.one_minus, x.one_minus))
    (value, error), (other, other_error) = (_plain_difference(one, another) for one, another in pairs)
    better = as_array(error, xp) <= as_array(other_error, xp)
    return either(better, value, other, xp), either(better, error, other_error, xp), 0.0


def _plain_difference(x: Any, y: Any) -> tuple[Any, Any]:
    value = x.value - y.value
    return value, abs(value) * UNIT + (x.error + y.error)


@lru_cache(maxsize=4096)
def of_numbers(operation: str, x: float, y: float) -> Bounded:
    """`x + y`, `x * y` or `x / y` of exact floats, marked exact where it is."""
    one, other = Fraction(x), Fraction(y)
    if operation == "+":
        return nearest(one + other)
    return nearest(one * other if operation == "*" else one / other)


def nearest(value: Fraction) -> Bounded:
    """The float nearest to a rational, without a bound where it overflows."""
    try:
        found = float(value)
    except OverflowError:
        return (math.inf if value > 0 else -math.inf), math.inf, 0.0
    if Fraction(found) == value:
        return found, 0.0, 0.0
    return found, TINY if abs(found) < TINY else 0.0, UNIT


def is_zero(bound: Any) -> bool:
    """Whether a bound is the plain number 0."""
    return isinstance(bound, float) and bound == 0.0


def plus(a: Any, b: Any) -> Any:
    """Sum of two bounds; a bound of 0 costs nothing."""
    return b if is_zero(a) else a if is_zero(b) else a + b


def times(bound: Any, size: Any) -> Any:
    """Product of a bound and a size, 0 where the bound is 0 however large the size."""
    if isinstance(bound, float) and isinstance(size, float):
        return 0.0 if bound == 0.0 else bound * size
    return bound * size


def ratio(bound: Any, divisor: Any) -> Any:
    """A bound over a divisor, infinite where the divisor is not positive: its sign is unknown."""
    if isinstance(bound, float) and isinstance(divisor, float):
        if bound == 0.0:
            return 0.0
        return bound / divisor if divisor > 0 else math.inf
    return bound / divisor


def as_array(value: Any, xp: Any) -> Any:
    """The value as float64 that the library's functions accept."""
    return xp.asarray(value, dtype=xp.float64) if isinstance(value, float) else value


def either(condition: Any, first: Any, second: Any, xp: Any) -> Any:
    """`first` where the condition holds, else `second`; torch alone would make two plain numbers a float32 array."""
    return xp.where(condition, as_array(first, xp), as_array(second, xp))


def positive_part(value: Any, xp: Any) -> Any:
    """`max(value, 0)`: a divisor of 0 makes the bound infinite."""
    return xp.clip(as_array(value, xp), 0.0, None)
