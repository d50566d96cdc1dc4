"""Kinds of blocks: how a text's tokens are divided, from their positions or from the tokens themselves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Int
from torch import Tensor

from empirical.attention.blocks import check_ids
from theory.errors import DomainError

# Beyond every length and vocabulary.
_MOST = 2**31


class Blocks(Protocol):
    """A division of texts into blocks."""

    @property
    def needs_tokens(self) -> bool:
        """Whether the blocks depend on the tokens."""

    @property
    def window(self) -> int | None:
        """Length of fixed windows, None for other blocks."""

    def of(
        self, tokens: Int[Tensor, "#batch keys"] | None, positions: Int[Tensor, "#batch keys"]
    ) -> Int[Tensor, "#batch keys"]:
        """Block ids of the keys `(batch or 1, keys)`, from their tokens and positions of the same shape.

        The position of padding is -1, or that of the token before it; its id is never used. Raises DomainError.
        """


@dataclass(frozen=True)
class WindowBlocks:
    """Consecutive windows of `size` tokens from each text's first token."""

    size: int
    needs_tokens = False

    def __post_init__(self) -> None:
        if not isinstance(self.size, int) or isinstance(self.size, bool) or not 1 <= self.size < _MOST:
            raise DomainError(f"block {self.size!r} must be an integer from 1 to {_MOST - 1}")

    @property
    def window(self) -> int:
        """The length of a window."""
        return self.size

    def of(
        self, tokens: Int[Tensor, "#batch keys"] | None, positions: Int[Tensor, "#batch keys"]
    ) -> Int[Tensor, "#batch keys"]:
        """Block ids from the positions."""
        return positions.clamp(min=0).div(self.size, rounding_mode="floor")


@dataclass(frozen=True)
class GivenBlocks:
    """Block ids `(batch or 1, tokens)` chosen by the user, for texts of at most that many tokens."""

    ids: Tensor
    needs_tokens = False
    window = None

    def __post_init__(self) -> None:
        check_ids(self.ids)

    def of(
        self, tokens: Int[Tensor, "#batch keys"] | None, positions: Int[Tensor, "#batch keys"]
    ) -> Int[Tensor, "#batch keys"]:
        """The ids of the tokens so far."""
        keys = positions.shape[1]
        if self.ids.shape[1] < keys:
            raise DomainError(
                f"block ids of shape {tuple(self.ids.shape)} do not fit {len(positions)} sequences of {keys} tokens"
            )
        return self.ids[:, :keys].to(positions.device)


@dataclass(frozen=True)
class TokenBlocks:
    """Blocks that begin at certain tokens, such as the first of a chat turn, or after them, such as a full stop."""

    tokens: frozenset[int]
    after: bool = False
    needs_tokens = True
    window = None

    @classmethod
    def starting_at(cls, tokens: Collection[int]) -> TokenBlocks:
        """Blocks that begin with one of these tokens: chat turns, documents. Raises DomainError for no token."""
        return cls(_some(tokens))

    @classmethod
    def ending_at(cls, tokens: Collection[int]) -> TokenBlocks:
        """Blocks that end with one of these tokens: sentences, lines. Raises DomainError for no token."""
        return cls(_some(tokens), after=True)

    def of(
        self, tokens: Int[Tensor, "#batch keys"] | None, positions: Int[Tensor, "#batch keys"]
    ) -> Int[Tensor, "#batch keys"]:
        """The number of block starts up to each token."""
        if tokens is None:
            raise DomainError("blocks that follow the text need input_ids")
        chosen = torch.tensor(sorted(self.tokens), device=tokens.device)
        starts = torch.isin(tokens, chosen)
        if self.after:
            starts = torch.nn.functional.pad(starts, (1, 0))[:, :-1]
        return starts.long().cumsum(-1)


def chosen_blocks(block: int | None, blocks: Blocks | Tensor | None) -> Blocks:
    """Windows of `block` tokens, or `blocks`: ids or a kind. Raises DomainError unless exactly one is given."""
    if (block is None) == (blocks is None):
        raise DomainError("say what a block is: either block, the length of a window, or blocks")
    if block is not None:
        return WindowBlocks(block)
    if isinstance(blocks, Tensor):
        return GivenBlocks(blocks)
    if blocks is None or not hasattr(blocks, "needs_tokens"):
        raise DomainError(f"blocks must be a tensor of ids or a kind of blocks, found {type(blocks).__name__}")
    return blocks


def _some(tokens: Collection[int]) -> frozenset[int]:
    try:
        found = list(tokens)
    except TypeError as error:
        raise DomainError(f"tokens {tokens!r} must be a collection of token ids") from error
    if not found:
        raise DomainError("no token is given: no block would end")
    for token in found:
        if not isinstance(token, int) or isinstance(token, bool) or not 0 <= token < _MOST:
            raise DomainError(f"token {token!r} must be an integer from 0 to {_MOST - 1}")
    return frozenset(found)
