"""Numbers that carry a bound on their own rounding error, and where a comparison of two is certain.

Running error analysis (Wilkinson; Higham, *Accuracy and Stability of Numerical Algorithms*, section 3.3): every
operation bounds how far its float64 result lies from the exact result at the exact arguments. The rules assume

- `+ - * /` and square roots rounded to nearest, with unit roundoff `UNIT = 2^-53`, and results below the smallest
  normal number, `TINY = 2^-1022`, wrong by at most that number (so flushing them to 0 is covered);
- numpy's `exp`, `expm1`, `log` and `log1p` within `LIBRARY_ULPS` units in the last place, hence `2 LIBRARY_ULPS` unit
  roundoffs; a test compares them with Arb.

The bounds are themselves computed in float64, from nonnegative terms only: each is right to a relative `2 N UNIT` for
`N` operations on the way. Products of three roundings are left out. `INFLATION` covers both for every `N` below 2^30,
and is applied where a bound is used, in `compare`. Where a result overflows or has no value, its bound is infinite or
NaN, and no comparison with it is certain.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

UNIT = 2.0**-53
TINY = 2.0**-1022
LIBRARY_ULPS = 4
LIBRARY = 2 * LIBRARY_ULPS * UNIT
INFLATION = 1 + 2.0**-20

# The rows on which a comparison certainly holds, and those on which it certainly fails.
Truth = tuple[Any, Any]


class Tracked:
    """Floats `value`, one or one per row, each within `error` of the exact number.

    `one_minus` is `1 - self` and `one_plus` is `1 + self` where either is known with an error of its own: masses near
    1 are compared, subtracted from 1 and put into logarithms through their complements.
    """

    __slots__ = ("error", "one_minus", "one_plus", "value")
    # numpy's numbers leave mixed arithmetic to this class.
    __array_ufunc__ = None

    def __init__(self, value: Any, error: Any = 0.0) -> None:
        # A plain number becomes numpy's, which divides by 0 without raising.
        self.value = np.float64(value) if isinstance(value, int | float) else value
        self.error = error
        self.one_minus: Tracked | None = None
        self.one_plus: Tracked | None = None

    def is_number(self, number: float) -> bool:
        """Whether it is exactly that number on all rows."""
        return isinstance(self.error, float) and self.error == 0.0 and np.ndim(self.value) == 0 and self.value == number

    def __neg__(self) -> Tracked:
        result = Tracked(-self.value, self.error)
        result.one_minus, result.one_plus = self.one_plus, self.one_minus
        return result

    def __abs__(self) -> Tracked:
        return Tracked(abs(self.value), self.error)

    def __add__(self, other: Any) -> Tracked:
        other = _lifted(other)
        for one, term in ((self, other), (other, self)):
            if one.is_number(1.0) and term.one_plus is not None:
                return term.one_plus
        value = self.value + other.value
        result = Tracked(value, self.error + other.error + UNIT * abs(value))
        for one, term in ((self, other), (other, self)):
            if one.is_number(1.0):
                result.one_minus = -term
        return result

    __radd__ = __add__

    def __sub__(self, other: Any) -> Tracked:
        return self + (-_lifted(other))

    def __rsub__(self, other: Any) -> Tracked:
        return _lifted(other) + (-self)

    def __mul__(self, other: Any) -> Tracked:
        other = _lifted(other)
        for one, factor in ((self, other), (other, self)):
            if one.is_number(-1.0):
                return -factor
        value = self.value * other.value
        moved = abs(self.value) * other.error + (abs(other.value) + other.error) * self.error
        return Tracked(value, moved + UNIT * abs(value) + TINY)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Tracked:
        # x'/y' - x/y = ((x' - x) - (x'/y')(y' - y))/y, and |y| >= |y'| - error; a y of unknown sign has no bound.
        other = _lifted(other)
        value = self.value / other.value
        moved = self.error + (abs(value) + TINY) * other.error
        least = np.maximum(abs(other.value) - other.error, 0.0)
        return Tracked(value, moved / least + UNIT * abs(value) + TINY)

    def __rtruediv__(self, other: Any) -> Tracked:
        return _lifted(other) / self

    def __pow__(self, exponent: Tracked) -> Tracked:
        return exp(exponent * log(self))


def _lifted(number: Any) -> Tracked:
    return number if isinstance(number, Tracked) else Tracked(float(number))


def nearest(number: Fraction) -> Tracked:
    """The float nearest to a rational, without a bound where it overflows."""
    try:
        value = float(number)
    except OverflowError:
        return Tracked(math.inf if number > 0 else -math.inf, math.inf)
    return Tracked(value, 0.0 if Fraction(value) == number else UNIT * abs(value) + TINY)


def pair(mass: Tracked, rest: Tracked) -> Tracked:
    """The first of two numbers that add up to 1, each marked as the other's complement."""
    mass.one_minus, rest.one_minus = rest, mass
    return mass


