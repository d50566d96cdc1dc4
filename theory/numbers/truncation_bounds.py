"""Numeric functions of H1: how far the output moves when the keys off the block are dropped."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from theory.numbers.checked import Array, Number, between, broadcast, real, require, scalar
from theory.numbers.numeric import Answer, exactly, is_exact, numeric


@numeric
def truncation_shift_max(leak: Number, distance: Number) -> Answer:
    """Longest move of a head's output when the keys off the block are dropped (H1; attained).

    `distance` is the largest between the value of a key in the block and that of a key outside, and has the unit of the
    answer.

    >>> from sympy import Integer, Rational
    >>> truncation_shift_max(leak=Rational(1, 100), distance=Integer(3))
    3/100
    """
    if is_exact(leak, distance):
        return exactly("truncation_shift_max", leak, distance)
    eps, reach = broadcast(leak=between("leak", leak, 0, 1), distance=_size("distance", distance))
    return scalar(eps * reach)


def layer_truncation_shift_max(leaks: ArrayLike, distances: ArrayLike, projection_norm: ArrayLike) -> float | Array:
    """Longest move of a layer's output when every head drops the keys off its block (H1).

    The last axis of `leaks` and `distances` runs over the heads; see `truncation_shift_max` for each. The answer is
    their root sum of squares times `projection_norm`, the spectral norm of the whole output projection.

    >>> float(layer_truncation_shift_max([0.5, 0.25], [6.0, 16.0], 2.0))
    10.0
    """
    moves = np.atleast_1d(truncation_shift_max(leaks, distances))
    norm = _size("projection norm", projection_norm)
    # hypot neither overflows nor underflows on the way, as squares do.
    together, norm = broadcast(moves=np.hypot.reduce(moves, axis=-1), projection_norm=norm)
    return scalar(norm * together)


def _size(name: str, value: Number) -> Array:
    size = real(name, value)
    require(size >= 0, name, size, "be at least 0")
    return size
