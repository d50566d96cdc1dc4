"""Arb balls as the arithmetic in which definitions are computed."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from flint import arb, fmpq


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
