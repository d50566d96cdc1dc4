"""Numbers that carry a bound on their own rounding error.

Running error analysis (Wilkinson; Higham, *Accuracy and Stability of Numerical Algorithms*, section 3.3): every
operation bounds how far its float64 result lies from the exact result at the exact arguments. The rules assume

- `+ - * /` and square roots rounded to nearest, with unit roundoff `UNIT = 2^-53`, and results below the smallest
  normal number, `TINY = 2^-1022`, wrong by at most that number (so flushing them to 0 is covered);
- `exp`, `log` and `log1p` within `LIBRARY_ULPS` units in the last place, hence `2 LIBRARY_ULPS` unit roundoffs;
  numpy and torch promise less than 4, and a test compares them with Arb;
- a sum of `n` terms, in any order, wrong by at most `(n - 1) UNIT sum |terms|`.

The bounds are themselves computed in float64, from nonnegative terms only: each is right to a relative `2 N UNIT`
for `N` operations on the way. Terms of second order in `UNIT` are left out likewise. `INFLATION` covers both for
every `N` below 2^30 and is applied where a bound is used, in `parted`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

UNIT = 2.0**-53
TINY = 2.0**-1022
LIBRARY_ULPS = 4
LIBRARY = 2 * LIBRARY_ULPS * UNIT
INFLATION = 1 + 2.0**-20

Truth = tuple[Any, Any]


class Tracked:
    """A float64 array (or number) with a bound on its distance from the exact value.

    `one_minus`, where known, is `1 - self` with an error of its own: masses near 1 keep their complement accurate.
    """

    __slots__ = ("error", "negated", "one_minus", "value", "xp")

    def __init__(self, value: Any, error: Any, xp: Any, one_minus: Tracked | None = None) -> None:
        self.value = value
        self.error = error
        self.xp = xp
        self.one_minus = one_minus
        self.negated: Tracked | None = None

    @property
    def exact(self) -> bool:
        """Whether the value is known to carry no error at all."""
        return isinstance(self.error, float) and self.error == 0.0

    def _lift(self, other: Any) -> Tracked:
        return other if isinstance(other, Tracked) else Tracked(float(other), 0.0, self.xp)

    def __neg__(self) -> Tracked:
        result = Tracked(-self.value, self.error, self.xp)
        result.negated = self
        return result

    def __add__(self, other: Any) -> Tracked:
        other = self._lift(other)
        for one, rest in ((self, other), (other, self)):
            if _is(one, 1.0) and rest.negated is not None and rest.negated.one_minus is not None:
                return rest.negated.one_minus
            if _is(one, 0.0):
                return rest
        for one, rest in ((self, other), (other, self)):
            if rest.negated is not None and one.one_minus is not None and rest.negated.one_minus is not None:
                return _difference(one, rest.negated)
        if _scalars(self, other):
            result = nearest_float(Fraction(self.value) + Fraction(other.value), self.xp)
        else:
            value = self.value + other.value
            result = Tracked(value, abs(value) * UNIT + _sum(self.error, other.error), self.xp)
        for one, rest in ((self, other), (other, self)):
            if _is(one, 1.0) and rest.negated is not None:
                result.one_minus = rest.negated
        return result

    __radd__ = __add__

    def __sub__(self, other: Any) -> Tracked:
        if other is self:
            return Tracked(0 * self.value, 0.0, self.xp)
        return self + (-self._lift(other))

    def __rsub__(self, other: Any) -> Tracked:
        return self._lift(other) + (-self)

    def __mul__(self, other: Any) -> Tracked:
        other = self._lift(other)
        for one, rest in ((self, other), (other, self)):
            if _is(one, 1.0):
                return rest
            if _is(one, -1.0):
                return -rest
            if one.negated is not None:
                return -(one.negated * rest)
        if _scalars(self, other):
            return nearest_float(Fraction(self.value) * Fraction(other.value), self.xp)
        value = self.value * other.value
        error = abs(value) * UNIT + TINY
        if not self.exact:
            error = error + (abs(other.value) + other.error) * self.error
        if not other.exact:
            error = error + abs(self.value) * other.error
        return Tracked(value, error, self.xp)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Tracked:
        # a'/b' - a/b = ((a' - a) - (a/b)(b' - b)) / b' for the exact a', b'.
        other = self._lift(other)
        if _is(other, 1.0):
            return self
        if _scalars(self, other) and other.value:
            return nearest_float(Fraction(self.value) / Fraction(other.value), self.xp)
        value = self.value / other.value
        error = abs(value) * UNIT + TINY
        if not (self.exact and other.exact):
            moved = self.error if other.exact else self.error + (abs(value) + TINY) * other.error
            error = error + moved / positive_part(abs(other.value) - other.error, self.xp)
        return Tracked(value, error, self.xp)

    def __rtruediv__(self, other: Any) -> Tracked:
        return self._lift(other) / self

    def __pow__(self, exponent: Any) -> Tracked:
        if isinstance(exponent, int):
            result = self
            for _ in range(exponent - 1):
                result = result * self
            return result
        return exp(self._lift(exponent) * log(self))

    def __abs__(self) -> Tracked:
        return Tracked(abs(self.value), self.error, self.xp)


def _difference(x: Tracked, y: Tracked) -> Tracked:
    """`x - y` or `(1 - y) - (1 - x)`, whichever is the more certain: masses near 1 differ through their complements."""
    direct, mirrored = (_plain_difference(a, b) for a, b in ((x, y), (y.one_minus, x.one_minus)))
    better = as_array(direct.error, x.xp) <= as_array(mirrored.error, x.xp)
    value = either(better, direct.value, mirrored.value, x.xp)
    return Tracked(value, either(better, direct.error, mirrored.error, x.xp), x.xp)


def _plain_difference(x: Tracked | None, y: Tracked | None) -> Tracked:
    if x is None or y is None:
        raise ValueError("a difference of complements needs both")
    value = x.value - y.value
    return Tracked(value, abs(value) * UNIT + _sum(x.error, y.error), x.xp)


def _is(number: Tracked, value: float) -> bool:
    return isinstance(number.value, float) and number.value == value and number.exact


def _scalars(x: Tracked, y: Tracked) -> bool:
    return x.exact and y.exact and isinstance(x.value, float) and isinstance(y.value, float)


def nearest_float(value: Fraction, xp: Any) -> Tracked:
    """A rational as the float nearest to it, exact where it is one."""
    nearest = float(value)
    return Tracked(nearest, 0.0 if Fraction(nearest) == value else abs(nearest) * UNIT + TINY, xp)


def _sum(a: Any, b: Any) -> Any:
    return b if isinstance(a, float) and a == 0.0 else a if isinstance(b, float) and b == 0.0 else a + b


def as_array(value: Any, xp: Any) -> Any:
    """The value as something the library's functions accept, float64."""
    return xp.asarray(value, dtype=xp.float64) if isinstance(value, float) else value


