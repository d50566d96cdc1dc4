"""Where the queries and keys of a call stand in their text: behind padding, in a cache, in an allocated one.

The mask tells. A query sees the tokens of its text up to itself, so it is the last of the keys that it sees, and a
key's position is the number of tokens before it that any query sees. Padding counts for nothing, on either side,
nor does a cache's room for later tokens. Any other mask is refused: what it hides would shift the blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from empirical.attention.blocks import check_ids
from theory.errors import DomainError


@dataclass(frozen=True)
class Places:
    """Positions in the text of queries `(batch or 1, queries)` and keys `(batch or 1, keys)`.

    `visible` `(batch or 1, queries, keys)` says who sees whom. A query or key that is padding has no position:
    whatever stands there is of no use. `slots` are the queries' places among the keys.
    """

    queries: Tensor
    keys: Tensor
    slots: Tensor
    visible: Tensor

    @classmethod
    def of_mask(cls, mask: Tensor, shape: tuple[int, int, int]) -> Places:
        """Positions by a mask `(batch or 1, 1, queries, keys)`; `shape` are batch, queries and keys of the call.

        Raises DomainError where the mask is not the causal one of a text with padding.
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
        own = visible.sum(-1) - 1
        if not torch.equal((position[:, None] <= own[..., None]) & seen[:, None], visible):
            raise DomainError(
                "the attention mask is not the causal mask of one text with padding, so the blocks' places are not "
                "known: a dial takes no sliding window and no packed sequences"
            )
        return cls(own, position, (visible * place).amax(-1), visible)

    @classmethod
    def of_last(cls, keys: int, device: torch.device, stated: Tensor | None) -> Places:
        """Positions of one query that is the last of all keys, as in decoding without padding.

        `stated` is the position that the model itself gives it. Raises DomainError where there are not as many keys.
        """
        if stated is not None and int(stated.max()) >= keys:
            raise DomainError(
                f"a query at position {int(stated.max())} sees {keys} keys: the cache has let go of the first ones, "
                "from which blocks count. Use a cache without a sliding window"
            )
        position = torch.arange(keys, device=device).unsqueeze(0)
        return cls(
            position[:, -1:], position, position[:, -1:], torch.ones(1, 1, keys, dtype=torch.bool, device=device)
        )

    def windows(self, size: int) -> tuple[Tensor, Tensor]:
        """Block ids of queries and keys by windows of `size` tokens from each text's first token."""
        queries, keys = (each.clamp(min=0).div(size, rounding_mode="floor") for each in (self.queries, self.keys))
        return queries, keys

    def chosen(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Block ids of queries and keys by the keys' ids `(batch or 1, keys)`; a cache's free room needs none."""
        check_ids(ids)
        lacking = self.keys.shape[-1] - ids.shape[-1]
        if lacking > 0 and not self.visible[..., -lacking:].any():
            ids = torch.nn.functional.pad(ids, (0, lacking))
        if ids.shape[-1] != self.keys.shape[-1] or len({1, ids.shape[0], self.slots.shape[0]}) > 2:
            # They fit no sequence here, which `check_fit` says with the shapes.
            return ids, ids
        rows = max(ids.shape[0], self.slots.shape[0])
        return ids.expand(rows, -1).gather(1, self.slots.expand(rows, -1)), ids


def check_fit(ids: Tensor, batch: int, keys: int) -> None:
    """Raise DomainError unless these are block ids of so many keys, for every sequence or for all alike."""
    check_ids(ids)
    if ids.shape[-1] != keys or ids.shape[0] not in (1, batch):
        raise DomainError(f"block ids of shape {tuple(ids.shape)} do not fit {batch} sequences of {keys} tokens")
