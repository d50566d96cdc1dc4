"""Puts localist attention in place of the attention of a transformers decoder, and takes it out again.

Inside the `with` statement every layer calls our attention, which computes what the model's own would (grouped
queries, sliding windows, soft caps, sinks, padding and caches included) and shows each call to `on_call`. On exit,
also after an error, the model has its own attention again. A hook on the model's forward pass reads the tokens,
the padding and the length of the cache, from which the blocks of queries and keys follow.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import sdpa_mask

from empirical.attention.attention import NAME, check_window_mask, refuse_what_is_not_understood
from empirical.attention.attention_call import AttentionCall
from empirical.attention.block_cache import BlockCache
from empirical.attention.block_kinds import Blocks, chosen_blocks
from empirical.attention.schedule import LayerDial, check_dials, layer_bias
from empirical.attention.text import Text, TextReader
from empirical.attention.truncation import check_level, truncated
from theory.errors import DomainError

# Every attachment registers its attention under a name of its own.
_PREFIX = f"{NAME}-"
_NUMBERS = count()


class Attachment:
    """Localist attention on one decoder.

    `dials` is one dial per layer or one for all, by default the model's own, else 0; a layer may have one per head.
    `on_begin` and `on_end` are called before and after each forward pass, the latter only if it came to its end, and
    `on_call` with each layer's call. `truncate` is as in `dial`. `steer` gives a layer's output in place of the call's.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        blocks: Blocks,
        dials: float | Sequence[LayerDial] | None = None,
        on_call: Callable[[AttentionCall], None] | None = None,
        on_begin: Callable[[], None] | None = None,
        on_end: Callable[[], None] | None = None,
        truncate: float | None = None,
        steer: Callable[[AttentionCall, Text], Tensor] | None = None,
    ) -> None:
        if not isinstance(model, PreTrainedModel):
            raise DomainError(f"{type(model).__name__} is not a transformers model")
        self._model, self._on_call, self._on_begin, self._on_end = model, on_call, on_begin, on_end
        self._reader, self._window = TextReader(blocks), blocks.window
        if truncate is not None:
            check_level(truncate)
        self._truncate, self._steer = truncate, steer
        self._name = f"{_PREFIX}{next(_NUMBERS)}"
        settings = _own_settings(model)
        self._temperature = float(settings.get("temperature", 1.0))
        self.dials = _dials(dials, settings, int(model.config.get_text_config().num_hidden_layers))
        self._text: Text | None = None
        self._cache: Any = None
        self._called: set[int] = set()

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Attention is ours inside. Raises DomainError if the model does not dispatch its attention."""
        if any(str(config._attn_implementation_internal).startswith(_PREFIX) for config in _configs(self._model)):
            raise DomainError(f"{self._named} is watched or dialled already: use one at a time; watch takes dials")
        if self._model.config.is_encoder_decoder:
            raise DomainError(f"{self._named} has an encoder: localist attention is causal self-attention")
        AttentionInterface.register(self._name, self._attend)
        AttentionMaskInterface.register(self._name, sdpa_mask)
        former = [(config, config._attn_implementation_internal) for config in _configs(self._model)]
        hooks = [
            self._model.register_forward_pre_hook(self._before, with_kwargs=True),
            self._model.register_forward_hook(self._after),
        ]
        try:
            set_attention(self._model, self._name)
            yield
        finally:
            for hook in hooks:
                hook.remove()
            for config, name in former:
                config._attn_implementation_internal = name
            self._reader.release()
            for registry in (AttentionInterface, AttentionMaskInterface):
                registry._global_mapping.pop(self._name, None)

    @property
    def _named(self) -> str:
        return type(self._model).__name__

    def _before(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = inspect.signature(self._model.forward).bind_partial(*args, **kwargs).arguments
        given |= given.pop("kwargs", {})
        repeats = module.training and torch.is_grad_enabled()
        if repeats and any(getattr(part, "gradient_checkpointing", False) for part in module.modules()):
            raise DomainError("gradient checkpointing calls attention twice per layer: switch it off while watching")
        self._called, self._cache = set(), given.get("past_key_values")
        self._text = self._reader.read(given, self._named)
        if isinstance(self._cache, BlockCache):
            if self._on_call is not None or self._steer is not None:
                raise DomainError(
                    "rows count every key, of which a BlockCache drops some: steer or watch with another cache"
                )
            self._cache.begin(self._text, [dial == 1 for dial in self.dials], self._window)
        if self._on_begin is not None:
            self._on_begin()

    def _after(self, module: torch.nn.Module, args: tuple[Any, ...], output: Any) -> None:
        text, self._text = self._text, None
        if not self._called:
            raise DomainError(_undispatched(self._named))
        if text is not None:
            self._reader.remember(text, self._cache, output)
        self._cache = None
        if self._on_end is not None:
            self._on_end()

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
        check_window_mask(attention_mask, sliding_window, key.shape[2])
        layer = self._layer(module)
        scale = (query.shape[-1] ** -0.5 if scaling is None else scaling) / self._temperature
        call = AttentionCall(
            layer,
            query,
            key,
            value,
            **text.sight(query.shape[2], key.shape[2], attention_mask, isolated=self.dials[layer] == 1),
            scale=scale,
            bias=layer_bias(self.dials[layer]),
            window=self._window,
            dropout=dropout,
            softcap=softcap,
            sinks=s_aux,
        )
        if self._truncate is not None:
            call = truncated(call, self._truncate)
        if self._on_call is not None:
            self._on_call(call)
        output = call.output if self._steer is None else self._steer(call, text)
        return output.transpose(1, 2).contiguous(), None

    def _layer(self, module: torch.nn.Module) -> int:
        """The number of the layer that calls. Raises DomainError if it has none, or called before in this pass."""
        layer = getattr(module, "layer_idx", None)
        if getattr(module, "is_causal", True) is False:
            raise DomainError(f"{type(module).__name__} is not causal: localist attention is causal self-attention")
        if not isinstance(layer, int) or not 0 <= layer < len(self.dials):
            raise DomainError(f"{type(module).__name__} has no number among the {len(self.dials)} layers of the model")
        if layer in self._called:
            raise DomainError(f"layer {layer} calls attention more than once per pass: its rows would count twice")
        self._called.add(layer)
        return layer


def set_attention(model: PreTrainedModel, name: str) -> None:
    """Let every layer call the attention registered under this name. Raises DomainError if the model does not."""
    named = type(model).__name__
    # Asked first, because transformers would only warn.
    if not model._can_set_attn_implementation():
        raise DomainError(_undispatched(named))
    try:
        model.set_attn_implementation(name)
    # Each kind of model refuses in its own words.
    except (ValueError, KeyError, NotImplementedError) as error:
        raise DomainError(f"{named} refuses other attention functions: {error}") from error
    if any(config._attn_implementation_internal != name for config in _text_configs(model)):
        raise DomainError(_undispatched(named))


@contextmanager
def dial(
    model: PreTrainedModel,
    dials: float | Sequence[LayerDial],
    block: int | None = None,
    *,
    blocks: Blocks | Tensor | None = None,
    truncate: float | None = None,
) -> Iterator[None]:
    """Move a decoder towards its blocks inside a `with` statement, without retraining.

    `dials` is one dial per layer, or one for all; a layer may have one per head. 0 leaves attention as it is, 1
    restricts it to the query's own block. `block` and `blocks` are as in `watch`. Layers at dial 1 compute each block
    alone, and in generation a `BlockCache` keeps only their current one. With `truncate`, a head whose rows in a pass
    all leak at most that much is computed as at dial 1 in that pass. Because the leak is measured first, this saves
    nothing; `localist measure --truncate` says which heads to dial to 1. Raises DomainError for dials outside [0, 1],
    and as `watch`.
    """
    if dials is None:
        raise DomainError("dials None must be a number, or one per layer")
    with Attachment(model, chosen_blocks(block, blocks), dials, truncate=truncate).attached():
        yield


def _dials(dials: Any, settings: dict[str, Any], layers: int) -> list[LayerDial]:
    """One dial per layer, or a tuple of one per head: those given, else the model's own, else 0."""
    if dials is None:
        dials = settings.get("dials", 0.0)
    try:
        each = list(dials) if _several(dials) else [dials] * layers
        found = [_of_layer(dial) for dial in each]
    except (TypeError, ValueError) as error:
        raise DomainError(f"dials {dials!r} must be a number, or one per layer or per head of each layer") from error
    check_dials(found, layers)
    return found


def _several(dials: Any) -> bool:
    # A single number may be one of numpy or torch, whose arrays without a shape have no length.
    return hasattr(dials, "__len__") and getattr(dials, "shape", None) != ()


def _of_layer(dial: Any) -> LayerDial:
    """One dial where those of all heads are equal."""
    if not _several(dial):
        return _number(dial)
    each = tuple(map(_number, dial))
    return each[0] if len(set(each)) == 1 else each


def _number(dial: Any) -> float:
    if isinstance(dial, str | bool):
        raise TypeError(dial)
    return float(dial)


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
