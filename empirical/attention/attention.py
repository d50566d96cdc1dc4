"""Localist attention: the dial of B1 inside fused attention, without a tokens x tokens tensor.

A dial adds `b = log(1/(1-dial))` nats to the scores of a query's own block. On whole sequences a gate mixes the
outputs of plain and block-local attention (`gate`, theory.md B6). Calls with padding, a cache or dropout bring a mask
or make fused attention store one; there the bias goes into the mask. Dial 1 is block-local attention alone, with exact
zeros, in every call (`local`).

Registered in transformers as attention and mask `localist`. The settings are read from `config.localist` (plain JSON):
`dials` (one per layer, or one per head of it), `block` (window length) and `temperature`. Windows count from the first
token of a text, wherever padding and cache put it (`positions`). Two keyword arguments pass through the model's forward
call: `block_ids` `(batch or 1, tokens)` replaces the windows, and `row_sink` is called with each layer's
`AttentionCall`, which provides the rows' numbers (`row_pass`), or leak and fidelity with gradients. Any other keyword
that would change attention is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor
from torch.nn.functional import dropout, scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from empirical.attention.block_layout import Layout
from empirical.attention.blocks import fixed_windows
from empirical.attention.gate import gated
from empirical.attention.local import block_local
from empirical.attention.positions import Places, check_fit
from empirical.attention.row_numbers import Keep, RowNumbers
from empirical.attention.row_pass import pass_rows
from empirical.attention.schedule import LayerDial, layer_bias, of_heads
from empirical.attention.sight import Sight
from theory.errors import DomainError

# Private to transformers. Without it, `output_attentions` is refused only if the keyword itself reaches the attention.
_collector: Any = None
with suppress(ImportError):
    from transformers.utils.output_capturing import _active_collector as _collector

NAME = "localist"

# Keywords that models pass to their attention without effect on it, or whose effect is already in mask and cache.
_WITHOUT_EFFECT = {
    "cache_position",
    "num_items_in_batch",
    "output_hidden_states",
    "position_ids",
    "return_dict",
    "use_cache",
}


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
                "leak and fidelity have gradients on whole sequences only: pass no attention mask and no cache"
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


def localist_attention(
    module: torch.nn.Module,
    query: Float[Tensor, "batch heads queries head"],
    key: Float[Tensor, "batch heads keys head"],
    value: Float[Tensor, "batch heads keys value"],
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    sliding_window: int | None = None,
    block_ids: Int[Tensor, "#batch tokens"] | None = None,
    row_sink: Callable[[AttentionCall], None] | None = None,
    **kwargs: Any,
) -> tuple[Float[Tensor, "batch queries heads value"], None]:
    """Attention function for transformers: `(batch, heads, tokens, head)` in, tokens before heads out.

    Raises DomainError for keywords it would otherwise ignore, and for a sliding window whose mask is missing or beside
    a cache: see the module.
    """
    refuse_what_is_not_understood(module, kwargs)
    settings: dict[str, Any] = module.config.localist  # type: ignore[union-attr,assignment]
    layer = int(module.layer_idx)  # type: ignore[arg-type]
    scale = (query.shape[-1] ** -0.5 if scaling is None else scaling) / settings["temperature"]
    bias = layer_bias(settings["dials"][layer])
    batch, _, queries, _ = query.shape
    allocated = key.shape[2]
    check_window_mask(attention_mask, sliding_window, allocated)
    whole = attention_mask is None and (queries > 1 or allocated == 1)
    if whole and allocated > queries:
        # A cache allocated beyond the prompt: without a mask only the prompt's own keys are filled.
        key, value = key[:, :, :queries], value[:, :, :queries]
        if block_ids is not None and block_ids.shape[-1] == allocated:
            block_ids = block_ids[:, :queries]
    plain = bias == 0 and row_sink is None and block_ids is None and softcap is None and s_aux is None
    if plain and query.shape[1] == key.shape[1]:
        output = scaled_dot_product_attention(
            query, key, value, attn_mask=attention_mask, dropout_p=dropout, is_causal=whole, scale=scale
        )
        return output.transpose(1, 2).contiguous(), None
    if whole:
        window = settings["block"] if block_ids is None else None
        ids = own = _window_ids(queries, settings["block"], key.device) if block_ids is None else block_ids
        visible = real = first = None
    else:
        if attention_mask is None:
            places = Places.of_last(allocated, key.device, kwargs.get("position_ids"))
        else:
            places = Places.of_mask(attention_mask, (batch, queries, allocated), sliding_window)
        window, visible, real, first = None, places.visible, places.real, places.first
        own, ids = places.windows(settings["block"]) if block_ids is None else places.chosen(block_ids)
    if block_ids is not None:
        check_fit(ids, batch, key.shape[2])
    call = AttentionCall(
        layer, query, key, value, ids, own, scale, bias, window, visible, dropout, softcap, s_aux, real, first
    )
    if row_sink is not None:
        row_sink(call)
    return call.output.transpose(1, 2).contiguous(), None


def check_window_mask(mask: Tensor | None, sliding_window: int | None, keys: int) -> None:
    """Raise DomainError if a sliding window hides keys and its mask is missing."""
    if mask is None and sliding_window and keys > sliding_window:
        raise DomainError(f"{keys} keys came without a mask for a sliding window of {sliding_window}")


def refuse_what_is_not_understood(module: torch.nn.Module, kwargs: dict[str, Any]) -> None:
    """Raise DomainError for keywords that would change attention and that this attention ignores."""
    # GPT-2 does not pass this keyword to its attention; it only sets what its hooks collect.
    collected: dict[str, Any] | None = _collector.get() if _collector else None
    if "attentions" in (collected or ()) or kwargs.pop("output_attentions", None):
        raise DomainError(
            "output_attentions=True is refused: this attention stores no maps. For the rows' numbers use "
            "`localist measure` or a row_sink; for maps of plain attention load with attn_implementation='eager'"
        )
    if (
        getattr(module, "is_cross_attention", False)
        or not getattr(module.config, "is_causal", True)
        or kwargs.pop("is_causal", None) is False
    ):
        raise DomainError(
            "localist attention is causal self-attention: it takes no cross-attention and no is_causal=False"
        )
    for name, value in kwargs.items():
        if value is not None and value is not False and name not in _WITHOUT_EFFECT:
            raise DomainError(
                f"the keyword argument {name} is unknown to localist attention, which would ignore it: leave it out"
            )


def localist_mask(*, kv_offset: int = 0, **kwargs: Any) -> Bool[Tensor, "#batch 1 queries keys"] | None:
    """`sdpa_mask` for caches that keep every token. Raises DomainError for one that has dropped the first ones."""
    if kv_offset:
        raise DomainError(
            f"the cache has dropped the first {int(kv_offset)} tokens: blocks count from the first one. "
            "Use a cache without a sliding window"
        )
    return sdpa_mask(kv_offset=kv_offset, **kwargs)


@lru_cache(maxsize=16)
def _window_ids(tokens: int, size: int, device: torch.device) -> Tensor:
    # The same for every layer and step. Made outside inference mode, because cached inference tensors cannot take
    # part in a backward pass.
    with torch.inference_mode(False):
        return fixed_windows(tokens, size, device)


@lru_cache(maxsize=16)
def _window_layout(tokens: int, size: int, device: torch.device) -> Layout:
    with torch.inference_mode(False):
        return Layout.of_windows(tokens, size, device)


def register() -> None:
    """Register attention and mask; without the mask GPT-2 would silently lose causality."""
    AttentionInterface.register(NAME, localist_attention)
    AttentionMaskInterface.register(NAME, localist_mask)


register()
