"""Steps of a derivation, each a proposition that symbolic algebra can decide, with the reason it is needed.

A step proves nothing by being written down: `proofs_check.methods.symbolic` decides it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Expr, Symbol, symbols


@dataclass(frozen=True)
class Equal:
    """`left == right` for every value of the letters at which either side has a value."""

    because: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Positive:
    """`expr > 0`, or `>= 0` where `strict` is false, for every value of the letters."""

    because: str
    expr: Expr
    strict: bool = True


@dataclass(frozen=True)
class RisesFromZero:
    """`expr >= 0` for `var >= 0`: it is 0 at 0 and its derivative is not negative."""

    because: str
    expr: Expr
    var: Symbol


@dataclass(frozen=True)
class AboveTangent:
    """`expr >= 0` for every `var` of its domain: it is convex, and its value and derivative are 0 at `at`."""

    because: str
    expr: Expr
    var: Symbol
    at: Expr


@dataclass(frozen=True)
class Limit:
    """`expr` tends to `value` as `var` tends to `to` from the side `direction`."""

    because: str
    expr: Expr
    var: Symbol
    to: Expr
    value: Expr
    direction: str = "+"


Step = Equal | Positive | RisesFromZero | AboveTangent | Limit


def cauchy_schwarz_step(because: str) -> Step:
    """Lagrange's identity in two coordinates; Cauchy-Schwarz in more is the sum of such squares."""
    a, b, x, y = symbols("a_1 a_2 x_1 x_2", real=True)
    return Equal(because, (a**2 + b**2) * (x**2 + y**2) - (a * x + b * y) ** 2, (a * y - b * x) ** 2)
