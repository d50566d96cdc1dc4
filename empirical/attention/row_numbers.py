"""Numbers that a pass over the scores returns for every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import torch
from jaxtyping import Float, Float64, Int
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

    output: Float[Tensor, "batch heads tokens value"]
    log_sum: Float[Tensor, "batch heads tokens"]
    mean_score: Float[Tensor, "batch heads tokens"]
    fidelity: Float[Tensor, "batch heads tokens"]
    leak: Float[Tensor, "batch heads tokens"]
    arithmetic: Arithmetic
    margin: Float64[Tensor, "batch heads tokens"] | None = None
    mean_margin: Float64[Tensor, "batch heads tokens"] | None = None
    logit_range: Float64[Tensor, "batch heads tokens"] | None = None

    @property
    def entropy(self) -> Float64[Tensor, "batch heads tokens"]:
        """Entropy of each row, nats, float64."""
        return self.log_sum.double() - self.mean_score.double()

    @classmethod
    def joined(cls, parts: Sequence[RowNumbers], order: Int[Tensor, " heads"]) -> RowNumbers:
        """The numbers of several groups of heads, in the heads' `order`; the least exact arithmetic stands for all."""
        found = {each.name: [getattr(part, each.name) for part in parts] for each in fields(cls)}
        arithmetic = max(found.pop("arithmetic"), key=lambda each: each.sink)
        whole: dict[str, Any] = {
            name: None if values[0] is None else torch.cat(values, 1)[:, order] for name, values in found.items()
        }
        return cls(**whole, arithmetic=arithmetic)


def gaps(
    block_low: Float[Tensor, "*rows"],
    block_high: Float[Tensor, "*rows"],
    block_mean: Float[Tensor, "*rows"],
    rest_low: Float[Tensor, "*rows"],
    rest_high: Float[Tensor, "*rows"],
    bias: float,
    sinks: Float[Tensor, " heads"] | None = None,
) -> dict[str, Float64[Tensor, "*rows"]]:
    """Margin, mean margin and range, float64, from the smallest and largest scores on and off the block.

    The scores exclude the block's `bias` and the heads' `sinks`; `block_mean` is their mean on the block.
    """
    low, mean, high = (each.double() + bias for each in (block_low, block_mean, block_high))
    floor, top = rest_low.double(), rest_high.double()
    if sinks is not None:
        sink = sinks.double()[:, None]
        floor, top = torch.minimum(floor, sink), torch.maximum(top, sink)
    return {
        "margin": low - top,
        "mean_margin": mean - top,
        "logit_range": torch.maximum(high, top) - torch.minimum(low, floor),
    }


def finished(numbers: RowNumbers, sinks: Float[Tensor, " heads"] | None, keep: Keep, form: torch.dtype) -> RowNumbers:
    """Merge each head's sink into the sums, in float64, except for rows of their block; the output gets format `form`.

    Margins and ranges must already count the sink.
    """
    if sinks is None or keep == "block":
        return replace(numbers, output=numbers.output.to(form))
    sink = sinks.double()[:, None]
    short = numbers.log_sum.double()
    whole = torch.logaddexp(short, sink)
    kept, share = (short - whole).exp(), (sink - whole).exp()
    return replace(
        numbers,
        output=(numbers.output * kept.unsqueeze(-1).to(numbers.output.dtype)).to(form),
        log_sum=whole,
        mean_score=numbers.mean_score.double() * kept + sink * share,
        fidelity=numbers.fidelity.double() * kept,
        leak=numbers.leak.double() * kept + share,
    )
