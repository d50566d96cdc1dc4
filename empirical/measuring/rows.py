"""Numbers of every attention row with a complement, and their error bounds, as arrays.

They come from the same pass over the scores as the attention's output (`row_pass`); no tokens x tokens tensor is
made. All numbers are in nats; scores are divided by the temperature.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from empirical.attention.attention_call import AttentionCall
from empirical.attention.rounding import Arithmetic, RowErrors, row_errors
from empirical.attention.row_numbers import GAPS, Keep, RowNumbers
from empirical.attention.sight import Sight

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Arrays `(heads, rows)` over rows with a non-empty complement; nats, float64.

    `size` bounds the row's scores (`rounding`), which are dot products of `width` entries in `arithmetic`.
    `conditional_block` and `conditional_rest` are the entropies of the row given its block and given the
    complement (`H_B`, `H_C`); None if not requested. Margins and ranges are NaN if not requested; `block_spread`,
    `others_margin` and `sink_margin` are as in `RowNumbers`. `sink_share` is the attention on the head's sink where it
    has one, else on the first token of the text. A sink counts as one key off the block: in `keys`, leak, entropy,
    margins and range.
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
    block_spread: Array
    others_margin: Array
    sink_margin: Array
    sink_share: Array
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
        self._held: list[tuple[Sight, tuple[int, bool], _Counted]] = []
        self._counted = _Counted(torch.empty(0), torch.empty(0), torch.empty(0))

    @torch.no_grad()
    def __call__(self, call: AttentionCall) -> Rows:
        """Rows of one layer's call, before dropout; the layer takes their output as its own (`AttentionCall.use`)."""
        batch, heads = call.query.shape[:2]
        seen = call.rows(self.ranges)
        call.use(seen.output)
        self._counted = self._count(call.sight, batch, call.sinks is not None)
        found = {"entropy": seen.entropy, "fidelity": seen.fidelity, "leak": seen.leak, "size": _sizes(call)}
        found["sink_share"] = _sink_share(call, seen.log_sum)
        for name in GAPS:
            values = getattr(seen, name)
            if values is not None:
                found[name] = values
        if self.conditionals:
            # They do not depend on the dial (B2).
            found["conditional_block"] = kept_rows(call, "block").entropy
            found["conditional_rest"] = kept_rows(call, "rest").entropy
        stacked = torch.stack([values.double() for values in found.values()])
        rows = stacked.transpose(1, 2).reshape(len(found), heads, -1)[:, :, self._counted.kept].cpu().numpy()
        numbers = dict(zip(found, rows, strict=True))
        if not self.ranges:
            numbers |= dict.fromkeys(GAPS, np.full_like(rows[0], np.nan))
        shape = rows.shape[1:]
        return Rows(
            keys=np.broadcast_to(self._counted.keys.numpy(), shape),
            block_keys=np.broadcast_to(self._counted.block_keys.numpy(), shape),
            # The bias counts as one more term of a score's dot product.
            width=call.query.shape[-1] + 1,
            arithmetic=seen.arithmetic,
            **numbers,
        )

    @property
    def places(self) -> NDArray[np.int64]:
        """Indices of the last measured rows in their batch: sequence times tokens plus position."""
        return np.asarray(self._counted.kept.cpu().numpy(), dtype=np.int64)

    def kept(self, values: Tensor) -> Array:
        """Values `(batch, heads, tokens, width)` at the last measured rows, as `(heads, rows, width)`."""
        flat: Array = values.transpose(0, 1).flatten(1, 2)[:, self._counted.kept].cpu().numpy()
        return flat

    def _count(self, sight: Sight, batch: int, sink: bool) -> _Counted:
        for held, of, counted in self._held:
            if of == (batch, sink) and held.equals(sight):
                return counted
        n, m = sight.counts(batch)
        if sink:
            n = n + (n > 0)
        kept = ((m > 0) & (m < n)).flatten().nonzero().squeeze(1)
        counted = _Counted(kept, *(counts.flatten()[kept].double().cpu() for counts in (n, m)))
        # Layers of one model differ in few ways: with and without a sliding window.
        self._held = [*self._held[-3:], (sight, (batch, sink), counted)]
        return counted


@dataclass(frozen=True)
class _Counted:
    """Indices `(rows,)` of the rows with a complement, their numbers of visible keys and of those in the block."""

    kept: Tensor
    keys: Tensor
    block_keys: Tensor


def measure_rows(call: AttentionCall, conditionals: bool = False, ranges: bool = True) -> Rows:
    """Rows of a single call; see `RowMeter`."""
    return RowMeter(conditionals, ranges)(call)


def kept_rows(call: AttentionCall, keep: Keep) -> RowNumbers:
    """Numbers of every row given its block, or given the complement; neither depends on the bias.

    Cached on the call, because conditionals and shifts both need them.
    """
    found: dict[Keep, RowNumbers] = vars(call).setdefault("_cut_down", {})
    if keep not in found:
        found[keep] = call.pass_rows(keep)
    return found[keep]


def _sizes(call: AttentionCall) -> Tensor:
    """Upper bound on each row's scores: Cauchy-Schwarz over the keys up to its own, plus the bias; covers the sink."""
    # A half format would overflow, or round them below the scores.
    work = torch.float64 if call.key.dtype == torch.float64 else torch.float32
    longest: Tensor = torch.linalg.vector_norm(call.key, dim=-1, dtype=work).cummax(dim=-1).values
    if longest.shape[2] != call.query.shape[2]:
        longest = longest[:, :, -1:]
    longest = longest.repeat_interleave(call.query.shape[1] // longest.shape[1], dim=1)
    sizes: Tensor = torch.linalg.vector_norm(call.query, dim=-1, dtype=work).double() * longest.double() * call.scale
    # Each norm's squares, their sum and its root: width + 3 roundings of half an eps, and a few for the products.
    sizes *= 1 + (call.query.shape[-1] + 8) * torch.finfo(work).eps
    sizes = sizes + _finite(call.biases)[:, None]
    return sizes if call.sinks is None else torch.maximum(sizes, call.sinks.double().abs()[:, None])


def _sink_share(call: AttentionCall, log_sum: Tensor) -> Tensor:
    """Attention on the head's sink, or without one on the first token of the text `(batch, heads, queries)`."""
    if call.sinks is not None:
        # Dial 1 keeps the block alone; a sink is off every block.
        share = (call.sinks.double()[:, None] - log_sum.double()).exp()
        return share.masked_fill(call.biases.isinf()[:, None], 0)
    batch, shared = len(call.query), call.query.shape[1] // call.key.shape[1]
    first, seen, own = call.sight.of_first(batch)
    key = call.key[torch.arange(batch, device=first.device), :, first].repeat_interleave(shared, dim=1)
    work = torch.promote_types(key.dtype, torch.float32)
    with torch.autocast(key.device.type, enabled=False):
        scores = (call.query.to(work) @ key.unsqueeze(-1).to(work)).squeeze(-1).double() * call.scale
    if call.softcap is not None:
        scores = call.softcap * torch.tanh(scores / call.softcap)
    hard, seen, own = call.biases.isinf()[:, None], seen.unsqueeze(1), own.unsqueeze(1)
    scores = scores + _finite(call.biases)[:, None] * own
    return torch.where(seen & (own | ~hard), (scores - log_sum).exp(), 0.0)


def _finite(biases: Tensor) -> Tensor:
    return biases.masked_fill(biases.isinf(), 0)
