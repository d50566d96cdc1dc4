"""The texts of one forward pass: positions, padding and blocks of every token so far, with or without a cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import Cache

from empirical.attention.block_kinds import Blocks
from theory.errors import DomainError


@dataclass(frozen=True)
class Text:
    """What one forward pass sees: positions and blocks of all tokens so far, and which are real (None: all).

    `tokens` are the tokens so far where the blocks follow them, else None. `known` are the sights of this pass, by
    mask and number of keys; layers that see alike share one.
    """

    batch: int
    queries: int
    positions: Int[Tensor, "#batch keys"]
    blocks: Int[Tensor, "#batch keys"]
    real: Bool[Tensor, "batch keys"] | None
    tokens: Int[Tensor, "batch keys"] | None
    known: list[tuple[Tensor | None, int, dict[str, Any]]]

    @property
    def first(self) -> Int[Tensor, "#batch"]:
        """The key of each text's first token."""
        if self.real is None:
            return torch.zeros(1, dtype=torch.long, device=self.positions.device)
        return self.real.long().argmax(-1)

    def sight(self, queries: int, keys: int, mask: Tensor | None, isolated: bool = False) -> dict[str, Any]:
        """What one layer's queries see, as keywords of `AttentionCall`. Raises DomainError if it is unclear.

        A layer whose cache has dropped tokens has the last keys. They may be fewer than those of the mask, which
        layers share. Only a layer with `isolated` blocks may lack a key that the mask shows.
        """
        total = self.positions.shape[1]
        if queries != self.queries or keys > total:
            raise DomainError(
                f"attention was called with {queries} queries and {keys} keys in a pass over {self.queries} tokens "
                f"that sees {total}: use a cache that grows with the text, and no cross-attention"
            )
        if not isolated and keys < (total if mask is None else mask.shape[-1]):
            lost = mask is None or bool(mask[..., : mask.shape[-1] - keys].any())
            if lost:
                raise DomainError(f"the cache has dropped keys that the mask shows: {keys} of {total} are left")
        for held, count, found in self.known:
            if held is mask and count == keys:
                return found
        found = {
            # A cache that slides keeps the last keys.
            "ids": self.blocks[:, total - keys :],
            "own": self.blocks[:, total - queries :],
            "real": None if self.real is None else self.real[:, total - queries :],
            "first": self.first - (total - keys) if total > keys or self.real is not None else None,
            "visible": self._visible(queries, keys, mask),
        }
        self.known.append((mask, keys, found))
        return found

    def _visible(self, queries: int, keys: int, mask: Tensor | None) -> Bool[Tensor, "#batch queries keys"] | None:
        if mask is None:
            if queries == keys:
                return None
            if queries > 1:
                raise DomainError(f"{queries} queries and {keys} keys came without a mask: which sees which is unknown")
            return torch.ones(1, 1, keys, dtype=torch.bool, device=self.blocks.device)
        masked = mask.shape[-1]
        if mask.dtype != torch.bool or mask.dim() != 4 or mask.shape[1:3] != (1, queries) or masked < keys:
            raise DomainError(
                f"a mask of {mask.dtype} and shape {tuple(mask.shape)} must be of torch.bool and (batch, 1, {queries}, "
                f"{keys}): position biases and masks per head are not supported"
            )
        if not any(mask is held for held, _, _ in self.known) and bool(mask.triu(masked - queries + 1).any()):
            raise DomainError("the mask lets a token see later ones: localist attention is causal self-attention")
        return mask[:, 0, :, masked - keys :]


class TextReader:
    """Reads the texts of successive passes; for blocks that follow the tokens, keeps the tokens of every cache."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._tokens: WeakKeyDictionary[Cache, Tensor] = WeakKeyDictionary()

    def read(self, given: Mapping[str, Any], named: str) -> Text:
        """The texts of a pass with these arguments. Raises DomainError if their positions or blocks are unknown."""
        tokens, embedded = given.get("input_ids"), given.get("inputs_embeds")
        shown = tokens if tokens is not None else embedded
        if shown is None:
            raise DomainError(f"{named} was called without input_ids and inputs_embeds: its tokens are unknown")
        cache = given.get("past_key_values")
        past = 0 if cache is None else int(cache.get_seq_length())
        batch, queries = shown.shape[:2]
        real = _padding(given.get("attention_mask"), batch, past + queries)
        stated = given.get("position_ids")
        if real is None and stated is not None and bool((stated.diff(dim=-1) != 1).any()):
            raise DomainError("position_ids that restart pack several texts: give one text per sequence, with padding")
        positions = torch.arange(past + queries, device=shown.device).unsqueeze(0)
        if real is not None:
            positions = real.long().cumsum(-1) - 1
        seen = self._seen(tokens, cache, past) if self._blocks.needs_tokens else None
        blocks = self._blocks.of(seen, positions)
        if len(blocks) not in (1, batch):
            raise DomainError(f"block ids of shape {tuple(blocks.shape)} do not fit {batch} sequences")
        return Text(batch, queries, positions, blocks, real, seen, [])

    def remember(self, text: Text, given: Any, output: Any) -> None:
        """Keep the tokens with the cache that holds their keys."""
        if text.tokens is None:
            return
        returned = getattr(output, "past_key_values", None)
        for cache in (given, returned):
            if isinstance(cache, Cache):
                if cache not in self._tokens:
                    self._follow(cache)
                self._tokens[cache] = text.tokens

    def release(self) -> None:
        """Give the caches their own methods back."""
        for cache in self._tokens:
            for name in _CHANGES:
                vars(cache).pop(name, None)

    def _seen(self, tokens: Tensor | None, cache: Cache | None, past: int) -> Tensor:
        held = None if cache is None or not past else self._tokens.get(cache)
        known = 0 if held is None else held.shape[1]
        if tokens is None or known != past or (held is not None and len(held) != len(tokens)):
            raise DomainError(
                f"blocks that follow the text need every token: the cache holds {past}, of which {known} were seen"
            )
        return tokens if held is None else torch.cat((held, tokens), dim=1)

    def _follow(self, cache: Cache) -> None:
        """Change the kept tokens as the cache's own methods change its keys."""
        for name, change in _CHANGES.items():
            method = getattr(cache, name, None)
            if method is not None:
                setattr(cache, name, self._followed(cache, method, change))

    def _followed(self, cache: Cache, method: Callable[..., Any], change: Callable[..., Tensor]) -> Callable[..., Any]:
        def changed(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            held = self._tokens[cache]
            self._tokens[cache] = change(held, *args, **kwargs)[:, : int(cache.get_seq_length())]
            return result

        return changed


_CHANGES: dict[str, Callable[..., Tensor]] = {
    "reorder_cache": lambda held, beam_idx: held.index_select(0, beam_idx.to(held.device)),
    "batch_select_indices": lambda held, indices: held[indices],
    "batch_repeat_interleave": lambda held, repeats: held.repeat_interleave(repeats, dim=0),
    # The cache says afterwards how many tokens it kept.
    "crop": lambda held, *args, **kwargs: held,
    "reset": lambda held: held[:, :0],
}


def _padding(mask: Any, batch: int, total: int) -> Tensor | None:
    """True at tokens and False at padding `(batch, total)`; None if there is no padding. Raises DomainError."""
    if mask is None:
        return None
    if not isinstance(mask, Tensor) or tuple(mask.shape) != (batch, total):
        shown = tuple(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
        raise DomainError(
            f"attention_mask {shown} must be of shape (batch, tokens) = ({batch}, {total}), with a cache that grows"
        )
    real = mask.bool()
    return None if bool(real.all()) else real
