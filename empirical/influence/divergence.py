"""The divergence of two next-token distributions from their logits, without cancellation where they are close."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor


def divergence(
    logits: Float64[Tensor, "rows tokens"], moves: Float64[Tensor, "rows tokens"]
) -> Float64[Tensor, " rows"]:
    """Divergence in nats of the distribution of `logits` from that of `logits + moves`.

    It is the log-mean of `e^x` less the mean of `x`, for the moves `x` from any common number, here their mean. The
    error is at most `8 (tokens + 64) eps` times the range of the moves.
    """
    log_mass = logits.log_softmax(-1)
    mass = log_mass.exp()
    moved = moves - (mass * moves).sum(-1, keepdim=True)
    mean = (mass * moved).sum(-1)
    # Large moves would overflow; small ones would cancel in the sum of exponentials.
    wide = torch.logsumexp(log_mass + moved, -1) - mean
    near = moved.clamp(-1, 1)
    close = torch.log1p((mass * (near.expm1() - near)).sum(-1))
    return torch.where(moved.abs().amax(-1) > 1, wide, close).clamp(min=0)