def either(condition: Any, first: Any, second: Any, xp: Any) -> Any:
    """`first` where the condition holds, else `second`; torch would make two plain numbers a float32 array."""
    return xp.where(condition, as_array(first, xp), as_array(second, xp))


def positive_part(value: Any, xp: Any) -> Any:
    """`max(value, 0)`: a divisor of 0 makes the bound infinite, which is what an unknown sign deserves."""
    return xp.clip(as_array(value, xp), 0.0, None)


def exp(x: Tracked) -> Tracked:
    """`e^x`: `|e^t - 1| <= t + t^2` for `|t| <= 1`, and no bound where the argument is less certain."""
    value = x.xp.exp(as_array(x.value, x.xp))
    if x.exact:
        return Tracked(value, (value + TINY) * LIBRARY + TINY, x.xp)
    spread = LIBRARY + x.error + x.error * x.error
    spread = either(as_array(x.error, x.xp) <= 1.0, spread, float("inf"), x.xp)
    return Tracked(value, (value + TINY) * spread + TINY, x.xp)


def log(x: Tracked) -> Tracked:
    """`log x`, by `log1p` of the complement where that is known and the smaller."""
    xp = x.xp
    plain_value = xp.log(as_array(x.value, xp))
    plain = Tracked(plain_value, _log_error(plain_value, x.value, x, xp), xp)
    rest = x.one_minus
    if rest is None:
        return plain
    value = xp.log1p(-as_array(rest.value, xp))
    near_one = as_array(rest.value, xp) < 0.5
    error = _log_error(value, 1 - rest.value, rest, xp)
    return Tracked(either(near_one, value, plain.value, xp), either(near_one, error, plain.error, xp), xp)


