"""Factors, where that takes no longer than it is worth."""

from __future__ import annotations

import sympy
from sympy import Expr

# sympy looks for a prime beyond the largest coefficient: seconds for 20 digits, minutes for 300.
_LARGEST = 2**64


def factored(expr: Expr) -> Expr:
    """The expression in factors; as it is where it holds a very large number."""
    if any(max(abs(number.p), number.q) > _LARGEST for number in expr.atoms(sympy.Rational)):
        return expr
    return sympy.factor(expr)
