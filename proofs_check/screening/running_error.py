"""Numbers that carry a bound on their own rounding error, by the rules of `proofs_check.screening.error_rules`.

Loose numbers have one bound for all rows, others one for every row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from proofs_check.screening.error_rules import (
    Bounded,
    difference_of_masses,
    is_zero,
    nearest,
    of_numbers,
    product_of,
    quotient_of,
    sum_of,
)
from proofs_check.screening.linear_forms import Form, added, flipped, opaque


class Tracked:
    """A float64 array (or number) with a bound on its distance from the exact value.

    Further knowledge of the exact value serves better-conditioned forms: `one_minus` is `1 - self` with
    an error of its own, `excess` is `self - 1`, `quotient` the two numbers divided, `exponential` the `(c, x, b)` of
    `c e^x + b` with plain numbers `c` and `b`, `forms` are sums over shared numbers that cancel in differences, and
    `floor` gives, on chosen rows, a lower bound on the exact value.
    """

    __slots__ = (
        "_extremes",
        "_forms",
        "_value",
        "absolute",
        "exact",
        "excess",
        "exponential",
        "floor",
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
        # Exact: without any error. Plain: exact, and one number for all rows.
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
        self.floor: Callable[[Any], Tracked] | None = None
        self.memo: Any = None
        self._forms: tuple[Form, ...] = ()
        self._extremes: tuple[float, float] | None = None

    @property
    def value(self) -> Any:
        """The floats; those of a negation are made on first access."""
        if self._value is None and self.negated is not None:
            self._value = -self.negated.value
        return self._value

    @property
    def error(self) -> Any:
        """The bound, for every row."""
        if self.relative == 0.0:
            return self.absolute
        return self.absolute + self.relative * abs((self.negated or self).value)

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
        """`|value|`, or if loose its largest over all rows."""
        if not self.loose:
            return abs((self.negated or self).value)
        low, high = self.extremes
        return max(-low, high)

    @property
    def least(self) -> Any:
        """`|value|`, or if loose its least over all rows."""
        if not self.loose:
            return abs((self.negated or self).value)
        low, high = self.extremes
        return low if low > 0 else -high if high < 0 else 0.0

    def __getitem__(self, rows: Any) -> Tracked:
        """The number on the chosen rows; what is computed from it there is bounded row by row."""
        if self.negated is not None:
            return -(self.negated[rows])
        result = self._on(rows)
        if self.one_minus is not None:
            result.one_minus = self.one_minus._on(rows)
            result.one_minus.one_minus = result
        floor = self.floor
        if floor is not None:
            result.floor = lambda some: floor(rows[some])
        return result

    def _on(self, rows: Any) -> Tracked:
        value, absolute = (x[rows] if getattr(x, "shape", ()) else x for x in (self.value, self.absolute))
        return Tracked(value, absolute, self.xp, relative=self.relative)

    @classmethod
    def of(cls, bounded: Bounded, xp: Any, loose: bool) -> Tracked:
        """A float with its absolute and its relative error."""
        return cls(bounded[0], bounded[1], xp, relative=bounded[2], loose=loose)

    def _result(self, operation: str, rule: Callable[[Any, Any], Bounded], other: Tracked) -> Tracked:
        if self.plain and other.plain and not (operation == "/" and is_number(other, 0.0)):
            return Tracked.of(of_numbers(operation, float(self.value), float(other.value)), self.xp, loose=False)
        return Tracked.of(rule(self, other), self.xp, self.loose or other.loose)

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
                return Tracked.of(difference_of_masses(one, rest.negated), self.xp, loose=False)
        result = self._result("+", sum_of, other)
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
        result = self._result("*", product_of, other)
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
        result = self._result("/", quotient_of, other)
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
        from proofs_check.screening.tracked_functions import exp, log

        return exp(self._lift(exponent) * log(self))

    def __abs__(self) -> Tracked:
        return Tracked(abs(self.value), self.absolute, self.xp, relative=self.relative, loose=self.loose)


def is_number(x: Tracked, value: float) -> bool:
    """Whether it is exactly that plain number."""
    return bool(x.plain and x.value == value)


def nearest_float(value: Fraction, xp: Any) -> Tracked:
    """The float nearest to a rational, marked exact if they are equal."""
    return Tracked.of(nearest(value), xp, loose=False)


def _less_complement(x: Tracked, complement: Tracked) -> Callable[[Any], Tracked]:
    return lambda rows: -(x[rows] * complement[rows])
