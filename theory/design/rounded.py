"""Bounds in few digits, rounded so that the printed bound still holds."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal


def at_most(value: float, digits: int) -> str:
    """An upper bound in so many significant digits, rounded up.

    >>> at_most(0.12345, 3), at_most(0.125, 3)
    ('0.124', '0.125')
    """
    return _rounded(value, digits, ROUND_CEILING)


def at_least(value: float, digits: int) -> str:
    """A lower bound in so many significant digits, rounded down.

    >>> at_least(0.999999999, 4), at_least(1.0, 4)
    ('0.9999', '1')
    """
    return _rounded(value, digits, ROUND_FLOOR)


def _rounded(value: float, digits: int, mode: str) -> str:
    return f"{float(Context(prec=digits, rounding=mode).plus(Decimal(float(value)))):.{digits}g}"
