"""Localist attention: the dial of B1 inside fused attention, without a tokens x tokens tensor.

The score of query `i` and key `j` is `scaling/temperature q_i . k_j + b 1[same block]`. Appending the one-hot
of the block id to the key, and `b` times it to the query, makes it one dot product of width
`head + blocks`; appending it to the value makes the same call return the attention mass of every block, so
fidelity and leak come with the output and are differentiable. Dial 1, whose `b` is infinite, puts a
cut-off on every *other* block instead, on which the exponential underflows to an exact zero.

Registered in transformers as attention and mask `localist`. The settings are read from `config.localist`
(plain JSON): `dials` (one a layer), `block` (window length) and `temperature`. Two keyword arguments pass
through the model's forward call: `block_ids` `(batch, tokens)` replaces the windows, and `row_sink` is
called with each layer's `AttentionCall`, which it may ask for the rows' numbers (`row_pass`) or masses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from empirical.blocks import fixed_windows, one_hot
from empirical.row_numbers import RowNumbers
from empirical.row_pass import pass_rows
from empirical.schedule import dial_bias
from theory.errors import DomainError

NAME = "localist"

# exp(-CUT) is 0 in float64 too, which underflows at 746; no attention score outweighs it.
CUT = 1e5


@dataclass
class AttentionCall:
    """One layer's attention: what goes into it, and on demand its output, block masses and row numbers.

    `query`, `key`, `value` are `(batch, heads, tokens, head)`, and `scale` multiplies the dot products of the
    first two. `ids` `(batch or 1, tokens)` are the blocks of the keys, `codes` their one-hot `(batch or 1, 1,
    tokens, blocks)`, and `bias` is added to the scores of a query's own block. What a sink asks for decides
    how the output is computed, so that what it has seen need not be computed twice.
    """

    layer: int
    query: Tensor
    key: Tensor
    value: Tensor
    ids: Tensor
    codes: Tensor
    scale: float
    bias: float
    causal: bool
    mask: Tensor | None = None
    dropout: float = 0.0
    _seen: RowNumbers | None = None

    @property
    def own(self) -> Tensor:
        """One-hot of the queries' blocks `(batch or 1, 1, queries, blocks)`."""
        return self.codes[:, :, -self.query.shape[2] :]

    @property
    def masses(self) -> Tensor:
        """Attention on each block `(batch, heads, tokens, blocks)`, differentiable; 1/(1-dropout) at most."""
        return self._wide[1]

    @cached_property
    def output(self) -> Tensor:
        """Attended values `(batch, heads, tokens, head)`, differentiable."""
        if self._seen is not None and not torch.is_grad_enabled():
            return self._seen.output
        if self.bias == 0 and "_wide" not in self.__dict__:
            return self._attend(self.query, self.key, self.value)
        return self._wide[0]

    def rows(self, ranges: bool) -> RowNumbers:
        """The numbers of every row, without gradients; `ranges` adds margins and ranges.

        Raises DomainError for padded or cached sequences, and under dropout.
        """
        if not self.causal:
            raise DomainError(
                "rows are measured on whole sequences without padding: pass no attention mask and no cache"
            )
        if self.dropout:
            raise DomainError(f"rows are measured without dropout, found {self.dropout}: call model.eval()")
        self._seen = pass_rows(self.query, self.key, self.value, self.ids, self.scale, self.bias, ranges=ranges)
        return self._seen

    @cached_property
    def _wide(self) -> tuple[Tensor, Tensor]:
        bias = self.bias
        steer = (self.own - 1) * (CUT / self.scale) if math.isinf(bias) else self.own * (bias / self.scale)
        wide = self._attend(append(self.query, steer), append(self.key, self.codes), append(self.value, self.codes))
        output, masses = torch.split(wide, [self.value.shape[-1], self.codes.shape[-1]], dim=-1)
        return output, masses

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=self.mask,
            dropout_p=self.dropout,
            is_causal=self.causal,
            scale=self.scale,
        )


def append(states: Tensor, codes: Tensor) -> Tensor:
    """`(batch, heads, tokens, head)` with codes `(batch or 1, 1, tokens, blocks)` as further columns."""
    return torch.cat((states, codes.expand(*states.shape[:3], -1)), dim=-1)


def leak_and_fidelity(masses: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """Attention off and on the own block `(batch, heads, tokens)`; each a sum, never one less the other."""
    inside = masses * own
    return (masses - inside).sum(-1), inside.sum(-1)


def localist_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    block_ids: Tensor | None = None,
    row_sink: Callable[[AttentionCall], None] | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention function for transformers: `(batch, heads, tokens, head)` in, tokens before heads out."""
    settings: dict[str, Any] = module.config.localist  # type: ignore[union-attr,assignment]
    layer = int(module.layer_idx)  # type: ignore[arg-type]
    scale = (query.shape[-1] ** -0.5 if scaling is None else scaling) / settings["temperature"]
    bias = dial_bias(settings["dials"][layer])
    queries, tokens = query.shape[2], key.shape[2]
    causal = attention_mask is None and queries > 1
    if causal and tokens > queries:
        # A cache allocated beyond the prompt: without a mask only the prompt's own keys hold anything.
        key, value, tokens = key[:, :, :queries], value[:, :, :queries], queries

    if bias == 0 and row_sink is None:
        output = scaled_dot_product_attention(
            query, key, value, attn_mask=attention_mask, dropout_p=dropout, is_causal=causal, scale=scale
        )
        return output.transpose(1, 2).contiguous(), None

    if block_ids is None:
        ids, codes = _window_codes(tokens, settings["block"], key.device, key.dtype)
    else:
        ids, codes = block_ids, one_hot(block_ids, key.dtype)
    if ids.shape[-1] != tokens or ids.shape[0] not in (1, query.shape[0]):
        raise DomainError(
            f"block ids of shape {tuple(ids.shape)} do not fit {query.shape[0]} sequences of {tokens} tokens"
        )
    call = AttentionCall(layer, query, key, value, ids, codes, scale, bias, causal, attention_mask, dropout)
    if row_sink is not None:
        row_sink(call)
    return call.output.transpose(1, 2).contiguous(), None


@lru_cache(maxsize=16)
def _window_codes(tokens: int, size: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    # The same for every layer and step; counting the blocks anew would make a GPU wait each time. Made outside
    # inference mode, since what is kept from there cannot take part in a backward pass.
    with torch.inference_mode(False):
        ids = fixed_windows(tokens, size, device)
        return ids, one_hot(ids, dtype)


def register() -> None:
    """Register attention and mask; without the mask GPT-2 would lose causality silently."""
    AttentionInterface.register(NAME, localist_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)


register()
