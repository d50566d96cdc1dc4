"""Quotients of polynomials in lowest terms, and the prime powers of a number. Shares no code with the search."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from flint import fmpz

# Larger numbers are not factored: that could take forever.
FACTORED = 2**96


class Unreadable(ValueError):
    """An expression that this algebra has no rule for, or that divides by 0."""


class Quotient:
    """`top/bottom`, in lowest terms."""

    __slots__ = ("bottom", "top")

    def __init__(self, top: Any, bottom: Any) -> None:
        if bottom.is_zero():
            raise Unreadable("an expression divides by 0")
        common = top.gcd(bottom)
        if not common.is_one() and not common.is_zero():
            top, bottom = _divided(top, common), _divided(bottom, common)
        lead = bottom.leading_coefficient()
        self.top, self.bottom = top / lead, bottom / lead

    def __add__(self, other: Quotient) -> Quotient:
        return Quotient(self.top * other.bottom + other.top * self.bottom, self.bottom * other.bottom)

    def __sub__(self, other: Quotient) -> Quotient:
        return Quotient(self.top * other.bottom - other.top * self.bottom, self.bottom * other.bottom)

    def __mul__(self, other: Quotient) -> Quotient:
        return Quotient(self.top * other.top, self.bottom * other.bottom)

    def __truediv__(self, other: Quotient) -> Quotient:
        return Quotient(self.top * other.bottom, self.bottom * other.top)

    def raised(self, n: int) -> Quotient:
        """Its `n`-th power."""
        return Quotient(self.top**n, self.bottom**n) if n >= 0 else Quotient(self.bottom**-n, self.top**-n)

    @property
    def is_zero(self) -> bool:
        """Whether it is 0 identically."""
        return bool(self.top.is_zero())

    def key(self) -> str:
        """A text that only equal quotients share."""
        return f"{self.top}|{self.bottom}"


def prime_powers(constant: Any) -> list[tuple[Fraction, int]]:
    """A rational number as powers of primes and of -1; a number too large to factor stays whole."""
    found = [(Fraction(-1), 1)] if constant < 0 else []
    for number, sign in ((abs(int(constant.p)), 1), (int(constant.q), -1)):
        if number > FACTORED:
            found.append((Fraction(number) ** sign, 1))
        elif number > 1:
            found += [(Fraction(int(prime)) ** sign, int(times)) for prime, times in fmpz(number).factor()]
    return found


def _divided(a: Any, b: Any) -> Any:
    quotient, rest = divmod(a, b)
    if not rest.is_zero():
        raise Unreadable("a division left a remainder")
    return quotient
