"""Validates exact arguments: returns sympy expressions, or raises a `DomainError` with the value and the law."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sympy import Expr, Rational, SympifyError, nan, sympify

from theory.errors import DomainError
from theory.numbers.checked import abbreviated

# A law in words, and a three-valued test of it.
Law = tuple[str, Callable[[Expr], bool | None]]

REAL: Law = ("be real", lambda x: x.is_real)
SIZE: Law = ("be at least 0", lambda x: x.is_nonnegative)
POSITIVE: Law = ("be positive", lambda x: x.is_positive)
UNIT: Law = ("lie in [0, 1]", lambda x: x.is_nonnegative and (1 - x).is_nonnegative)
OPEN_UNIT: Law = ("lie in (0, 1)", lambda x: x.is_positive and (1 - x).is_positive)
INTEGER: Law = ("be an integer", lambda x: x.is_integer)


def checked(label: str, value: Any, law: Law) -> Expr:
    """A finite expression that does not break the law.

    The law is three-valued: only a violation is refused, not a letter whose assumptions leave the law open.
    """
    expr = expression(label, value)
    if expr.is_infinite:
        raise DomainError(f"{label}={expr} must be finite")
    if law[1](expr) is False:
        raise DomainError(f"{label}={abbreviated(expr)} must {law[0]}")
    return expr


def count(label: str, value: Any, at_least: int) -> Expr:
    """An integer, not below `at_least`."""
    number = checked(label, value, INTEGER)
    return checked(label, number, (f"be at least {at_least}", lambda x: (x - at_least).is_nonnegative))


def expression(label: str, value: Any) -> Expr:
    """One number, possibly infinite, or letter; a float becomes the dyadic rational that it equals."""
    try:
        # Strict: sympy would evaluate a string as code.
        expr = sympify(value, strict=True)
    except SympifyError:
        expr = None
    if not isinstance(expr, Expr):
        raise DomainError(f"{label}={abbreviated(value)} must be a single number, as another argument is exact")
    if expr is nan:
        raise DomainError(f"{label}=nan must be a number")
    if isinstance(value, float) and expr.is_finite:
        return Rational(value)
    return expr
