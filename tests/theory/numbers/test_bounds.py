"""The numeric bounds against mpmath at 60 or more digits and against brute force, also at extreme values."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Integer, Rational, nan, oo, zoo

from theory.errors import DomainError
from theory.numbers import bounds

ALLOWED = 1e-12
# Subnormal numbers have no relative accuracy.
SMALLEST = 2.3e-308

counts = st.one_of(st.integers(2, 40), st.integers(2, 10**12))
separations = st.one_of(
    st.floats(-100, 100),
    st.floats(-3, 3),
    st.sampled_from([0.0, -0.0, 1e-300, -1e-300, 1e4, -1e4, 700.0, -700.0, 745.0]),
)
leaks = st.one_of(st.floats(1e-300, 1 - 2**-53), st.sampled_from([1e-300, 1e-17, 0.5, 1 - 2**-53]))


@st.composite
def blocks(draw):
    n = draw(counts)
    return n, draw(st.one_of(st.integers(1, n - 1), st.just(1), st.just(n - 1)))


def close(value, oracle):
    with mpmath.workdps(60):
        error = abs(mpmath.mpf(float(value)) - oracle)
        return error <= ALLOWED * abs(oracle) or (abs(oracle) < SMALLEST and error < SMALLEST)


def digits(exponent):
    """Decimal digits that cover the cancellation of `e^exponent`, and 60 more."""
    return 60 + int(abs(exponent))


def precise(exponent, formula):
    with mpmath.workdps(digits(exponent)):
        return formula(mpmath.mpf)


def leak_oracle(n, m, d):
    return precise(d, lambda f: (n - m) * mpmath.exp(-f(d)) / (m + (n - m) * mpmath.exp(-f(d))))


def entropy_oracle(n, m, d):
    def row(f):
        if d >= 0:
            inside, outside = f(1), mpmath.exp(-f(d))
            total = m * inside + (n - m) * outside
            terms = ((m, inside / total), (n - m, outside / total))
            return -sum(count * a * mpmath.log(a) for count, a in terms)
        p = 1 / (1 + mpmath.exp(-f(d)))
        pair = -p * mpmath.log(p) - (1 - p) * mpmath.log(1 - p)
        return mpmath.log(n - 2 + mpmath.exp(pair))

    return precise(d, row)


@given(blocks(), separations)
def test_leak_and_fidelity_match_mpmath(block, d):
    n, m = block
    leak = leak_oracle(n, m, d)
    assert close(bounds.leak_max(n, m, d), leak)
    with mpmath.workdps(digits(d)):
        assert close(bounds.fidelity_min(n, m, d), 1 - leak)


@given(blocks(), separations)
def test_entropy_max_matches_mpmath(block, d):
    assert close(bounds.entropy_max(*block, d), entropy_oracle(*block, d))


def entropy_with_top(n, j, r):
    def entropy(f):
        weight = j * mpmath.exp(f(r)) + n - j
        return mpmath.log(weight) - f(r) * j * mpmath.exp(f(r)) / weight

    return precise(r, entropy)


@given(st.integers(2, 30), st.floats(0, 40))
def test_entropy_min_is_the_least_over_every_number_of_upper_keys(n, r):
    with mpmath.workdps(60):
        oracle = min(entropy_with_top(n, j, r) for j in range(1, n))
    assert close(bounds.entropy_min(n, r), oracle)


@given(st.integers(10**6, 10**12), st.one_of(st.floats(0, 60), st.sampled_from([0.0, 1e-300, 1e-9, 0.1, 700.0, 1e4])))
def test_entropy_min_with_many_keys(n, r):
    low, high = 1, n - 1
    with mpmath.workdps(60):
        tilt = mpmath.mpf(r) / -mpmath.expm1(-mpmath.mpf(r)) if r else mpmath.mpf(1)
        share = (tilt - 1) / mpmath.expm1(mpmath.mpf(r)) if r > 1e-20 else mpmath.mpf("0.5")
        middle = int(n * share)
    nearby = {max(low, min(high, middle + shift)) for shift in range(-3, 4)}
    with mpmath.workdps(60):
        oracle = min(entropy_with_top(n, j, r) for j in nearby)
    assert close(bounds.entropy_min(n, r), oracle)


@given(blocks(), leaks, st.floats(1e-3, 1e3))
def test_margin_needed_matches_mpmath(block, leak, temperature):
    n, m = block
    with mpmath.workdps(60):
        eps = mpmath.mpf(leak)
        oracle = mpmath.mpf(temperature) * mpmath.log((n - m) * (1 - eps) / (m * eps))
    assert close(bounds.margin_needed(n, m, leak, temperature), oracle)


@given(blocks(), leaks, st.floats(-800, 800), st.floats(1e-3, 1e3))
def test_penalty_needed_matches_mpmath(block, leak, margin, temperature):
    n, m = block
    with mpmath.workdps(60):
        eps = mpmath.mpf(leak)
        lacking = mpmath.mpf(temperature) * mpmath.log((n - m) * (1 - eps) / (m * eps)) - mpmath.mpf(margin)
        oracle = max(lacking, mpmath.mpf(0))
    assert close(bounds.penalty_needed(n, m, leak, margin, temperature), oracle)


@given(blocks(), leaks)
def test_penalty_needed_keeps_its_digits_near_the_threshold(block, leak):
    n, m = block
    margin = math.nextafter(float(bounds.margin_needed(n, m, leak)), -math.inf)
    with mpmath.workdps(60):
        eps = mpmath.mpf(leak)
        oracle = max(mpmath.log((n - m) * (1 - eps) / (m * eps)) - mpmath.mpf(margin), mpmath.mpf(0))
    assert close(bounds.penalty_needed(n, m, leak, margin), oracle)


@given(st.floats(1e-300, 1 - 2**-53), st.floats(1e-300, 1 - 2**-53))
def test_dial_needed_matches_mpmath(fidelity, target):
    with mpmath.workdps(400):
        f, t = mpmath.mpf(fidelity), mpmath.mpf(target)
        oracle = max(1 - f / (1 - f) * (1 - t) / t, mpmath.mpf(0))
    assert close(bounds.dial_needed(fidelity, target), oracle)


@given(st.floats(1e-300, 1 - 2**-53), st.floats(0, 1))
def test_dialled_leak_matches_mpmath(leak, dial):
    with mpmath.workdps(60):
        eps, lam = mpmath.mpf(leak), mpmath.mpf(dial)
        oracle = (1 - lam) * eps / (1 - lam * eps)
    assert close(bounds.dialled_leak(leak, dial), oracle)


def test_oracle_finds_a_wrong_formula():
    n, m, d = 40, 3, 2.5
    assert not close(bounds.leak_max(n, n - m, d), leak_oracle(n, m, d))
    assert not close(bounds.entropy_max(n, m, d) * (1 + 1e-11), entropy_oracle(n, m, d))


def test_broadcasts_over_arrays():
    d = np.linspace(-5, 5, 7)
    sizes = np.array([[1], [4]])
    table = bounds.entropy_max(64, sizes, d)
    assert table.shape == (2, 7)
    assert table[1, 2] == bounds.entropy_max(64, 4, d[2])
    assert np.ndim(bounds.leak_max(64, 4, 1.0)) == 0


def test_infinite_separations_give_the_limits():
    assert bounds.leak_max(64, 4, math.inf) == 0
    assert bounds.fidelity_min(64, 4, -math.inf) == 0
    assert bounds.entropy_max(64, 4, math.inf) == math.log(4)
    assert bounds.entropy_max(64, 4, -math.inf) == math.log(63)
    assert bounds.entropy_max_at_least(64, 4, -math.inf) == math.log(64)
    for exact, d in ((oo, math.inf), (-oo, -math.inf)):
        for face in (bounds.leak_max, bounds.fidelity_min, bounds.entropy_max, bounds.entropy_max_at_least):
            assert math.isclose(float(face(64, 4, exact)), face(64, 4, d), rel_tol=1e-12)


@given(blocks(), separations, st.floats(0, 100))
def test_entropy_max_at_least_bounds_every_larger_separation(block, d, more):
    n, m = block
    assert bounds.entropy_max_at_least(n, m, d) >= bounds.entropy_max(n, m, d + more) * (1 - ALLOWED)
    assert bounds.entropy_max_at_least(n, m, d) == bounds.entropy_max(n, m, max(d, 0.0))


def test_entropy_max_at_least_is_exact_for_exact_numbers():
    assert bounds.entropy_max_at_least(16, 8, Integer(-7)) == sympy.log(16)


def test_dial_0_keeps_a_leak_of_1():
    assert bounds.dialled_leak(1.0, 0.0) == 1
    assert bounds.dialled_leak(Integer(1), Integer(0)) == 1
    assert bounds.dialled_leak(Integer(1), Rational(1, 3)) == 1


def test_finite_range_needed_for_a_low_entropy():
    """64 keys need a range of 8.71 to reach 0.1 nats; the dimension-free form gives 7.00."""
    assert bounds.entropy_min(64, 8.70) > 0.1 > bounds.entropy_min(64, 8.72)


BAD = [
    (lambda: bounds.leak_max(4, 4, 1.0), "block size m=4 must satisfy 1 <= m < n=4"),
    (lambda: bounds.leak_max(1, 1, 1.0), "n=1 must be at least 2"),
    (lambda: bounds.leak_max(8, 0, 1.0), "m=0 must be at least 1"),
    (lambda: bounds.leak_max(8.5, 2, 1.0), "n=8.5 must be an integer"),
    (lambda: bounds.leak_max(8, 2, math.nan), "separation=nan must be a number"),
    (lambda: bounds.leak_max(8, 2, "far"), "separation='far' must be a real number"),
    (lambda: bounds.entropy_min(8, -1.0), "logit range=-1 must be at least 0"),
    (lambda: bounds.entropy_min(8, math.inf), "logit range=inf must be finite"),
    (lambda: bounds.margin_needed(8, 2, 0.0), "leak=0 must lie in (0, 1)"),
    (lambda: bounds.margin_needed(8, 2, 0.1, 0.0), "temperature=0 must be positive"),
    (lambda: bounds.penalty_needed(8, 2, 0.1, math.inf), "margin=inf must be finite"),
    (lambda: bounds.dial_needed(1.0, 0.5), "fidelity=1 must lie in (0, 1)"),
    (lambda: bounds.dial_needed(0.5, 1.0), "target fidelity=1 must lie in (0, 1)"),
    (lambda: bounds.dialled_leak(0.5, 1.5), "dial=1.5 must lie in [0, 1]"),
    (lambda: bounds.dialled_leak(1.0, 1.0), "leak=1 must be below 1"),
    (lambda: bounds.leak_max(np.array([8, 3]), 3, 0.0), "block size m=3 must satisfy 1 <= m < n=3"),
    (lambda: bounds.leak_max(Integer(4), 4, Integer(1)), "block size m=4 must satisfy 1 <= m < n=4"),
    (lambda: bounds.margin_needed(8, 2, Rational(3, 2)), "leak=3/2 must lie in (0, 1)"),
    (lambda: bounds.entropy_min(8, Integer(-1)), "logit range=-1 must be at least 0"),
    (lambda: bounds.margin_needed(8, 2, Rational(1, 2), -1), "temperature=-1 must be positive"),
    (lambda: bounds.leak_max(10, 2, nan), "separation=nan must be a number"),
    (lambda: bounds.leak_max(Integer(10), 2, math.nan), "separation=nan must be a number"),
    (lambda: bounds.entropy_max(10, 2, nan), "separation=nan must be a number"),
    (lambda: bounds.entropy_max(10, 2, zoo), "separation=zoo must be real"),
    (lambda: bounds.entropy_min(10, oo), "logit range=oo must be finite"),
    (lambda: bounds.dialled_leak(Integer(1), Integer(1)), "leak=1 must be below 1 where the dial is 1"),
    (lambda: bounds.margin_needed(128, np.array([16, 32]), Rational(1, 100)), "m=array([16, 32]) must be a single"),
    (lambda: bounds.margin_needed(128, Integer(16), "exit()"), "leak='exit()' must be a single number"),
    (lambda: bounds.margin_needed(128, 16, True * Integer(2)), "leak=2 must lie in (0, 1)"),
    (lambda: bounds.leak_max([2, 3], [1, 2, 3], 0), "n, m of shapes (2,), (3,) must fit one shape"),
    (lambda: bounds.entropy_min([2, 3], [1, 2, 3]), "must fit one shape"),
    (lambda: bounds.margin_needed([2, 3, 4], 1, [0.1, 0.2]), "must fit one shape"),
    (lambda: bounds.dial_needed([0.1, 0.2, 0.3], [0.1, 0.2]), "must fit one shape"),
    (lambda: bounds.dialled_leak([0.1, 0.2, 0.3], [0.1, 0.2]), "must fit one shape"),
    (lambda: bounds.leak_max(10**400, 2, 0.0), "must be a number that float64 can hold"),
    (lambda: bounds.leak_max(10**5000, 2, 0.0), "must be a number that float64 can hold"),
    (lambda: bounds.dial_needed(0.5, 1.00000000001), "target fidelity=1.00000000001 must lie in (0, 1)"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_errors_name_the_value_and_the_rule(call, message):
    with pytest.raises(DomainError) as caught:
        call()
    assert message in str(caught.value)


@settings(max_examples=6)
@given(st.integers(2, 200), st.data(), st.integers(-60, 60))
def test_exact_and_float_results_agree(n, data, quarters):
    m = data.draw(st.integers(1, n - 1))
    d = Rational(quarters, 4)
    for face in (bounds.leak_max, bounds.fidelity_min, bounds.entropy_max):
        assert math.isclose(face(n, m, float(d)), float(sympy.N(face(n, m, d), 30)), rel_tol=1e-12)


@settings(max_examples=15)
@given(st.integers(2, 64), st.integers(0, 40))
def test_exact_entropy_min_agrees_with_float(n, quarters):
    r = Rational(quarters, 4)
    assert math.isclose(bounds.entropy_min(n, float(r)), float(sympy.N(bounds.entropy_min(n, r), 30)), rel_tol=1e-12)


def test_exact_penalty_near_its_margin_keeps_its_digits():
    """Margin and threshold nearly cancel; a difference of floats would lose digits."""
    for power in range(4, 48):
        d = mpmath.log(mpmath.mpf(15)) + mpmath.log(mpmath.mpf(99))
        margin = float(d * (1 - mpmath.mpf(2) ** -power))
        with mpmath.workdps(60):
            eps = mpmath.mpf(0.01)
            oracle = mpmath.log(15) + mpmath.log((1 - eps) / eps) - mpmath.mpf(margin)
        assert abs(mpmath.mpf(float(bounds.penalty_needed(1024, 64, 0.01, margin))) - oracle) <= 1e-12 * abs(oracle)


def test_exact_thresholds_at_any_rational_temperature():
    """sympy combines logarithms into powers that it may fail to compute."""
    n, m, eps, margin, tau = 1983, 70, Rational(6609, 20000), Rational(169, 49), Rational(74, 7)
    exact = bounds.penalty_needed(n, m, eps, margin, tau)
    assert float(exact) == pytest.approx(float(bounds.penalty_needed(n, m, float(eps), float(margin), float(tau))))
    other = bounds.penalty_needed(2, 1, Rational(1387, 12500), Rational(268, 89), Rational(9, 4))
    assert float(other) == pytest.approx(float(bounds.penalty_needed(2, 1, 1387 / 12500, 268 / 89, 9 / 4)))


def test_dial_needed_for_a_tiny_leak():
    for target in (1e-320, 5e-324):
        assert bounds.dial_needed(0.5, target) == 0
    assert bounds.dial_needed(5e-324, 1e-320) == pytest.approx(1 - 5e-324 / 1e-320)
