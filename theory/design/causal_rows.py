"""The rows of a causal context, and which of them bind a target (A7).

A query at position `q` (from 0) sees `n = q + 1` keys. Its own block starts at `k`, so it has `m = n - k` own keys, and
`k` keys lie before the block. Blocks tile the context from position 0 on; every block but the last of the context has
between `least` and `most` keys. Windows of `b` keys have `least = most = b`. So `k` is 0 or lies in `[j least, j most]`
for some `j >= 1`. A context may hold more queries than memory: nothing here lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from theory.numbers.checked import Array

# Numbers of own keys are counted one by one up to this many; of more, this many at even distances.
_COUNTED = 1 << 16


@dataclass(frozen=True)
class Row:
    """Sizes of one row: the keys that the query sees, and how many of them are in its own block."""

    keys: int
    own: int

    @property
    def query(self) -> int:
        """Position of the query, from 0."""
        return self.keys - 1

    @property
    def others(self) -> int:
        """Keys outside the block."""
        return self.keys - self.own


@dataclass(frozen=True)
class CausalRows:
    """The rows of a context whose blocks have between `least` and `most` keys, with at least `own_keys` own keys."""

    context: int
    least: int
    most: int
    own_keys: int = 1

    @property
    def any(self) -> bool:
        """Whether any such row has a key outside its block."""
        return self.own_keys <= self.most and self.least + self.own_keys <= self.context

    def start_until(self, position: int) -> int:
        """Last position up to `position` where a block can start; 0 always counts."""
        return min(position // self.least * self.most, position) if position > 0 else 0

    def start_from(self, position: int) -> int:
        """First position from `position` on where a block can start."""
        return max(-(-position // self.most) * self.least, position)

    @property
    def farthest(self) -> Row:
        """The row with the largest `k/m`, which binds every fidelity: the fewest own keys, the most before them.

        More own keys never leave room for more keys before them, so one row is extreme in both.
        """
        start = self.start_until(self.context - self.own_keys)
        return Row(start + self.own_keys, self.own_keys)

    @property
    def nearest(self) -> Row:
        """The row with the fewest keys among those with a key outside their block."""
        return Row(self.least + self.own_keys, self.own_keys)

    def entropy_candidates(self) -> tuple[Row, ...]:
        """At most five rows, one of which has the largest entropy bound of all rows at any given separation.

        With `w = e^-d` and `Z = m + k w`, A4's bound at `d >= 0` is `H = log Z + d k w/Z`.
        - It rises in `k`: `dH/dk = w (Z + d m)/Z^2 > 0`.
        - At a fixed `k` it is largest at an end of the range of `m`: `dH/dm = (m - (d - 1) k w)/Z^2`, whose numerator
          rises in `m`, so `H` falls first and then rises.
        - The same holds at a fixed `n = k + m`: `dH/dm = ((1 - w) Z - d w n)/Z^2`, and `Z` rises in `m`.
        So a row is bounded by a row with the same `k` and the fewest or the most own keys. With the fewest, the last
        possible start is the worst. With the most, the block is whole, and the last start that leaves room for it is
        the worst; or the context's end cuts it short, and the longest or the shortest such block is the worst. Below
        `d = 0` the bound is `log n`, to which the same applies. A row without a key outside its block has at most
        `log m`; it counts if no row of a whole block has more.
        """
        last = self.start_until(self.context - self.own_keys)
        rows = [Row(last + self.own_keys, self.own_keys)]
        room = self.context - self.most
        starts = [last, self.start_from(max(room, self.least))]
        if room >= self.least:
            starts.append(self.start_until(room))
        else:
            rows.append(Row(self.most, self.most))
        for start in starts:
            own = min(self.most, self.context - start)
            if own >= self.own_keys:
                rows.append(Row(start + own, own))
        return tuple(dict.fromkeys(rows))

    @property
    def most_keys(self) -> int:
        """Largest number of keys in a row with a key outside its block."""
        return max(row.keys for row in self.entropy_candidates() if row.others)

    def share(self, reach: Callable[[Array], Array]) -> float:
        """Share of the rows with a key outside their block whose `k` is at most `reach(m)`, for an array of `m`.

        With windows these are the queries. With blocks that follow the text, every pair of a start and a number of own
        keys that the sizes allow counts once. Blocks of more than 65,536 keys are counted at even distances.
        """
        largest = min(self.most, self.context - self.least)
        number = min(largest - self.own_keys + 1, _COUNTED)
        own = np.floor(np.linspace(self.own_keys, largest, number))
        room = self.context - own
        kept = self._starts(np.minimum(room, np.floor(reach(own))))
        return float(kept.sum() / self._starts(room).sum())

    def _starts(self, until: Array) -> Array:
        """Number of positions from `least` to `until` where a block can start."""
        spread = self.most - self.least
        # From this many blocks on, the ranges of their ends meet.
        meet = max(1, -(-(self.least - 1) // spread)) if spread else np.inf
        blocks = np.floor(np.maximum(until, 0) / self.least)
        apart = np.minimum(blocks, meet)
        before = apart * (apart - 1) / 2 * spread + apart - 1
        end = np.where(blocks < meet, np.minimum(until, apart * self.most), until)
        return np.where(blocks < 1, 0.0, before + end - apart * self.least + 1)
