"""Which keys each query of a call sees, and the blocks of both."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from empirical.attention.blocks import visible_counts


@dataclass(frozen=True)
class Sight:
    """Blocks and visibility of a call's queries and keys.

    `ids` `(batch or 1, keys)` and `own` `(batch or 1, queries)` are the blocks of keys and queries. `visible`
    `(batch or 1, queries, keys)` is True where a query sees a key; None for whole sequences under causality.
    `real` `(batch or 1, queries)` is False at padding; None if there is none. `first` `(batch or 1,)` is the key of
    the text's first token, -1 where a cache has dropped it; None: key 0.
    """

    ids: Int[Tensor, "#batch keys"]
    own: Int[Tensor, "#batch queries"]
    visible: Bool[Tensor, "#batch queries keys"] | None = None
    real: Bool[Tensor, "#batch queries"] | None = None
    first: Int[Tensor, "#batch"] | None = None

    @classmethod
    def whole(cls, ids: Int[Tensor, "#batch tokens"]) -> Sight:
        """Whole sequences under causality, whose tokens have the blocks `ids` `(batch or 1, tokens)`."""
        return cls(ids, ids)

    @cached_property
    def intervals(self) -> tuple[Int[Tensor, "#batch queries"], Int[Tensor, "#batch queries"]] | None:
        """The first key that each query sees and one past the last; None if a query sees other than an interval.

        A query that sees no key has the interval from `keys` to 0.
        """
        keys = self.ids.shape[1]
        place = torch.arange(keys, device=self.ids.device)
        if self.visible is None:
            return torch.zeros_like(place).unsqueeze(0), place.unsqueeze(0) + 1
        count = self.visible.sum(-1)
        low = self.visible.to(torch.uint8).argmax(-1).where(count > 0, keys)
        high = (low + count).where(count > 0, 0)
        whole = (place >= low.unsqueeze(-1)) & (place < high.unsqueeze(-1))
        return (low, high) if torch.equal(whole, self.visible) else None

    def of_sequence(self, index: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """`own` `(queries,)`, `ids` `(keys,)` and `visible` `(queries, keys)` of one sequence of the batch."""
        own, ids = (each[min(index, len(each) - 1)] for each in (self.own, self.ids))
        return own, ids, None if self.visible is None else self.visible[min(index, len(self.visible) - 1)]

    def equals(self, other: Sight) -> bool:
        """Whether both say the same; objects shared by the layers of a pass are recognised without comparison."""
        return all(_same(getattr(self, each.name), getattr(other, each.name)) for each in fields(self))

    def first_token(self, batch: int) -> Int[Tensor, " batch"]:
        """The key of each text's first token `(batch,)`, below 0 where a cache has dropped it."""
        first = torch.zeros(1, dtype=torch.long, device=self.ids.device) if self.first is None else self.first
        return first.expand(batch)

    def of_first(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        """The first token's key `(batch,)`, which queries see it, and whose block it shares `(batch, queries)`."""
        first = self.first_token(batch)
        held, each = first.clamp(min=0), torch.arange(batch, device=first.device)
        seen = (first >= 0).unsqueeze(1).expand(batch, self.own.shape[1])
        if self.visible is not None:
            seen = seen & self.visible.expand(batch, -1, -1)[each, :, held]
        return held, seen, self.own == self.ids.expand(batch, -1)[each, held].unsqueeze(1)

    def counts(self, batch: int) -> tuple[Int[Tensor, "batch queries"], Int[Tensor, "batch queries"]]:
        """Numbers of visible keys `n`, and of those in the query's block `m`, both `(batch, queries)`; 0 at padding."""
        if self.visible is None:
            n, m = visible_counts(self.ids)
        else:
            n = self.visible.sum(-1)
            # One sequence at a time: the comparison is as large as the mask.
            m = torch.stack([self._in_block(index) for index in range(max(map(len, (self.own, self.ids, n))))])
        n, m = (each.expand(batch, -1) for each in (n, m))
        if self.real is None:
            return n, m
        return n * self.real, m * self.real

    def _in_block(self, index: int) -> Tensor:
        own, ids, visible = self.of_sequence(index)
        assert visible is not None
        return ((own[:, None] == ids) & visible).sum(-1)


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    if one is other:
        return True
    return one is not None and other is not None and torch.equal(one, other)
