"""H5's numbers: ranks and both exact bounds against sums in rationals, mpmath and scipy, and their coverage exactly."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import comb

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betainc
from scipy.stats import binom, binomtest, hypergeom
from sympy import Rational

from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.window_samples import WindowSample, beta_chance, drawn_violations, violations
from proofs_check.methods.sampling import sample
from proofs_check.methods.symbolic import check_derivation
from proofs_check.strategies import window_samples
from theory.errors import DomainError
from theory.numbers import unseen
from theory.numbers.unseen import conformal_level, conformal_rank, violation_count_max, violation_share_max
from theory.statement import Kind
from theory.statements.unseen import NONE_SEEN, UNSEEN_WINDOWS
from theory.unseen_symbols import error as letter
from theory.unseen_symbols import measured, rank

confidences = st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999999, Fraction(2, 3)])


def test_statement_is_derived_and_sampled_clean():
    assert UNSEEN_WINDOWS.kind is Kind.KNOWN
    assert check_derivation(UNSEEN_WINDOWS).verdict is Verdict.PROVED
    assert sample(UNSEEN_WINDOWS, 60).clean


@given(window_samples())
def test_numbers_are_those_of_the_statement(drawn):
    windows, error = drawn.measured, drawn.error
    assert conformal_level(windows, drawn.rank) == pytest.approx(
        float(UNSEEN_WINDOWS.clause("new window").holds.rhs.subs({measured: windows, rank: drawn.rank}))
    )
    assert violation_share_max(0, windows, 1 - error) == pytest.approx(
        float(NONE_SEEN.subs({measured: windows, letter: Rational(error.numerator, error.denominator)})), rel=1e-12
    )
    assert violation_count_max(drawn.seen, windows, drawn.population, 1 - error) == drawn._most(drawn.seen)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 63).map(lambda i: Fraction(i, 64)))
def test_instances_count_as_scipy_does(one, other, share):
    assert float(beta_chance(one, other, share)) == pytest.approx(betainc(one, other, float(share)), rel=1e-12)
    for hits, chance in enumerate(violations([1] * one, share)):
        assert float(chance) == pytest.approx(binom.pmf(hits, one, float(share)), rel=1e-11)
    for hits, chance in enumerate(drawn_violations(one, one + other, min(one, other))):
        assert float(chance) == pytest.approx(hypergeom.pmf(hits, one + other, one, min(one, other)), rel=1e-11)


def test_rows_counted_as_independent_miss_the_confidence():
    # One window of 64 rows that violate together tells of one unit, not of 64: no violation has probability 1 - p.
    rows, share = 64, Fraction(1, 2)
    one = WindowSample(((Fraction(0),),) * (rows + 1), (1,) * (rows + 1), 1, share, Fraction(1, 20), 0, rows, 0)
    assert one.covered() >= Fraction(19, 20)
    assert replace(one, together=rows).covered() == share
    kept = violation_share_max(0, rows, 0.95)
    assert kept < 0.05 < float(share) < violation_share_max(0, 1, 0.95)


@given(st.integers(1, 300), confidences)
def test_rank_is_the_largest_that_reaches_the_confidence(windows, confidence):
    exact = confidence if isinstance(confidence, Fraction) else Fraction(repr(confidence))
    reach = [k for k in range(1, windows + 1) if 1 - Fraction(k, windows + 1) >= exact]
    if reach:
        assert conformal_rank(windows, confidence) == max(reach)
        assert conformal_level(windows, max(reach)) == pytest.approx(float(1 - Fraction(max(reach), windows + 1)))
        return
    with pytest.raises(DomainError, match=rf"windows={windows} must be at least \d+ for a confidence") as refused:
        conformal_rank(windows, confidence)
    smallest = int(str(refused.value).split("at least ")[1].split(" ")[0])
    assert conformal_rank(smallest, confidence) == 1
    assert smallest == 1 or 1 - Fraction(1, smallest) < exact


def test_rank_reads_a_confidence_as_a_decimal():
    # As a float 0.9 is above nine tenths, which 9 windows give exactly.
    assert conformal_rank(9, 0.9) == 1
    assert conformal_rank(10**9 - 1, 0.95) == 5 * 10**7


def beta_tail(violations, windows, share):
    """P(at most so many of the independent windows violate), in rationals."""
    return sum(comb(windows, v) * share**v * (1 - share) ** (windows - v) for v in range(violations + 1))


@given(st.integers(1, 60), st.data(), confidences)
def test_share_solves_the_binomial_tail(windows, data, confidence):
    seen = data.draw(st.integers(0, windows))
    share = Fraction(float(violation_share_max(seen, windows, confidence)))
    alpha = 1 - (confidence if isinstance(confidence, Fraction) else Fraction(repr(confidence)))
    if seen == windows:
        assert share == 1
        return
    nudge = share / 10**12
    assert beta_tail(seen, windows, share - nudge) > alpha > beta_tail(seen, windows, share + nudge)
    exact = binomtest(seen, windows, alternative="less").proportion_ci(float(1 - alpha), method="exact").high
    assert float(share) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("windows", [1, 7, 10**3, 10**9, 10**12])
@pytest.mark.parametrize("confidence", [1e-9, 0.5, 0.95, 1 - 1e-12])
def test_share_without_violations_is_a_root(windows, confidence):
    with mpmath.workdps(60):
        alpha = 1 - Fraction(repr(confidence))
        exact = -mpmath.expm1(mpmath.log(mpmath.mpf(alpha.numerator) / alpha.denominator) / windows)
        error = abs(mpmath.mpf(float(violation_share_max(0, windows, confidence))) - exact)
    assert error <= 1e-12 * exact


def test_share_broadcasts_and_rises_with_violations():
    shares = violation_share_max([0, 1, 2, 10], 10, 0.95)
    assert shares.tolist() == sorted(shares)
    assert shares[-1] == 1
    assert violation_share_max(10**6 - 1, 10**6, 0.95) < 1


def draws(violations, windows, population, violating):
    """P(at most so many of the windows drawn violate), in rationals."""
    seen = range(min(violations, violating, windows) + 1)
    favourable = sum(comb(violating, v) * comb(population - violating, windows - v) for v in seen)
    return Fraction(favourable, comb(population, windows))


@given(st.integers(1, 25), st.data(), confidences)
def test_count_inverts_the_hypergeometric_tail(population, data, confidence):
    windows = data.draw(st.integers(1, population))
    seen = data.draw(st.integers(0, windows))
    alpha = 1 - (confidence if isinstance(confidence, Fraction) else Fraction(repr(confidence)))
    possible = range(seen, population - (windows - seen) + 1)
    likely = [number for number in possible if draws(seen, windows, population, number) > alpha]
    assert violation_count_max(seen, windows, population, confidence) == max(likely)


@pytest.mark.parametrize(
    ("seen", "windows", "population"), [(0, 100, 10**6), (7, 1000, 10**5), (40, 2000, 2500), (3, 5000, 5003)]
)
def test_count_matches_scipy_on_large_corpora(seen, windows, population):
    most = violation_count_max(seen, windows, population, 0.95)
    assert hypergeom.cdf(seen, population, most, windows) > 0.05 * (1 - 1e-8)
    if most < population - (windows - seen):
        assert hypergeom.cdf(seen, population, most + 1, windows) < 0.05 * (1 + 1e-8)
    # A draw without replacement tells more than independent ones.
    assert most <= violation_share_max(seen, windows, 0.95) * population


@pytest.mark.parametrize("off", [-3, 3])
def test_count_is_exact_wherever_floating_point_starts(off, monkeypatch):
    near = unseen._about
    most = violation_count_max(3, 30, 200, 0.9)
    monkeypatch.setattr(unseen, "_about", lambda *given: near(*given) + off)
    assert violation_count_max(3, 30, 200, 0.9) == most


def test_count_where_every_window_was_drawn_or_violates():
    assert violation_count_max(4, 20, 20, 0.95) == 4
    assert violation_count_max(20, 20, 20, 0.95) == 20
    assert violation_count_max(5, 5, 20, 0.95) == 20


def share_coverage(windows, share, bound):
    """Probability that the bound is at least the share, over the violations that independent windows have."""
    chances = (comb(windows, v) * share**v * (1 - share) ** (windows - v) for v in range(windows + 1))
    return sum(p for v, p in enumerate(chances) if Fraction(float(bound(v))) >= share)


@pytest.mark.parametrize("windows", [1, 5, 12])
def test_share_covers_at_the_confidence_and_one_violation_fewer_does_not(windows):
    # Off the bounds themselves, which are attained up to rounding.
    shares = [Fraction(i, 499) for i in range(1, 499)]
    for share in shares:
        assert share_coverage(windows, share, lambda v: violation_share_max(v, windows, 0.95)) >= Fraction(95, 100)
    assert any(
        share_coverage(windows, share, lambda v: violation_share_max(max(v - 1, 0), windows, 0.95)) < Fraction(95, 100)
        for share in shares
    )


@pytest.mark.parametrize(("windows", "population"), [(1, 4), (5, 12), (12, 30)])
def test_count_covers_at_the_confidence(windows, population):
    bounds = [violation_count_max(v, windows, population, 0.9) for v in range(windows + 1)]
    for violating in range(population + 1):
        kept = Fraction(0)
        for seen in range(min(windows, violating) + 1):
            ways = comb(violating, seen) * comb(population - violating, windows - seen)
            kept += Fraction(ways, comb(population, windows)) if bounds[seen] >= violating else 0
        assert kept >= Fraction(9, 10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conformal_level(10, 11), "rank=11 must be at most windows=10"),
        (lambda: conformal_level(10, 0), "rank=0 must be at least 1"),
        (lambda: conformal_rank(18, 0.95), "windows=18 must be at least 19 for a confidence of 0.95"),
        (lambda: conformal_rank(18, 1.0), r"confidence=1 must lie in \(0, 1\)"),
        (lambda: violation_share_max(11, 10, 0.95), "violations=11 must be at most the number of windows"),
        (lambda: violation_share_max(-1, 10, 0.95), "violations=-1 must be at least 0"),
        (lambda: violation_share_max(1, 10, 0), r"confidence=0 must lie in \(0, 1\)"),
        (lambda: violation_count_max(0, 11, 10, 0.95), "windows=11 must be at most population=10"),
        (lambda: violation_count_max(6, 5, 10, 0.95), "violations=6 must be at most windows=5"),
        (lambda: violation_count_max(0.5, 5, 10, 0.95), "violations=0.5 must be an integer"),
    ],
)
def test_errors_name_the_value_and_the_rule(call, message):
    with pytest.raises(DomainError, match=message):
        call()
