"""Intervals with exact ends, open or closed, finite or not, every operation rounded outward by Arb.

A span stands for real numbers only: `[1, inf)` holds no infinity, so `0 * [1, inf)` is `{0}`. An open end is a value
known not to be taken; it is what tells `e^-x > 0` from `e^-x >= 0` on an unbounded range. Calling a
value taken that is not is always sound, the reverse never.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from flint import arb

ZERO, ONE = arb(0), arb(1)
ABOVE, BELOW = arb.pos_inf(), arb.neg_inf()


class NoValue(ArithmeticError):
    """The expression may have no real value somewhere in the box: a pole, or the logarithm of a number <= 0."""


class Span(NamedTuple):
    """All values lie between `low` and `high`; `smooth` says the expression is infinitely differentiable there."""

    low: arb
    high: arb
    low_open: bool = False
    high_open: bool = False
    smooth: bool = True

    def is_positive(self) -> bool:
        """Whether every value is certainly above 0."""
        return bool(self.low > 0 or (self.low == 0 and self.low_open))

    def is_nonnegative(self) -> bool:
        """Whether no value can be below 0."""
        return bool(self.low >= 0)

    def is_negative(self) -> bool:
        """Whether every value is certainly below 0."""
        return bool(self.high < 0 or (self.high == 0 and self.high_open))

    def is_nonpositive(self) -> bool:
        """Whether no value can be above 0."""
        return bool(self.high <= 0)


def checked(low: arb, high: arb, low_open: bool, high_open: bool, smooth: bool) -> Span:
    """A span from rounded ends; an end that is not a number becomes infinite, which claims nothing."""
    low, high = low.lower(), high.upper()
    if not low <= high:
        low, high, low_open, high_open = BELOW, ABOVE, True, True
    return Span(low, high, low_open or low == BELOW, high_open or high == ABOVE, smooth)


def constant(value: arb) -> Span:
    """The span of one number, from a ball that holds it."""
    return checked(value, value, False, False, True)


def add(a: Span, b: Span) -> Span:
    """Sums of a value of `a` and one of `b`."""
    return checked(
        a.low + b.low, a.high + b.high, a.low_open or b.low_open, a.high_open or b.high_open, a.smooth and b.smooth
    )


def negate(a: Span) -> Span:
    """The values of `-a`."""
    return Span(-a.high, -a.low, a.high_open, a.low_open, a.smooth)


def multiply(a: Span, b: Span) -> Span:
    """Products: extremes lie at pairs of ends, where 0 times infinity is 0 as every value is finite."""
    corners = []
    for x, x_open in ((a.low, a.low_open), (a.high, a.high_open)):
        for y, y_open in ((b.low, b.low_open), (b.high, b.high_open)):
            if x == 0 or y == 0:
                taken = (x == 0 and not x_open) or (y == 0 and not y_open)
                corners.append((ZERO, ZERO, not taken))
            else:
                product = x * y
                corners.append((product.lower(), product.upper(), x_open or y_open))
    if not all(down <= up for down, up, _ in corners):
        return Span(BELOW, ABOVE, True, True, a.smooth and b.smooth)
    low, low_open = corners[0][0], corners[0][2]
    high, high_open = corners[0][1], corners[0][2]
    for down, up, is_open in corners[1:]:
        if down < low:
            low, low_open = down, is_open
        elif down == low:
            low_open = low_open and is_open
        if up > high:
            high, high_open = up, is_open
        elif up == high:
            high_open = high_open and is_open
    return checked(low, high, low_open, high_open, a.smooth and b.smooth)


def invert(a: Span) -> Span:
    """`1/a`, for `a` that cannot be 0."""
    if a.is_positive():
        low = ZERO if a.high == ABOVE else 1 / a.high
        high = ABOVE if a.low == 0 else 1 / a.low
        return checked(low, high, a.high_open, a.low_open, a.smooth)
    if a.is_negative():
        return negate(invert(negate(a)))
    raise NoValue("a denominator may be 0")


def power(a: Span, n: int) -> Span:
    """`a^n` for an integer `n`, tighter than a product where `a` may have either sign."""
    if n < 0:
        return invert(power(a, -n))
    if n % 2 or a.low >= 0:
        return checked(_raised(a.low, n), _raised(a.high, n), a.low_open, a.high_open, a.smooth)
    if a.high <= 0:
        return power(negate(a), n)
    left, right = _raised(a.low, n), _raised(a.high, n)
    if left.upper() == right.upper():
        return checked(ZERO, right, False, a.high_open and a.low_open, a.smooth)
    high, is_open = (left, a.low_open) if left.upper() > right.upper() else (right, a.high_open)
    return checked(ZERO, high, False, is_open, a.smooth)


def _raised(x: arb, n: int) -> arb:
    if not x.is_finite():
        return ABOVE if x > 0 or n % 2 == 0 else BELOW
    return x**n


def exponential(a: Span) -> Span:
    """`e^a`, never 0."""
    return _above_zero(a, lambda x: x.exp())


def _above_zero(a: Span, f: Callable[[arb], arb]) -> Span:
    """The values of a function that rises from 0, never reached, to infinity."""
    low = ZERO if a.low == BELOW else f(a.low).lower()
    high = ABOVE if a.high == ABOVE else f(a.high)
    if not low > 0:
        return checked(ZERO, high, True, a.high_open, a.smooth)
    return checked(low, high, a.low_open, a.high_open, a.smooth)


def as_fraction(x: arb) -> Fraction:
    """The dyadic number that a finite end is."""
    mantissa, exponent = x.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def rising(a: Span, f: Callable[[arb], arb], floor: arb, ceiling: arb) -> Span:
    """The values of a function that rises strictly from a floor to a ceiling, neither of them reached."""
    low, high = floor if a.low == BELOW else f(a.low), ceiling if a.high == ABOVE else f(a.high)
    return checked(low, high, a.low_open, a.high_open, a.smooth)


def logarithm(a: Span) -> Span:
    """`log a`, for `a` that must be positive."""
    if not a.is_positive():
        raise NoValue("the argument of a logarithm may be 0 or negative")
    low = BELOW if a.low == 0 else a.low.log()
    high = ABOVE if a.high == ABOVE else a.high.log()
    return checked(low, high, a.low_open, a.high_open, a.smooth)


def root(a: Span, n: int) -> Span:
    """The `n`-th root of `a >= 0`; it has no slope at 0."""
    if not a.is_nonnegative():
        raise NoValue("the argument of a root may be negative")
    high = ABOVE if a.high == ABOVE else a.high.root(n)
    low = ZERO if a.low == 0 else a.low.root(n)
    return checked(low, high, a.low_open, a.high_open, a.smooth and a.is_positive())


def moment(a: Span, order: int) -> Span:
    """`M_order(a)`, which rises from 0 to infinity; see `proofs_check.inequalities.search.moments`."""
    return _above_zero(a, lambda x: x.hypgeom_1f1(arb(order + 1), arb(order + 2)) / (order + 1))


def hill(a: Span, f: Callable[[arb], arb], top: arb) -> Span:
    """The values of a function that rises up to `top` and falls after it."""
    left, right = f(a.low), f(a.high)
    if a.high <= top:
        return checked(left, right, a.low_open, a.high_open, a.smooth)
    if a.low >= top:
        return checked(right, left, a.high_open, a.low_open, a.smooth)
    one, other = (checked(x, x, is_open, is_open, True) for x, is_open in ((left, a.low_open), (right, a.high_open)))
    ends = hull(one, other)
    return checked(ends.low, f(top), ends.low_open, False, a.smooth)


def hull(a: Span, b: Span) -> Span:
    """The smallest span that holds both."""
    low_open = a.low_open if a.low < b.low else b.low_open if b.low < a.low else a.low_open and b.low_open
    high_open = a.high_open if a.high > b.high else b.high_open if b.high > a.high else a.high_open and b.high_open
    return Span(min(a.low, b.low), max(a.high, b.high), low_open, high_open, a.smooth and b.smooth)


def meet(a: Span, b: Span) -> Span:
    """The intersection of two spans that enclose the same values."""
    low_open = a.low_open if a.low > b.low else b.low_open if b.low > a.low else a.low_open or b.low_open
    high_open = a.high_open if a.high < b.high else b.high_open if b.high < a.high else a.high_open or b.high_open
    low, high = max(a.low, b.low), min(a.high, b.high)
    if not low <= high:
        raise ArithmeticError("two enclosures of the same values do not meet")
    return Span(low, high, low_open, high_open, a.smooth)
