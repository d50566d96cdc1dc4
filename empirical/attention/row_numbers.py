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

# Numbers from the extremes of a row's scores.
GAPS = ("margin", "mean_margin", "logit_range", "block_spread", "others_margin", "sink_margin")


@dataclass(frozen=True)
class RowNumbers:
    """Result of one pass: `output` `(batch, heads, tokens, head)`, all others `(batch, heads, tokens)`, nats.

    Entries of a row without a key to keep, or without a complement to compare with, are meaningless. `GAPS` are None if
    not requested; under a hard mask they are infinite, and `block_spread` is 0.

    The row's *sink key* is the head's sink if it has one, else the first token of the text if the query sees it and it
    is off the query's block. `sink_margin` is the smallest score in the block minus that of the sink key, infinite
    without one; `others_margin` is the smallest score in the block minus the largest of the other keys off the block,
    infinite without one; `block_spread` is the largest minus the smallest score in the block.
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
    block_spread: Float64[Tensor, "batch heads tokens"] | None = None
    others_margin: Float64[Tensor, "batch heads tokens"] | None = None
    sink_margin: Float64[Tensor, "batch heads tokens"] | None = None

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
    others_high: Float[Tensor, "*rows"],
    sink_score: Float[Tensor, "*rows"],
    bias: float,
    sinks: Float[Tensor, " heads"] | None = None,
) -> dict[str, Float64[Tensor, "*rows"]]:
    """`GAPS`, float64, from the extremes of the scores on and off the block.

    The scores exclude the block's `bias`; `block_mean` is their mean on the block, `rest_low` the smallest off it and
    `others_high` the largest off it except for the sink key's, `sink_score`, which is -inf without one. `sinks` are
    the sink keys where heads have them; the other arguments then exclude them.
    """
    low, mean, high = (each.double() + bias for each in (block_low, block_mean, block_high))
    floor, others, sink = rest_low.double(), others_high.double(), sink_score.double()
    if sinks is not None:
        sink = sinks.double()[:, None].expand_as(others)
        floor = torch.minimum(floor, sink)
    top = torch.maximum(others, sink)
    return {
        "margin": low - top,
        "mean_margin": mean - top,
        "logit_range": torch.maximum(high, top) - torch.minimum(low, floor),
        "block_spread": high - low,
        "others_margin": low - others,
        "sink_margin": low - sink,
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
