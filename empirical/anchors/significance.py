"""Permutation p-values of the mutual information between a token's presence in a block and the block's label.

A permutation gives the labels to the blocks at random. The counts of a token that occurs in `n` blocks are then those
of the labels of `n` random blocks, whichever they are. So one shuffled list of labels serves every token: its first `n`
entries are such a draw, and the cost does not depend on the number of tokens.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import xlogy

from theory.errors import DomainError

Whole = NDArray[np.int64]
Floats = NDArray[np.float64]

# Numbers in one batch of permutations: few enough for the processor's cache.
_BATCH = 2**18


def label_counts(presence: csr_array, labels: Whole, number: int) -> Whole:
    """In how many blocks of each label each token occurs, `(tokens, labels)`."""
    one_hot = csr_array((np.ones_like(labels), (np.arange(len(labels)), labels)), (len(labels), number))
    return np.asarray((presence.T @ one_hot).toarray(), dtype=np.int64)


def permutations_needed(tests: int, level: float) -> int:
    """Fewest permutations with which a single one of `tests` tokens can reach the level after the correction.

    >>> permutations_needed(tests=100, level=0.05)
    1999
    """
    found = max(1, int(np.ceil(tests / level)) - 1)
    # Rounding can put the corrected p-value above a level that it equals.
    while tests * (1 / (found + 1)) > level:
        found += 1
    return found


def check_permutations(permutations: int, level: float) -> None:
    """Raise DomainError if even the smallest p-value, uncorrected, is above the level."""
    if permutations < 1 or 1 / (permutations + 1) > level:
        raise DomainError(
            f"permutations {permutations} must be at least {permutations_needed(1, level)}: the smallest p-value is 1 "
            f"over their number and one more, and must not be above the level {level:g}"
        )


def permutation_p_values(counts: Whole, labels: Whole, permutations: int, rng: np.random.Generator) -> Floats:
    """For each token, `(1 + permutations at least as informative) / (1 + permutations)`.

    `counts` are those of `label_counts`. If presence does not depend on the labels, a p-value is at most `x` with
    probability at most `x`, for any number of permutations.
    """
    totals = np.bincount(labels, minlength=counts.shape[1])
    table = _scores(totals)
    each_label = np.arange(len(totals))
    measured = table[each_label, counts].sum(1)
    # Twice the rounding error of a score: an equal score that rounding puts below counts as informative.
    blocks = len(labels)
    measured -= 2 * (2 * len(totals) + 8) * np.finfo(float).eps * xlogy(blocks, blocks)
    sizes, group = np.unique(counts.sum(1), return_inverse=True)
    exceeding = np.zeros(len(counts), dtype=np.int64)
    members = [np.flatnonzero(group == index) for index in range(len(sizes))]
    batch = max(1, _BATCH // max(blocks, sizes.size * len(totals)))
    for start in range(0, permutations, batch):
        drawn = _drawn_counts(labels, sizes, len(totals), min(batch, permutations - start), rng)
        scores = np.sort(table[each_label, drawn].sum(-1), axis=0)
        for index, tokens in enumerate(members):
            exceeding[tokens] += len(scores) - np.searchsorted(scores[:, index], measured[tokens], side="left")
    found: Floats = (1 + exceeding) / (1 + permutations)
    return found


def _scores(totals: Whole) -> Floats:
    """What a count `c` of each label adds to the score, `c log c + (N - c) log(N - c)`; `(labels, largest N + 1)`.

    For a token in a given number of blocks, mutual information rises with the sum over the labels: it is the sum over
    the number of blocks, up to terms that no permutation changes.
    """
    counts = np.arange(totals.max() + 1)
    rest = np.maximum(totals[:, None] - counts, 0)
    found: Floats = xlogy(counts, counts) + xlogy(rest, rest)
    return found


def _drawn_counts(labels: Whole, sizes: Whole, number: int, draws: int, rng: np.random.Generator) -> Whole:
    """Labels among the first `n` of a shuffled list, for each `n` of `sizes`: `(draws, sizes, labels)`."""
    largest = int(sizes[-1])
    shuffled = rng.permuted(np.broadcast_to(labels, (draws, len(labels))), axis=1)[:, :largest]
    # Entry i counts from the first size above i on.
    step = np.searchsorted(sizes, np.arange(largest), side="right")
    place = (np.arange(draws)[:, None] * len(sizes) + step) * number + shuffled
    found = np.bincount(place.ravel(), minlength=draws * len(sizes) * number)
    counts: Whole = found.reshape(draws, len(sizes), number).cumsum(1)
    return counts