def log1p(x: Tracked) -> Tracked:
    """`log(1 + x)` for `x >= 0`."""
    value = x.xp.log1p(as_array(x.value, x.xp))
    return Tracked(value, _log_error(value, 1 + x.value, x, x.xp), x.xp)


def _log_error(value: Any, argument: Any, source: Tracked, xp: Any) -> Any:
    rounding = abs(value) * LIBRARY
    return rounding if source.exact else rounding + source.error / positive_part(argument - source.error, xp)


def sqrt(x: Tracked) -> Tracked:
    """Square root: `|sqrt(x') - sqrt(x)| <= |x' - x| / sqrt(x)`."""
    value = x.xp.sqrt(as_array(x.value, x.xp))
    return Tracked(value, value * UNIT if x.exact else value * UNIT + x.error / value, x.xp)


def larger(x: Tracked, y: Tracked, sign: int = 1) -> Tracked:
    """`max(x, y)`, or with sign -1 `min(x, y)`: the term not taken matters only where its error bridges the gap."""
    xp = x.xp
    pick = xp.maximum if sign > 0 else xp.minimum
    one, two = as_array(x.value, xp), as_array(y.value, xp)
    value = pick(one, two)
    rest, other_rest = _complement_of(x), _complement_of(y)
    mirrored = None if rest is None or other_rest is None else larger(rest, other_rest, -sign)
    if x.exact and y.exact:
        return Tracked(value, 0.0, xp, mirrored)
    first = one >= two if sign > 0 else one <= two
    own, other = either(first, x.error, y.error, xp), either(first, y.error, x.error, xp)
    return Tracked(value, xp.maximum(own, other - abs(one - two)), xp, mirrored)


def _complement_of(x: Tracked) -> Tracked | None:
    """The accurate complement, also that of a number; without one of its own, so that there is an end to it."""
    if isinstance(x.value, float) and x.exact:
        return Tracked(1.0 - x.value, 0.0, x.xp) if x.value in (0.0, 1.0) else None
    return None if x.one_minus is None else Tracked(x.one_minus.value, x.one_minus.error, x.xp)


def largest(terms: tuple[Tracked, ...], sign: int = 1) -> Tracked:
    """The largest of several, or with sign -1 the smallest."""
    total = terms[0]
    for term in terms[1:]:
        total = larger(total, term, sign)
    return total


def parted(sign: str, left: Tracked, right: Tracked) -> Truth:
    """Where `left sign right` is certainly true, and where certainly false; neither where the errors decide."""
    truth = _parted(sign, left - right)
    if left.one_minus is None or right.one_minus is None:
        return truth
    # Near 1 the complements tell masses apart that the masses themselves no longer do.
    mirrored = _parted(sign, right.one_minus - left.one_minus)
    return truth[0] | mirrored[0], truth[1] | mirrored[1]


def _parted(sign: str, gap: Tracked) -> Truth:
    value, bound = as_array(gap.value, gap.xp), gap.error * INFLATION
    above, below = value > bound, value < -bound
    at_least, at_most = value >= bound, value <= -bound
    return {
        "<=": (at_most, above),
        "<": (below, at_least),
        ">=": (at_least, below),
        ">": (above, at_most),
        "==": (at_least & at_most, above | below),
        "!=": (above | below, at_least & at_most),
    }[sign]
