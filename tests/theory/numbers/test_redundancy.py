"""D4: copies of an anchor against explicit rows, and `copies_allowed` against every number of copies, one by one."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy as entropy_of

from proofs_check.inequalities.verdict import Verdict
from proofs_check.methods.sampling import sample
from proofs_check.methods.symbolic import check_derivation
from theory.errors import DomainError
from theory.numbers.anchor_bounds import CopyInterval, copies_allowed
from theory.numbers.bounds import margin_needed
from theory.statements.anchors import REDUNDANCY


def test_statement_is_derived_and_sampled_clean():
    assert check_derivation(REDUNDANCY).verdict is Verdict.PROVED
    assert sample(REDUNDANCY, 60).clean


def row(copies, others, separation):
    """The two-level row's leak and entropy, from its softmax."""
    masses = softmax(np.r_[np.full(copies, separation), np.zeros(others)])
    return masses[copies:].sum(), entropy_of(masses)


def test_copies_save_their_logarithm_of_separation():
    for copies in (2, 7, 64):
        one, many = margin_needed(101, 1, 0.1), margin_needed(100 + copies, copies, 0.1)
        assert one - many == pytest.approx(np.log(copies), rel=1e-12)


def test_at_one_leak_copies_cost_less_entropy_than_they_save_separation():
    separation, copies = 5.0, 8
    one, many = row(1, 40, separation), row(copies, 40, separation - np.log(copies))
    assert one[0] == pytest.approx(many[0], rel=1e-12)
    paid = many[1] - one[1]
    assert paid == pytest.approx((1 - one[0]) * np.log(copies), rel=1e-12)
    # So "nat for nat" holds of the floor, not of what is paid.
    assert paid < 0.8 * np.log(copies)


def test_entropy_can_bound_the_copies_from_below():
    # 10 copies keep a leak of 1/2 and break the entropy that 40 copies keep.
    leak, entropy = 0.5, 4.7
    few, enough, many = (row(copies, 1000, 5.0) for copies in (10, 40, 140))
    assert max(few[0], enough[0], many[0]) <= leak
    assert enough[1] <= entropy < min(few[1], many[1])
    found = copies_allowed(1000, 5, leak, entropy)
    assert found.for_leak == 7
    assert 10 < found.both[0] <= 40 <= found.both[1] < 140


def kept_by(copies, others, separation, leak, entropy):
    """Whether so many copies keep the leak, and the entropy, in every row of at least the separation."""
    with mpmath.workdps(60):
        d, k = mpmath.mpf(separation.numerator) / separation.denominator, mpmath.mpf(others)
        kept_leak = k * mpmath.exp(-d) / (copies + k * mpmath.exp(-d)) <= mpmath.mpf(leak.numerator) / leak.denominator
        d = max(d, 0)
        outside = k * mpmath.exp(-d)
        largest = mpmath.log(copies + outside) + d * outside / (copies + outside)
        return kept_leak, largest <= mpmath.mpf(entropy.numerator) / entropy.denominator


@given(
    st.integers(1, 400),
    st.integers(-16, 80).map(lambda i: Fraction(i, 8)),
    st.integers(1, 63).map(lambda i: Fraction(i, 64)),
    st.integers(0, 40).map(lambda i: Fraction(i, 8)),
)
def test_interval_holds_the_copies_that_keep_both_one_by_one(others, separation, leak, entropy):
    found = copies_allowed(others, separation, leak, entropy)
    kept = {n: kept_by(n, others, separation, leak, entropy) for n in range(1, int(np.exp(float(entropy))) + 3)}
    with_entropy = [n for n, (_, entropy_kept) in kept.items() if entropy_kept]
    assert found.for_entropy == ((min(with_entropy), max(with_entropy)) if with_entropy else None)
    assert kept_by(found.for_leak, others, separation, leak, entropy)[0]
    assert found.for_leak == 1 or not kept_by(found.for_leak - 1, others, separation, leak, entropy)[0]
    with_both = [n for n, each in kept.items() if all(each)]
    assert found.both == ((min(with_both), max(with_both)) if with_both else None)
    assert with_both == list(range(with_both[0], with_both[-1] + 1) if with_both else ())
    assert str(found).startswith("no number of copies: " if found.both is None else f"{found.both[0]} to ")


def test_an_empty_interval_says_why():
    assert (
        str(CopyInterval(4, (1, 2))) == "no number of copies: the leak needs at least 4, and the entropy allows 1 to 2"
    )
    said = str(CopyInterval(4, None))
    assert said == "no number of copies: the leak needs at least 4, and no number keeps the entropy"
    assert str(CopyInterval(1, (4, 4))) == "4 to 4 copies"


def test_ends_are_exact():
    # A float of 0.1 is above a tenth, of which 81 copies beside 9 keys leak exactly that.
    assert copies_allowed(9, 0, 0.1, 5).for_leak == 81
    assert copies_allowed(10**12, 0, Fraction(1, 3), 5).for_leak == 2 * 10**12
    # Without separation, R copies beside k keys have log(R + k): at most floor(e^700) together.
    with mpmath.workdps(400):
        assert copies_allowed(7, -1, 0.1, 700).for_entropy == (1, int(mpmath.floor(mpmath.exp(700))) - 7)
        needed = int(mpmath.ceil(10**12 * mpmath.exp(700) * 99))
    assert copies_allowed(10**12, -700, 0.01, 1).for_leak == needed


@pytest.mark.parametrize("separation", [50, 701, 1e300, Fraction(10**400)])
def test_far_anchors_need_no_copies(separation):
    if isinstance(separation, Fraction):
        with pytest.raises(DomainError, match="must be a number that float64 can hold"):
            copies_allowed(3, separation, 0.1, 1)
        return
    assert copies_allowed(3, separation, 0.1, 1).both == (1, 2)
    assert copies_allowed(3, separation, 0.1, 0).both is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0, 1, 0.1, 1), "others=0 must be at least 1"),
        ((1.5, 1, 0.1, 1), "others=1.5 must be an integer"),
        ((10**13, 1, 0.1, 1), "others=10000000000000 must be at most 1000000000000"),
        ((1, -701, 0.1, 1), "separation=-701 must be at least -700"),
        ((1, float("nan"), 0.1, 1), "separation=nan must be finite"),
        ((1, [1, 2], 0.1, 1), r"separation=\[1, 2\] must be a single number"),
        ((1, 1, 0, 1), r"leak=0 must lie in \(0, 1\)"),
        ((1, 1, 1, 1), r"leak=1 must lie in \(0, 1\)"),
        ((1, 1, 0.1, -1), r"entropy=-1 must lie in \[0, 700\]"),
        ((1, 1, 0.1, 701), r"entropy=701 must lie in \[0, 700\]"),
        ((1, 1, 0.1, "x"), "entropy='x' must be a real number"),
    ],
)
def test_errors_name_the_value_and_the_rule(given, message):
    with pytest.raises(DomainError, match=message):
        copies_allowed(*given)
