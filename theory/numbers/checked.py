"""Arguments of the numeric faces, validated: float64 arrays in, or a `DomainError` with the value and the law."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.errors import DomainError

Array = NDArray[np.float64]
# Up to so many keys the numeric faces keep the digits they promise.
MOST_KEYS = 10**12


def is_exact(*values: Any) -> bool:
    """Whether one of the values is a sympy number, which asks for an exact answer."""
    sympy = sys.modules.get("sympy")
    return sympy is not None and any(isinstance(value, sympy.Basic) for value in values)


def number(name: str, value: Any) -> Array:
    """A float64 array, which may hold infinities and NaN."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise DomainError(f"{name}={abbreviated(value)} must be a real number") from None
    except OverflowError:
        raise DomainError(f"{name}={abbreviated(value)} must be a number that float64 can hold") from None


def real(name: str, value: Any) -> Array:
    """A finite float64 array."""
    array = number(name, value)
    require(np.isfinite(array), name, array, "be finite")
    return array


def count(name: str, value: Any, at_least: int) -> Array:
    """An array of integers, as float64, none below `at_least`."""
    array = real(name, value)
    require(array == np.floor(array), name, array, "be an integer")
    require(array >= at_least, name, array, f"be at least {at_least}")
    return array


def between(name: str, value: Any, low: float, high: float) -> Array:
    """An array within `[low, high]`."""
    array = real(name, value)
    require((array >= low) & (array <= high), name, array, f"lie in [{low:g}, {high:g}]")
    return array


def open_unit(name: str, value: Any) -> Array:
    """An array within `(0, 1)`."""
    array = real(name, value)
    require((array > 0) & (array < 1), name, array, "lie in (0, 1)")
    return array


def positive(name: str, value: Any) -> Array:
    """An array of positive numbers."""
    array = real(name, value)
    require(array > 0, name, array, "be positive")
    return array


def require(holds: Any, name: str, value: Array, law: str) -> None:
    """Raise `DomainError` with the first value that breaks the law."""
    if not np.all(holds):
        offender = np.broadcast_to(value, np.shape(holds))[~np.asarray(holds)].flat[0]
        raise DomainError(f"{name}={shown(offender)} must {law}")


def broadcast(**values: Array) -> tuple[Array, ...]:
    """The arrays at one common shape."""
    try:
        return np.broadcast_arrays(*values.values())
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in values.values())
        raise DomainError(f"{', '.join(values)} of shapes {shapes} must fit one shape") from None


def shown(value: float) -> str:
    """A number in few digits where they are all of it, else in as many as tell it from every other float."""
    value = float(value)
    return short if float(short := f"{value:g}") == value or value != value else repr(value)


def without_infinities(answer: Any) -> Any:
    """An answer as JSON can hold it: every number that is not finite is None, in the dictionaries and lists too."""
    if isinstance(answer, dict):
        return {key: without_infinities(value) for key, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [without_infinities(value) for value in answer]
    return None if isinstance(answer, float) and not np.isfinite(answer) else answer


def abbreviated(value: Any) -> str:
    """A value as one line of an error."""
    try:
        text = repr(value)
    except ValueError:
        # An integer of more digits than Python writes out.
        return "a number of very many digits"
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"


def scalar(array: Any) -> Any:
    """A numpy number where the array has no axes."""
    return np.asarray(array)[()]


def single_count(name: str, value: Any, at_least: int) -> int:
    """One integer, not an array of them."""
    array = count(name, value, at_least)
    if array.ndim:
        raise DomainError(f"{name}={abbreviated(value)} must be a single integer")
    return int(array)
