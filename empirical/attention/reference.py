"""Reference implementation from the definitions: all rows stored in float64, quadratic in memory; for tests only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from torch.nn.functional import pad

from empirical.attention.sight import Sight


@dataclass(frozen=True)
class ReferenceRows:
    """All tensors `(batch, heads, queries)` in nats, float64; `output` is `(batch, heads, queries, value)`.

    Rows without complement have NaN margins. `weights` is `(batch, heads, queries, keys)`; a sink is one more key.
    The sink key is as in `RowNumbers`.
    """

    weights: Float64[Tensor, "batch heads queries keys"]
    output: Float64[Tensor, "batch heads queries value"]
    entropy: Float64[Tensor, "batch heads queries"]
    fidelity: Float64[Tensor, "batch heads queries"]
    leak: Float64[Tensor, "batch heads queries"]
    margin: Float64[Tensor, "batch heads queries"]
    mean_margin: Float64[Tensor, "batch heads queries"]
    logit_range: Float64[Tensor, "batch heads queries"]
    block_spread: Float64[Tensor, "batch heads queries"]
    others_margin: Float64[Tensor, "batch heads queries"]
    sink_margin: Float64[Tensor, "batch heads queries"]
    conditional_block: Float64[Tensor, "batch heads queries"]
    conditional_rest: Float64[Tensor, "batch heads queries"]


def reference_rows(
    query: Float[Tensor, "batch heads queries head"],
    key: Float[Tensor, "batch key_heads keys head"],
    value: Float[Tensor, "batch key_heads keys value"],
    blocks: Int[Tensor, "#batch tokens"] | Sight,
    scale: float,
    bias: float,
    softcap: float | None = None,
    sinks: Float[Tensor, " heads"] | None = None,
) -> ReferenceRows:
    """Localist attention from its definition; differentiable.

    The arguments are those of `row_pass.pass_rows`; `bias = log(1/(1-dial))` is infinite for the hard block mask.
    """
    sight = blocks if isinstance(blocks, Sight) else Sight.whole(blocks)
    shared = query.shape[1] // key.shape[1]
    query, key, value = query.double(), *(each.double().repeat_interleave(shared, dim=1) for each in (key, value))
    shape = query.shape[:3] + key.shape[2:3]
    visible = torch.ones(shape[2:], dtype=torch.bool, device=query.device).tril()
    if sight.visible is not None:
        visible = sight.visible[:, None]
    same = (sight.own[:, None, :, None] == sight.ids[:, None, None, :]).expand(shape)
    inside, outside = same & visible, ~same & visible
    plain = query @ key.transpose(-1, -2) * scale
    if softcap is not None:
        plain = softcap * torch.tanh(plain / softcap)
    if sinks is not None:
        plain = torch.cat((plain, sinks.double()[:, None, None].expand(*shape[:3], 1)), dim=-1)
        inside, outside = pad(inside, (0, 1), value=False), pad(outside, (0, 1), value=True)
        value = pad(value, (0, 0, 0, 1))
    visible = inside | outside
    # The sink key, wherever it is off a query's block.
    sink_key = sight.first_token(len(query)) if sinks is None else torch.full_like(sight.own[:1, 0], shape[3])
    designated = (torch.arange(visible.shape[-1], device=query.device) == sink_key[:, None])[:, None, None]
    if math.isinf(bias):
        scores = plain.masked_fill(~inside, -math.inf)
    else:
        scores = (plain + bias * inside.double()).masked_fill(~visible, -math.inf)
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
        block_spread=scores.masked_fill(~inside, -math.inf).amax(-1) - block_low,
        others_margin=block_low - scores.masked_fill(~outside | designated, -math.inf).amax(-1),
        sink_margin=block_low - scores.masked_fill(~outside | ~designated, -math.inf).amax(-1),
        conditional_block=_entropy(plain.masked_fill(~inside, -math.inf).softmax(-1)),
        conditional_rest=_entropy(plain.masked_fill(~outside, -math.inf).softmax(-1)),
    )


def _entropy(weights: Tensor) -> Tensor:
    terms: Tensor = torch.special.xlogy(weights, weights)
    return -terms.sum(-1)
