"""The numbers of every attention row, without a tokens x tokens tensor.

Entropy is `lse - E_a[s]`, and `E_a[s] = scale q . sum_j a_j k_j`: the same fused attention, run with the
keys in the place of the values, gives both. The block codes that the keys carry come back as the attention
mass of every block, which makes fidelity and leak.
Margins and ranges need the scores themselves; they are formed for a bounded number of queries at a time,
so memory grows linearly with the tokens. All numbers are in nats, over the temperature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from empirical.attention import CUT, AttentionCall, append, leak_and_fidelity
from empirical.blocks import visible_counts
from empirical.rounding import RowErrors, row_errors
from theory.errors import DomainError

Array = NDArray[np.float64]

# Scores formed at a time: 4 M numbers stay near the cache and bound the memory whatever the length.
CHUNK_SCORES = 1 << 22


@dataclass(frozen=True)
class Rows:
    """One entry a row, `(heads, rows)` each, over rows whose complement is not empty; nats, float64.

    `size` bounds the row's scores (`rounding`), which were dot products of `width` entries of type `dtype`.
    `conditional_block` and `conditional_rest` are the entropies of the row given its block and given the
    complement (`H_B`, `H_C`), present where they were asked for; margins and ranges are NaN where not.
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
    dtype: torch.dtype
    conditional_block: Array | None = None
    conditional_rest: Array | None = None

    @cached_property
    def errors(self) -> RowErrors:
        """How far rounding can have moved these numbers."""
        return row_errors(self.size, self.keys, self.width, self.dtype)

    @property
    def soft_margin(self) -> Array:
        """Log-mean-exp of the block's scores less that of the complement's (A1); infinite without leak."""
        with np.errstate(divide="ignore"):
            odds = np.log(self.fidelity) - np.log(self.leak)
        return odds - np.log(self.block_keys / (self.keys - self.block_keys))


def joined(parts: list[Rows]) -> Rows:
    """Rows of several batches as one."""
    together: dict[str, Any] = {}
    for field in fields(Rows):
        values = [getattr(part, field.name) for part in parts]
        whole = isinstance(values[0], np.ndarray)
        together[field.name] = np.concatenate(values, axis=1) if whole else values[0]
    return Rows(**together)


class RowMeter:
    """Measures the rows of one call after another.

    `ranges=False` saves the pass over the scores, `conditionals` adds the two passes that B2 needs. Which rows
    have a complement depends on the blocks alone, so that is worked out once for all layers.
    """

    def __init__(self, conditionals: bool = False, ranges: bool = True) -> None:
        self.conditionals = conditionals
        self.ranges = ranges
        self._ids: Tensor | None = None
        self._kept = self._keys = self._block_keys = torch.empty(0)

    @torch.no_grad()
    def __call__(self, call: AttentionCall) -> Rows:
        """Rows of one layer's call. Raises DomainError for padded or cached sequences."""
        if not call.causal:
            raise DomainError(
                "rows are measured on whole sequences without padding: pass no attention mask and no cache"
            )
        batch, heads, _, width = call.query.shape
        self._count(call.ids.expand(batch, -1))
        log_sum, mean_key = key_moments(call.query, call.key, call.scale)
        mean_score = (call.query * mean_key).sum(-1) * call.scale
        leak, fidelity = leak_and_fidelity(mean_key[..., call.head_width :], call.own)
        found = {
            "entropy": log_sum.double() - mean_score.double(),
            "fidelity": fidelity,
            "leak": leak,
            "size": _sizes(call),
        }
        if self.ranges:
            found |= zip(("margin", "mean_margin", "logit_range"), score_extremes(call), strict=True)
        if self.conditionals:
            found |= zip(("conditional_block", "conditional_rest"), conditional_entropies(call), strict=True)
        stacked = torch.stack([values.double() for values in found.values()])
        rows = stacked.transpose(1, 2).reshape(len(found), heads, -1)[:, :, self._kept].cpu().numpy()
        numbers = dict(zip(found, rows, strict=True))
        if not self.ranges:
            numbers |= dict.fromkeys(("margin", "mean_margin", "logit_range"), np.full_like(rows[0], np.nan))
        shape = rows.shape[1:]
        return Rows(
            keys=np.broadcast_to(self._keys.numpy(), shape),
            block_keys=np.broadcast_to(self._block_keys.numpy(), shape),
            width=width,
            dtype=call.query.dtype,
            **numbers,
        )

    def kept(self, values: Tensor) -> Array:
        """Values `(batch, heads, tokens, width)` of the rows last measured, as `(heads, rows, width)`."""
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


