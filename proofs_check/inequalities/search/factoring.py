"""Factors expressions, unless that takes too long."""

from __future__ import annotations

import sympy
from sympy import Expr

# sympy looks for a prime beyond the largest coefficient: seconds for 20 digits, minutes for 300.
_LARGEST = 2**64
# sympy takes e^2048 for the power of a letter: seconds each time, for a polynomial without factors.
_HIGHEST_POWER = 64


def factored(expr: Expr) -> Expr:
    """The expression in factors; unchanged if it holds a very large number or exponent."""
    if any(max(abs(number.p), number.q) > _LARGEST for number in expr.atoms(sympy.Rational)):
        return expr
    multiples = [power.exp.as_coeff_Mul()[0] for power in expr.atoms(sympy.Pow, sympy.exp)]
    if any(number.is_Rational and max(abs(number.p), number.q) > _HIGHEST_POWER for number in multiples):
        return expr
    return sympy.factor(expr)
