"""One layer's attention with the dial of B1, without a tokens x tokens tensor on whole sequences.

A dial adds `b = log(1/(1-dial))` nats to the scores of a query's own block. On whole sequences a gate mixes the
outputs of plain and block-local attention (`gate`, theory.md B6). Calls with padding, a cache or dropout bring a mask
or make fused attention store one; there the bias goes into the mask. Dial 1 is block-local attention alone, with exact
zeros, in every call (`local`). Heads with different dials are calls of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor
from torch.nn.functional import dropout, scaled_dot_product_attention

from empirical.attention.block_layout import Layout
from empirical.attention.gate import gated
from empirical.attention.local import block_local
from empirical.attention.row_numbers import Keep, RowNumbers
from empirical.attention.row_pass import pass_rows
from empirical.attention.schedule import LayerDial, of_heads
from empirical.attention.sight import Sight
from theory.errors import DomainError


@dataclass
class AttentionCall:
    """One layer's attention: its inputs, and on demand its output, leak, fidelity and row numbers.

    `query` is `(batch, heads, queries, head)`, `key` and `value` are `(batch, key heads, keys, head)`, and `scale`
    multiplies the dot products of the first two; consecutive query heads share a key head. `ids` `(batch or 1, keys)`
    are the blocks of the keys and `own` `(batch or 1, queries)` those of the queries; `bias` is added to the scores of
    a query's own block, in all heads or in each. `window` is the window length, None for other blocks. `visible`
    `(batch or 1, queries, keys)` is None for whole sequences without padding, and `real` `(batch or 1, queries)` False
    at padding. `softcap` replaces a score `s` by `softcap * tanh(s / softcap)` before the bias; `sinks` `(heads,)` are
    logits of a key off every block without a value, and `first` is as in `Sight`.
    """

    layer: int
    query: Float[Tensor, "batch heads queries head"]
    key: Float[Tensor, "batch key_heads keys head"]
    value: Float[Tensor, "batch key_heads keys value"]
    ids: Int[Tensor, "#batch keys"]
    own: Int[Tensor, "#batch queries"]
    scale: float
    bias: LayerDial
    window: int | None = None
    visible: Bool[Tensor, "#batch queries keys"] | None = None
    dropout: float = 0.0
    softcap: float | None = None
    sinks: Float[Tensor, " heads"] | None = None
    real: Bool[Tensor, "#batch queries"] | None = None
    first: Int[Tensor, "#batch"] | None = None
    _used: Tensor | None = None

    def __post_init__(self) -> None:
        biases = of_heads(self.bias, self.query.shape[1])
        self.bias = biases[0] if len(set(biases)) == 1 else tuple(biases)

    @property
    def biases(self) -> Float64[Tensor, " heads"]:
        """The bias of each head."""
        heads = self.query.shape[1]
        return torch.tensor(of_heads(self.bias, heads), dtype=torch.float64, device=self.query.device)

    @property
    def sight(self) -> Sight:
        """Which keys each query sees, and the blocks of both."""
        return Sight(self.ids, self.own, self.visible, self.real, self.first)

    @property
    def leak(self) -> Float[Tensor, "batch heads tokens"]:
        """Attention off the own block `(batch, heads, tokens)`, differentiable, without dropout."""
        self._check_whole()
        return self._gated[1]

    @property
    def fidelity(self) -> Float[Tensor, "batch heads tokens"]:
        """Attention on the own block `(batch, heads, tokens)`, differentiable, without dropout."""
        self._check_whole()
        return self._gated[2]

    def mass(self, keys: Bool[Tensor, "#batch keys"]) -> Float[Tensor, "batch heads tokens"]:
        """Attention on those of `keys` that are in the own block, differentiable, without dropout.

        It is the fidelity times their share of the block, which no dial changes: attention in the block alone, with
        1 as the value of these keys and 0 as that of the others.
        """
        work = self._work
        key = self._per_head[0].to(work)
        # As wide as the keys, and not expanded, so that fused attention takes it.
        held = torch.zeros_like(key)
        held[..., 0] = keys[:, None]

        def inside(query: Tensor, key: Tensor, held: Tensor) -> tuple[Tensor]:
            return (scaled_dot_product_attention(query, key, held, is_causal=True, scale=self.scale),)

        fidelity = self.fidelity
        with torch.autocast(key.device.type, enabled=False):
            (found,) = self._layout().each(inside, self.query.to(work), key, held)
        return fidelity * found[..., 0]

    @cached_property
    def output(self) -> Float[Tensor, "batch heads queries value"]:
        """Attended values, differentiable."""
        if self._used is not None and not (self.dropout or torch.is_grad_enabled()):
            return self._used
        if self._parts:
            return self._joined([part.output for part in self._parts])
        hard = math.isinf(self._bias)
        if hard and (self.visible is not None or self.softcap is not None or self.dropout):
            states = self.query, self.key, self.value
            return block_local(*states, self.sight, self._layout, self.scale, self.softcap, self.dropout)
        # A sink is off every block, of which dial 1 keeps nothing.
        if self.softcap is not None or (self.sinks is not None and not hard):
            return self._explicit()
        if self.visible is not None or (self.dropout and self._bias):
            return self._masked()
        if self.dropout or (self._bias == 0 and "_gated" not in self.__dict__):
            key, value = self._per_head
            return scaled_dot_product_attention(
                self.query, key, value, dropout_p=self.dropout, is_causal=True, scale=self.scale
            )
        return self._gated[0]

    @cached_property
    def _heads(self) -> list[list[int]]:
        """The heads of each bias; empty if all have the same."""
        if not isinstance(self.bias, tuple):
            return []
        return [[head for head, bias in enumerate(self.bias) if bias == each] for each in dict.fromkeys(self.bias)]

    @cached_property
    def _parts(self) -> list[AttentionCall]:
        """A call for the heads of each bias; empty if all have the same."""
        return [self._of_heads(torch.tensor(heads, device=self.query.device)) for heads in self._heads]

    def _of_heads(self, heads: Tensor) -> AttentionCall:
        shared = heads // (self.query.shape[1] // self.key.shape[1])
        assert isinstance(self.bias, tuple)
        return replace(
            self,
            query=self.query[:, heads],
            key=self.key[:, shared],
            value=self.value[:, shared],
            bias=self.bias[int(heads[0])],
            sinks=None if self.sinks is None else self.sinks[heads],
            _used=None,
        )

    def _joined(self, parts: tuple[Tensor, ...] | list[Tensor]) -> Tensor:
        """States `(batch, heads of the part, ...)` of all parts, with the heads in order."""
        return torch.cat(parts, dim=1)[:, self._order]

    @cached_property
    def _order(self) -> Tensor:
        return torch.tensor(list(chain(*self._heads)), device=self.query.device).argsort()

    @property
    def _bias(self) -> float:
        """The bias of a call whose heads all have the same."""
        assert not isinstance(self.bias, Sequence)
        return self.bias

    @cached_property
    def _per_head(self) -> tuple[Tensor, Tensor]:
        """Keys and values with one head per query head."""
        shared = self.query.shape[1] // self.key.shape[1]
        if shared == 1:
            return self.key, self.value
        return self.key.repeat_interleave(shared, dim=1), self.value.repeat_interleave(shared, dim=1)

    def rows(self, ranges: bool) -> RowNumbers:
        """Numbers of every row, without gradients and before dropout; `ranges` adds margins and ranges."""
        if self._parts:
            return RowNumbers.joined([part.rows(ranges) for part in self._parts], self._order)
        return self.pass_rows(ranges=ranges, bias=self._bias)

    def use(self, output: Float[Tensor, "batch heads queries value"]) -> None:
        """Take this as the layer's output, such as that of `rows`, which saves a second pass over the scores.

        Without effect under gradients and dropout.
        """
        self._used = output

    def pass_rows(self, keep: Keep = "all", ranges: bool = False, bias: float = 0.0) -> RowNumbers:
        """`row_pass.pass_rows` over this call's scores."""
        return pass_rows(
            self.query,
            self.key,
            self.value,
            self.sight,
            self.scale,
            bias,
            keep=keep,
            ranges=ranges,
            softcap=self.softcap,
            # Dial 1 keeps the block alone; a sink is off every block.
            sinks=None if math.isinf(bias) else self.sinks,
        )

    def _check_whole(self) -> None:
        if self.visible is not None:
            raise DomainError(
                "leak and fidelity have gradients on whole sequences only: give no attention mask and no cache, and a "
                "context within the sliding window"
            )
        if self.softcap is not None or self.sinks is not None:
            raise DomainError("leak and fidelity have no gradients where scores have a soft cap or a sink")

    @cached_property
    def _gated(self) -> tuple[Tensor, Tensor, Tensor]:
        if self._parts:
            output, leak, fidelity = zip(*(part._gated for part in self._parts), strict=True)
            return self._joined(output), self._joined(leak), self._joined(fidelity)
        return gated(self.query, *self._per_head, self._layout(), self.scale, self._bias)

    def _layout(self) -> Layout:
        """The blocks of whole sequences."""
        if self.window is None:
            return Layout.of_ids(self.ids.expand(self.key.shape[0], -1))
        return _window_layout(self.key.shape[2], self.window, self.key.device)

    def _masked(self) -> Tensor:
        """Attention with the bias in the mask; dropout acts on the weights of the dialled row."""
        visible, same = self._seen
        # Half formats would round the bias.
        work = self._work
        # A padding query sees nothing; it attends to everything to avoid NaN, and its output is never used.
        mask = visible | ~visible.any(-1, keepdim=True)
        if self._bias:
            mask = (same.to(work) * self._bias).masked_fill(~mask, -math.inf)
        query, key, value = self.query, *self._per_head
        # Rotary positions leave queries and keys in float32 under autocast.
        if mask.dtype != torch.bool or query.dtype != value.dtype:
            query, key, value = query.to(work), key.to(work), value.to(work)
        with torch.autocast(mask.device.type, enabled=False):
            output = scaled_dot_product_attention(
                query, key, value, mask[:, None], dropout_p=self.dropout, scale=self.scale
            )
        return output.to(self.value.dtype)

    def _explicit(self) -> Tensor:
        """Attention from all scores at once, for soft caps and sinks; memory grows with queries times keys."""
        work = self._work
        key, value = (each.to(work) for each in self._per_head)
        visible, same = self._seen
        with torch.autocast(value.device.type, enabled=False):
            scores = self.query.to(work) @ key.transpose(-1, -2) * self.scale
            if self.softcap is not None:
                scores = self.softcap * torch.tanh(scores / self.softcap)
            if self._bias:
                scores = scores + same[:, None].to(work) * self._bias
            scores = scores.masked_fill(~visible[:, None], torch.finfo(work).min)
            if self.sinks is not None:
                sink = self.sinks.to(work)[:, None, None].expand(*scores.shape[:3], 1)
                scores = torch.cat((scores, sink), -1)
            weights = dropout(scores.softmax(-1)[..., : key.shape[2]], self.dropout)
            return (weights @ value).to(self.value.dtype)

    @property
    def _work(self) -> torch.dtype:
        return torch.float64 if self.query.dtype == torch.float64 else torch.float32

    @property
    def _seen(self) -> tuple[Tensor, Tensor]:
        """Which keys a query sees, and which are in its block; both `(batch or 1, queries, keys)`."""
        visible = self.visible
        if visible is None:
            tokens = self.key.shape[2]
            visible = torch.ones(1, tokens, tokens, dtype=torch.bool, device=self.key.device).tril()
        return visible, self.own[..., None] == self.ids[:, None]


@lru_cache(maxsize=16)
def _window_layout(tokens: int, size: int, device: torch.device) -> Layout:
    with torch.inference_mode(False):
        return Layout.of_windows(tokens, size, device)
