"""Boxes: for every letter an interval with exact rational ends, each open or closed, or infinite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from flint import arb, fmpq

from proofs_check.inequalities.search.spans import ABOVE, BELOW, Span, checked


@dataclass(frozen=True)
class Side:
    """One letter's interval; an end of None is infinite, and infinite ends are open."""

    low: Fraction | None
    high: Fraction | None
    low_open: bool
    high_open: bool

    @classmethod
    def at(cls, x: Fraction) -> Side:
        """The side that holds one number only."""
        return cls(x, x, False, False)

    @property
    def is_empty(self) -> bool:
        """Whether no number lies in it."""
        if self.low is None or self.high is None:
            return False
        return self.low > self.high or (self.low == self.high and (self.low_open or self.high_open))

    @property
    def is_point(self) -> bool:
        """Whether it is a single number."""
        return self.low is not None and self.low == self.high

    def holds(self, x: Fraction) -> bool:
        """Whether the number lies in it."""
        above = self.low is None or x > self.low or (x == self.low and not self.low_open)
        below = self.high is None or x < self.high or (x == self.high and not self.high_open)
        return above and below

    def closure_holds(self, x: Fraction) -> bool:
        """Whether the number lies in it or at an end."""
        return (self.low is None or x >= self.low) and (self.high is None or x <= self.high)

    def joined(self, other: Side) -> Side:
        """The hull of two intervals."""
        low, low_open = _outer((self.low, self.low_open), (other.low, other.low_open), -1)
        high, high_open = _outer((self.high, self.high_open), (other.high, other.high_open), 1)
        return Side(low, high, low_open, high_open)

    def span(self) -> Span:
        """The values the letter takes, with ends in Arb."""
        low = BELOW if self.low is None else arb(fmpq(self.low.numerator, self.low.denominator))
        high = ABOVE if self.high is None else arb(fmpq(self.high.numerator, self.high.denominator))
        return checked(low, high, self.low_open, self.high_open, True)

    def inside(self) -> Fraction:
        """A number in it with few bits, near the middle, or at some distance from its only finite end."""
        if self.low is None and self.high is None:
            return Fraction(0)
        if self.low is None or self.high is None:
            end, sign = (self.low, 1) if self.low is not None else (self.high, -1)
            assert end is not None
            reach = max(Fraction(1), abs(end) * 3 if sign * end > 0 else Fraction(1))
            return simplest(end + sign * reach / 2, end + sign * reach * 2)
        if self.is_point:
            return self.low
        quarter = (self.high - self.low) / 4
        return simplest(self.low + quarter, self.high - quarter)

    def to_json(self) -> dict[str, Any]:
        """The ends as text."""
        return {
            "low": "-inf" if self.low is None else str(self.low),
            "high": "inf" if self.high is None else str(self.high),
            "low_open": self.low_open,
            "high_open": self.high_open,
        }


Box = Mapping[str, Side]


def _outer(a: tuple[Fraction | None, bool], b: tuple[Fraction | None, bool], sign: int) -> tuple[Fraction | None, bool]:
    if a[0] is None or b[0] is None:
        return None, True
    if a[0] == b[0]:
        return a[0], a[1] and b[1]
    return a if sign * a[0] > sign * b[0] else b


def simplest(low: Fraction, high: Fraction) -> Fraction:
    """The dyadic number of fewest bits between two numbers, both allowed: 0, an integer, a half, a quarter, ..."""
    low, high = min(low, high), max(low, high)
    if low == high:
        return low
    if low <= 0 <= high:
        return Fraction(0)
    if low < 0:
        return -simplest(-high, -low)
    # Bisection finds the largest k for which a multiple of 2^k lies between them.
    least, most = _log2(high - low) - 1, _log2(high) + 1
    while least < most:
        middle = -((-least - most) // 2)
        if _multiple(low, middle) <= high:
            least = middle
        else:
            most = middle - 1
    return _multiple(low, least)


def _log2(x: Fraction) -> int:
    """The exponent of the largest power of 2 up to a positive number, or one less."""
    return x.numerator.bit_length() - x.denominator.bit_length() - 1


def _multiple(x: Fraction, k: int) -> Fraction:
    """The least multiple of `2^k` that is not below a number."""
    if k >= 0:
        return Fraction(-(-x.numerator // (x.denominator << k)) << k)
    return Fraction(-(-(x.numerator << -k) // x.denominator), 1 << -k)


def split(side: Side, at: Fraction) -> tuple[Side, Side]:
    """The numbers below `at`, and those from `at` up."""
    return replace(side, high=at, high_open=True), replace(side, low=at, low_open=False)


def split_after(side: Side, at: Fraction) -> tuple[Side, Side]:
    """The numbers up to `at`, and those above it."""
    return replace(side, high=at, high_open=False), replace(side, low=at, low_open=True)
