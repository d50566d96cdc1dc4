"""H2: against mpmath, on random distributions, where the bounds are attained, and what is refused."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax
from sympy import Integer, Rational

from theory.errors import DomainError
from theory.numbers.output_bounds import next_token_divergence_max, next_token_variation_max

RANGES = st.one_of(st.just(0.0), st.floats(1e-3, 2), st.floats(1e-12, 1e-3), st.floats(2, 1e4))


def measured(before, after):
    """Total variation and both divergences, from the definitions."""
    p, q = log_softmax(before), log_softmax(after)
    there, back = np.exp(p), np.exp(q)
    return np.abs(there - back).sum() / 2, (there * (p - q)).sum(), (back * (q - p)).sum()


@given(st.lists(st.tuples(st.floats(-8, 8), st.floats(-8, 8)), min_size=2, max_size=9))
def test_no_move_moves_the_distribution_more(tokens):
    before, moves = np.array(tokens).T
    variation, there, back = measured(before, before + moves)
    span = np.ptp(moves)
    assert variation <= next_token_variation_max(span) + 1e-12
    assert max(there, back) <= next_token_divergence_max(span) + 1e-12
    assert next_token_divergence_max(span) <= span**2 / 8 + 1e-15


@given(RANGES)
def test_it_matches_mpmath(span):
    with mpmath.workdps(60):
        x = mpmath.mpf(span)
        tilt = x / (1 - mpmath.exp(-x)) if x else mpmath.mpf(1)
        law, variation = float(tilt - 1 - mpmath.log(tilt)), float(mpmath.tanh(x / 4))
    assert math.isclose(next_token_divergence_max(span), law, rel_tol=1e-12, abs_tol=1e-300)
    assert math.isclose(next_token_variation_max(span), variation, rel_tol=1e-14)


@given(st.floats(0.01, 20))
def test_two_tokens_attain_both(span):
    variation, _, _ = measured(np.array([0, span / 2]), np.array([span / 2, 0]))
    assert math.isclose(variation, next_token_variation_max(span), rel_tol=1e-9)
    # The share of the token that moves at which the divergence of two tokens is largest.
    share = 1 / span - 1 / math.expm1(span)
    before = np.log([1 - share, share])
    _, there, _ = measured(before, before + np.array([0, span]))
    assert math.isclose(there, next_token_divergence_max(span), rel_tol=1e-6)


def test_a_wrong_constant_is_seen():
    _, there, _ = measured(np.zeros(2), np.array([0, 0.25]))
    assert 0.25**2 / 9 < there <= next_token_divergence_max(0.25)


def test_exact_answers():
    assert math.isclose(float(next_token_divergence_max(Rational(5, 2))), next_token_divergence_max(2.5))
    assert next_token_variation_max(Integer(0)) == 0


@pytest.mark.parametrize("function", [next_token_variation_max, next_token_divergence_max])
@pytest.mark.parametrize("value", [-1.0, Integer(-1)])
def test_a_negative_range_is_refused(function, value):
    with pytest.raises(DomainError, match="logit range=-1 must be at least 0"):
        function(value)
