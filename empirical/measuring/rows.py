"""Numbers of every attention row with a complement, and their error bounds, as arrays.

They come from the same pass over the scores as the attention's output (`row_pass`); no tokens x tokens tensor is
made. All numbers are in nats; scores are divided by the temperature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from empirical.attention.attention import AttentionCall
from empirical.attention.blocks import visible_counts
from empirical.attention.rounding import Arithmetic, RowErrors, row_errors
from empirical.attention.row_numbers import Keep, RowNumbers
from empirical.attention.row_pass import pass_rows

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Arrays `(heads, rows)` over rows with a non-empty complement; nats, float64.

    `size` bounds the row's scores (`rounding`), which are dot products of `width` entries in `arithmetic`.
    `conditional_block` and `conditional_rest` are the entropies of the row given its block and given the
    complement (`H_B`, `H_C`); None if not requested. Margins and ranges are NaN if not requested.
    """

    keys: Array
    block_keys: Array
    entropy: Array
    fidelity: Array
    leak: Array
    size: Array
    margin: Array
    mean_margin: Array
    logit_range: Array
    width: int
    arithmetic: Arithmetic
    conditional_block: Array | None = None
    conditional_rest: Array | None = None

    @cached_property
    def errors(self) -> RowErrors:
        """Bounds on the rounding errors of these numbers."""
        return row_errors(self.size, self.keys, self.width, self.arithmetic)

    @property
    def leak_floor(self) -> Array:
        """Bound on the leak's error from subnormal weights, which may be lost entirely."""
        return self.keys * torch.finfo(self.arithmetic.dtype).tiny

    @property
    def undecided(self) -> NDArray[np.bool_]:
        """Rows whose scores are too large for their format, so that no bound on the rounding error holds."""
        return ~np.isfinite(self.errors.mass)

    @property
    def soft_margin(self) -> Array:
        """Log-mean-exp of the block's scores minus that of the complement's (A1); infinite without leak."""
        with np.errstate(divide="ignore"):
            odds = np.log(self.fidelity) - np.log(self.leak)
        return odds - np.log(self.block_keys / (self.keys - self.block_keys))


class RowMeter:
    """Measures the rows of successive calls.

    `ranges=False` skips margins and ranges; `conditionals` adds the two passes that B2 needs. Which rows have a
    complement depends only on the blocks, so it is computed once for all layers.
    """

    def __init__(self, conditionals: bool = False, ranges: bool = True) -> None:
        self.conditionals = conditionals
        self.ranges = ranges
        self._ids: Tensor | None = None
        self._kept = self._keys = self._block_keys = torch.empty(0)

    @torch.no_grad()
    def __call__(self, call: AttentionCall) -> Rows:
        """Rows of one layer's call. Raises DomainError for padded or cached sequences, and under dropout."""
        batch, heads = call.query.shape[:2]
        seen = call.rows(self.ranges)
        self._count(call.ids.expand(batch, -1))
        found = {"entropy": seen.entropy, "fidelity": seen.fidelity, "leak": seen.leak, "size": _sizes(call)}
        for name in ("margin", "mean_margin", "logit_range"):
            values = getattr(seen, name)
            if values is not None:
                found[name] = values
        if self.conditionals:
            # They do not depend on the dial (B2).
            found["conditional_block"] = kept_rows(call, "block").entropy
            found["conditional_rest"] = kept_rows(call, "rest").entropy
        stacked = torch.stack([values.double() for values in found.values()])
        rows = stacked.transpose(1, 2).reshape(len(found), heads, -1)[:, :, self._kept].cpu().numpy()
        numbers = dict(zip(found, rows, strict=True))
        if not self.ranges:
            numbers |= dict.fromkeys(("margin", "mean_margin", "logit_range"), np.full_like(rows[0], np.nan))
        shape = rows.shape[1:]
        return Rows(
            keys=np.broadcast_to(self._keys.numpy(), shape),
            block_keys=np.broadcast_to(self._block_keys.numpy(), shape),
            # The bias counts as one more term of a score's dot product.
            width=call.query.shape[-1] + 1,
            arithmetic=seen.arithmetic,
            **numbers,
        )

    @property
    def places(self) -> NDArray[np.int64]:
        """Indices of the last measured rows in their batch: sequence times tokens plus position."""
        return np.asarray(self._kept.cpu().numpy(), dtype=np.int64)

    def kept(self, values: Tensor) -> Array:
        """Values `(batch, heads, tokens, width)` at the last measured rows, as `(heads, rows, width)`."""
        flat: Array = values.transpose(0, 1).flatten(1, 2)[:, self._kept].cpu().numpy()
        return flat

    def _count(self, ids: Tensor) -> None:
        if self._ids is not None and torch.equal(ids, self._ids):
            return
        n, m = visible_counts(ids)
        self._ids = ids
        self._kept = (m < n).flatten().nonzero().squeeze(1)
        self._keys, self._block_keys = (counts.flatten()[self._kept].double().cpu() for counts in (n, m))


def measure_rows(call: AttentionCall, conditionals: bool = False, ranges: bool = True) -> Rows:
    """Rows of a single call; see `RowMeter`."""
    return RowMeter(conditionals, ranges)(call)


def kept_rows(call: AttentionCall, keep: Keep) -> RowNumbers:
    """Numbers of every row given its block, or given the complement; neither depends on the bias.

    Cached on the call, because conditionals and shifts both need them.
    """
    found: dict[Keep, RowNumbers] = vars(call).setdefault("_cut_down", {})
    if keep not in found:
        found[keep] = pass_rows(call.query, call.key, call.value, call.ids, call.scale, keep=keep)
    return found[keep]


def _sizes(call: AttentionCall) -> Tensor:
    """Upper bound on each row's scores: Cauchy-Schwarz over its visible keys, plus the bias."""
    # A half format would overflow, or round them below the scores.
    work = torch.float64 if call.key.dtype == torch.float64 else torch.float32
    longest: Tensor = torch.linalg.vector_norm(call.key, dim=-1, dtype=work).cummax(dim=-1).values
    sizes: Tensor = torch.linalg.vector_norm(call.query, dim=-1, dtype=work).double() * longest.double() * call.scale
    # Each norm's squares, their sum and its root: width + 3 roundings of half an eps, and a few for the products.
    sizes *= 1 + (call.query.shape[-1] + 8) * torch.finfo(work).eps
    return sizes + call.bias if math.isfinite(call.bias) else sizes
