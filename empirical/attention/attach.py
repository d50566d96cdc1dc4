"""Puts localist attention in place of the attention of any transformers decoder, and takes it out again.

Inside the `with` statement every layer calls our attention, which computes what the model's own would (grouped
queries, sliding windows, soft caps, sinks, padding and caches included) and shows each call to `on_call`. On exit,
also after an error, the model has its own attention again. A hook on the model's forward pass reads the tokens,
the padding and the length of the cache, from which the blocks of queries and keys follow.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import sdpa_mask

from empirical.attention.attention import NAME, AttentionCall, refuse_what_is_not_understood
from empirical.attention.block_kinds import Blocks, chosen_blocks
from empirical.attention.schedule import check_dials, dial_bias
from theory.errors import DomainError

_NUMBERS = count()


@dataclass(frozen=True)
class _Text:
    """What one forward pass sees: positions and blocks `(batch or 1, keys)`, and which tokens are real, None: all."""

    batch: int
    queries: int
    positions: Tensor
    blocks: Tensor
    real: Tensor | None

    @property
    def first(self) -> Tensor:
        """The key `(batch or 1,)` of each text's first token."""
        if self.real is None:
            return torch.zeros(1, dtype=torch.long, device=self.positions.device)
        return self.real.long().argmax(-1)


class Attachment:
    """Localist attention on one decoder: its dials, its blocks, and what is told of every call."""

    def __init__(
        self,
        model: PreTrainedModel,
        blocks: Blocks,
        dials: Sequence[float] | None = None,
        on_call: Callable[[AttentionCall], None] | None = None,
    ) -> None:
        self._model, self._blocks, self.on_call = model, blocks, on_call
        self._name = f"{NAME}-{next(_NUMBERS)}"
        settings = _own_settings(model)
        self.layers = int(model.config.get_text_config().num_hidden_layers)
        self._temperature = float(settings.get("temperature", 1.0))
        self.dials = [float(dial) for dial in dials or settings.get("dials") or [0.0] * self.layers]
        check_dials(self.dials, self.layers)
        self._text: _Text | None = None
        self._tokens: Tensor | None = None
        self._calls = 0

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Attention is ours inside. Raises DomainError if the model does not dispatch its attention."""
        AttentionInterface.register(self._name, self._attend)
        AttentionMaskInterface.register(self._name, sdpa_mask)
        former = [(config, config._attn_implementation_internal) for config in _configs(self._model)]
        hooks = [
            self._model.register_forward_pre_hook(self._before, with_kwargs=True),
            self._model.register_forward_hook(self._after),
        ]
        try:
            self._set()
            yield
        finally:
            for hook in hooks:
                hook.remove()
            for config, name in former:
                config._attn_implementation_internal = name
            for registry in (AttentionInterface, AttentionMaskInterface):
                registry._global_mapping.pop(self._name, None)

    def _set(self) -> None:
        # Asked first, because transformers would only warn.
        if not self._model._can_set_attn_implementation():
            raise DomainError(_undispatched(self._named))
        try:
            self._model.set_attn_implementation(self._name)
        # Each kind of model refuses in its own words.
        except (ValueError, KeyError, NotImplementedError) as error:
            raise DomainError(f"{self._named} refuses other attention functions: {error}") from error
        if any(config._attn_implementation_internal != self._name for config in _text_configs(self._model)):
            raise DomainError(_undispatched(self._named))

    @property
    def _named(self) -> str:
        return type(self._model).__name__

    def _before(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = inspect.signature(self._model.forward).bind_partial(*args, **kwargs).arguments
        given |= given.pop("kwargs", {})
        tokens, embedded = given.get("input_ids"), given.get("inputs_embeds")
        shown = tokens if tokens is not None else embedded
        if shown is None:
            raise DomainError(f"{self._named} was called without input_ids and inputs_embeds: its tokens are unknown")
        repeated = any(getattr(part, "gradient_checkpointing", False) for part in module.modules())
        if repeated and module.training and torch.is_grad_enabled():
            raise DomainError("gradient checkpointing calls attention twice per layer: switch it off while watching")
        cache = given.get("past_key_values")
        past = 0 if cache is None else int(cache.get_seq_length())
        batch, queries = shown.shape[:2]
        real = _padding(given.get("attention_mask"), batch, past + queries)
        positions = torch.arange(past + queries, device=shown.device).unsqueeze(0)
        if real is not None:
            positions = real.long().cumsum(-1) - 1
        self._calls = 0
        self._text = _Text(batch, queries, positions, self._blocks_of(tokens, positions, past), real)

    def _blocks_of(self, tokens: Tensor | None, positions: Tensor, past: int) -> Tensor:
        if not self._blocks.needs_tokens:
            return self._blocks.of(None, positions)
        held = 0 if past == 0 or self._tokens is None else self._tokens.shape[1]
        if tokens is None or held != past:
            raise DomainError(
                f"blocks that follow the text need every token: the cache holds {past}, of which {held} were seen"
            )
        self._tokens = tokens if held == 0 or self._tokens is None else torch.cat((self._tokens, tokens), dim=1)
        return self._blocks.of(self._tokens, positions)

    def _after(self, module: torch.nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self._text = None
        if not self._calls:
            raise DomainError(_undispatched(self._named))

    def _attend(
        self,
        module: torch.nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        dropout: float = 0.0,
        scaling: float | None = None,
        softcap: float | None = None,
        s_aux: Tensor | None = None,
        sliding_window: int | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, None]:
        refuse_what_is_not_understood(module, kwargs)
        text = self._text
        if text is None:
            raise DomainError(f"attention was called outside the forward pass of {self._named}: call that model itself")
        if attention_mask is None and sliding_window and key.shape[2] > sliding_window:
            raise DomainError(f"{key.shape[2]} keys came without a mask for a sliding window of {sliding_window}")
        self._calls += 1
        layer = int(module.layer_idx)  # type: ignore[arg-type]
        scale = (query.shape[-1] ** -0.5 if scaling is None else scaling) / self._temperature
        call = AttentionCall(
            layer,
            query,
            key,
            value,
            **_sight(text, query, key, attention_mask),
            scale=scale,
            bias=dial_bias(self.dials[layer]),
            window=self._blocks.window,
            dropout=dropout,
            softcap=softcap,
            sinks=s_aux,
        )
        if self.on_call is not None:
            self.on_call(call)
        return call.output.transpose(1, 2).contiguous(), None


@contextmanager
def dial(
    model: PreTrainedModel,
    dials: float | Sequence[float],
    block: int | None = None,
    *,
    blocks: Blocks | Tensor | None = None,
) -> Iterator[None]:
    """Move a decoder towards its blocks inside a `with` statement, without retraining.

    `dials` is one dial per layer, or one for all: 0 leaves attention as it is, 1 restricts it to the query's own
    block. `block` and `blocks` are as in `watch`. Raises DomainError for dials outside [0, 1], and as `watch`.
    """
    layers = int(model.config.get_text_config().num_hidden_layers)
    each = [float(dials)] * layers if isinstance(dials, int | float) else dials
    with Attachment(model, chosen_blocks(block, blocks), each).attached():
        yield


def _sight(text: _Text, query: Tensor, key: Tensor, mask: Tensor | None) -> dict[str, Any]:
    """Blocks of queries and keys, visibility and real queries of one layer's call, as keywords of `AttentionCall`."""
    total, (queries, keys) = text.positions.shape[1], (query.shape[2], key.shape[2])
    if queries != text.queries or keys > total:
        raise DomainError(
            f"attention was called with {queries} queries and {keys} keys in a pass over {text.queries} tokens that "
            f"sees {total}: use a cache that grows with the text"
        )
    if mask is not None and (mask.dtype != torch.bool or mask.dim() != 4 or mask.shape[1:] != (1, queries, keys)):
        raise DomainError(
            f"a mask of {mask.dtype} and shape {tuple(mask.shape)} must be of torch.bool and (batch, 1, {queries}, "
            f"{keys}): position biases and masks per head are not supported"
        )
    real = None if text.real is None else text.real[:, total - queries :]
    found = {
        # A cache that slides keeps the last keys.
        "ids": text.blocks[:, total - keys :],
        "own": text.blocks[:, total - queries :],
        "real": real,
        "first": text.first - (total - keys) if total > keys or text.real is not None else None,
    }
    if mask is not None:
        return found | {"visible": mask[:, 0]}
    if queries == keys:
        return found | {"visible": None}
    if queries > 1:
        raise DomainError(f"{queries} queries and {keys} keys came without a mask: which sees which is unknown")
    return found | {"visible": torch.ones(1, 1, keys, dtype=torch.bool, device=key.device)}


