"""Many random attention rows at once, and the value of every letter on each, with a bound on its rounding error.

Scores are arrays of shape (keys, rows), block first, all rows of a batch with the same sizes. Letters follow from the
theory's table of definitions through the sums of `e^(s - top)` over the block and over the rest, `top` the largest
score of each part, so that neither sum underflows and masses keep their relative accuracy however small.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from proofs_check.rows import AttentionRow
from proofs_check.running_error import LIBRARY, TINY, UNIT, Tracked, exp, larger, log, log1p

# x e^-x <= 1/e and x^2 e^-x <= 4/e^2 for x >= 0.
_LARGEST_MOMENT = 1 / math.e
_LARGEST_SECOND_MOMENT = 4 / math.e**2


class Scratch:
    """Buffers kept between batches: fresh pages cost as much as the arithmetic."""

    def __init__(self, xp: Any) -> None:
        self._xp = xp
        self._held: dict[tuple[str, tuple[int, ...]], Any] = {}

    def like(self, name: str, array: Any) -> Any:
        """A buffer of that name and of the array's shape, its content left over."""
        key = (name, tuple(array.shape))
        if key not in self._held:
            self._held[key] = self._xp.empty_like(array)
        return self._held[key]


class Columns(dict[str, Any]):
    """What a row has beside its scores, each made when first asked for: most statements use few."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, name: str) -> Any:
        self[name] = self._make(name)
        return self[name]


@dataclass(frozen=True)
class Part:
    """Sums over the block or over the rest, with weights `w = e^x` and depths `x = (s - top)/tau <= 0`."""

    keys: int
    scores: Any
    top: Any
    weights: Any
    total: Tracked
    log_total: Tracked
    least: Callable[[], Tracked]
    depth_sum: Callable[[], Tracked]
    weighted_depth: Callable[[], Tracked]


@dataclass(frozen=True)
class Mixture:
    """The row whose block's scores are raised by `offset` nats against the rest, both measured from their tops."""

    inside: Tracked
    outside: Tracked
    log_total: Tracked
    weight_inside: Tracked
    weight_outside: Tracked
    raised_inside: Tracked
    raised_outside: Tracked


