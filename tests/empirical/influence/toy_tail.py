"""A toy model behind its last attention layer, and random rows of it, written from H3's definitions alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import gelu

from empirical.influence.tail import Affine, Tail

WIDTH, HIDDEN, TOKENS, HEADS, HEAD = 8, 12, 20, 2, 4


def toy_tail(seed: int = 0, gain: float = 1.0, mlp: float = 1.0) -> Tail:
    """Random weights of width 8; `gain` multiplies those of the last norm and `mlp` both matrices of the MLP."""
    made = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=made, dtype=torch.float64)

    return Tail(
        projection=Affine(drawn(HEADS * HEAD, WIDTH), drawn(WIDTH)),
        norm=Affine(1 + 0.3 * drawn(WIDTH), drawn(WIDTH)),
        first=Affine(mlp * drawn(WIDTH, HIDDEN), drawn(HIDDEN)),
        second=Affine(mlp * drawn(HIDDEN, WIDTH), drawn(WIDTH)),
        last_norm=Affine(gain * (1 + 0.3 * drawn(WIDTH)), drawn(WIDTH)),
        unembedding=Affine(drawn(WIDTH, TOKENS), torch.zeros(TOKENS, dtype=torch.float64)),
        stabiliser=1e-5,
        slope=1.129,
        heads=HEADS,
    )


def run(tail: Tail, residual: Any) -> tuple[Any, Any]:
    """The residual after the MLP, and the logits, of residuals `(rows, width)`."""

    def normed(x: Any, norm: Affine) -> Any:
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + tail.stabiliser).sqrt() * norm.weight + norm.offset

    hidden = gelu(normed(residual, tail.norm) @ tail.first.weight + tail.first.offset, approximate="tanh")
    end = residual + hidden @ tail.second.weight + tail.second.offset
    return end, normed(end, tail.last_norm) @ tail.unembedding.weight


def length(states: Any) -> Any:
    """Lengths of the centred states."""
    return np.asarray((states - states.mean(-1, keepdim=True)).norm(dim=-1))


def divergences(one: Any, other: Any) -> Any:
    """The larger divergence of two distributions, from their definition, `(rows,)`."""
    p, q = one.softmax(-1), other.softmax(-1)
    ratio = one.log_softmax(-1) - other.log_softmax(-1)
    return np.asarray(torch.maximum((p * ratio).sum(-1), -(q * ratio).sum(-1)))


@dataclass
class ToyRows:
    """Rows `(rows,)`: the truncation's bound by H1, the truncated pass's lengths, and what the truncation moves."""

    truncation: Any
    lengths: tuple[Any, Any]
    ranges: Any
    divergence: Any


def toy_rows(tail: Tail, count: int, seed: int = 1) -> ToyRows:
    """Random residuals, weights of the keys and values; leaks from 1e-6 up, as long as the truncation stays small."""
    made = torch.Generator().manual_seed(seed)
    block, others = 3, 4
    values = torch.randn(count, HEADS, block + others, HEAD, generator=made, dtype=torch.float64)
    projected = torch.einsum("rhkd,hdw->rhkw", values, tail.projection.weight.view(HEADS, HEAD, WIDTH))
    inside = torch.rand(count, HEADS, block, generator=made, dtype=torch.float64)
    outside = torch.rand(count, HEADS, others, generator=made, dtype=torch.float64)
    means = [
        (weights / weights.sum(-1, keepdim=True))[:, :, None] @ part
        for weights, part in ((inside, projected[:, :, :block]), (outside, projected[:, :, block:]))
    ]
    leak = 10 ** (-6 * torch.rand(count, HEADS, generator=made, dtype=torch.float64))
    moves = (leak[:, :, None] * (means[1] - means[0])[:, :, 0]).sum(1)
    residual = 10 * torch.randn(count, WIDTH, generator=made, dtype=torch.float64)
    apart = torch.cdist(projected[:, :, :block], projected[:, :, block:]).amax((-1, -2))
    cut, whole = run(tail, residual), run(tail, residual + moves)
    logit_moves = whole[1] - cut[1]
    return ToyRows(
        np.asarray((leak * apart).sum(-1)),
        (length(residual), length(cut[0])),
        np.asarray(logit_moves.amax(-1) - logit_moves.amin(-1)),
        divergences(whole[1], cut[1]),
    )
