"""A9: against whole rows and mpmath, at extreme slopes, exact answers, and what is refused."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sympy import Integer, Rational, oo

from theory.errors import DomainError
from theory.numbers.decay_bounds import decay_leak_max, decay_slope_needed

SLOPES = st.floats(1e-6, 8)


def leak_of(contents, m, slope):
    """The leak from the definition, on a whole row."""
    return softmax(np.asarray(contents) - slope * np.arange(len(contents)))[m:].sum()


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=12), SLOPES, st.data())
def test_no_row_leaks_more(contents, slope, data):
    m = data.draw(st.integers(1, len(contents) - 1))
    bound = decay_leak_max(len(contents), m, slope, max(contents) - min(contents))
    assert leak_of(contents, m, slope) <= bound * (1 + 1e-12)
    assert bound <= decay_leak_max(np.inf, m, slope, max(contents) - min(contents))


@given(st.integers(1, 8), st.integers(1, 8), SLOPES, st.floats(0, 20))
def test_contents_at_the_two_ends_attain_it(m, k, slope, span):
    leak = leak_of([0.0] * m + [span] * k, m, slope)
    assert math.isclose(leak, decay_leak_max(m + k, m, slope, span), rel_tol=1e-12)


def test_a_block_one_too_large_is_seen():
    assert leak_of([0.0] * 3 + [2.0] * 4, 3, 0.5) > decay_leak_max(8, 4, 0.5, 2.0) * 1.1


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.floats(1e-300, 1e3), st.floats(0, 600))
def test_it_matches_mpmath(m, k, slope, span):
    with mpmath.workdps(700):
        x = mpmath.mpf(slope)
        top = mpmath.expm1(-x * k) / mpmath.expm1(-x * m)
        odds = mpmath.exp(mpmath.mpf(span) - x * m) * top if x * m < 1000 else mpmath.mpf(0)
        truth = float(odds / (1 + odds))
    # The larger of the two terms of the odds' logarithm has an error of an ulp.
    allowed = 1e-12 + 4e-16 * (span + min(slope * m, 1000))
    assert math.isclose(decay_leak_max(m + k, m, slope, span), truth, rel_tol=allowed, abs_tol=1e-300)


@given(st.integers(1, 10**6), st.floats(1e-9, 0.999), st.floats(0, 50), st.floats(0.1, 4))
def test_the_slope_needed_is_the_least(m, leak, span, tau):
    slope = decay_slope_needed(m, leak, span, tau)
    assert math.isclose(decay_leak_max(np.inf, m, slope, span, tau), leak, rel_tol=1e-9)
    assert decay_leak_max(np.inf, m, 0.99 * slope, span, tau) > leak


def test_it_broadcasts():
    found = decay_leak_max([[10], [np.inf]], [1, 2, 3], 0.5, 1.0)
    assert found.shape == (2, 3)
    assert found[1, 2] == decay_leak_max(np.inf, 3, 0.5, 1.0)


def test_exact_answers():
    value = decay_leak_max(oo, 2, Rational(1, 2), Integer(1))
    assert math.isclose(float(value), decay_leak_max(np.inf, 2, 0.5, 1.0), rel_tol=1e-14)
    assert math.isclose(float(decay_slope_needed(3, Rational(1, 9), 2)), decay_slope_needed(3, 1 / 9, 2.0))


BAD = [
    ((8, 8, 1.0, 0.0), "block size m=8 must be below n=8"),
    ((2.5, 1, 1.0, 0.0), "n=2.5 must be an integer of at least 2, or infinite"),
    ((math.nan, 1, 1.0, 0.0), "n=nan must be an integer of at least 2, or infinite"),
    ((8, 2, 0.0, 0.0), "slope=0 must be positive"),
    ((8, 2, 1.0, -1.0), "content range=-1 must be at least 0"),
    ((8, 2, Integer(0), 0), "slope=0 must be positive"),
    ((8, Integer(8), 1, 0), "block size m=8 must satisfy 1 <= m < n=8"),
]


@pytest.mark.parametrize(("values", "message"), BAD)
def test_errors_name_the_value_and_the_rule(values, message):
    with pytest.raises(DomainError) as caught:
        decay_leak_max(*values)
    assert message in str(caught.value)
