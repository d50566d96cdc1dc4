"""Numbers that a pass over the scores returns for every row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from empirical.attention.rounding import Arithmetic

# Which keys of a row count: all, those of its block, or those off it.
Keep = Literal["all", "block", "rest"]


@dataclass(frozen=True)
class RowNumbers:
    """Result of one pass: `output` `(batch, heads, tokens, head)`, all others `(batch, heads, tokens)`, nats.

    Entries of a row without a key to keep, or without a complement to compare with, are meaningless. `margin`,
    `mean_margin` and `logit_range` are None if not requested, and infinite under a hard mask.
    """

    output: Tensor
    log_sum: Tensor
    mean_score: Tensor
    fidelity: Tensor
    leak: Tensor
    margin: Tensor | None
    mean_margin: Tensor | None
    logit_range: Tensor | None
    arithmetic: Arithmetic

    @property
    def entropy(self) -> Tensor:
        """Entropy of each row, nats, float64."""
        return self.log_sum.double() - self.mean_score.double()


def gaps(
    block_low: Tensor, block_high: Tensor, block_mean: Tensor, rest_low: Tensor, rest_high: Tensor, bias: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Margin, mean margin and range, float64, from the smallest and largest scores on and off the block.

    The scores exclude the block's `bias`; `block_mean` is their mean on the block.
    """
    low, mean, high = (each.double() + bias for each in (block_low, block_mean, block_high))
    floor, top = rest_low.double(), rest_high.double()
    return low - top, mean - top, torch.maximum(high, top) - torch.minimum(low, floor)