def complement(p: Tracked) -> Tracked:
    """`1 - p`, from the accurate complement where there is one, with `p` as its own complement."""
    rest = 1 - p
    rest.one_minus = p
    return rest


def exp(x: Tracked) -> Tracked:
    """`e^x`, which an error `t` of the argument multiplies by at most `e^t`."""
    value = np.exp(x.value)
    return Tracked(value, (value + TINY) * np.expm1(x.error) * (1 + 2 * LIBRARY) + LIBRARY * value + TINY)


def log(x: Tracked) -> Tracked:
    """`log x`, through the complement where that is known and below 1/2 in size."""
    rest = x.one_minus
    if rest is None:
        return _log(x)
    value = np.log1p(-rest.value)
    error = rest.error / np.maximum(1 - rest.value - rest.error, 0.0) + LIBRARY * abs(value)
    direct, near = _log(x), abs(rest.value) < 0.5
    return Tracked(np.where(near, value, direct.value), np.where(near, error, direct.error))


def _log(x: Tracked) -> Tracked:
    value = np.log(x.value)
    return Tracked(value, x.error / np.maximum(x.value - x.error, 0.0) + LIBRARY * abs(value))


def sqrt(x: Tracked) -> Tracked:
    """Square root: `|sqrt(x') - sqrt(x)| <= |x' - x|/sqrt(x')`; no bound where `x` may be negative."""
    value = np.sqrt(x.value)
    moved = np.where(np.equal(x.error, 0.0), 0.0, x.error / value)
    return Tracked(value, np.where(x.value < x.error, math.inf, moved) + UNIT * value)


def logistic(x: Tracked) -> Tracked:
    """`1/(1 + e^-x)` with its complement.

    With `t = e^-|x|` both `1/(1 + t)` and `t/(1 + t)` are relatively accurate, and an error of `x` moves either by at
    most that error times the smaller of the two, itself known to a factor `e^error`.
    """
    small = np.exp(-abs(x.value))
    upper = 1 / (1 + small)
    lower = small * upper
    moved = (lower + TINY) * x.error * np.exp(x.error) * (1 + 2 * LIBRARY) + TINY
    masses = [Tracked(mass, moved + (2 * LIBRARY + 3 * UNIT) * mass) for mass in (upper, lower)]
    positive = x.value >= 0
    inside, outside = (
        Tracked(np.where(positive, one.value, other.value), np.where(positive, one.error, other.error))
        for one, other in (masses, masses[::-1])
    )
    return pair(inside, outside)


def larger(x: Tracked, y: Tracked) -> Tracked:
    """`max(x, y)`; the error of the smaller float counts only as far as it exceeds the gap between them."""
    first, gap = x.value >= y.value, abs(x.value - y.value)
    own, other = np.where(first, x.error, y.error), np.where(first, y.error, x.error)
    return Tracked(np.maximum(x.value, y.value), np.maximum(own, INFLATION * other - gap))


def smaller(x: Tracked, y: Tracked) -> Tracked:
    """`min(x, y)`."""
    return -larger(-x, -y)


def compare(sign: str, left: Tracked, right: Tracked) -> Truth:
    """The rows on which `left sign right` certainly holds, and those on which it certainly fails.

    A rounded difference has the sign of the exact one, so only the errors of its terms count. Complements of both
    sides may settle what the sides leave open.
    """
    if sign in (">=", ">"):
        return compare({">=": "<=", ">": "<"}[sign], right, left)
    if left is right:
        left = right = Tracked(0.0)
    holds, fails = _compare(sign, left, right)
    if left.one_minus is not None and right.one_minus is not None:
        also_holds, also_fails = _compare(sign, right.one_minus, left.one_minus)
        holds, fails = holds | also_holds, fails | also_fails
    return holds, fails


def _compare(sign: str, left: Tracked, right: Tracked) -> Truth:
    gap = left.value - right.value
    bound = INFLATION * (left.error + right.error)
    if sign in ("==", "!="):
        equal, different = (gap == 0) & (bound == 0), abs(gap) > bound
        return (equal, different) if sign == "==" else (different, equal)
    over, under = gap + bound, gap - bound
    return (over <= 0, under > 0) if sign == "<=" else (over < 0, under >= 0)