@dataclass
class Batch:
    """Rows with the same sizes. `careful` sums exclude the largest key, so that tiny entropies keep their accuracy."""

    scores: Any
    block: int
    columns: Columns
    family: str
    xp: Any
    careful: bool = False
    scratch: Scratch | None = None
    _buffers: dict[str, Any] = field(default_factory=dict)

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
        return Batch(self.scores[:, chosen], self.block, columns, self.family, self.xp, careful=True)

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
            penalty=number("penalty"),
            leak_target=number("leak_target"),
            fidelity_target=number("fidelity_target"),
            values=exactly(self.columns["values"]),
            seen=exactly(self.columns["seen"]),
            weights=tuple(int(x) for x in exactly(self.columns["weights"])),
            family=self.family,
        )

    def column(self, name: str) -> Tracked:
        """One of the exact numbers a row has beside its scores."""
        return Tracked(self.columns[name], 0.0, self.xp)

    def number(self, value: float) -> Tracked:
        """A float as an exact number."""
        return Tracked(float(value), 0.0, self.xp)

    @cached_property
    def tau(self) -> Tracked:
        return self.column("temperature")

    @cached_property
    def inside(self) -> Part:
        return self._part(slice(None, self.block))

    @cached_property
    def outside(self) -> Part:
        return self._part(slice(self.block, None))

    def _part(self, which: slice) -> Part:
        scores = self.scores[which]
        xp, keys = self.xp, int(scores.shape[0])
        top = xp.amax(scores, 0)
        depths = self._buffer("depths")[which]
        xp.subtract(scores, top, out=depths)
        xp.divide(depths, self.columns["temperature"], out=depths)
        weights = self._buffer("weights")[which]
        xp.exp(depths, out=weights)
        total, log_total = self._sums(keys, depths, weights)

        def depth_sum() -> Tracked:
            value = -xp.sum(depths, 0)
            return Tracked(value, (keys + 1) * UNIT * value + keys * TINY, xp)

        def weighted_depth() -> Tracked:
            value = -xp.einsum("ij,ij->j", depths, weights)
            if self.careful:
                second = xp.einsum("ij,ij,ij->j", depths, depths, weights)
            else:
                second = _LARGEST_SECOND_MOMENT * (keys - 1)
            error = (LIBRARY + (keys + 2) * UNIT) * value + 2 * UNIT * second + 1024 * keys * TINY
            return Tracked(value, error, xp)

        least = _once(lambda: Tracked(xp.amin(scores, 0), 0.0, xp))
        return Part(keys, scores, top, weights, total, log_total, least, _once(depth_sum), _once(weighted_depth))

    def _buffer(self, name: str) -> Any:
        if self.scratch is not None:
            return self.scratch.like(name, self.scores)
        if name not in self._buffers:
            self._buffers[name] = self.xp.empty_like(self.scores)
        return self._buffers[name]

    def _sums(self, keys: int, depths: Any, weights: Any) -> tuple[Tracked, Tracked]:
        """Sum of the weights and its logarithm.

        A depth is right to a relative `2 UNIT`, so a weight to `LIBRARY + 2 UNIT |x|`; the largest weight is exactly 1.
        """
        xp = self.xp
        if keys == 1:
            return self.number(1.0), self.number(0.0)
        if not self.careful:
            value = xp.sum(weights, 0)
            moment = _LARGEST_MOMENT * (keys - 1)
            error = (LIBRARY + keys * UNIT) * value + (2 * UNIT * moment + keys * TINY)
            total = Tracked(value, error, xp)
            return total, log(total)
        at_top = depths == 0
        count = xp.sum(at_top, 0, dtype=xp.float64)
        rest_weights = xp.where(at_top, 0.0, weights)
        rest = xp.sum(rest_weights, 0)
        moment = -xp.einsum("ij,ij->j", depths, rest_weights)
        rest_tracked = Tracked(rest, (LIBRARY + keys * UNIT) * rest + 2 * UNIT * moment + keys * TINY, xp)
        counted = Tracked(count, 0.0, xp)
        return counted + rest_tracked, log(counted) + log1p(rest_tracked / counted)

    @cached_property
    def gap(self) -> Tracked:
        """Largest score in the block minus largest outside."""
        return Tracked(self.inside.top, 0.0, self.xp) - Tracked(self.outside.top, 0.0, self.xp)

    def mixture(self, name: str) -> Mixture:
        """The plain row, or the one with the dial or the penalty on."""
        key = f"mixture {name}"
        if key not in self.__dict__:
            self.__dict__[key] = self._mixed(self._offset(name))
        return self.__dict__[key]

    def _offset(self, name: str) -> Tracked:
        if name == "plain":
            return self.gap / self.tau
        if name == "penalised":
            return (self.gap + self.column("penalty")) / self.tau
        return self.gap / self.tau + self.dial_bias

    @cached_property
    def dial_bias(self) -> Tracked:
        """`-log(1 - dial)`, nats."""
        return -log(1 - self.column("dial"))

    def _mixed(self, offset: Tracked) -> Mixture:
        # Both parts are scaled by e^-max(offset, 0), so that the larger top has weight 1.
        zero = self.number(0.0)
        raised_inside, raised_outside = larger(offset, zero, -1), larger(-offset, zero, -1)
        scale_inside, scale_outside = exp(raised_inside), exp(raised_outside)
        inside, outside = scale_inside * self.inside.total, scale_outside * self.outside.total
        total = inside + outside
        mass_inside, mass_outside = inside / total, outside / total
        mass_inside.one_minus, mass_outside.one_minus = mass_outside, mass_inside
        return Mixture(
            mass_inside,
            mass_outside,
            log(total) if not self.careful else self._careful_log(offset, inside, outside),
            scale_inside,
            scale_outside,
            raised_inside,
            raised_outside,
        )

    def _careful_log(self, offset: Tracked, inside: Tracked, outside: Tracked) -> Tracked:
        xp = self.xp
        first = self.inside.log_total + log1p(outside / inside)
        second = self.outside.log_total + log1p(inside / outside)
        upper = offset.value >= 0
        # Where the block's top is the larger, log of the total measured from it; likewise outside.
        return Tracked(xp.where(upper, first.value, second.value), xp.where(upper, first.error, second.error), xp)

    def entropy(self, name: str) -> Tracked:
        """`-sum a log a` with `log a = x + raised - log total`, for the plain, dialled or penalised row."""
        mix = self.mixture(name)
        depth = mix.inside * (self.inside.weighted_depth() / self.inside.total - mix.raised_inside)
        other = mix.outside * (self.outside.weighted_depth() / self.outside.total - mix.raised_outside)
        return mix.log_total + depth + other

    def part_entropy(self, part: Part) -> Tracked:
        """Entropy of the row given one part."""
        return part.log_total + part.weighted_depth() / part.total

    def mean_score(self, part: Part) -> Tracked:
        """Attention-weighted mean score over one part."""
        return Tracked(part.top, 0.0, self.xp) - self.tau * (part.weighted_depth() / part.total)

    def plain_mean(self, part: Part) -> Tracked:
        """Distance of the part's unweighted mean score below its top."""
        return self.tau * part.depth_sum() / float(part.keys)

    def weighted_values(self, part: Part, values: Any) -> Tracked:
        """`sum w v` over one part."""
        xp = self.xp
        value = xp.einsum("ij,ij->j", part.weights, values)
        largest = xp.amax(abs(values), 0)
        slack = (LIBRARY + (part.keys + 2) * UNIT) * part.total.value + 2 * UNIT * _LARGEST_MOMENT * part.keys
        return Tracked(value, largest * slack + part.keys * TINY * (1 + largest), xp)


def _once(compute: Callable[[], Tracked]) -> Callable[[], Tracked]:
    found: list[Tracked] = []

    def value() -> Tracked:
        if not found:
            found.append(compute())
        return found[0]

    return value
