"""Attention at dial 1: every query attends to the keys of its own block alone, at the cost of the blocks.

Whole sequences are divided by a `Layout`, whose blocks are causal. A call with padding, a sliding window or a cache
brings a mask: there the queries and the keys of each block meet (`Meeting`) with their part of the mask. No scores
between different blocks are computed. A sink is off every block, so it has no part here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import dropout as dropped
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.weak import WeakIdKeyDictionary

from empirical.attention.block_layout import Gathered, Layout, by_length
from empirical.attention.sight import Sight

# The meetings of a mask that several layers share, for as long as the mask exists.
_KNOWN: WeakIdKeyDictionary = WeakIdKeyDictionary()


@dataclass(frozen=True)
class Meeting:
    """Blocks of similar length: their queries, their keys, and which query `seen` `(blocks, queries, keys)` sees which.

    Padding is in no meeting.
    """

    queries: Gathered
    keys: Gathered
    seen: Bool[Tensor, "blocks queries keys"]


def block_local(
    query: Float[Tensor, "batch heads queries head"],
    key: Float[Tensor, "batch key_heads keys head"],
    value: Float[Tensor, "batch key_heads keys value"],
    sight: Sight,
    layout: Callable[[], Layout],
    scale: float,
    softcap: float | None = None,
    dropout: float = 0.0,
) -> Float[Tensor, "batch heads queries value"]:
    """Output of attention restricted to the query's own block; differentiable. Padding gets zeros.

    `query` is `(batch, heads, queries, head)`, `key` and `value` are `(batch, key heads, keys, head)`; consecutive
    query heads share a key head. `layout` makes the blocks of whole sequences, which have no mask. `softcap` replaces
    a score `s` by `softcap * tanh(s / softcap)`, and `dropout` is that of the attention weights.
    """

    def attend(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None = None) -> tuple[Tensor]:
        return (_attend(query, key, value, seen, scale, softcap, dropout),)

    with torch.autocast(query.device.type, enabled=False):
        if sight.visible is None:
            return layout().each(attend, query, key, value)[0]
        batch, heads, queries = query.shape[:3]
        output = query.new_zeros(batch, queries, heads, value.shape[-1], dtype=value.dtype).transpose(1, 2)
        for met in _meetings(sight, batch):
            parts = met.queries.take(query), met.keys.take(key), met.keys.take(value)
            met.queries.put(output, attend(*parts, met.seen)[0])
        return output


def _attend(
    query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None, scale: float, softcap: float | None, dropout: float
) -> Tensor:
    """Attention of `(blocks, heads, queries, head)`, causal where nothing says which query sees which key."""
    shared = query.shape[1] // key.shape[1]
    if shared > 1:
        key, value = key.repeat_interleave(shared, dim=1), value.repeat_interleave(shared, dim=1)
    if softcap is None:
        mask = None if seen is None else seen[:, None]
        return scaled_dot_product_attention(
            query, key, value, mask, dropout_p=dropout, is_causal=seen is None, scale=scale
        )
    # Half formats would round the capped scores.
    work = torch.float64 if query.dtype == torch.float64 else torch.float32
    scores = softcap * torch.tanh(query.to(work) @ key.to(work).transpose(-1, -2) * (scale / softcap))
    if seen is None:
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()[None]
    weights = scores.masked_fill(~seen[:, None], torch.finfo(work).min).softmax(-1)
    return (dropped(weights, dropout) @ value.to(work)).to(value.dtype)


def _meetings(sight: Sight, batch: int) -> tuple[Meeting, ...]:
    """All meetings of a call that brings a mask; layers that share the mask and the blocks share them."""
    assert sight.visible is not None
    known = _KNOWN.get(sight.visible)  # type: ignore[no-untyped-call]
    if known is None or known[0] != batch or known[1] is not sight.own or known[2] is not sight.ids:
        known = _KNOWN[sight.visible] = batch, sight.own, sight.ids, _met(sight, sight.visible, batch)
    found: tuple[Meeting, ...] = known[3]
    return found


def _met(sight: Sight, visible: Tensor, batch: int) -> tuple[Meeting, ...]:
    span = int(torch.maximum(sight.own.max(), sight.ids.max())) + 1
    asks = visible.any(2) if sight.real is None else visible.any(2) & sight.real
    asking = _Sorted.of(sight.own, asks, span, batch)
    asked = _Sorted.of(sight.ids, visible.any(1), span, batch)
    blocks: Tensor = asking.names.unique_consecutive()  # type: ignore[no-untyped-call]
    # A block without keys is no block: a mask may let its queries see other blocks only.
    blocks = blocks[asked.runs(blocks)[1] > 0]
    begins, lengths = asking.runs(blocks)
    key_begins, key_lengths = asked.runs(blocks)
    sequences = (blocks // span).clamp(max=len(visible) - 1)
    found = []
    for chosen in by_length(key_lengths):
        queries = asking.gathered(begins[chosen], lengths[chosen])
        keys = asked.gathered(key_begins[chosen], key_lengths[chosen])
        inner, outer = queries.places % visible.shape[1], keys.places % visible.shape[2]
        seen = visible[sequences[chosen, None, None], inner[:, :, None], outer[:, None]] & keys.real[:, None]
        # A row without any key would be NaN.
        found.append(Meeting(queries, keys, seen | ~seen.any(-1, keepdim=True)))
    return tuple(found)


@dataclass(frozen=True)
class _Sorted:
    """Places of queries or keys in the flat batch, stably sorted by block; `names` number the blocks of all texts."""

    places: Int[Tensor, " entries"]
    names: Int[Tensor, " entries"]

    @classmethod
    def of(
        cls, ids: Int[Tensor, "#batch entries"], used: Bool[Tensor, "#batch entries"], span: int, batch: int
    ) -> _Sorted:
        names = (ids + span * torch.arange(batch, device=ids.device).unsqueeze(1)).flatten()
        places = used.expand(batch, -1).flatten().nonzero().squeeze(1)
        ordered, order = names[places].sort(stable=True)
        return cls(places[order], ordered)

    def runs(self, blocks: Int[Tensor, " blocks"]) -> tuple[Int[Tensor, " blocks"], Int[Tensor, " blocks"]]:
        """Where each block begins, and its number of entries."""
        begins = torch.searchsorted(self.names, blocks)
        return begins, torch.searchsorted(self.names, blocks, right=True) - begins

    def gathered(self, begins: Int[Tensor, " blocks"], lengths: Int[Tensor, " blocks"]) -> Gathered:
        inner = torch.arange(int(lengths.max()), device=lengths.device)
        real = inner < lengths.unsqueeze(1)
        return Gathered(self.places[begins.unsqueeze(1) + inner.where(real, 0)], real)
