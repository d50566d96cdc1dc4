"""Positions of a call's queries and keys in their text, with padding, a cache or a preallocated cache.

They follow from the mask. A query sees the tokens of its text up to itself, so it is the last key that it sees, and a
key's position is the number of tokens before it that any query sees. Padding on either side and unused cache slots do
not count. Any other mask is refused: the keys it hides would shift the blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from empirical.attention.blocks import check_ids
from theory.errors import DomainError


@dataclass(frozen=True)
class Places:
    """Positions in the text of queries `(batch or 1, queries)` and keys `(batch or 1, keys)`.

    `visible` `(batch or 1, queries, keys)` says which query sees which key. Padding has no position; its entries are
    meaningless. `slots` are the queries' indices among the keys.
    """

    queries: Int[Tensor, "#batch queries"]
    keys: Int[Tensor, "#batch keys"]
    slots: Int[Tensor, "#batch queries"]
    visible: Bool[Tensor, "#batch queries keys"]

    @classmethod
    def of_mask(cls, mask: Tensor, shape: tuple[int, int, int], sliding_window: int | None = None) -> Places:
        """Positions from a mask `(batch or 1, 1, queries, keys)`; `shape` is (batch, queries, keys) of the call.

        With a sliding window a query sees that many keys at most. Raises DomainError unless the mask is the causal mask
        of one text with padding, and for a sliding window over a cache.
        """
        batch, queries, keys = shape
        if mask.dtype != torch.bool:
            raise DomainError(
                f"an attention mask of {mask.dtype} adds to the scores; a dial needs one of torch.bool, or of shape "
                "(batch, tokens) with 1 for tokens and 0 for padding"
            )
        if mask.dim() != 4 or mask.shape[0] not in (1, batch) or mask.shape[1:] != (1, queries, keys):
            raise DomainError(
                f"an attention mask of shape {tuple(mask.shape)} does not fit {batch} sequences of {queries} queries "
                f"and {keys} keys: it must be (batch, 1, queries, keys)"
            )
        visible = mask[:, 0]
        place = torch.arange(keys, device=mask.device)
        seen = visible.any(1)
        position = seen.long().cumsum(-1) - 1
        slots = (visible * place).amax(-1)
        own = visible.sum(-1) - 1
        expected = (position[:, None] <= own[..., None]) & seen[:, None]
        if sliding_window is not None and keys > sliding_window:
            # Each token of a whole text is seen, by its own query if by no other; tokens in a cache may be hidden.
            own = position.gather(-1, slots)
            near = position[:, None] > own[..., None] - sliding_window
            expected = (position[:, None] <= own[..., None]) & seen[:, None] & near & (queries == keys)
        if not torch.equal(expected, visible):
            raise DomainError(
                "the attention mask is not the causal mask of one text with padding, so block positions are unknown: "
                "a dial takes no packed sequences, and a sliding window only on whole texts without a cache"
            )
        return cls(own, position, slots, visible)

    @classmethod
    def of_last(cls, keys: int, device: torch.device, stated: Tensor | None) -> Places:
        """Positions of a single query that is the last key, as in decoding without padding.

        `stated` is the position that the model gives it. Raises DomainError if there are too few keys for it.
        """
        if stated is not None and int(stated.max()) >= keys:
            raise DomainError(
                f"a query at position {int(stated.max())} sees {keys} keys: the cache has dropped the first ones, "
                "from which blocks count. Use a cache without a sliding window"
            )
        position = torch.arange(keys, device=device).unsqueeze(0)
        return cls(
            position[:, -1:], position, position[:, -1:], torch.ones(1, 1, keys, dtype=torch.bool, device=device)
        )

    @property
    def real(self) -> Bool[Tensor, "#batch queries"]:
        """Queries that are tokens: padding has no slot, or repeats that of the last token."""
        first = torch.ones_like(self.slots, dtype=torch.bool)
        first[:, 1:] = self.slots[:, 1:] != self.slots[:, :-1]
        return first & self.visible.any(-1)

    @property
    def first(self) -> Int[Tensor, "#batch"]:
        """The key of each text's first token."""
        return self.visible.any(1).long().argmax(-1)

    def windows(self, size: int) -> tuple[Int[Tensor, "#batch queries"], Int[Tensor, "#batch keys"]]:
        """Block ids of queries and keys for windows of `size` tokens from each text's first token."""
        queries, keys = (each.clamp(min=0).div(size, rounding_mode="floor") for each in (self.queries, self.keys))
        return queries, keys

    def chosen(
        self, ids: Int[Tensor, "#batch given"]
    ) -> tuple[Int[Tensor, "#batch queries"], Int[Tensor, "#batch keys"]]:
        """Block ids of queries and keys from the keys' `ids` `(batch or 1, keys)`; unused cache slots need none."""
        check_ids(ids)
        lacking = self.keys.shape[-1] - ids.shape[-1]
        if lacking > 0 and not self.visible[..., -lacking:].any():
            ids = torch.nn.functional.pad(ids, (0, lacking))
        if ids.shape[-1] != self.keys.shape[-1] or len({1, ids.shape[0], self.slots.shape[0]}) > 2:
            # The ids fit no sequence here; `check_fit` raises with the shapes.
            return ids, ids
        rows = max(ids.shape[0], self.slots.shape[0])
        return ids.expand(rows, -1).gather(1, self.slots.expand(rows, -1)), ids


def check_fit(ids: Tensor, batch: int, keys: int) -> None:
    """Raise DomainError unless `ids` are block ids of `keys` keys, per sequence or shared by all."""
    check_ids(ids)
    if ids.shape[-1] != keys or ids.shape[0] not in (1, batch):
        raise DomainError(f"block ids of shape {tuple(ids.shape)} do not fit {batch} sequences of {keys} tokens")
