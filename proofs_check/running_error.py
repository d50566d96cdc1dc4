"""Numbers that carry a bound on their own rounding error.

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
largest and smallest `|x'|` and `|y'|` of all rows: a cheap bound, too wide for some rows. Else it is found for every row.

The bounds are themselves computed in float64, from nonnegative terms only: each is right to a relative `2 N UNIT`
for `N` operations on the way. Products of three roundings are left out. `INFLATION` covers both for every `N` below
2^30 and is applied where a bound is used, in `proofs_check.comparing`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

from proofs_check.linear_forms import Form, added, flipped, opaque

UNIT = 2.0**-53
TINY = 2.0**-1022
LIBRARY_ULPS = 4
LIBRARY = 2 * LIBRARY_ULPS * UNIT
INFLATION = 1 + 2.0**-20


class Tracked:
    """A float64 array (or number) with a bound on its distance from the exact value.

    What is known of the exact value beside the float serves better-conditioned forms: `one_minus` is `1 - self` with
    an error of its own, `excess` is `self - 1`, `quotient` the two numbers divided, `exponential` the `(c, x, b)` of
    `c e^x + b` with plain numbers `c` and `b`, and `forms` are sums over shared numbers that cancel in differences.
    """

    __slots__ = (
        "_extremes",
        "_forms",
        "_value",
        "absolute",
        "exact",
        "excess",
        "exponential",
        "loose",
        "memo",
        "negated",
        "one_minus",
        "plain",
        "quotient",
        "relative",
        "xp",
    )

    def __init__(
        self,
        value: Any,
        absolute: Any,
        xp: Any,
        one_minus: Tracked | None = None,
        relative: float = 0.0,
        loose: bool = False,
    ) -> None:
        self._value = value
        # Whether the value carries no error at all, and whether it is besides one number for all rows.
        self.exact = relative == 0.0 and is_zero(absolute)
        self.plain = self.exact and isinstance(value, float)
        self.absolute = absolute
        self.relative = relative
        self.xp = xp
        self.one_minus = one_minus
        self.loose = loose
        self.negated: Tracked | None = None
        self.excess: Tracked | None = None
        self.quotient: tuple[Tracked, Tracked] | None = None
        self.exponential: tuple[Tracked, Tracked, Tracked] | None = None
        self.memo: Any = None
        self._forms: tuple[Form, ...] = ()
        self._extremes: tuple[float, float] | None = None

    @property
    def value(self) -> Any:
        """The floats; those of a negation are made when they are first needed."""
        if self._value is None and self.negated is not None:
            self._value = -self.negated.value
        return self._value

    @property
    def error(self) -> Any:
        """The bound, for every row."""
        return (
            self.absolute if self.relative == 0.0 else self.absolute + self.relative * abs((self.negated or self).value)
        )

    @property
    def forms(self) -> tuple[Form, ...]:
        """The same number as sums over shared numbers."""
        return self._forms if self.negated is None else tuple(flipped(form) for form in self.negated.forms)

    @forms.setter
    def forms(self, forms: tuple[Form, ...]) -> None:
        self._forms = forms

    @property
    def extremes(self) -> tuple[float, float]:
        """Smallest and largest of the floats; NaN, which no comparison settles, left out."""
        if self._extremes is None:
            self._extremes = self._find_extremes()
        return self._extremes

    def _find_extremes(self) -> tuple[float, float]:
        if self.negated is not None:
            low, high = self.negated.extremes
            return -high, -low
        value, xp = self.value, self.xp
        if isinstance(value, float):
            return (value, value) if value == value else (-math.inf, math.inf)
        low, high = float(value.min()), float(value.max())
        if low != low:
            known = value == value
            low = float(xp.where(known, value, math.inf).min())
            high = float(xp.where(known, value, -math.inf).max())
        return (low, high) if low <= high else (-math.inf, math.inf)

    @property
    def size(self) -> Any:
        """`|value|`, or where loose the largest of all rows."""
        if not self.loose:
            return abs((self.negated or self).value)
        low, high = self.extremes
        return max(-low, high)

    @property
    def least(self) -> Any:
        """`|value|`, or where loose the least of all rows."""
        if not self.loose:
            return abs((self.negated or self).value)
        low, high = self.extremes
        return low if low > 0 else -high if high < 0 else 0.0

    def __getitem__(self, rows: Any) -> Tracked:
        """The number on the chosen rows, what follows from it there bounded row by row."""
        if self.negated is not None:
            return -(self.negated[rows])
        value, absolute = (x if isinstance(x, float) else x[rows] for x in (self.value, self.absolute))
        result = Tracked(value, absolute, self.xp, relative=self.relative)
        if self.one_minus is not None:
            rest = self.one_minus
            value, absolute = (x if isinstance(x, float) else x[rows] for x in (rest.value, rest.absolute))
            result.one_minus = Tracked(value, absolute, self.xp, result, relative=rest.relative)
        return result

    def _lift(self, other: Any) -> Tracked:
        return other if isinstance(other, Tracked) else Tracked(float(other), 0.0, self.xp)

    def __neg__(self) -> Tracked:
        if self.negated is not None:
            return self.negated
        if self.plain:
            return Tracked(-self._value, 0.0, self.xp)
        result = Tracked(None, self.absolute, self.xp, relative=self.relative, loose=self.loose)
        result.negated = self
        result.exact = self.exact
        return result

    def __add__(self, other: Any) -> Tracked:
        other = self._lift(other)
        if self.plain or other.plain:
            one, rest = (self, other) if self.plain else (other, self)
            if is_number(one, 1.0) and rest.negated is not None and rest.negated.one_minus is not None:
                return rest.negated.one_minus
            if is_number(one, 0.0):
                return rest
        for one, rest in ((self, other), (other, self)):
            if one.one_minus is not None and rest.negated is not None and rest.negated.one_minus is not None:
                return _difference(one, rest.negated)
        result = _exact_result("+", self, other)
        if result is None:
            result = _sum(self, other)
        if self.plain or other.plain:
            one, rest = (self, other) if self.plain else (other, self)
            if is_number(one, 1.0):
                if rest.negated is not None:
                    result.one_minus = rest.negated
                else:
                    result.excess = rest
            if rest.exponential is not None:
                factor, exponent, constant = rest.exponential
                result.exponential = (factor, exponent, constant + one)
        mine, others = self.forms, other.forms
        if mine or others:
            result.forms = added(mine or (opaque(self),), others or (opaque(other),))
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
            if one.plain and is_number(one, 1.0):
                return rest
            if one.plain and is_number(one, -1.0):
                return -rest
            if one.negated is not None:
                return -(one.negated * rest)
            if one.quotient is not None and one.quotient[1] is rest:
                return one.quotient[0]
        result = _exact_result("*", self, other)
        if result is None:
            result = _product(self, other)
        for one, rest in ((self, other), (other, self)):
            if one.exponential is not None and rest.plain:
                factor, exponent, constant = one.exponential
                result.exponential = (factor * rest, exponent, constant * rest)
            if rest.one_minus is not None and one.forms and one.forms[0].is_number(one):
                # x p = x - x (1 - p), where x cancels against another x.
                result.forms = (Form(((one, 1),), _less_complement(one, rest.one_minus)),)
        return result

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Tracked:
        other = self._lift(other)
        if is_number(other, 1.0):
            return self
        if self.negated is not None:
            return -(self.negated / other)
        if other.negated is not None:
            return -(self / other.negated)
        result = None if is_number(other, 0.0) else _exact_result("/", self, other)
        if result is None:
            result = _quotient(self, other)
        result.quotient = (self, other)
        return result

    def __rtruediv__(self, other: Any) -> Tracked:
        return self._lift(other) / self

    def __pow__(self, exponent: Any) -> Tracked:
        if isinstance(exponent, int):
            result = self
            for _ in range(exponent - 1):
                result = result * self
            return result
        from proofs_check.tracked_functions import exp, log

        return exp(self._lift(exponent) * log(self))

    def __abs__(self) -> Tracked:
        return Tracked(abs(self.value), self.absolute, self.xp, relative=self.relative, loose=self.loose)


def _less_complement(x: Tracked, complement: Tracked) -> Callable[[Any], Tracked]:
    return lambda rows: -(x[rows] * complement[rows])


def is_zero(bound: Any) -> bool:
    """Whether a bound is the plain number 0."""
    return isinstance(bound, float) and bound == 0.0


def is_number(x: Tracked, value: float) -> bool:
    """Whether it is exactly that plain number."""
    return bool(x.plain and x.value == value)


def _exact_result(operation: str, x: Tracked, y: Tracked) -> Tracked | None:
    if not (x.plain and y.plain):
        return None
    value, absolute, relative = _rational_result(operation, float(x.value), float(y.value))
    return Tracked(value, absolute, x.xp, relative=relative)


@lru_cache(maxsize=4096)
def _rational_result(operation: str, x: float, y: float) -> tuple[float, float, float]:
    one, other = Fraction(x), Fraction(y)
    if operation == "+":
        return _nearest(one + other)
    return _nearest(one * other if operation == "*" else one / other)


def _nearest(value: Fraction) -> tuple[float, float, float]:
    """The nearest float, its absolute and its relative error."""
    nearest = float(value)
    if Fraction(nearest) == value:
        return nearest, 0.0, 0.0
    return nearest, TINY if abs(nearest) < TINY else 0.0, UNIT


def nearest_float(value: Fraction, xp: Any) -> Tracked:
    """A rational as the float nearest to it, exact where it is one."""
    nearest, absolute, relative = _nearest(value)
    return Tracked(nearest, absolute, xp, relative=relative)


def _sum(x: Tracked, y: Tracked) -> Tracked:
    if y.negated is not None:
        value = x.value - y.negated.value
    elif x.negated is not None:
        value = y.value - x.negated.value
    else:
        value = x.value + y.value
    loose = x.loose or y.loose
    absolute, relative = plus(x.absolute, y.absolute), UNIT
    if x.relative == 0.0 and y.relative == 0.0:
        return Tracked(value, absolute, x.xp, relative=relative, loose=loose)
    if loose and isinstance(absolute, float):
        (low_x, high_x), (low_y, high_y) = x.extremes, y.extremes
        larger = max(x.relative, y.relative) * (1 + UNIT)
        if (low_x >= 0 and low_y >= 0) or (high_x <= 0 and high_y <= 0):
            return Tracked(value, absolute, x.xp, relative=UNIT + larger, loose=True)
        sizes = (max(-low_x, high_x), x.relative), (max(-low_y, high_y), y.relative)
        direct = sum(times(r, size) for size, r in sizes)
        # |x'| <= |x' + y'| + |y'|: only the smaller term need be bounded by its size.
        (small, r_small), (_, r_large) = sorted(sizes, key=lambda one: one[0])
        turned = times(r_small + r_large, small)
        if turned < direct:
            return Tracked(value, plus(absolute, turned), x.xp, relative=UNIT + r_large * (1 + UNIT), loose=True)
        return Tracked(value, plus(absolute, direct), x.xp, relative=UNIT, loose=True)
    for term in (x, y):
        if term.relative:
            absolute = plus(absolute, term.relative * abs((term.negated or term).value))
    return Tracked(value, absolute, x.xp, relative=UNIT, loose=loose)


def _product(x: Tracked, y: Tracked) -> Tracked:
    value = x.value * y.value
    both = x.relative + y.relative + x.relative * y.relative
    absolute: Any = TINY * (1 + both)
    for one, other in ((x, y), (y, x)):
        if not is_zero(other.absolute):
            absolute = plus(absolute, times(other.absolute * (1 + one.relative), one.size))
    if not (is_zero(x.absolute) or is_zero(y.absolute)):
        absolute = absolute + x.absolute * y.absolute
    loose = x.loose or y.loose
    return Tracked(value, absolute, x.xp, relative=UNIT + both * (1 + UNIT), loose=loose)


def _quotient(x: Tracked, y: Tracked) -> Tracked:
    xp, loose = x.xp, x.loose or y.loose
    value = x.value / y.value
    unsure = y.relative if is_zero(y.absolute) else y.relative + ratio(y.absolute, y.least, xp)
    sure = 1 - unsure if isinstance(unsure, float) else positive_part(1 - unsure, xp)
    moved = ratio(x.relative + unsure, sure, xp)
    absolute = 0.0 if is_zero(x.absolute) else ratio(x.absolute, y.least * sure, xp)
    if isinstance(moved, float):
        relative = UNIT + moved * (1 + UNIT)
        return Tracked(value, plus(absolute, TINY * (1 + moved)), xp, relative=relative, loose=loose)
    absolute = plus(absolute, moved * (abs(value) * (1 + UNIT) + TINY) + TINY)
    return Tracked(value, absolute, xp, relative=UNIT, loose=loose)


def _difference(x: Tracked, y: Tracked) -> Tracked:
    """`x - y` or `(1 - y) - (1 - x)`, whichever is the more certain: masses near 1 differ through their complements.

    The bound is one for every row, loose or not: such differences vanish with the smaller of the masses.
    """
    xp = x.xp
    (value, error), (other, other_error) = (_plain_difference(a, b) for a, b in ((x, y), (y.one_minus, x.one_minus)))
    better = as_array(error, xp) <= as_array(other_error, xp)
    return Tracked(either(better, value, other, xp), either(better, error, other_error, xp), xp)


def _plain_difference(x: Tracked | None, y: Tracked | None) -> tuple[Any, Any]:
    if x is None or y is None:
        raise ValueError("a difference of complements needs both")
    value = x.value - y.value
    return value, abs(value) * UNIT + (x.error + y.error)


def plus(a: Any, b: Any) -> Any:
    """Sum of two bounds; one of 0 costs nothing."""
    return b if is_zero(a) else a if is_zero(b) else a + b


def times(bound: Any, size: Any) -> Any:
    """Product of a bound and a size, 0 where the bound is 0 however large the size."""
    if isinstance(bound, float) and isinstance(size, float):
        return 0.0 if bound == 0.0 else bound * size
    return bound * size


def ratio(bound: Any, divisor: Any, xp: Any) -> Any:
    """A bound over a divisor that is not negative, infinite where that is 0: what an unknown sign deserves."""
    if isinstance(bound, float) and isinstance(divisor, float):
        if bound == 0.0:
            return 0.0
        return bound / divisor if divisor > 0 else math.inf
    return bound / divisor


def as_array(value: Any, xp: Any) -> Any:
    """The value as something the library's functions accept, float64."""
    return xp.asarray(value, dtype=xp.float64) if isinstance(value, float) else value


def either(condition: Any, first: Any, second: Any, xp: Any) -> Any:
    """`first` where the condition holds, else `second`; torch would make two plain numbers a float32 array."""
    return xp.where(condition, as_array(first, xp), as_array(second, xp))


def positive_part(value: Any, xp: Any) -> Any:
    """`max(value, 0)`: a divisor of 0 makes the bound infinite."""
    return xp.clip(as_array(value, xp), 0.0, None)
