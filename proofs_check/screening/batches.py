"""Many random attention rows at once, and the sums over their keys, with a bound on their rounding error.

Scores are arrays of shape (keys, rows), block first, all rows of a batch with the same sizes. Letters follow from the
theory's table of definitions through the sums of `e^(s - top)` over the block and over the rest, `top` the largest
score of each part, so that neither sum underflows and masses keep their relative accuracy however small.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from proofs_check.instances.rows import AttentionRow
from proofs_check.screening.error_rules import INFLATION, LIBRARY, TINY, UNIT
from proofs_check.screening.key_sums import Scratch, key_sums, seen_sums
from proofs_check.screening.linear_forms import shared
from proofs_check.screening.mixtures import Mixture
from proofs_check.screening.running_error import Tracked
from proofs_check.screening.tracked_functions import log, log1p

# x e^-x <= 1/e for x >= 0.
_LARGEST_MOMENT = 1 / math.e
# Deeper than this, e^-x is below the smallest float and weighs less than TINY.
_DEEPEST = 746.0


class Columns(dict[str, Any]):
    """The columns of a batch beside its scores, each made on first access: most statements use few.

    `seconds` is the time spent making them, without that of their inputs, which `before` computes.
    """

    def __init__(self, make: Callable[[str], Any], before: Callable[[str], None] = lambda name: None) -> None:
        super().__init__()
        self._make = make
        self._before = before
        self.seconds = 0.0

    def __missing__(self, name: str) -> Any:
        self._before(name)
        begun = time.perf_counter()
        self[name] = self._make(name)
        self.seconds += time.perf_counter() - begun
        return self[name]


class Part:
    """Sums over the block or over the rest, with weights `w = e^x` and depths `x = (s - top)/tau <= 0`.

    The sums that earlier batches asked for, the batch's plan, are computed together in one pass over the scores.
    """

    def __init__(self, batch: Batch, which: slice) -> None:
        self.batch, self.xp, self.which = batch, batch.xp, which
        self.scores = batch.scores[which]
        self.keys = int(self.scores.shape[0])
        self._found: dict[str, Any] = {}

    def _array(self, name: str) -> Any:
        if name not in self._found:
            plan, batch = self.batch.plan, self.batch
            if name != "top":
                plan.add(name)
            values = batch.columns["values"][self.which] if "value" in plan else None
            wanted = frozenset(plan - self._found.keys())
            self._found |= key_sums(self.scores, batch.columns["temperature"], values, wanted, batch.room, self.xp)
        return self._found[name]

    def _tracked(self, value: Any, absolute: Any, relative: float) -> Tracked:
        return Tracked(value, absolute, self.xp, relative=relative, loose=not self.batch.careful)

    @property
    def top(self) -> Any:
        """The largest score, as floats."""
        return self.scores[0] if self.keys == 1 else self._array("top")

    @cached_property
    def highest(self) -> Tracked:
        """The largest score."""
        return shared(self.batch.exactly(self.top))

    @cached_property
    def least(self) -> Tracked:
        """The least score."""
        return self.highest if self.keys == 1 else shared(self.batch.exactly(self._array("least")))

    @cached_property
    def _sums(self) -> tuple[Tracked, Tracked]:
        """Sum of the weights and its logarithm.

        A depth has relative error `2 UNIT`, so a weight `LIBRARY + 2 UNIT |x|`; the largest weight is exactly 1.
        """
        keys = self.keys
        if keys == 1:
            return self.batch.number(1.0), self.batch.number(0.0)
        if not self.batch.careful:
            moment = _LARGEST_MOMENT * (keys - 1)
            relative = LIBRARY + keys * UNIT + 2 * UNIT * moment + keys * TINY
            total = self._tracked(self._array("total"), 0.0, relative)
            return total, log(total)
        moment = 2 * UNIT * INFLATION * self._array("depth") + keys * TINY
        others = self._tracked(self._array("others"), moment, LIBRARY + keys * UNIT)
        ties = self._tracked(self._array("ties"), 0.0, 0.0)
        return ties + others, log(ties) + log1p(others / ties)

    @property
    def total(self) -> Tracked:
        """Sum of the weights."""
        return self._sums[0]

    @property
    def log_total(self) -> Tracked:
        """Logarithm of the sum of the weights."""
        return self._sums[1]

    @cached_property
    def depth(self) -> Tracked:
        """Mean depth of the keys weighted by mass, as a positive number.

        The error of a depth moves its product by `(1 + |x|) 2 UNIT`. If loose, `|x|` is at most 746: beyond, a weight
        is below the smallest float and its product below `2^20 TINY`.
        """
        if self.keys == 1:
            return self.batch.number(0.0)
        absolute, relative = 2**20 * self.keys * TINY, LIBRARY + (self.keys + 2) * UNIT
        if not self.batch.careful:
            return self._tracked(self._array("depth"), absolute, relative + 2 * _DEEPEST * UNIT) / self.total
        absolute = absolute + 2 * UNIT * INFLATION * self._array("square")
        return self._tracked(self._array("depth"), absolute, relative) / self.total

    def floor_of_log_total(self, rows: Any) -> Tracked:
        """At most `log_total`, on some rows: no depth exceeds the range `R`, so `total - 1 >= sum |x| w / R`."""
        if self.keys == 1:
            return self.log_total
        xp = self.xp
        span = Tracked(self.top[rows] - xp.amin(self.scores[:, rows], 0), 0.0, xp, relative=UNIT)
        return log1p(self.depth[rows] * self.total[rows] * self.batch.tau[rows] / span)

    @cached_property
    def entropy(self) -> Tracked:
        """Entropy of the row given this part, nats."""
        return shared(self.log_total + self.depth)

    @cached_property
    def mean_score(self) -> Tracked:
        """Attention-weighted mean score."""
        return self.highest - self.batch.tau * self.depth

    @cached_property
    def plain_mean(self) -> Tracked:
        """Unweighted mean score."""
        if self.keys == 1:
            return self.highest
        return self.highest + self._tracked(self._array("fall"), 0.0, self.keys * UNIT) / float(self.keys)

    @cached_property
    def mean_value(self) -> Tracked:
        """Attention-weighted mean of the values."""
        if self.keys == 1:
            return self.batch.exactly(self.batch.columns["values"][self.which][0])
        keys, size = self.keys, self.batch.largest_value
        slack = (LIBRARY + (keys + 2) * UNIT) * self.total.size + 2 * UNIT * _LARGEST_MOMENT * keys
        absolute = size * slack + keys * TINY * (1 + size)
        return self._tracked(self._array("value"), absolute, 0.0) / self.total


class Level:
    """A part whose keys all have the same score, with what a mixture needs of it."""

    def __init__(self, batch: Batch, keys: int) -> None:
        self.total = batch.number(keys)
        self.log_total = shared(log(batch.number(keys))) if keys > 1 else batch.number(0.0)
        self.entropy, self.depth = self.log_total, batch.number(0.0)

    def floor_of_log_total(self, rows: Any) -> Tracked:
        """The logarithm itself, which is known."""
        return self.log_total


@dataclass
class Batch:
    """Rows with the same sizes.

    `careful` sums exclude the largest key, so that tiny entropies keep their accuracy, and their errors are bounded
    for every row; else one bound serves all rows.
    """

    scores: Any
    block: int
    columns: Columns
    family: str
    xp: Any
    careful: bool = False
    scratch: Scratch | None = None
    plan: set[str] = field(default_factory=set)
    _mixtures: dict[str, Mixture] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.room = self.scratch or Scratch(self.xp)

    @property
    def rows(self) -> int:
        """How many rows."""
        return int(self.scores.shape[1])

    @property
    def keys(self) -> int:
        """How many keys each row has."""
        return int(self.scores.shape[0])

    def only(self, chosen: Any) -> Batch:
        """The chosen rows again, with careful sums."""
        columns = Columns(lambda name: self.columns[name][..., chosen])
        return Batch(self.scores[:, chosen], self.block, columns, self.family, self.xp, True, self.room)

    def row(self, index: int) -> AttentionRow:
        """One row as exact data: its floats, as the rationals they are."""

        def exactly(column: Any) -> tuple[Fraction, ...]:
            return tuple(Fraction(float(x)) for x in column[:, index])

        def number(name: str) -> Fraction:
            return Fraction(float(self.columns[name][index]))

        return AttentionRow(
            scores=exactly(self.scores),
            block=self.block,
            temperature=number("temperature"),
            dial=number("dial"),
            other_dial=number("other_dial"),
            penalty=number("penalty"),
            leak_target=number("leak_target"),
            fidelity_target=number("fidelity_target"),
            values=exactly(self.columns["values"]),
            seen=exactly(self.columns["seen"]),
            weights=tuple(int(x) for x in exactly(self.columns["weights"])),
            family=self.family,
        )

    def exactly(self, floats: Any) -> Tracked:
        """Floats as the exact numbers they are."""
        return Tracked(floats, 0.0, self.xp, loose=not self.careful)

    def column(self, name: str) -> Tracked:
        """A column beside the scores, as exact numbers."""
        return self.exactly(self.columns[name])

    def number(self, value: float) -> Tracked:
        """A float as an exact number, the same for all rows."""
        return Tracked(float(value), 0.0, self.xp)

    @cached_property
    def tau(self) -> Tracked:
        return self.column("temperature")

    @cached_property
    def value_ends(self) -> tuple[Any, Any]:
        """The least and the largest value of every row."""
        values = self.columns["values"]
        return self.xp.amin(values, 0), self.xp.amax(values, 0)

    @cached_property
    def largest_value(self) -> float:
        """The largest `|value|` of any row."""
        least, largest = self.value_ends
        return max(-float(least.min()), float(largest.max()))

    @cached_property
    def seen(self) -> dict[str, Any]:
        """Sums over the scores that someone else measured: see `proofs_check.screening.key_sums`."""
        return seen_sums(self.scores, self.columns["seen"], self.block, self.room, self.xp)

    @cached_property
    def inside(self) -> Part:
        return Part(self, slice(None, self.block))

    @cached_property
    def outside(self) -> Part:
        return Part(self, slice(self.block, None))

    @cached_property
    def gap(self) -> Tracked:
        """Largest score in the block minus largest outside."""
        return self.inside.highest - self.outside.highest

    @cached_property
    def separation(self) -> Tracked:
        """The gap over the temperature, nats."""
        return self.gap / self.tau

    @cached_property
    def dial_bias(self) -> Tracked:
        """`-log(1 - dial)`, nats."""
        return -log(1 - self.column("dial"))

    @cached_property
    def other_dial_bias(self) -> Tracked:
        """The same for the other setting of the dial."""
        return -log(1 - self.column("other_dial"))

    def mixture(self, name: str) -> Mixture:
        """The plain row, or the one with the dial at either setting or the penalty on."""
        if name not in self._mixtures:
            self._mixtures[name] = Mixture(self.inside, self.outside, self._offset(name))
        return self._mixtures[name]

    def _offset(self, name: str) -> Tracked:
        if name == "plain":
            return self.separation
        if name == "penalised":
            return (self.gap + self.column("penalty")) / self.tau
        return self.separation + (self.other_dial_bias if name == "other dial" else self.dial_bias)

    @cached_property
    def two_level(self) -> Mixture:
        """The row of the same sizes and separation whose keys have one score in the block, and one outside."""
        margin = self.gap if self.block == 1 else self.inside.least - self.outside.highest
        block, rest = Level(self, self.block), Level(self, self.keys - self.block)
        return Mixture(block, rest, margin / self.tau)
