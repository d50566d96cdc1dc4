"""H3 read backwards: from the divergence that is allowed to the truncation, the leak and the margin that a row needs.

The lengths of the residuals are those of the truncated pass. H3 bounds what a move of the residual does to the logits,
and the move from the truncated pass to the other is as long as the one back. But the truncated residuals depend on the
block's keys alone, so a bias on the block, which changes the leak and nothing within the block (B1), leaves them and
the bound as they are. So the margin needed is a promise about every such bias, not only about the row as measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from empirical.influence.tail import Tail
from theory.errors import DomainError
from theory.numbers.bounds import margin_needed
from theory.numbers.output_bounds import next_token_divergence_max, truncation_range_max

Array = NDArray[np.float64]

# The numeric functions have relative errors below 1e-12.
OUTWARD = 1e-11
# Halvings of the searches: as many as a float64 can tell apart from 0 at any size that matters.
_HALVINGS = 200


@dataclass(frozen=True)
class Amplification:
    """What the weights say of every row: H3's constants, with the norms' gains folded into them."""

    width: int
    stabiliser: float
    mlp_norm: float
    distance: float
    # Whether all pairs of tokens were compared; else `distance` may be up to twice the largest distance.
    all_pairs: bool

    @classmethod
    def of(cls, tail: Tail) -> Amplification:
        """From the weights of a model."""
        return cls(tail.width, tail.stabiliser, tail.mlp_norm, *tail.unembedding_distance())

    def range_max(self, truncation: Array, lengths: tuple[Array, Array]) -> Array:
        """Bound on the range of the logits' moves; infinite where H3 says nothing.

        `lengths` are those of the centred residuals before and after the MLP.
        """
        found = truncation_range_max(
            truncation, lengths, (1.0, 1.0), self.mlp_norm, self.distance, self.width, self.stabiliser
        )
        return np.asarray(found) * (1 + OUTWARD)

    def truncation_allowed(self, logit_range: float, lengths: tuple[Array, Array]) -> Array:
        """The largest truncation per row, rounded down, with which the logits' moves certainly keep to this range."""
        low, high = np.zeros_like(lengths[0]), lengths[0].copy()
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            within = self.range_max(middle, lengths) <= logit_range
            low, high = np.where(within, middle, low), np.where(within, high, middle)
        # The float function may be a little less than monotone.
        return low * (1 - OUTWARD)


def check_influence(influence: float) -> None:
    """Raise DomainError unless the divergence allowed is a positive number."""
    if not 0 < influence < np.inf:
        raise DomainError(f"influence {influence:g} must be a positive number of nats")


def range_allowed(influence: float) -> float:
    """The largest range of logits' moves, rounded down, whose divergence is certainly at most this many nats (H2)."""
    low, high = 0.0, 1.0
    while divergence_max(np.array(high)) <= influence:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if divergence_max(np.array(middle)) <= influence else (low, middle)
    return low * (1 - OUTWARD)


def divergence_max(logit_range: Array) -> Array:
    """Bound on the divergence, either way, where the logits' moves have this range (H2); infinite where it is."""
    finite = np.isfinite(logit_range)
    found = np.asarray(next_token_divergence_max(np.where(finite, logit_range, 0.0))) * (1 + OUTWARD)
    return np.where(finite, found, np.inf)


def margins_needed(leak: Array, keys: Array, block_keys: Array) -> Array:
    """The soft margin, rounded up, from which a row leaks no more than this (A1); infinite where no margin will do.

    Where any leak will do it is that of a leak just below 1.
    """
    never = leak <= 0
    level = np.where(never, 0.5, np.minimum(leak, 1 - 2.0**-52))
    needed = np.asarray(margin_needed(keys, block_keys, level))
    return np.where(never, np.inf, needed + OUTWARD * (1 + np.abs(needed)))
