"""Many attention rows of the same sizes, the sums over their keys, and their masses, each with its error bound.

Scores are arrays of shape (keys, rows), block first. Sums are of weights `e^-x` with depths `x = (top - s)/tau`, `top`
the largest score of the part, so that no sum underflows. The log-odds of a mass come from the logarithms of both
parts' sums, so that masses and their complements keep their relative accuracy however small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from proofs_check.instances.rows import AttentionRow
from proofs_check.screening.tracked import LIBRARY, TINY, UNIT, Tracked, complement, log, logistic

Key = TypeVar("Key")
Value = TypeVar("Value")

# x e^-x <= 1/e and x^2 e^-x <= 4/e^2 for x >= 0.
_LARGEST_MOMENT, _LARGEST_SQUARE = 1 / math.e, 4 / math.e**2
# Deeper than this, e^-x is below the smallest float.
_DEEPEST = 2.0**10


class OnDemand(dict[Key, Value]):
    """A dictionary whose values are made on first access: most statements use few letters and columns."""

    def __init__(self, make: Callable[[Key], Value]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Key) -> Value:
        self[key] = self._make(key)
        return self[key]


class Part:
    """Sums over the block or over the rest.

    A depth has relative error `2 UNIT`, so a weight `LIBRARY + 2 UNIT x`; a sum of `n` terms adds `n UNIT` of its size.
    """

    def __init__(self, scores: Any, tau: Tracked, values: Callable[[], Any]) -> None:
        self.scores, self.tau, self._values = scores, tau, values
        self.keys = len(scores)
        self.highest, self.least = Tracked(scores.max(0)), Tracked(scores.min(0))

    @cached_property
    def _depths(self) -> Any:
        return (self.highest.value - self.scores) / self.tau.value

    @cached_property
    def _weights(self) -> Any:
        return np.exp(-self._depths)

    @cached_property
    def total(self) -> Tracked:
        """Sum of the weights."""
        if self.keys == 1:
            return Tracked(1.0)
        value, keys = self._weights.sum(0), self.keys
        moved = keys * (2 * UNIT * _LARGEST_MOMENT + TINY)
        return Tracked(value, (LIBRARY + keys * UNIT) * value + moved)

    @cached_property
    def log_total(self) -> Tracked:
        """Logarithm of the sum of the weights."""
        return log(self.total)

    @cached_property
    def depth(self) -> Tracked:
        """Mean depth of the keys weighted by mass, nats.

        An error of a depth moves its product with the weight by at most `2 UNIT (x + x^2) e^-x`.
        """
        if self.keys == 1:
            return Tracked(0.0)
        value, keys = np.einsum("ij,ij->j", self._depths, self._weights), self.keys
        moved = keys * (2 * UNIT * _LARGEST_SQUARE + _DEEPEST * TINY)
        return Tracked(value, (LIBRARY + (keys + 4) * UNIT) * value + moved) / self.total

    @cached_property
    def entropy(self) -> Tracked:
        """Entropy of the row given this part, nats."""
        return self.log_total + self.depth

    @cached_property
    def mean_score(self) -> Tracked:
        """Mean score weighted by mass."""
        return self.highest - self.tau * self.depth

    @cached_property
    def plain_mean(self) -> Tracked:
        """Unweighted mean score."""
        if self.keys == 1:
            return self.highest
        value = (self.highest.value - self.scores).sum(0)
        return self.highest - Tracked(value, self.keys * UNIT * value) / self.keys

    @cached_property
    def mean_value(self) -> Tracked:
        """Mean of the keys' values weighted by mass."""
        values, keys = self._values(), self.keys
        if keys == 1:
            return Tracked(values[0])
        moved = keys * (2 * UNIT * _LARGEST_MOMENT + TINY)
        error = abs(values).max(0) * ((LIBRARY + (keys + 2) * UNIT) * self.total.value + moved) + keys * TINY
        return Tracked(np.einsum("ij,ij->j", self._weights, values), error) / self.total


