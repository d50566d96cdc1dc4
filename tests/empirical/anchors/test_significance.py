"""Permutation p-values agree with an enumeration of all arrangements, and see planted errors."""

import itertools

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import binom, entropy, false_discovery_control
from scipy.stats.contingency import crosstab

from empirical.anchors import significance
from empirical.anchors.significance import (
    check_permutations,
    label_counts,
    permutation_p_values,
    permutations_needed,
)
from theory.errors import DomainError
from theory.numbers.anchor_bounds import presence_information

DRAWS = 20000
# Labels of the blocks, and the blocks that a token is in. Equal totals give equal information in several orders.
CASES = {
    "two labels": ([0, 0, 0, 0, 1, 1, 1, 1], [0, 1, 2, 4]),
    "uneven": ([0, 0, 0, 0, 0, 1, 1, 2, 2, 2], [5, 6, 0]),
    "ties": ([0] * 4 + [1] * 4 + [2] * 4, [0, 1, 4, 5, 6, 8]),
    "everywhere": ([0, 0, 1, 1], [0, 1, 2, 3]),
    "nowhere": ([0, 0, 1, 1], []),
}


def information(present, labels):
    """Mutual information in nats as a difference of entropies, from scipy's contingency table."""
    table = crosstab(present, labels).count
    return entropy(table.sum(0)) + entropy(table.sum(1)) - entropy(table.ravel())


def indicator(blocks, chosen):
    return np.isin(np.arange(blocks), chosen).astype(np.int64)


def exact_p(labels, chosen):
    """Share of all placements of the token that are at least as informative as this one."""
    measured = information(indicator(len(labels), chosen), labels)
    placements = itertools.combinations(range(len(labels)), len(chosen))
    found = [information(indicator(len(labels), each), labels) >= measured - 1e-9 for each in placements]
    return np.mean(found)


def counted(labels, chosen):
    present = csr_array(indicator(len(labels), chosen)[:, None])
    return label_counts(present, np.array(labels), max(labels) + 1)


def agrees(labels, chosen):
    """Whether the count behind the p-value is one that a binomial of the exact p-value gives, up to 1e-9 a side."""
    p = permutation_p_values(counted(labels, chosen), np.array(labels), DRAWS, np.random.default_rng(5))
    exceeding = round(p[0] * (DRAWS + 1)) - 1
    exact = exact_p(labels, chosen)
    return binom.cdf(exceeding, DRAWS, exact) > 1e-9 and binom.sf(exceeding - 1, DRAWS, exact) > 1e-9


@pytest.mark.parametrize("case", CASES)
def test_p_values_are_those_of_all_arrangements(case):
    assert agrees(*CASES[case])


def with_replacement(labels, sizes, number, draws, rng):
    drawn = rng.choice(labels, size=(draws, int(sizes[-1])))
    one_hot = np.eye(number, dtype=np.int64)[drawn].cumsum(1)
    return one_hot[:, sizes - 1]


def unshuffled(labels, sizes, number, draws, rng):
    return np.broadcast_to(np.eye(number, dtype=np.int64)[labels].cumsum(0)[sizes - 1], (draws, len(sizes), number))


@pytest.mark.parametrize(
    ("name", "planted", "case"),
    [
        ("_drawn_counts", with_replacement, "two labels"),
        ("_drawn_counts", unshuffled, "uneven"),
        # Half of the sum: the blocks without the token are forgotten.
        ("_scores", lambda totals: np.tile(np.arange(totals.max() + 1.0) ** 2, (len(totals), 1)), "uneven"),
    ],
)
def test_planted_errors_are_seen(monkeypatch, name, planted, case):
    monkeypatch.setattr(significance, name, planted)
    assert not agrees(*CASES[case])


def test_lost_ties_are_seen(monkeypatch):
    scores = significance._scores
    # Rounds each label's scores in its own way, beyond what the comparison allows for.
    monkeypatch.setattr(
        significance, "_scores", lambda totals: scores(totals) * np.array([[1 - 1e-9], [1], [1 + 1e-9]])
    )
    assert not agrees(*CASES["ties"])


def test_batches_do_not_change_the_law(monkeypatch):
    monkeypatch.setattr(significance, "_BATCH", 100)
    assert agrees(*CASES["uneven"])


def test_information_is_that_of_scipy():
    rng = np.random.default_rng(1)
    labels = rng.integers(3, size=50)
    presence = (rng.random((50, 20)) < 0.3).astype(np.int64)
    counts = label_counts(csr_array(presence), labels, 3)
    assert counts.tolist() == [[int(column[labels == each].sum()) for each in range(3)] for column in presence.T]
    found = presence_information(counts, np.bincount(labels))
    np.testing.assert_allclose(found, [information(column, labels) for column in presence.T], rtol=0, atol=1e-14)
    # The check sees a wrong label of one block.
    labels[0] = (labels[0] + 1) % 3
    assert np.abs(found - [information(column, labels) for column in presence.T]).max() > 1e-4


def test_the_score_orders_as_information_does():
    labels = np.array([0] * 5 + [1] * 3 + [2] * 4)
    table = significance._scores(np.bincount(labels))
    placed = [counted(labels, each)[0] for each in itertools.combinations(range(12), 4)]
    scores = [table[[0, 1, 2], each].sum() for each in placed]
    nats = presence_information(placed, np.bincount(labels))
    # Up to what no arrangement changes, blocks times information.
    assert np.ptp(np.array(scores) - len(labels) * nats) < 1e-12


def test_smallest_p_value_is_one_over_the_draws_and_one():
    labels = np.array([0] * 20 + [1] * 20)
    p = permutation_p_values(counted(labels, range(20)), labels, 99, np.random.default_rng(0))
    assert p.tolist() == [1 / 100]


def test_permutations_needed_lets_a_single_token_reach_the_level():
    # At 0.3 and 3 tests, and at 0.01 and 1307, the fewest of exact arithmetic round to a p-value above the level.
    for level, tests in [(0.05, 1), (0.05, 7), (0.05, 1000), (0.3, 3), (0.01, 1307), (0.9, 1)]:
        needed = permutations_needed(tests, level)
        p = np.ones(tests)
        p[0] = 1 / (needed + 1)
        assert false_discovery_control(p)[0] <= level
        p[0] = 1 / (needed - 1) if needed > 1 else 1
        assert tests * p[0] > level


@pytest.mark.parametrize("permutations", [0, -1, 18])
def test_too_few_permutations_are_refused(permutations):
    with pytest.raises(DomainError, match=f"permutations {permutations} must be at least 19: the smallest p-value"):
        check_permutations(permutations, 0.05)
    check_permutations(19, 0.05)
