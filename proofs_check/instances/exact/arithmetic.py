"""The arithmetic in which definitions are computed, so that one definition gives Arb balls and exact forms."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Protocol

from flint import arb, fmpq


class Arithmetic(Protocol):
    """The operations that definitions need; `memo` keeps what several letters of one instance share."""

    memo: dict[Any, Any]

    def number(self, value: Fraction | int) -> Any:
        """The value of an exact rational."""

    def exp(self, exponent: Fraction) -> Any:
        """`e` to the power of an exact rational."""

    def exp_of(self, x: Any) -> Any:
        """`e` to the power of a number of this arithmetic; raises `Undecided` if it has no form."""

    def log(self, x: Any) -> Any:
        """Natural logarithm."""

    def absolute(self, x: Any) -> Any:
        """Absolute value."""


# The value of a letter on an instance.
Definition = Callable[[Any, Arithmetic], Any]


class ArbArithmetic:
    """Balls at the current precision."""

    def __init__(self) -> None:
        self.memo: dict[Any, Any] = {}

    def number(self, value: Fraction | int) -> Any:
        exact = Fraction(value)
        return arb(fmpq(exact.numerator, exact.denominator))

    def exp(self, exponent: Fraction) -> Any:
        return self.number(exponent).exp()

    def exp_of(self, x: Any) -> Any:
        return x.exp()

    def log(self, x: Any) -> Any:
        return x.log()

    def absolute(self, x: Any) -> Any:
        return abs(x)


def exactly(value: Callable[[Any], Fraction | int]) -> Definition:
    """The definition of a letter that is an exact rational."""
    return lambda instance, by: by.number(value(instance))


def entropy_of(by: Arithmetic, masses: list[Fraction]) -> Any:
    """Entropy in nats of exact masses, of which some may be 0."""
    return sum((-by.number(p) * by.log(by.number(p)) for p in masses if p), by.number(0))


def shares(weights: tuple[int, ...]) -> list[Fraction]:
    """The weights, scaled to a sum of 1."""
    return [Fraction(weight, sum(weights)) for weight in weights]
