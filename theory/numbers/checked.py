"""Validates numeric arguments: returns float64 arrays, or raises a `DomainError` with the value and the law."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory.errors import DomainError

if TYPE_CHECKING:
    from sympy import Expr

Array = NDArray[np.float64]
Number: TypeAlias = "ArrayLike | Expr"
# The numeric functions keep their promised accuracy up to this many keys.
MOST_KEYS = 10**12


def number(name: str, value: Number) -> Array:
    """A float64 array, which may hold infinities and NaN."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise DomainError(f"{name}={abbreviated(value)} must be a real number") from None
    except OverflowError:
        raise DomainError(f"{name}={abbreviated(value)} must be a number that float64 can hold") from None


def real(name: str, value: Number) -> Array:
    """A finite float64 array."""
    array = number(name, value)
    require(np.isfinite(array), name, array, "be finite")
    return array


def count(name: str, value: Number, at_least: int) -> Array:
    """An array of integers, as float64, none below `at_least`."""
    array = real(name, value)
    require(array == np.floor(array), name, array, "be an integer")
    require(array >= at_least, name, array, f"be at least {at_least}")
    return array


def between(name: str, value: Number, low: float, high: float) -> Array:
    """An array within `[low, high]`."""
    array = real(name, value)
    require((array >= low) & (array <= high), name, array, f"lie in [{low:g}, {high:g}]")
    return array


def open_unit(name: str, value: Number) -> Array:
    """An array within `(0, 1)`."""
    array = real(name, value)
    require((array > 0) & (array < 1), name, array, "lie in (0, 1)")
    return array


def positive(name: str, value: Number) -> Array:
    """An array of positive numbers."""
    array = real(name, value)
    require(array > 0, name, array, "be positive")
    return array


def require(holds: ArrayLike, name: str, value: Array, law: str) -> None:
    """Raises `DomainError` with the first value that breaks the law."""
    if not np.all(holds):
        offender = np.broadcast_to(value, np.shape(holds))[~np.asarray(holds)].flat[0]
        raise DomainError(f"{name}={shown(offender)} must {law}")


def broadcast(**values: Array) -> tuple[Array, ...]:
    """The arrays, broadcast to one shape."""
    try:
        return np.broadcast_arrays(*values.values())
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in values.values())
        raise DomainError(f"{', '.join(values)} of shapes {shapes} must fit one shape") from None


def shown(value: float) -> str:
    """A number in six significant digits if they give it exactly, else as its `repr`."""
    value = float(value)
    return short if float(short := f"{value:g}") == value or value != value else repr(value)


def without_infinities(answer: Any) -> Any:
    """An answer that JSON can hold: non-finite numbers become None, also in nested dictionaries and lists."""
    if isinstance(answer, dict):
        return {key: without_infinities(value) for key, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [without_infinities(value) for value in answer]
    return None if isinstance(answer, float) and not np.isfinite(answer) else answer


def abbreviated(value: object) -> str:
    """A value, shortened for one line of an error."""
    try:
        text = repr(value)
    except ValueError:
        # Python refuses to print an integer of so many digits.
        return "a number of very many digits"
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"


def scalar(array: ArrayLike) -> float | Array:
    """The array, or a numpy number if it has no axes."""
    return np.asarray(array)[()]


def single_count(name: str, value: Number, at_least: int) -> int:
    """One integer; arrays are refused."""
    array = count(name, value, at_least)
    if array.ndim:
        raise DomainError(f"{name}={abbreviated(value)} must be a single integer")
    return int(array)


def as_written(value: float | Fraction) -> Fraction:
    """A float as the decimal that it prints as, so that 0.9 is nine tenths."""
    return value if isinstance(value, Fraction) else Fraction(repr(float(value)))
