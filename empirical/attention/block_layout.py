"""Block-local attention: the tokens of each block become a short sequence.

Blocks of similar length form one batch `(blocks, heads, length, head)`; causal attention on it is attention
restricted to the block. Fixed windows are a view of the states. Any other blocks, also non-contiguous ones, are
gathered; lengths in one batch differ by at most a factor of 2, so padding at most doubles the work. Padding follows
a block's last token, where causality hides it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from empirical.attention.blocks import block_runs, visible_counts


@dataclass(frozen=True)
class Windows:
    """`count` consecutive windows of `size` tokens of every sequence, from token `start`."""

    start: int
    count: int
    size: int

    def take(self, states: Shaped[Tensor, "batch heads tokens *rest"]) -> Shaped[Tensor, "blocks heads length *rest"]:
        """`(batch, heads, tokens, ...)` as `(batch * count, heads, size, ...)`; a view where strides allow."""
        part = states.transpose(1, 2)[:, self.start : self.start + self.count * self.size]
        return part.reshape(-1, self.size, *part.shape[2:]).transpose(1, 2)

    def put(
        self, states: Shaped[Tensor, "batch heads tokens *rest"], found: Shaped[Tensor, "blocks heads length *rest"]
    ) -> None:
        """Write `take`'s inverse into `states`."""
        part = states.transpose(1, 2)[:, self.start : self.start + self.count * self.size]
        part.copy_(found.transpose(1, 2).reshape(part.shape))


@dataclass(frozen=True)
class Gathered:
    """Blocks of arbitrary tokens: `places` in the flat batch `(blocks, length)`; `real` is False at padding."""

    places: Int[Tensor, "blocks length"]
    real: Bool[Tensor, "blocks length"]

    def take(self, states: Shaped[Tensor, "batch heads tokens *rest"]) -> Shaped[Tensor, "blocks heads length *rest"]:
        """`(batch, heads, tokens, ...)` as `(blocks, heads, length, ...)`, padded with zeros.

        The zeros keep padded queries from sending gradients to their block's keys.
        """
        found = states.transpose(1, 2).flatten(0, 1)[self.places]
        found[~self.real] = 0
        return found.transpose(1, 2)

    def put(
        self, states: Shaped[Tensor, "batch heads tokens *rest"], found: Shaped[Tensor, "blocks heads length *rest"]
    ) -> None:
        """Write everything but padding back to `states`, which are stored with tokens before heads."""
        flat = states.transpose(1, 2).flatten(0, 1)
        flat[self.places[self.real]] = found.transpose(1, 2)[self.real]


@dataclass(frozen=True)
class Layout:
    """All blocks of a batch of sequences, as batches of blocks `parts`.

    `alone` `(batch or 1, tokens)` marks queries that see no key off their block.
    """

    parts: tuple[Windows | Gathered, ...]
    alone: Bool[Tensor, "#batch tokens"]

    @classmethod
    def of_windows(cls, tokens: int, size: int, device: torch.device) -> Layout:
        """Windows of `size` tokens; the last one may be shorter."""
        whole, rest = divmod(tokens, size)
        parts = [Windows(0, whole, size)] if whole else []
        if rest:
            parts.append(Windows(whole * size, 1, rest))
        return cls(tuple(parts), (torch.arange(tokens, device=device) < size).unsqueeze(0))

    @classmethod
    def of_ids(cls, ids: Int[Tensor, "batch tokens"]) -> Layout:
        """Blocks from the ids `(batch, tokens)` of every sequence."""
        batch, tokens = ids.shape
        order, begins = block_runs(ids)
        place = torch.arange(tokens, device=ids.device).expand_as(ids)
        sequence, first = (begins == place).nonzero(as_tuple=True)
        start = sequence * tokens + first
        length = torch.diff(start, append=start.new_tensor([batch * tokens]))
        sorted_places = (order + tokens * torch.arange(batch, device=ids.device).unsqueeze(1)).flatten()
        parts = []
        for chosen in by_length(length):
            inner = torch.arange(int(length[chosen].max()), device=ids.device)
            real = inner < length[chosen].unsqueeze(1)
            places = start[chosen].unsqueeze(1) + inner.where(real, 0)
            parts.append(Gathered(sorted_places[places], real))
        n, m = visible_counts(ids)
        return cls(tuple(parts), m == n)

    def each(
        self, compute: Callable[..., Sequence[Tensor]], *states: Shaped[Tensor, "batch heads tokens ..."]
    ) -> tuple[Shaped[Tensor, "batch heads tokens ..."], ...]:
        """Results of `compute` on each batch of blocks, reassembled as `(batch, heads, tokens, ...)`.

        `states` are `(batch, heads, tokens, ...)`. Differentiable if `compute` is.
        """
        batch, heads, tokens = states[0].shape[:3]
        whole: list[Tensor] = []
        for part in self.parts:
            found = compute(*(part.take(each) for each in states))
            if isinstance(part, Windows) and len(self.parts) == 1:
                shapes = [(batch, tokens, *each.transpose(1, 2).shape[2:]) for each in found]
                return tuple(
                    each.transpose(1, 2).reshape(shape).transpose(1, 2)
                    for each, shape in zip(found, shapes, strict=True)
                )
            if not whole:
                whole = [each.new_empty(batch, tokens, heads, *each.shape[3:]).transpose(1, 2) for each in found]
            for into, each in zip(whole, found, strict=True):
                part.put(into, each)
        return tuple(whole)


def by_length(lengths: Int[Tensor, " blocks"]) -> list[Bool[Tensor, " blocks"]]:
    """Masks that divide blocks into groups whose `lengths`, from 1, differ by at most a factor of 2; shortest first."""
    scale = lengths.double().log2().ceil()
    return [scale == each for each in sorted(set(scale.tolist()))]
