"""E4: a checker replaced while running against its times one by one, and the measured bound against scipy."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.rules import Checker, Situation, Version
from proofs_check.methods.sampling import sample
from proofs_check.methods.symbolic import check_derivation
from theory.errors import DomainError
from theory.numbers.rule_bounds import expected_fidelity, mean_fidelity_min, measured_fidelity_min
from theory.numbers.unseen import violation_share_max
from theory.statements.rules import RELOADED_CHECKER


def test_statement_is_derived_and_sampled_clean():
    assert check_derivation(RELOADED_CHECKER).verdict is Verdict.PROVED
    assert sample(RELOADED_CHECKER, 60).clean


shares = st.integers(0, 64).map(lambda i: i / 64)


@given(st.lists(st.tuples(shares, shares, st.integers(1, 9)), min_size=1, max_size=5))
def test_mean_is_that_of_the_times_one_by_one(versions):
    promises, missed, times = zip(*versions, strict=True)
    at_work = [expected_fidelity(q, f) for f, q, time in versions for _ in range(time)]
    assert mean_fidelity_min(promises, missed, times) == pytest.approx(np.mean(at_work), rel=1e-12, abs=1e-300)


def test_last_misses_are_not_the_mean():
    missed = [0.5, 0.0]
    assert mean_fidelity_min(0.5, missed, times=[3, 1]) == 0.5 * (1 - 0.375)
    assert mean_fidelity_min(0.5, missed[-1]) == 0.5


def test_misses_that_vanish_leave_the_promise():
    for start in (1, 100):
        means = [mean_fidelity_min(0.5, [1.0, 0.0], times=[start, later]) for later in (10, 10**4, 10**8)]
        assert means == sorted(means)
        assert 0.5 - means[-1] <= start / 10**8


def test_times_of_any_size_keep_their_mean():
    assert mean_fidelity_min(0.5, [0.5, 0.0], times=[1e308, 1e308]) == 0.375


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 400)), min_size=1, max_size=6), st.sampled_from([0.5, 0.95])
)
def test_versions_share_the_error(counts, confidence):
    misses, cases = np.transpose([(min(seen, number), number) for seen, number in counts])
    found = measured_fidelity_min(0.9, misses, cases, confidence)
    assert found.each == 1 - (1 - Fraction(repr(confidence))) / len(counts)
    tests = [binomtest(int(x), int(n), alternative="less") for x, n in zip(misses, cases, strict=True)]
    bounds = [test.proportion_ci(float(found.each), method="exact").high for test in tests]
    assert found.missed == pytest.approx(bounds, rel=1e-8)
    assert found.at_least == pytest.approx(mean_fidelity_min(0.9, bounds), rel=1e-8)


def covered(misses, cases, bounds_at):
    """Probability that all bounds are at least the versions' misses, the samples independent."""
    chances = [sum(binom.pmf(x, cases, q) for x in range(cases + 1) if bounds_at(x) >= q) for q in misses]
    return np.prod(chances)


def test_bounds_cover_together_and_do_not_if_the_error_is_not_split():
    cases = 40
    for q in np.linspace(0.01, 0.6, 60):
        misses = (q, q, q)
        split = [float(measured_fidelity_min(1, [x, 0, 0], [cases] * 3, 0.9).missed[0]) for x in range(cases + 1)]
        assert covered(misses, cases, split.__getitem__) >= 0.9
    # Each bound at the whole error: just below a bound, each is missed by nearly a tenth of the samples.
    whole = [float(violation_share_max(x, cases, 0.9)) for x in range(cases + 1)]
    assert covered((whole[2] + 1e-9,) * 3, cases, whole.__getitem__) < 0.75


def test_measured_fidelity_holds_at_the_confidence():
    # Every outcome of both samples, with its probability.
    cases, misses, times, promise = (6, 9), (0.4, 0.15), (1, 3), 0.8
    truth = mean_fidelity_min(promise, misses, times)
    kept = 0.0
    for seen in product(*(range(number + 1) for number in cases)):
        chance = np.prod(binom.pmf(seen, cases, misses))
        kept += chance * (measured_fidelity_min(promise, seen, cases, 0.8, times).at_least <= truth)
    assert kept >= 0.8


def test_instances_fail_as_often_as_scipy_says():
    situations = (Situation(3, True, Fraction(1, 2), Fraction(1)), Situation(1, False, Fraction(0), Fraction(1)))
    for error in (Fraction(1, 3), Fraction(1, 20)):
        version = Version(Checker(situations), 1, 6, error, Fraction(0))
        bounds = violation_share_max(np.arange(7), 6, 1 - error)
        below = sum(binom.pmf(x, 6, 0.25) for x in range(7) if bounds[x] < 0.25)
        assert float(version.uncovered()) == pytest.approx(below, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_fidelity_min(1.5, 0.1), r"promise=1.5 must lie in \[0, 1\]"),
        (lambda: mean_fidelity_min(0.5, [0.1, 2]), r"missed=2 must lie in \[0, 1\]"),
        (lambda: mean_fidelity_min(0.5, 0.1, 0), "times=0 must be positive"),
        (lambda: mean_fidelity_min([0.5, 0.5], [0.1] * 3), "must fit one shape"),
        (lambda: measured_fidelity_min(0.5, 3, 2, 0.9), "misses=3 must be at most the number of cases"),
        (lambda: measured_fidelity_min(0.5, -1, 2, 0.9), "misses=-1 must be at least 0"),
        (lambda: measured_fidelity_min(0.5, 0, 0, 0.9), "cases=0 must be at least 1"),
        (lambda: measured_fidelity_min(0.5, 0, 5, 1), r"confidence=1 must lie in \(0, 1\)"),
        (
            lambda: measured_fidelity_min(0.5, [0] * 64, [5] * 64, 1 - 1e-15),
            "must leave an error above 1e-16 for each of 64 versions",
        ),
    ],
)
def test_errors_name_the_value_and_the_rule(call, message):
    with pytest.raises(DomainError, match=message):
        call()
