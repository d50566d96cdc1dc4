"""Chooses anchor tokens on one half of a text's blocks and confirms them on the other.

The halves are drawn at random, label by label, without a look at the tokens. On the first half every token that occurs
in enough blocks is tested, with Benjamini and Hochberg's correction; on the second half only the chosen ones are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import rel_entr
from scipy.stats import false_discovery_control

from empirical.anchors.labelled import LabelledBlocks
from empirical.anchors.significance import (
    check_permutations,
    label_counts,
    permutation_p_values,
    permutations_needed,
)
from theory.errors import DomainError
from theory.numbers.anchor_bounds import presence_information

Whole = NDArray[np.int64]
Floats = NDArray[np.float64]

# Below it the permutations needed are too many to make.
LEAST_LEVEL = 1e-9
# Permutations made unasked; more are made only if the user names their number.
MOST_PERMUTATIONS = 10**7


@dataclass(frozen=True)
class HalfTest:
    """What one half of the blocks says of some tokens: `counts` `(tokens, labels)`, information in nats, p-values."""

    counts: Whole
    totals: Whole
    information: Floats
    p: Floats
    corrected: Floats

    @property
    def labels(self) -> Whole:
        """For each token the label whose blocks contain it most often, as a share of them."""
        return np.asarray((self.counts / self.totals).argmax(1))

    def of(self, rows: Whole) -> HalfTest:
        """The same test of some of the tokens."""
        return HalfTest(self.counts[rows], self.totals, self.information[rows], self.p[rows], self.corrected[rows])


@dataclass(frozen=True)
class Pointer:
    """Points at the label of the most informative anchor in a block; what it achieves on the second half.

    `error` is its share of wrong answers, no answer among them, and `information`, in nats, that of its answer and the
    label.
    """

    error: float
    information: float


@dataclass(frozen=True)
class Choice:
    """The tested tokens, the chosen ones, the most informative first, and the two tests of the chosen ones.

    `confirmed` says which have a corrected p-value of at most the level on the second half too, for the same label.
    """

    tested: int
    permutations: int
    tokens: Whole
    first: HalfTest
    second: HalfTest
    confirmed: NDArray[np.bool_]
    pointer: Pointer | None


def choose(
    blocks: LabelledBlocks, *, level: float, least: int, most: int, permutations: int | None, seed: int
) -> Choice:
    """At most `most` anchors per label among the tokens of at least `least` blocks of the first half.

    `permutations` None takes the fewest with which a single token can be chosen. Raises DomainError.
    """
    _check(level, least, most, seed)
    split, first_draws, second_draws = np.random.default_rng(seed).spawn(3)
    one, two = halves(blocks.labels, split)
    tested = np.flatnonzero(blocks.presence[one].sum(0) >= least)
    if not tested.size:
        raise DomainError(f"no token occurs in {least} of the {len(one)} blocks that choose: give a smaller --least")
    drawn = permutations_needed(len(tested), level) if permutations is None else permutations
    if permutations is None and drawn > MOST_PERMUTATIONS:
        raise DomainError(
            f"level {level:g} for {len(tested)} tested tokens takes {drawn} permutations to choose a single one: give "
            "a larger --level or --least, or say how many with --permutations"
        )
    check_permutations(drawn, level)
    everywhere = half_test(blocks, one, tested, drawn, first_draws)
    ranked = _ranked(everywhere, level, most)
    first = everywhere.of(ranked)
    tokens = tested[ranked]
    second = half_test(blocks, two, tokens, drawn, second_draws)
    confirmed = (second.corrected <= level) & (second.labels == first.labels)
    answer = _pointer(blocks, two, tokens, first.labels) if tokens.size else None
    return Choice(len(tested), drawn, tokens, first, second, confirmed, answer)


def halves(labels: Whole, rng: np.random.Generator) -> tuple[Whole, Whole]:
    """Two halves of the blocks at random; the blocks of each label are divided evenly, up to one."""
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    return order[0::2], order[1::2]


def half_test(
    blocks: LabelledBlocks, chosen: Whole, tokens: Whole, permutations: int, rng: np.random.Generator
) -> HalfTest:
    """The test of these tokens on the chosen blocks."""
    labels = blocks.labels[chosen]
    totals = np.bincount(labels, minlength=len(blocks.names))
    counts = label_counts(blocks.presence[chosen][:, tokens], labels, len(totals))
    if not tokens.size:
        nothing = np.zeros(0)
        return HalfTest(counts, totals, nothing, nothing, nothing)
    p = permutation_p_values(counts, labels, permutations, rng)
    return HalfTest(counts, totals, np.asarray(presence_information(counts, totals)), p, false_discovery_control(p))


def _check(level: float, least: int, most: int, seed: int) -> None:
    if not LEAST_LEVEL <= level < 1:
        raise DomainError(f"level {level:g} must lie in [{LEAST_LEVEL:g}, 1)")
    for name, value in (("least", least), ("most", most)):
        if value < 1:
            raise DomainError(f"{name} {value} must be at least 1")
    if not 0 <= seed < 2**32:
        raise DomainError(f"seed {seed} must lie in [0, 2^32)")


def _ranked(test: HalfTest, level: float, most: int) -> Whole:
    """Tokens whose corrected p-value is at most the level, by falling information, at most `most` per label."""
    order = np.argsort(-test.information, kind="stable")
    order = order[test.corrected[order] <= level]
    labels = test.labels[order]
    rank = np.zeros(len(order), dtype=np.int64)
    for label in np.unique(labels):
        rank[labels == label] = np.arange(np.count_nonzero(labels == label))
    return np.asarray(order[rank < most])


def _pointer(blocks: LabelledBlocks, chosen: Whole, tokens: Whole, labels: Whole) -> Pointer:
    present = csr_array(blocks.presence[chosen][:, tokens]).toarray() > 0
    number = len(blocks.names)
    # One answer more than there are labels: none.
    answers = np.where(present.any(1), labels[present.argmax(1)], number)
    truth = blocks.labels[chosen]
    joint = np.zeros((number, number + 1))
    np.add.at(joint, (truth, answers), 1 / len(truth))
    product = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    information = max(0.0, float(rel_entr(joint, product).sum()))
    return Pointer(float((answers != truth).mean()), information)
