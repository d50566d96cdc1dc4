"""A row as a mixture of its block and the rest: the masses, and what follows from them, with rounding errors."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from proofs_check.screening.error_target import binary_entropy
from proofs_check.screening.linear_forms import Form
from proofs_check.screening.running_error import Tracked
from proofs_check.screening.tracked_functions import exp, larger, log1p, where

if TYPE_CHECKING:
    from proofs_check.screening.batches import Level, Part


class Mixture:
    """The row whose block's scores are raised by `offset` nats against the rest, both measured from their tops."""

    def __init__(self, block: Part | Level, rest: Part | Level, offset: Tracked) -> None:
        self.block, self.rest, self.offset = block, rest, offset
        zero = Tracked(0.0, 0.0, offset.xp)
        # Both parts are scaled by e^-max(offset, 0), so that the larger top has weight 1.
        self.raised_inside, self.raised_outside = larger(offset, zero, -1), larger(-offset, zero, -1)
        self._inside = exp(self.raised_inside) * block.total
        self._outside = exp(self.raised_outside) * rest.total
        total = self._inside + self._outside
        self.inside, self.outside = self._inside / total, self._outside / total
        self.inside.one_minus, self.outside.one_minus = self.outside, self.inside

    @cached_property
    def beside_null(self) -> tuple[Tracked, Tracked, Tracked]:
        """Masses of the block, of the rest, and of one extra key that weighs as much as the whole block."""
        total = self._inside + self._inside + self._outside
        inside = self._inside / total
        return inside, self._outside / total, inside

    @cached_property
    def log_total(self) -> Tracked:
        """Logarithm of the sum of both, from the part with the larger top, to full relative accuracy."""
        first = self.block.log_total + log1p(self._outside / self._inside)
        second = self.rest.log_total + log1p(self._inside / self._outside)
        return where(self.offset.value >= 0, first, second)

    @cached_property
    def entropy(self) -> Tracked:
        """`-sum a log a` with `log a = x + raised - log total`, nats.

        Its other forms, the entropy of either part and a rest, serve differences of entropies.
        """
        block, rest = self.block, self.rest
        result = self.log_total + self.inside * (block.depth - self.raised_inside)
        result = result + self.outside * (rest.depth - self.raised_outside)
        result.forms = (
            Form(((block.entropy, 1),), lambda rows: self._more_than(block, rest, self.outside, rows)),
            Form(((rest.entropy, 1),), lambda rows: self._more_than(rest, block, self.inside, rows)),
        )
        result.floor = self._floor_of_entropy
        return result

    def _floor_of_entropy(self, rows: Any) -> Tracked:
        """A lower bound on the entropy, accurate where one key has all but the last digits of the mass."""
        block, rest = self.block, self.rest
        inside, outside = self._inside[rows], self._outside[rows]
        first = block.floor_of_log_total(rows) + log1p(outside / inside)
        second = rest.floor_of_log_total(rows) + log1p(inside / outside)
        result = where(self.offset.value[rows] >= 0, first, second)
        result = result + self.inside[rows] * (block.depth[rows] - self.raised_inside[rows])
        return result + self.outside[rows] * (rest.depth[rows] - self.raised_outside[rows])

    def _more_than(self, part: Part | Level, other: Part | Level, mass: Tracked, rows: Any) -> Tracked:
        """How much the entropy exceeds that of one part."""
        return self.choice[rows] + mass[rows] * (other.entropy[rows] - part.entropy[rows])

    @cached_property
    def choice(self) -> Tracked:
        """Entropy of the choice between block and rest, nats."""
        return binary_entropy(self.outside)
