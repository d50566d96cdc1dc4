"""What the numeric functions take and return: numbers, arrays, or sympy numbers, for which the answer is exact."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast, overload

from numpy.typing import ArrayLike

from theory.numbers.checked import Array, Number

if TYPE_CHECKING:
    from sympy import Expr

Answer: TypeAlias = "float | Array | Expr"


class Numeric(Protocol):
    """Numbers give a number, an array among them gives an array, and a sympy number among them a sympy number."""

    @overload
    def __call__(self, *values: float, **named: float) -> float: ...
    @overload
    def __call__(self, *values: ArrayLike, **named: ArrayLike) -> Array: ...
    @overload
    def __call__(self, *values: Number, **named: Number) -> Expr: ...


def numeric(function: Callable[..., Answer]) -> Numeric:
    """The function itself, typed by what its arguments are."""
    return cast("Numeric", function)


def is_exact(*values: object) -> bool:
    """Whether any value is a sympy number, which requests an exact answer."""
    sympy = sys.modules.get("sympy")
    return sympy is not None and any(isinstance(value, sympy.Basic) for value in values)


def exactly(name: str, *values: Number) -> Expr:
    """The exact answer of the numeric function of this name."""
    # sympy, and all statements, only for those who use sympy numbers.
    from theory.numbers.exact import answer

    return answer(name, *values)
