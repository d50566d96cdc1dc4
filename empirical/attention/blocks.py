"""Blocks: the partition of a text's tokens into segments, one block id per token.

A query's target block is its own segment, so a query always sees its own token inside the block. Ids are
integers from 0, in `(batch, tokens)` tensors, or `(1, tokens)` if all sequences have the same blocks.
"""

from __future__ import annotations

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from theory.errors import DomainError


def fixed_windows(tokens: int, size: int, device: torch.device | str = "cpu") -> Int[Tensor, "1 tokens"]:
    """Block ids `(1, tokens)` of consecutive windows of `size` tokens, by absolute position.

    >>> fixed_windows(5, 2).tolist()
    [[0, 0, 1, 1, 2]]
    """
    if size < 1:
        raise DomainError(f"block size {size} must be at least 1")
    return (torch.arange(tokens, device=device) // size).unsqueeze(0)


def one_hot(ids: Int[Tensor, "batch tokens"], dtype: torch.dtype) -> Shaped[Tensor, "batch 1 tokens blocks"]:
    """Ids `(batch, tokens)` as `(batch, 1, tokens, blocks)`; the head axis broadcasts. Raises DomainError."""
    check_ids(ids)
    blocks = int(ids.max()) + 1
    return torch.nn.functional.one_hot(ids.long(), blocks).to(dtype).unsqueeze(1)


def check_ids(ids: Tensor) -> None:
    """Raise DomainError unless `ids` is a `(batch, tokens)` tensor of integers from 0."""
    whole = not (ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool)
    if ids.dim() != 2 or not whole or ids.numel() == 0:
        raise DomainError(
            f"block ids must be integers of shape (batch, tokens), found {tuple(ids.shape)} of {ids.dtype}"
        )
    if int(ids.min()) < 0:
        raise DomainError(f"block id {int(ids.min())} must be at least 0")


def visible_counts(ids: Int[Tensor, "batch tokens"]) -> tuple[Int[Tensor, "batch tokens"], Int[Tensor, "batch tokens"]]:
    """For each query under causality, the number of visible keys `n`, and of those in its own block `m`.

    Both `(batch, tokens)`. A query at position `i` sees keys `0..i`, itself included, so `1 <= m <= n`.

    >>> n, m = visible_counts(torch.tensor([[0, 0, 1, 0]]))
    >>> n.tolist(), m.tolist()
    ([[1, 2, 3, 4]], [[1, 2, 1, 3]])
    """
    check_ids(ids)
    n = torch.arange(1, ids.shape[1] + 1, device=ids.device).expand_as(ids)
    order, begins = block_runs(ids)
    place = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    # A key's rank in its block's run is the number of visible keys of the block.
    return n, torch.empty_like(place).scatter_(1, order, place - begins + 1)


def first_keys(ids: Int[Tensor, "batch tokens"]) -> Int[Tensor, "batch tokens"]:
    """For each token `(batch, tokens)`, the position of its block's first token; does not synchronise the device.

    >>> first_keys(torch.tensor([[0, 0, 1, 0]])).tolist()
    [[0, 0, 2, 0]]
    """
    order, begins = block_runs(ids)
    return torch.empty_like(order).scatter_(1, order, order.gather(1, begins))


def block_runs(ids: Int[Tensor, "batch tokens"]) -> tuple[Int[Tensor, "batch tokens"], Int[Tensor, "batch tokens"]]:
    """Positions `(batch, tokens)` stably sorted by block id, and for each the start of its block's run there."""
    ordered, order = ids.sort(dim=1, stable=True)
    starts = torch.ones_like(ordered, dtype=torch.bool)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    place = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    return order, place.where(starts, 0).cummax(dim=1).values
