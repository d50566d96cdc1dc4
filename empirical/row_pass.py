"""The one way into the pass over the scores: by a kernel where there is one, in pieces everywhere else."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace

import torch
from torch import Tensor

from empirical.row_numbers import Keep, RowNumbers
from empirical.row_pieces import run_pieces


@torch.no_grad()
def pass_rows(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    ids: Tensor,
    scale: float,
    bias: float = 0.0,
    keep: Keep = "all",
    ranges: bool = False,
) -> RowNumbers:
    """Causal attention with `bias` nats on the scores of a query's own block, and every row's numbers.

    `query`, `key`, `value` are `(batch, heads, tokens, head)`, `ids` `(batch or 1, tokens)`. `keep` cuts every
    row down to its block or to the complement, without a bias; an infinite bias cuts it down to its block too.
    `ranges` asks for margins and ranges, which only whole rows have. Sums are float32, or float64 for such
    scores. No gradients.
    """
    hard = math.isinf(bias)
    kept: Keep = "block" if hard else keep
    whole = kept == "all"
    run = _kernel if has_kernel(query) else run_pieces
    found = run(query, key, value, ids, scale, bias if whole else 0.0, kept, ranges and whole)
    if not (ranges and hard):
        return found
    endless = torch.full(query.shape[:3], math.inf, dtype=torch.float64, device=query.device)
    return replace(found, margin=endless, mean_margin=endless, logit_range=endless)


def has_kernel(query: Tensor) -> bool:
    """Whether the kernel takes these: Triton comes with the builds of torch that run it."""
    if not query.is_cuda or query.dtype == torch.float64 or importlib.util.find_spec("triton") is None:
        return False
    from empirical.row_kernel import WIDEST_HEAD

    return query.shape[-1] <= WIDEST_HEAD


def _kernel(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    ids: Tensor,
    scale: float,
    bias: float,
    keep: Keep,
    ranges: bool,
) -> RowNumbers:
    # Triton is there only with some builds of torch.
    from empirical.row_kernel import run_kernel

    return run_kernel(query, key, value, ids, scale, bias, keep, ranges)
