"""Room for the numbers of every row of a pass: memory while they are few, a file that the system pages beyond.

A pass over a million tokens of GPT-2 small has 144 million rows of seven numbers each, 8 GB. Quantiles need them all,
layer by layer, so they are kept; on disk they cost no more memory than a layer's.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from empirical.rounding import Arithmetic
from empirical.rows import NUMBERS, Rows
from empirical.shift import Shift
from theory.errors import InputError

Array = NDArray[np.float64]

# Below this memory is at hand anywhere.
IN_MEMORY_BYTES = 1 << 28

SHIFTS = ("measured", "predicted", "error")


def room(shape: tuple[int, ...], folder: Path) -> Array:
    """An array of float64 of this shape; a large one lies in a file in `folder` that goes with it.

    Raises InputError where the disk has no place for it, at once and not when it is filled.
    """
    size = 8 * int(np.prod(shape))
    if size <= IN_MEMORY_BYTES:
        return np.empty(shape)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            # Writing through a map to a disk that is full would end the process without a word.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype=np.float64, mode="r+", shape=shape)
    except OSError as error:
        raise InputError(
            f"the rows take {size / 2**30:.1f} GiB on the disk of {folder}: {error.strerror or error}. "
            "Measure fewer windows with --sequences."
        ) from error


class RowStore:
    """Rows of each layer of one pass, batch after batch: `total` of them a head; `shifted` keeps shifts beside them."""

    def __init__(
        self, layers: int, heads: int, total: int, folder: Path, *, conditionals: bool = False, shifted: bool = False
    ) -> None:
        self.names = [name for name in NUMBERS if conditionals or not name.startswith("conditional")]
        self._stop = [0] * layers
        self._numbers = room((layers, heads, len(self.names), total), folder)
        self._shifts = room((layers, heads, len(SHIFTS), total), folder) if shifted else None
        # The same for every layer and head: they depend on the blocks alone.
        self._keys, self._block_keys = np.empty((2, total))
        self._width, self._arithmetic = 0, Arithmetic(torch.float32)

    def add(self, layer: int, rows: Rows, shift: Shift | None = None) -> None:
        """Put one batch's rows of a layer, and their shifts if any, behind those that are there."""
        where = slice(self._stop[layer], self._stop[layer] + rows.leak.shape[1])
        for index, name in enumerate(self.names):
            self._numbers[layer, :, index, where] = getattr(rows, name)
        if self._shifts is not None and shift is not None:
            for index, name in enumerate(SHIFTS):
                self._shifts[layer, :, index, where] = getattr(shift, name)
        self._keys[where], self._block_keys[where] = rows.keys[0], rows.block_keys[0]
        self._width, self._arithmetic = rows.width, rows.arithmetic
        self._stop[layer] = where.stop

    def rows(self) -> tuple[Rows, ...]:
        """All rows of each layer, as views."""
        shape = self._numbers.shape[1], self._numbers.shape[3]
        keys, block_keys = (np.broadcast_to(each, shape) for each in (self._keys, self._block_keys))
        return tuple(
            Rows(
                keys=keys,
                block_keys=block_keys,
                width=self._width,
                arithmetic=self._arithmetic,
                **{name: layer[:, index] for index, name in enumerate(self.names)},
            )
            for layer in self._numbers
        )

    def shifts(self) -> tuple[Shift, ...]:
        """All shifts of each layer, as views; none where the pass was compared with no other."""
        if self._shifts is None:
            return ()
        return tuple(Shift(*layer.swapaxes(0, 1)) for layer in self._shifts)