class Mixture:
    """A row as its block and its rest, from the log-odds of the block."""

    def __init__(self, log_odds: Tracked, entropy_inside: Tracked, entropy_outside: Tracked) -> None:
        self.log_odds = log_odds
        self.inside = logistic(log_odds)
        self.outside = complement(self.inside)
        self._entropies = entropy_inside, entropy_outside

    @cached_property
    def entropy(self) -> Tracked:
        """Entropy by the chain rule, nats: that of the choice of a part, and of the key within it.

        So the screen does not test the chain rule itself; the exact methods do.
        """
        within, beyond = self._entropies
        choice = -(self.inside * log(self.inside)) - self.outside * log(self.outside)
        return choice + self.inside * within + self.outside * beyond


@dataclass(frozen=True)
class Batch:
    """Rows with the same sizes, and the columns beside their scores: the numeric fields of `AttentionRow`."""

    scores: Any
    block: int
    columns: Mapping[str, Any]
    family: str

    @property
    def rows(self) -> int:
        """How many rows."""
        return int(self.scores.shape[1])

    @property
    def keys(self) -> int:
        """How many keys each row has."""
        return len(self.scores)

    def row(self, index: int) -> AttentionRow:
        """One row as exact data: its floats, as the rationals they are."""

        def exactly(column: Any) -> tuple[Fraction, ...]:
            return tuple(Fraction(float(x)) for x in column[:, index])

        names = ("temperature", "dial", "other_dial", "penalty", "leak_target", "fidelity_target")
        return AttentionRow(
            scores=exactly(self.scores),
            block=self.block,
            **{name: Fraction(float(self.columns[name][index])) for name in names},
            values=exactly(self.columns["values"]),
            seen=exactly(self.columns["seen"]),
            weights=tuple(int(x) for x in exactly(self.columns["weights"])),
            family=self.family,
        )

    def column(self, name: str) -> Tracked:
        """A column as the exact numbers it holds."""
        return Tracked(self.columns[name])

    @cached_property
    def tau(self) -> Tracked:
        """The temperature."""
        return self.column("temperature")

    @cached_property
    def inside(self) -> Part:
        """The block."""
        return self._part(slice(None, self.block))

    @cached_property
    def outside(self) -> Part:
        """The other keys."""
        return self._part(slice(self.block, None))

    def _part(self, which: slice) -> Part:
        return Part(self.scores[which], self.tau, lambda: self.columns["values"][which])

    @cached_property
    def margin(self) -> Tracked:
        """Least score in the block minus largest outside."""
        return self.inside.least - self.outside.highest

    @cached_property
    def separation(self) -> Tracked:
        """The margin over the temperature, nats."""
        return self.margin / self.tau

    @cached_property
    def log_odds(self) -> Tracked:
        """Log-odds of the mass on the block, nats."""
        gap = (self.inside.highest - self.outside.highest) / self.tau
        return gap + (self.inside.log_total - self.outside.log_total)

    def _shifted(self, log_odds: Tracked) -> Mixture:
        return Mixture(log_odds, self.inside.entropy, self.outside.entropy)

    @cached_property
    def plain(self) -> Mixture:
        """The row itself."""
        return self._shifted(self.log_odds)

    @cached_property
    def dialled(self) -> Mixture:
        """The row with the dial on."""
        return self._shifted(self.log_odds - log(1 - self.column("dial")))

    @cached_property
    def otherwise_dialled(self) -> Mixture:
        """The row with the dial at its other setting."""
        return self._shifted(self.log_odds - log(1 - self.column("other_dial")))

    @cached_property
    def penalised(self) -> Mixture:
        """The row with the penalty on the other keys."""
        return self._shifted(self.log_odds + self.column("penalty") / self.tau)

    @cached_property
    def two_level(self) -> Mixture:
        """The row of the same sizes and separation with one score in the block and one outside."""
        inside, outside = log(Tracked(self.block)), log(Tracked(self.keys - self.block))
        return Mixture(self.separation + (inside - outside), inside, outside)
