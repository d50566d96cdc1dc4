"""Localist attention as an attention function of transformers.

Registered in transformers as attention and mask `localist`. The settings are read from `config.localist` (plain JSON):
`dials` (one per layer, or one per head of it), `block` (window length) and `temperature`. Windows count from the first
token of a text, wherever padding and cache put it (`positions`). Two keyword arguments pass through the model's forward
call: `block_ids` `(batch or 1, tokens)` replaces the windows, and `row_sink` is called with each layer's
`AttentionCall`, which provides the rows' numbers (`row_pass`), or leak and fidelity with gradients. Any other keyword
that would change attention is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from empirical.attention.attention_call import AttentionCall
from empirical.attention.blocks import fixed_windows
from empirical.attention.positions import Places, check_fit
from empirical.attention.schedule import layer_bias
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


def register() -> None:
    """Register attention and mask; without the mask GPT-2 would silently lose causality."""
    AttentionInterface.register(NAME, localist_attention)
    AttentionMaskInterface.register(NAME, localist_mask)


register()