def _padding(mask: Any, batch: int, total: int) -> Tensor | None:
    """True at tokens and False at padding `(batch, total)`; None if there is no padding. Raises DomainError."""
    if mask is None:
        return None
    if not isinstance(mask, Tensor) or tuple(mask.shape) != (batch, total):
        shown = tuple(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
        raise DomainError(f"attention_mask {shown} must be of shape (batch, tokens) = ({batch}, {total})")
    real = mask.bool()
    return None if bool(real.all()) else real


def _own_settings(model: PreTrainedModel) -> dict[str, Any]:
    """The settings of a model that already runs localist attention."""
    config = model.config
    return dict(getattr(config, "localist", None) or {}) if config._attn_implementation == NAME else {}


def _configs(model: PreTrainedModel) -> list[Any]:
    """Every configuration whose attention may be switched, each once."""
    found: dict[int, Any] = {}
    for module in model.modules():
        if isinstance(module, PreTrainedModel):
            queue = [module.config]
            while queue:
                config = queue.pop()
                found[id(config)] = config
                queue += [part for name in config.sub_configs if (part := getattr(config, name, None)) is not None]
    return list(found.values())


def _text_configs(model: PreTrainedModel) -> list[Any]:
    return [model.config, model.config.get_text_config()]


def _undispatched(name: str) -> str:
    return f"{name} does not dispatch its attention through transformers' AttentionInterface: it cannot be watched"
