"""Segments of a text that grows token by token: a change is found as tokens arrive, and no token is relabelled.

A new block begins where the block so far is better described as two: where some split lowers its cost by more than a
penalty. The cost of tokens with unit embeddings `x` is `n - |sum x|^2 / n`, that of `ruptures`' cosine kernel. A change
can be seen only after it, so a block begins some tokens later than in `segments.change_points`, which knows the whole
text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from theory.errors import DomainError

# Tokens on either side of a split.
LEAST = 2
# Halvings of the range of penalties.
_HALVINGS = 20


class GrowingSegments:
    """Block ids of a growing text's tokens, from their `embedding` `(vocabulary, width)` and the penalty of a split."""

    def __init__(self, embedding: Float[Tensor, "vocabulary width"], penalty: float) -> None:
        self._directions = np.asarray(normalize(embedding.detach().double().cpu(), dim=1).numpy())
        self._penalty = penalty
        self._block, self._count = 0, 0
        # Sums of the directions of the current block's first tokens, from none on, and their squared lengths.
        self._sums = np.zeros((64, self._directions.shape[1]))
        self._squares = np.zeros(64)

    def extend(self, tokens: Sequence[int]) -> list[int]:
        """Block ids of the next tokens."""
        found = []
        for token in tokens:
            self._add(token)
            if self._largest_gain() > self._penalty:
                self._block, self._count = self._block + 1, 0
                self._add(token)
            found.append(self._block)
        return found

    def _add(self, token: int) -> None:
        if self._count + 1 == len(self._sums):
            self._sums = np.concatenate((self._sums, np.zeros_like(self._sums)))
            self._squares = np.concatenate((self._squares, np.zeros_like(self._squares)))
        self._count += 1
        self._sums[self._count] = self._sums[self._count - 1] + self._directions[token]
        self._squares[self._count] = self._sums[self._count] @ self._sums[self._count]

    def _largest_gain(self) -> float:
        """By how much the best split of the current block lowers its cost."""
        count = self._count
        if count < 2 * LEAST:
            return 0.0
        first = np.arange(LEAST, count - LEAST + 1)
        left, whole = self._squares[first], self._squares[count]
        right = left + whole - 2 * (self._sums[first[0] : first[-1] + 1] @ self._sums[count])
        return float((left / first + right / (count - first)).max() - whole / count)


def penalty_for(
    windows: Int[Tensor, "sequences context"], embedding: Float[Tensor, "vocabulary width"], size: int
) -> float:
    """The penalty with which these sequences have blocks of `size` tokens on average, or the nearest that there is.

    Raises DomainError if the sequences are too short to have two blocks.
    """
    if windows.shape[1] < 2 * LEAST:
        raise DomainError(f"sequences of {windows.shape[1]} tokens are too short for change points")
    wanted = windows.numel() / size
    low, high = 0.0, float(windows.shape[1])
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        blocks = sum(GrowingSegments(embedding, middle).extend(window)[-1] + 1 for window in windows.tolist())
        low, high = (middle, high) if blocks > wanted else (low, middle)
    return high