def key_moments(query: Tensor, key: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Log-sum-exp of the causal scores `(batch, heads, tokens)`, nats, and the attended mean key."""
    if query.device.type == "cpu":
        mean_key, log_sum = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, key, 0.0, True, scale=scale
        )[:2]
        return log_sum, mean_key
    log_sum = query.new_empty(query.shape[:3], dtype=torch.float32)
    mean = query.new_empty(query.shape, dtype=torch.float32)
    for start, stop, scores in _score_chunks(query.float(), key.float(), scale):
        future = _future(start, stop, scores.device)
        row_sum = scores.masked_fill(future, -math.inf).logsumexp(-1)
        weights = (scores - row_sum[..., None]).exp().masked_fill(future, 0)
        log_sum[:, :, start:stop], mean[:, :, start:stop] = row_sum, weights @ key[:, :, :stop].float()
    return log_sum, mean


def score_extremes(call: AttentionCall) -> tuple[Tensor, Tensor, Tensor]:
    """Margin, mean margin and logit range `(batch, heads, tokens)`; rows without complement hold no meaning.

    Under the hard mask all three are infinite.
    """
    head = call.head_width
    query, key = call.query[..., :head], call.key[..., :head]
    margin, mean_margin, logit_range = (query.new_empty(query.shape[:3], dtype=torch.float64) for _ in range(3))
    for start, stop, scores in _score_chunks(query, key, call.scale):
        visible = ~_future(start, stop, scores.device)
        same = call.ids[:, None, start:stop, None] == call.ids[:, None, None, :stop]
        inside, outside = same & visible, ~same & visible
        block_low = scores.masked_fill(~inside, math.inf).amin(-1).double() + call.bias
        block_high = scores.masked_fill(~inside, -math.inf).amax(-1).double() + call.bias
        block_mean = scores.masked_fill(~inside, 0).sum(-1).double() / inside.sum(-1) + call.bias
        rest_high = scores.masked_fill(~outside, -math.inf).amax(-1).double()
        rest_low = scores.masked_fill(~outside, math.inf).amin(-1).double()
        margin[:, :, start:stop] = block_low - rest_high
        mean_margin[:, :, start:stop] = block_mean - rest_high
        logit_range[:, :, start:stop] = torch.maximum(block_high, rest_high) - torch.minimum(block_low, rest_low)
    return margin, mean_margin, logit_range


def conditional_entropies(call: AttentionCall) -> tuple[Tensor, Tensor]:
    """Entropy of each row given its block and given the complement `(batch, heads, tokens)`, nats.

    Conditionals do not depend on the dial (B2). Each is one more fused call with the other side cut off.
    """
    head = call.head_width
    entropies = []
    for keep in (call.own, 1 - call.own):
        query = append(call.query[..., :head], (keep - 1) * (CUT / call.scale))
        log_sum, mean_key = key_moments(query, call.key, call.scale)
        entropies.append(log_sum.double() - ((query * mean_key).sum(-1) * call.scale).double())
    return entropies[0], entropies[1]


def _score_chunks(query: Tensor, key: Tensor, scale: float):  # type: ignore[no-untyped-def]
    batch, heads, tokens = query.shape[:3]
    step = max(1, CHUNK_SCORES // (batch * heads * tokens))
    for start in range(0, tokens, step):
        stop = min(tokens, start + step)
        yield start, stop, torch.matmul(query[:, :, start:stop] * scale, key[:, :, :stop].transpose(-1, -2))


def _future(start: int, stop: int, device: torch.device) -> Tensor:
    return torch.arange(stop, device=device) > torch.arange(start, stop, device=device)[:, None]


def _sizes(call: AttentionCall) -> Tensor:
    """Largest possible score of each row: Cauchy-Schwarz over its visible keys, plus the bias."""
    query, key = call.query[..., : call.head_width], call.key[..., : call.head_width]
    longest: Tensor = torch.linalg.vector_norm(key, dim=-1).cummax(dim=-1).values
    sizes: Tensor = torch.linalg.vector_norm(query, dim=-1) * longest * call.scale
    return sizes + call.bias if math.isfinite(call.bias) else sizes
