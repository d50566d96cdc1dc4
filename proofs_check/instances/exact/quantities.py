"""Numbers that stay rational as long as possible: `fmpq` until a root or an exponential makes them Arb balls.

A zero from a proximal step is then exactly zero, and ties between rational sides are decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import reduce
from math import isqrt
from typing import Any

from flint import arb, fmpq

from proofs_check.instances.exact.arithmetic import Arithmetic, Definition
from theory.lowering import Undecided

# fmpq or arb; the two mix under + - * / and give a ball.
Quantity = Any
Quantities = Sequence[Quantity]
Matrix = Sequence[Quantities]
# Exact entries, as instances hold them.
Vector = tuple[Fraction, ...]
Entries = tuple[Vector, ...]


def rational(value: Fraction | int) -> Quantity:
    """The number as an exact `fmpq`."""
    exact = Fraction(value)
    return fmpq(exact.numerator, exact.denominator)


def vector(values: Iterable[Fraction]) -> list[Quantity]:
    """The numbers as exact `fmpq`."""
    return [rational(value) for value in values]


def matrix(entries: Entries) -> list[list[Quantity]]:
    """The entries as exact `fmpq`."""
    return [vector(row) for row in entries]


def total(terms: Iterable[Quantity]) -> Quantity:
    """Sum of the terms, 0 for none."""
    return sum(terms, fmpq(0))


def dot(a: Quantities, b: Quantities) -> Quantity:
    """Inner product."""
    return total(x * y for x, y in zip(a, b, strict=True))


def root(square: Quantity) -> Quantity:
    """Square root of a nonnegative number, rational if possible."""
    if isinstance(square, fmpq):
        over, under = isqrt(int(square.p)), isqrt(int(square.q))
        if over * over == square.p and under * under == square.q:
            return fmpq(over, under)
    ball = arb(square)
    # A sum of squares whose ball reaches below 0: its root is at most the root of the upper end.
    return ball.sqrt() if ball > 0 else arb(0, ball.abs_upper().sqrt().abs_upper())


def norm(entries: Quantities) -> Quantity:
    """Euclidean norm."""
    return root(dot(entries, entries))


def at_most(a: Quantity, b: Quantity) -> bool:
    """Whether `a <= b` certainly; raises `Undecided` if the balls overlap."""
    if a <= b:
        return True
    if a > b:
        return False
    raise Undecided("two quantities are not separated at this precision")


def largest(values: Iterable[Quantity]) -> Quantity:
    """Largest of the values, whose balls may overlap."""
    return reduce(_larger, values)


def _larger(a: Quantity, b: Quantity) -> Quantity:
    if isinstance(a, fmpq) and isinstance(b, fmpq):
        return a if a >= b else b
    return arb(a).max(arb(b))


def shrink(entries: Quantities, amount: Quantity) -> list[Quantity]:
    """Proximal map of `amount * |u|_2`: the minimiser of `|z - u|^2/2 + amount |z|`."""
    size = norm(entries)
    if at_most(size, amount):
        return [fmpq(0)] * len(entries)
    return [(1 - amount / size) * entry for entry in entries]


def transposed(matrix: Matrix) -> list[list[Quantity]]:
    """The rows as columns."""
    return [list(column) for column in zip(*matrix, strict=True)]


def times(a: Matrix, b: Matrix) -> list[list[Quantity]]:
    """Matrix product."""
    columns = transposed(b)
    return [[dot(row, column) for column in columns] for row in a]


def centred(matrix: Matrix) -> list[list[Quantity]]:
    """The matrix with its mean row subtracted from each row."""
    means = [total(column) / len(matrix) for column in transposed(matrix)]
    return [[entry - mean for entry, mean in zip(row, means, strict=True)] for row in matrix]


def frobenius_square(matrix: Matrix) -> Quantity:
    """Sum of the squared entries."""
    return total(dot(row, row) for row in matrix)


def spectral_square(matrix: Matrix) -> Quantity:
    """Square of the spectral norm of a matrix with at most two rows or columns, from the 2 x 2 Gram matrix."""
    narrow = matrix if len(matrix) <= len(matrix[0]) else transposed(matrix)
    if len(narrow) == 1:
        return dot(narrow[0], narrow[0])
    first, second = narrow
    a, b, c = dot(first, first), dot(first, second), dot(second, second)
    return (a + c + root((a - c) * (a - c) + 4 * b * b)) / 2


def inner(u: Sequence[Fraction], v: Sequence[Fraction]) -> Fraction:
    """Inner product of exact vectors."""
    return sum((a * b for a, b in zip(u, v, strict=True)), Fraction(0))


def on_sphere(coordinates: Sequence[Fraction]) -> Vector:
    """Stereographic image: a rational point of the unit sphere, one dimension up."""
    square = inner(coordinates, coordinates)
    return (*(2 * t / (square + 1) for t in coordinates), (square - 1) / (square + 1))


def proximal_step(
    weights: Quantities, moves: Quantities, amount: Quantity, proximal_first: bool, kept: Quantity = 1
) -> Quantities:
    """The weights after the proximal map and the step to `kept * weights - moves`, in either order."""
    start = shrink(weights, amount) if proximal_first else weights
    stepped = [kept * w - move for w, move in zip(start, moves, strict=True)]
    return stepped if proximal_first else shrink(stepped, amount)


def norm_of(entries: Callable[[Any], Quantities]) -> Definition:
    """The definition of a letter that is the norm of these entries."""

    def definition(instance: Any, by: Arithmetic) -> Any:
        values = entries(instance)
        return root_as(by, dot(values, values))

    return definition


def given_as(by: Arithmetic, value: Quantity) -> Any:
    """The quantity in the given arithmetic; raises `Undecided` for the exact form of a ball."""
    if isinstance(value, fmpq):
        return by.number(Fraction(int(value.p), int(value.q)))
    if isinstance(by.number(0), arb):
        return value
    raise Undecided("an irrational quantity has no exact form here")


def root_as(by: Arithmetic, square: Quantity) -> Any:
    """The square root of a quantity in the given arithmetic; the root of a rational has an exact form."""
    if isinstance(square, fmpq):
        return given_as(by, square) ** by.number(Fraction(1, 2))
    return given_as(by, root(square))
