"""A cache for generation that keeps only the current block in the layers at dial 1.

A query at dial 1 attends to its own window, so a layer at dial 1 never needs the keys of earlier windows again. Windows
count from each text's first token: texts that are padded differently begin theirs at different places, and the cache
keeps what any of them needs. Layers with other dials keep every key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from empirical.attention.text import Text
from theory.errors import DomainError


class BlockCache(DynamicCache):
    """A new cache for `model`, given as `past_key_values` to its passes inside `localist.dial`.

    Logits are those of a full cache. Inside `dial` with fixed windows, each layer whose dial is 1 keeps fewer keys than
    a window has tokens, and as many more as there is padding among them. The cache works with one window length and
    one set of dials, and cannot be cropped. Raises DomainError where keys that it has dropped would be needed.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        if not isinstance(model, PreTrainedModel):
            raise DomainError(f"{type(model).__name__} is not a transformers model")
        super().__init__(config=model.config)
        self._settings: tuple[tuple[bool, ...], int] | None = None
        self._dropped = 0

    def begin(self, text: Text, isolated: Sequence[bool], window: int | None) -> None:
        """Prepare for a pass over `text`, in which some layers are `isolated`: at dial 1.

        Raises DomainError if blocks are no fixed windows, or unless all passes have the same windows and layers.
        """
        if window is None:
            raise DomainError("a BlockCache needs fixed windows: give dial a block, or use another cache")
        total = text.positions.shape[1]
        settings = tuple(isolated), window
        if self._settings is None:
            past = total - text.queries
            if past:
                raise DomainError(f"the BlockCache holds {past} tokens of passes outside dial: use a new one")
            self._settings = settings
            for index, layer in enumerate(self.layers[: len(isolated)]):
                # Layers of other types keep more than keys and values.
                if isolated[index] and type(layer) in (DynamicLayer, DynamicSlidingWindowLayer):
                    self.layers[index] = BlockLayer(getattr(layer, "sliding_window", None))
        elif settings != self._settings:
            raise DomainError("the dials or the block have changed since the BlockCache was filled: begin a new one")
        if text.queries == total:
            # A cache that was reset.
            self._dropped = 0
        begin, end = (_first_needed(text, place, window) for place in (total - text.queries, total))
        if begin < self._dropped:
            raise DomainError(
                f"the BlockCache has dropped {self._dropped} keys, but this pass needs those from {begin} on: "
                "give every pass the attention_mask of the whole text"
            )
        self._dropped = max(end, self._dropped)
        for layer in self.layers:
            if isinstance(layer, BlockLayer):
                layer.expect(total, total - self._dropped)


def _first_needed(text: Text, place: int, window: int) -> int:
    """The first key in the window of the token at `place`, or of the next one if that is padding; over all texts."""
    if place < text.positions.shape[1]:
        position = text.positions[:, place]
        if text.real is not None:
            position = torch.where(text.real[:, place], position, position + 1)
    else:
        position = text.positions[:, -1] + 1
    start = position.clamp(min=0).div(window, rounding_mode="floor") * window
    return int((text.positions < start.unsqueeze(1)).sum(-1).min())


class BlockLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values of one layer at dial 1: those of the current window, and fewer than a sliding window has.

    It counts the tokens as if it kept every one, and so do positions and masks.
    """

    is_croppable = False

    def __init__(self, sliding_window: int | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # transformers gives layers that slide a mask of their own.
        self.is_sliding = sliding_window is not None
        self.cumulative_length = 0
        self._most = sliding_window
        self._total = self._keep = 0

    def expect(self, total: int, keep: int) -> None:
        """The next update brings the tokens up to `total`, after which the last `keep` are kept."""
        self._total = total
        self._keep = keep if self._most is None else min(keep, self._most - 1)

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Keys and values of this pass, after those kept. Raises DomainError outside `localist.dial`."""
        if self.cumulative_length + key_states.shape[-2] != self._total:
            raise DomainError(
                "a BlockCache works inside localist.dial, where it was begun, and not after a failed pass"
            )
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.cumulative_length = self._total
        assert self.keys is not None
        assert self.values is not None
        keys, values = torch.cat((self.keys, key_states), dim=-2), torch.cat((self.values, value_states), dim=-2)
        first = max(0, keys.shape[-2] - self._keep)
        # A view would hold the memory of all keys.
        self.keys, self.values = (each[:, :, first:].clone() if first else each for each in (keys, values))
        return keys, values

    def get_seq_length(self) -> int:
        """The number of tokens so far, kept or not."""
        return self.cumulative_length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of the mask that layers share: all tokens."""
        return self.cumulative_length + query_length, 0

    def crop(self, tokens_to_remove: int) -> None:
        """Raises DomainError: earlier blocks are gone."""
        raise DomainError("a BlockCache cannot be cropped, because it keeps no earlier blocks: use another cache")
