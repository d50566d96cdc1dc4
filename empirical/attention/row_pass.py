"""Dispatches the pass over the scores to a GPU kernel if available, else to tiled PyTorch."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from empirical.attention.row_numbers import Keep, RowNumbers
from empirical.attention.row_pieces import run_pieces
from theory.errors import DomainError


@torch.no_grad()
def pass_rows(
    query: Float[Tensor, "batch heads tokens head"],
    key: Float[Tensor, "batch heads tokens head"],
    value: Float[Tensor, "batch heads tokens value"],
    ids: Int[Tensor, "#batch tokens"],
    scale: float,
    bias: float = 0.0,
    keep: Keep = "all",
    ranges: bool = False,
) -> RowNumbers:
    """Causal attention with `bias` nats on the scores of a query's own block, and every row's numbers.

    `query`, `key`, `value` are `(batch, heads, tokens, head)`, `ids` `(batch or 1, tokens)`. `keep` restricts every
    row to its block or to the complement, without a bias; an infinite bias restricts whole rows to their blocks.
    `ranges` adds margins and ranges, which only whole rows have. Sums are float32, or float64 for float64 scores.
    No gradients. Raises DomainError for shapes other than those of whole sequences, and for a bias on restricted
    rows.
    """
    if not query.shape[:3] == key.shape[:3] == value.shape[:3] or query.shape[3] != key.shape[3]:
        shapes = ", ".join(str(tuple(each.shape)) for each in (query, key, value))
        raise DomainError(f"rows need one key and one value per query and head; found {shapes}")
    if bias and keep != "all":
        raise DomainError(f"bias {bias:g} must be 0 on rows restricted to keep={keep!r}")
    hard = math.isinf(bias)
    kept: Keep = "block" if hard else keep
    run = _runner(query, key, value)
    found = run(query, key, value, ids, scale, 0.0 if hard else bias, kept, ranges and kept == "all")
    if not (ranges and hard):
        return found
    endless = torch.full(query.shape[:3], math.inf, dtype=torch.float64, device=query.device)
    return replace(found, margin=endless, mean_margin=endless, logit_range=endless)


def has_kernel(device: torch.device) -> bool:
    """Whether the kernel runs there: on NVIDIA GPUs with tensor cores for all its formats, if Triton is installed."""
    if device.type != "cuda" or torch.version.hip is not None or importlib.util.find_spec("triton") is None:
        return False
    return torch.cuda.get_device_capability(device) >= (8, 0)


def _runner(query: Tensor, key: Tensor, value: Tensor) -> Callable[..., RowNumbers]:
    alike = query.shape == value.shape and query.dtype == key.dtype == value.dtype != torch.float64
    if alike and has_kernel(query.device):
        # Only some builds of torch include Triton.
        from empirical.attention.row_kernel import WIDEST_HEAD, run_kernel

        if query.shape[-1] <= WIDEST_HEAD:
            return run_kernel
    return run_pieces
