"""Checks of a caller's numbers: counts, times, seeds."""

from __future__ import annotations

import math
from typing import Any

from theory.errors import DomainError


def whole_number(name: str, value: Any, least: int) -> int:
    """A whole number from `least` on, also one written as a float such as 1e5; `DomainError` for anything else."""
    try:
        number = int(value)
        if number == value and number >= least:
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise DomainError(f"{name}={value!r} must be a whole number of at least {least}")


def seconds_of(name: str, value: Any) -> float:
    """A time in seconds, nonnegative, possibly infinite; `DomainError` for anything else."""
    try:
        number = float(value)
        if not math.isnan(number) and number >= 0:
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise DomainError(f"{name}={value!r} must be a number of seconds, at least 0")
