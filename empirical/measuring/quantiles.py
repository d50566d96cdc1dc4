"""Quantiles of streams of numbers in fixed memory: exact for few numbers, with a stated rank error for more.

The sketch is that of Munro and Paterson (1980) with alternating offsets. Numbers fill a buffer of `size`. Two full
buffers of one level are merged and sorted, and every second number moves one level up, where each counts for twice as
many. A merge at level `h` keeps the odd or the even places in turn, so its count of the numbers up to any value is at
most `2^h` too high, or at most `2^h` too low. Of `c_h` such merges half err either way. The count of numbers up to a
value is therefore off by at most `sum over h of ceil(c_h / 2) 2^h`, for any numbers in any order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Even buffers of one number each then hold a stream of 2^62.
LEAST_CAPACITY = 64


def buffer_size(total: int, capacity: int) -> int:
    """Numbers per buffer such that a stream of `total` numbers stores at most `capacity` at a time.

    A stream that fits is stored whole.

    >>> buffer_size(1000, 4096), buffer_size(1_000_000, 4096)
    (1000, 292)
    """
    if total <= capacity:
        return total
    if capacity < LEAST_CAPACITY:
        raise ValueError(f"capacity {capacity} must be at least {LEAST_CAPACITY}")
    levels = 1
    # The buffer being filled, one full buffer per level below the highest, and a second one while two are merged.
    while (capacity // (levels + 2)) << levels < total:
        levels += 1
    return capacity // (levels + 2)


class Quantiles:
    """Quantiles of `series` streams that grow together to `total` numbers each."""

    def __init__(self, series: int, total: int, capacity: int) -> None:
        self._size = buffer_size(total, capacity)
        self._filling = np.empty((series, self._size))
        self._filled = 0
        self._has_nan = np.zeros(series, dtype=bool)
        self._full: list[Array | None] = []
        self._merges: list[int] = []

    def add(self, values: Array) -> None:
        """Add numbers `(series, count)`."""
        self._has_nan |= np.isnan(values).any(axis=1)
        start = 0
        while start < values.shape[1]:
            if self._filled == self._size:
                self._rise()
            taken = min(self._size - self._filled, values.shape[1] - start)
            self._filling[:, self._filled : self._filled + taken] = values[:, start : start + taken]
            self._filled += taken
            start += taken

    @property
    def count(self) -> int:
        """Numbers in each stream so far."""
        return self._filled + sum(self._size << level for level, each in enumerate(self._full) if each is not None)

    @property
    def nbytes(self) -> int:
        """Memory of the stored numbers."""
        return self._filling.nbytes + sum(each.nbytes for each in self._full if each is not None)

    @property
    def rank_error(self) -> float:
        """Largest rank error of a quantile, as a share of the stream; 0 if all numbers are stored."""
        if not self._merges:
            return 0.0
        # One more for the number itself: a rank may or may not count it.
        off = sum(-(-merges // 2) << level for level, merges in enumerate(self._merges))
        return (off + 1) / self.count

    def at(self, shares: Sequence[float]) -> Array:
        """Quantiles `(series, shares)`; NaN for a stream that contains NaN.

        For streams stored whole they are numpy's, interpolated between two numbers. Otherwise each is a number of the
        stream, and the share of the stream up to it is within `rank_error` of the requested share.
        """
        kept = self._filling[:, : self._filled]
        if not self._merges:
            # Interpolating between two infinities gives NaN with a warning.
            with np.errstate(invalid="ignore"):
                return np.asarray(np.quantile(kept, shares, axis=1).T)
        parts = [(kept, 1)] + [(each, 2**level) for level, each in enumerate(self._full) if each is not None]
        values = np.concatenate([part for part, _ in parts], axis=1)
        weights = np.concatenate([np.full(part.shape[1], weight) for part, weight in parts])
        order = np.argsort(values, axis=1)
        ranks = np.cumsum(weights[order], axis=1)
        found = np.empty((len(values), len(shares)))
        for index, (line, rank) in enumerate(zip(order, ranks, strict=True)):
            places = np.searchsorted(rank, [max(1, math.ceil(share * self.count)) for share in shares])
            found[index] = values[index, line[places]]
        found[self._has_nan] = np.nan
        return found

    def _rise(self) -> None:
        """Add the full buffer to the others; merge pairs on the same level."""
        rising = np.sort(self._filling, axis=1)
        self._filled = 0
        level = 0
        while level < len(self._full) and (other := self._full[level]) is not None:
            self._full[level] = None
            if level == len(self._merges):
                self._merges.append(0)
            merged = np.sort(np.concatenate((other, rising), axis=1), axis=1)
            rising = merged[:, self._merges[level] % 2 :: 2].copy()
            self._merges[level] += 1
            level += 1
        if level == len(self._full):
            self._full.append(None)
        self._full[level] = rising
