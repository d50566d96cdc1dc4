"""The leak with keys singled out (A8): against mpmath, on whole rows, at extreme scores, and its errors."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax
from sympy import Integer, Rational, log, oo, zoo

from proofs_check import strategies
from proofs_check.deciding.deciding import Letters
from proofs_check.instances.kinds import KINDS
from theory import symbols
from theory.errors import DomainError
from theory.numbers.bounds import leak_max, quantile_leak_max

ALLOWED = 1e-12
SMALLEST = 2.3e-308
NONE = -math.inf

scores = st.one_of(st.floats(-50, 50), st.floats(-800, 800), st.floats(-1e300, 1e300), st.sampled_from([0.0, 1e308]))
absent = st.one_of(st.just(NONE), scores)


def oracle(singled, others, other_score, block_keys, block_score):
    """The bound in 1,000 digits; differences beyond 2,000 nats have the value 0 or 1 in floats."""
    with mpmath.workdps(1000):

        def weight(score):
            gap = mpmath.mpf(score) - mpmath.mpf(block_score)
            return mpmath.exp(max(mpmath.mpf(-2000), min(mpmath.mpf(2000), gap))) if score > NONE else mpmath.mpf(0)

        odds = (weight(singled) + (others * weight(other_score) if others else 0)) / block_keys
        return odds / (1 + odds)


def close(value, expected):
    with mpmath.workdps(60):
        error = abs(mpmath.mpf(float(value)) - expected)
        return error <= ALLOWED * expected or (expected < SMALLEST and error < SMALLEST)


@given(absent, st.integers(0, 10**12), absent, st.integers(1, 10**12), scores)
@example(NONE, 0, NONE, 3, 0.0)
@example(1e308, 5, -1e308, 2, -1e308)
@example(-1e308, 5, 1e308, 2, 1e308)
@example(1e15 + 1, 1, NONE, 1, 1e15)
def test_it_matches_mpmath(singled, others, other_score, block_keys, block_score):
    found = quantile_leak_max(singled, others, other_score, block_keys, block_score)
    assert close(found, oracle(singled, others, other_score, block_keys, block_score))


def test_the_oracle_finds_a_wrong_formula():
    values = (2.0, 959, -6.0, 64, 0.0)
    assert not close(quantile_leak_max(*values) * (1 + 1e-11), oracle(*values))
    assert not close(quantile_leak_max(2.0, 960, -6.0, 64, 0.0), oracle(*values))


def test_one_sink_above_the_block():
    """The row of which A2 can say next to nothing."""
    row = np.array([0.0] * 64 + [2.0] + [-6.0] * 959)
    assert round(float(leak_max(1024, 64, -2.0)), 3) == 0.991
    found = quantile_leak_max(2.0, 959, -6.0, 64, 0.0)
    assert round(float(found), 3) == 0.132
    assert math.isclose(found, softmax(row)[64:].sum(), rel_tol=1e-12)


@given(st.lists(st.integers(-40, 40), min_size=2, max_size=12), st.data())
def test_no_row_leaks_more_whichever_keys_are_chosen(eighths, data):
    row = np.array(eighths) / 8
    keys = data.draw(st.permutations(range(len(row))))
    m = data.draw(st.integers(1, len(row) - 1))
    block, outside = row[list(keys[:m])], row[list(keys[m:])]
    kept, singled = data.draw(st.integers(1, m)), data.draw(st.integers(0, len(outside)))
    top = logsumexp(outside[:singled]) if singled else NONE
    level = outside[singled:].max() if singled < len(outside) else NONE
    bound = quantile_leak_max(top, len(outside) - singled, level, kept, block[:kept].min())
    leak = softmax(np.concatenate([block, outside]))[m:].sum()
    assert leak <= bound * (1 + ALLOWED)


def bound_of(block, outside, counted, singled):
    top = logsumexp(outside[:singled]) if singled else NONE
    return quantile_leak_max(top, len(outside) - singled, outside[singled:].max(), counted, block[:counted].min())


@given(strategies.rows_with_chosen_keys())
def test_the_letters_of_a_row_give_the_same_bounds(row):
    tau = float(row.temperature)
    block, outside = np.array(row.block, float) / tau, np.array(row.outside, float) / tau
    # Beyond 700 nats a weight overflows in floats.
    assume(np.ptp(np.concatenate([block, outside])) < 700)
    letters = Letters(row, KINDS["row with chosen keys"].definitions).in_arb(KINDS["row with chosen keys"].definitions)
    value = {letter: float(ball.mid()) for letter, ball in letters.items()}
    assert math.isclose(value[symbols.eps], softmax(np.concatenate([block, outside]))[len(block) :].sum(), rel_tol=1e-9)
    assert (value[symbols.m], value[symbols.k]) == (len(block), len(outside))
    chosen = bound_of(block, outside, row.counted, row.singled)
    largest = bound_of(np.sort(block)[::-1], np.sort(outside)[::-1], row.counted, row.singled)
    for weight, gap, expected in ((symbols.W_out, symbols.d_rest, chosen), (symbols.W_top, symbols.d_top, largest)):
        off = value[weight] + value[symbols.k_rest] * math.exp(-value[gap])
        assert math.isclose(off / (value[symbols.m_kept] + off), expected, rel_tol=1e-9)
    assert math.isclose(value[symbols.eps_levels], chosen, rel_tol=1e-9)


def test_the_largest_keys_are_not_always_the_best_choice():
    """Of three keys outside, two level ones and a lower one, singling out the lower one gives less."""
    block, outside = np.zeros(1), np.array([-8.0, 0.0, 0.0])
    low = bound_of(block, outside, 1, 1)
    high = bound_of(block, outside[::-1], 1, 1)
    assert softmax([0.0, 0.0, 0.0, -8.0])[1:].sum() <= low * (1 + ALLOWED)
    assert round(float(low), 3) == 0.667
    assert round(float(high), 3) == 0.75


@given(st.integers(1, 10**12), st.integers(1, 10**12), st.floats(-800, 800))
def test_without_singled_keys_it_is_the_leak_bound(m, k, gap):
    assert math.isclose(quantile_leak_max(NONE, k, -gap, m, 0.0), leak_max(m + k, m, gap), rel_tol=1e-11)


def test_it_broadcasts():
    found = quantile_leak_max(np.array([[NONE], [2.0]]), [959, 0, 3], [-6.0, NONE, 1.0], 64, 0.0)
    assert found.shape == (2, 3)
    assert found[0, 1] == 0
    assert found[1, 0] == quantile_leak_max(2.0, 959, -6.0, 64, 0.0)
    # The score of no keys counts for nothing.
    assert found[1, 1] == quantile_leak_max(2.0, 0, 700.0, 64, 0.0)


def test_exact_answers_and_their_limits():
    assert quantile_leak_max(log(3), 5, Integer(0), 8, 0) == Rational(1, 2)
    assert quantile_leak_max(-oo, 4, Integer(0), 4, 0) == Rational(1, 2)
    assert quantile_leak_max(log(3), 0, -oo, 1, 0) == Rational(3, 4)
    assert quantile_leak_max(NONE, 0, Integer(7), 1, 0) == 0
    value = quantile_leak_max(Integer(2), 959, -6, 64, 0)
    assert math.isclose(float(sympy.N(value, 30)), quantile_leak_max(2.0, 959, -6.0, 64, 0.0), rel_tol=1e-12)


BAD = [
    ((math.nan, 1, 0.0, 1, 0.0), "singled=nan must be a number below infinity"),
    ((math.inf, 1, 0.0, 1, 0.0), "singled=inf must be a number below infinity"),
    ((0.0, 1, math.inf, 1, 0.0), "other score=inf must be a number below infinity"),
    ((0.0, 1, 0.0, 1, NONE), "block score=-inf must be finite"),
    ((0.0, -1, 0.0, 1, 0.0), "others=-1 must be at least 0"),
    ((0.0, 1.5, 0.0, 1, 0.0), "others=1.5 must be an integer"),
    ((0.0, 1, 0.0, 0, 0.0), "block keys=0 must be at least 1"),
    (([0.0, 1.0], [1, 2, 3], 0.0, 1, 0.0), "must fit one shape"),
    ((oo, 1, 0.0, 1, 0.0), "singled=oo must be a number below infinity"),
    ((0.0, 1, zoo, 1, 0.0), "other score=zoo must be a number below infinity"),
    ((Integer(0), 1, 0.0, 1, NONE), "block score=-oo must be finite"),
    ((Integer(0), -1, 0.0, 1, 0.0), "others=-1 must be at least 0"),
    ((Integer(0), 1, 0.0, 0, 0.0), "block keys=0 must be at least 1"),
]


@pytest.mark.parametrize(("values", "message"), BAD)
def test_errors_name_the_value_and_the_rule(values, message):
    with pytest.raises(DomainError) as caught:
        quantile_leak_max(*values)
    assert message in str(caught.value)
