"""Reference implementation from the definitions: all rows stored in float64, quadratic in memory; for tests only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor


@dataclass(frozen=True)
class ReferenceRows:
    """All tensors `(batch, heads, tokens)` in nats, float64; `output` is `(batch, heads, tokens, head)`.

    Rows without complement have NaN margins. `weights` is `(batch, heads, tokens, tokens)`.
    """

    weights: Float64[Tensor, "batch heads tokens tokens"]
    output: Float64[Tensor, "batch heads tokens value"]
    entropy: Float64[Tensor, "batch heads tokens"]
    fidelity: Float64[Tensor, "batch heads tokens"]
    leak: Float64[Tensor, "batch heads tokens"]
    margin: Float64[Tensor, "batch heads tokens"]
    mean_margin: Float64[Tensor, "batch heads tokens"]
    logit_range: Float64[Tensor, "batch heads tokens"]
    conditional_block: Float64[Tensor, "batch heads tokens"]
    conditional_rest: Float64[Tensor, "batch heads tokens"]


def reference_rows(
    query: Float[Tensor, "batch heads tokens head"],
    key: Float[Tensor, "batch heads tokens head"],
    value: Float[Tensor, "batch heads tokens value"],
    ids: Int[Tensor, "#batch tokens"],
    scale: float,
    bias: float,
) -> ReferenceRows:
    """Causal localist attention from its definition; differentiable.

    `query`, `key`, `value` are `(batch, heads, tokens, head)`, `ids` `(batch or 1, tokens)`, and
    `bias = log(1/(1-dial))` in nats, infinite for the hard block mask.
    """
    query, key, value = query.double(), key.double(), value.double()
    tokens = query.shape[2]
    visible = torch.ones(tokens, tokens, dtype=torch.bool, device=query.device).tril()
    same = (ids[:, None, :, None] == ids[:, None, None, :]).expand(query.shape[0], query.shape[1], -1, -1)
    inside, outside = same & visible, ~same & visible
    plain = query @ key.transpose(-1, -2) * scale
    if math.isinf(bias):
        scores = plain.masked_fill(~inside, -math.inf)
    else:
        scores = (plain + bias * same.double()).masked_fill(~visible, -math.inf)
    weights = scores.softmax(-1)
    block_low = scores.masked_fill(~inside, math.inf).amin(-1)
    block_mean = scores.masked_fill(~inside, 0).sum(-1) / inside.sum(-1)
    rest_high = scores.masked_fill(~outside, -math.inf).amax(-1)
    empty = ~outside.any(-1)
    seen_low = scores.masked_fill(~visible, math.inf).amin(-1)
    return ReferenceRows(
        weights=weights,
        output=weights @ value,
        entropy=_entropy(weights),
        fidelity=(weights * inside).sum(-1),
        leak=(weights * outside).sum(-1),
        margin=(block_low - rest_high).masked_fill(empty, math.nan),
        mean_margin=(block_mean - rest_high).masked_fill(empty, math.nan),
        logit_range=(scores.amax(-1) - seen_low).masked_fill(empty, math.nan),
        conditional_block=_entropy(plain.masked_fill(~inside, -math.inf).softmax(-1)),
        conditional_rest=_entropy(plain.masked_fill(~outside, -math.inf).softmax(-1)),
    )


def _entropy(weights: Tensor) -> Tensor:
    terms: Tensor = torch.special.xlogy(weights, weights)
    return -terms.sum(-1)
