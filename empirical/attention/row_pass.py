"""Dispatches the pass over the scores to a GPU kernel if available, else to tiled PyTorch."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from empirical.attention.row_numbers import GAPS, Keep, RowNumbers
from empirical.attention.row_pieces import run_pieces
from empirical.attention.sight import Sight
from theory.errors import DomainError


@torch.no_grad()
def pass_rows(
    query: Float[Tensor, "batch heads queries head"],
    key: Float[Tensor, "batch key_heads keys head"],
    value: Float[Tensor, "batch key_heads keys value"],
    blocks: Int[Tensor, "#batch tokens"] | Sight,
    scale: float,
    bias: float = 0.0,
    keep: Keep = "all",
    ranges: bool = False,
    softcap: float | None = None,
    sinks: Float[Tensor, " heads"] | None = None,
) -> RowNumbers:
    """Causal attention with `bias` nats on the scores of a query's own block, and every row's numbers.

    `query` is `(batch, heads, queries, head)`, `key` and `value` are `(batch, key heads, keys, head)`; consecutive
    query heads share a key head. `blocks` are the block ids `(batch or 1, tokens)` of whole sequences, or a `Sight`.
    `softcap` replaces a score `s` by `softcap * tanh(s / softcap)`; `sinks` `(heads,)` are one more logit per head, a
    key off every block without a value. `keep` restricts every row to its block or to the complement, without a bias;
    an infinite bias restricts whole rows to their blocks. `ranges` adds margins and ranges, which only whole rows
    have. Sums are float32, or float64 for float64 scores. No gradients. Raises DomainError for shapes that do not
    fit, for a bias on restricted rows, and for an infinite bias beside a sink.
    """
    sight = blocks if isinstance(blocks, Sight) else Sight.whole(blocks)
    _check_shapes(query, key, value, sight)
    if bias and keep != "all":
        raise DomainError(f"bias {bias:g} must be 0 on rows restricted to keep={keep!r}")
    hard = math.isinf(bias)
    if hard and sinks is not None:
        raise DomainError("bias inf restricts rows to their blocks: it must be finite beside a sink")
    kept: Keep = "block" if hard else keep
    ranges, wanted = ranges and kept == "all", ranges
    way = _kernel_of(query, key, value, sight) or run_pieces
    found = way(query, key, value, sight, scale, 0.0 if hard else bias, kept, ranges, softcap, sinks)
    if not (wanted and hard):
        return found
    endless = torch.full(query.shape[:3], math.inf, dtype=torch.float64, device=query.device)
    gaps: dict[str, Any] = dict.fromkeys(GAPS, endless) | {"block_spread": torch.zeros_like(endless)}
    return replace(found, **gaps)


def _check_shapes(query: Tensor, key: Tensor, value: Tensor, sight: Sight) -> None:
    batch, heads, queries, head = query.shape
    key_heads, keys = key.shape[1:3]
    if key.shape != (batch, key_heads, keys, head) or value.shape[:3] != key.shape[:3] or heads % key_heads:
        shapes = ", ".join(str(tuple(each.shape)) for each in (query, key, value))
        raise DomainError(f"rows need queries whose heads share keys and values of their width; found {shapes}")
    if sight.visible is None and queries != keys:
        raise DomainError(f"{queries} queries and {keys} keys are no whole sequence: say which query sees which key")


def has_kernel(device: torch.device) -> bool:
    """Whether the kernel runs there: on NVIDIA GPUs with tensor cores for all its formats, if Triton is installed."""
    if device.type != "cuda" or torch.version.hip is not None or importlib.util.find_spec("triton") is None:
        return False
    return torch.cuda.get_device_capability(device) >= (8, 0)


def _kernel_of(query: Tensor, key: Tensor, value: Tensor, sight: Sight) -> Callable[..., RowNumbers] | None:
    """The pass on a GPU; None where the kernel does not run."""
    alike = query.shape[3] == value.shape[3] and query.dtype == key.dtype == value.dtype != torch.float64
    if not (alike and has_kernel(query.device)):
        return None
    # Only some builds of torch include Triton.
    from empirical.attention.row_kernel import WIDEST_HEAD, run_kernel

    if query.shape[3] > WIDEST_HEAD or sight.intervals is None:
        return None
    return run_kernel
