"""D1-D3: attained exactly, and the numeric functions against mpmath, brute force and random anchors."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy
from sympy import Eq, Integer, Rational

from proofs_check.deciding.deciding import Letters, decide
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.anchors import (
    HEAD_DEFINITIONS,
    coherence_of,
    planar_head,
)
from proofs_check.instances.pointers import CHANNEL_DEFINITIONS, symmetric_channel
from proofs_check.methods.sampling import sample
from proofs_check.methods.symbolic import check_derivation
from theory.design_symbols import alpha, information
from theory.errors import DomainError
from theory.numbers import anchor_bounds as bounds
from theory.numbers.bounds import leak_max, margin_needed
from theory.statements.anchors import ANCHOR_CAPACITY, ANCHOR_MARGIN, BRACKET
from theory.statements.known import INFORMATION_NEEDED, POINTER_INFORMATION
from theory.symbols import delta

ALLOWED = 1e-12


def close(value, oracle, floor=0.0):
    return abs(mpmath.mpf(float(value)) - oracle) <= ALLOWED * abs(oracle) + floor


@pytest.mark.parametrize("statement", [ANCHOR_MARGIN, ANCHOR_CAPACITY, POINTER_INFORMATION], ids=lambda s: s.id)
def test_statements_are_derived_and_sampled_clean(statement):
    assert check_derivation(statement).verdict is Verdict.PROVED
    assert sample(statement, 60).clean


@given(
    st.integers(1, 40).map(lambda i: Fraction(i, 9)),
    st.integers(0, 20).map(lambda i: Fraction(i, 45)),
    st.integers(1, 9),
)
def test_planar_heads_attain_the_margin_exactly(apart, off, scale):
    head = planar_head(apart, off, Fraction(scale), temperature=Fraction(1), leak_target=Fraction(1, 10))
    if not head.tied:
        letters = Letters(head, HEAD_DEFINITIONS)
        assert decide(Eq(delta, alpha * BRACKET), letters) is Verdict.PROVED
        assert decide(Eq(delta, alpha * BRACKET * Rational(101, 100)), letters) is not Verdict.PROVED


@pytest.mark.parametrize(("apart", "off"), [(Fraction(2, 3), Fraction(1, 20)), (Fraction(1, 9), Fraction(2, 5))])
def test_witness_has_the_scores_of_planar_heads(apart, off):
    head = planar_head(apart, off, Fraction(3), temperature=Fraction(1), leak_target=Fraction(1, 10))
    letters = Letters(head, HEAD_DEFINITIONS)
    (witness,) = ANCHOR_MARGIN.witnesses
    for ((score, _),), actual in zip((witness.block, witness.complement), head.row.scores, strict=True):
        assert decide(Eq(score, Rational(actual)), letters) is Verdict.PROVED


@given(st.integers(2, 6), st.integers(1, 30), st.integers(1, 6))
def test_symmetric_pointers_attain_fano_exactly(blocks, right, wrong):
    letters = Letters(symmetric_channel(blocks, right, wrong), CHANNEL_DEFINITIONS)
    assert decide(Eq(information, INFORMATION_NEEDED), letters) is Verdict.PROVED


def margin_oracle(mu, eta):
    with mpmath.workdps(400):
        apart, off = mpmath.acos(mpmath.mpf(mu)), 2 * mpmath.asin(mpmath.mpf(eta) / 2)
        return mpmath.cos(off) - mpmath.cos(max(mpmath.mpf(0), apart - off))


coherences = st.one_of(st.floats(-1, 1), st.sampled_from([-1.0, 0.0, 1.0, 1 - 2**-53, 2**-1074, 0.5]))
distances = st.one_of(st.floats(0, 2), st.floats(0, 1e-3), st.sampled_from([0.0, 2.0, 1.0, 1e-150, 1e-9]))


@given(coherences, distances)
def test_anchor_margin_matches_mpmath(mu, eta):
    # A subnormal eta^2 has no relative accuracy.
    assert close(bounds.anchor_margin(mu, eta), margin_oracle(mu, eta), floor=1e-307)


@given(st.floats(0.01, 1.5), st.floats(-1e-9, 1e-9))
def test_anchor_margin_keeps_its_digits_under_cancellation(eta, nudge):
    mu = float(np.cos(4 * np.arcsin(eta / 2))) + nudge
    if -1 <= mu <= 1 and 4 * np.arcsin(eta / 2) < np.pi:
        assert close(bounds.anchor_margin(mu, eta), margin_oracle(mu, eta), floor=1e-300)


@given(st.floats(-0.9, 0.9), st.floats(0, 0.3), st.floats(1e-6, 1e6))
def test_scale_needed_is_the_smallest(mu, eta, margin):
    scale = float(bounds.anchor_scale_needed(mu, eta, margin))
    if np.isinf(scale):
        assert bounds.anchor_margin(mu, eta) <= 0
    else:
        assert bounds.anchor_margin(mu, eta, scale * 1.000001) > margin
        assert bounds.anchor_margin(mu, eta, scale * 0.999999) < margin


def test_equal_angles_give_margin_0_at_any_scale():
    assert bounds.anchor_margin(0.53125, 0.5) == 0
    assert bounds.anchor_scale_needed(0.53125, 0.5, 1.0) == np.inf


def test_scale_needed_keeps_the_leak_and_less_does_not():
    margin = margin_needed(n=128, m=16, leak=0.01, temperature=0.5)
    scale = bounds.anchor_scale_needed(0.2, 0.1, margin)
    for factor, kept in ((1.001, True), (0.99, False)):
        separation = bounds.anchor_margin(0.2, 0.1, factor * scale) / 0.5
        assert (leak_max(128, 16, separation) <= 0.01) is np.bool_(kept)


def test_no_scale_is_enough_for_far_keys():
    assert bounds.anchor_scale_needed(0.9, 1.0, 1.0) == np.inf
    assert bounds.anchor_scale_needed(0.9, 1.0, -1.0) == 0


def test_capacity_and_coherence_agree():
    for p in range(2, 9):
        for number in range(2, 2 * p + 1):
            least = bounds.coherence_possible(p, number)
            fits = bounds.anchor_capacity(p, least)
            assert fits == (number if number <= p + 1 else 2 * p)
            below = np.nextafter(least, -2)
            if below >= -1:
                assert bounds.anchor_capacity(p, below) < number


# Sets that attain Levenshtein's bound of degree 3: a pentagon, and two from Delsarte, Goethals and Seidel 1977.
SHARP_SETS = [(2, 5, (sympy.sqrt(5) - 1) / 4), (6, 27, Rational(1, 4)), (22, 275, Rational(1, 6))]


@pytest.mark.parametrize(("dimension", "number", "least"), SHARP_SETS)
def test_known_sets_attain_the_bound_beyond_the_orthoplex(dimension, number, least):
    assert sympy.simplify(bounds.coherence_possible(Integer(dimension), Integer(number)) - least) == 0
    assert bounds.coherence_possible(dimension, number) == pytest.approx(float(least), rel=1e-14)


@pytest.mark.parametrize("p", [2, 3, 8, 64, 768])
def test_bound_beyond_the_orthoplex_follows_from_delsarte(p):
    """Its polynomial is at most 0 up to the coherence, and its Gegenbauer coefficients are not negative."""
    for number in (2 * p + 1, 5 * p, p**3, 10**9):
        s = Fraction(float(bounds.coherence_possible(p, number)))
        assert 0 < p * s**2 <= 1 + Fraction(1, 10**12)
        b = (1 + s) / (1 + p * s)
        mean, slope = (2 * b - s) / p - s * b**2, Fraction(3, p + 2) + b**2 - 2 * b * s
        assert slope >= 0
        assert 2 * b - s >= 0
        if p * s**2 < 1 - Fraction(1, 10**6):
            assert float((1 - s) * (1 + b) ** 2 / mean) == pytest.approx(number, rel=1e-6)


def test_circle_points_and_icosahedron_obey_the_bound():
    for number in range(5, 40):
        assert np.cos(2 * np.pi / number) >= bounds.coherence_possible(2, number) - 1e-15
    assert bounds.coherence_possible(3, 12) <= 5**-0.5
    assert bounds.coherence_possible(8, 240) <= 0.5
    assert bounds.coherence_possible(24, 196560) <= 0.5


def test_simplices_and_orthoplices_attain_the_least_coherence():
    for p in range(2, 7):
        centred = np.eye(p + 1) - 1 / (p + 1)
        unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
        assert np.linalg.matrix_rank(unit) == p
        gram = unit @ unit.T - 2 * np.eye(p + 1)
        assert np.isclose(gram.max(), bounds.coherence_possible(p, p + 1))
        axes = [tuple(Fraction(s * (i == j)) for j in range(p)) for i in range(p) for s in (1, -1)]
        assert coherence_of(axes) == bounds.coherence_possible(p, 2 * p) == 0


def test_random_anchors_keep_their_coherence_bound():
    rng = np.random.default_rng(0)
    for p, number, failure in ((8, 6, 0.5), (32, 40, 0.2), (4, 2, 0.3)):
        allowed = bounds.random_anchor_coherence(p, number, failure)
        draws = rng.standard_normal((400, number, p))
        draws /= np.linalg.norm(draws, axis=-1, keepdims=True)
        gram = draws @ draws.transpose(0, 2, 1) - 2 * np.eye(number)
        failed = (gram.max(axis=(1, 2)) > allowed).mean()
        # Hoeffding: the failure rate of 400 draws exceeds its probability by 0.1 once in 3,000 runs.
        assert failed <= failure + 0.1


@given(st.integers(2, 30), st.floats(0, 1))
def test_information_needed_matches_mpmath(blocks, error):
    with mpmath.workdps(60):
        e = mpmath.mpf(error)
        oracle = mpmath.mpf(0)
        if e * blocks < blocks - 1:
            oracle = mpmath.log(blocks) - e * mpmath.log(blocks - 1) + (1 - e) * mpmath.log(1 - e)
            oracle += e * mpmath.log(e) if e else 0
    assert close(bounds.information_needed(blocks, error), oracle)


@given(st.integers(2, 10**9), st.floats(1e-9, 1e-2))
def test_information_needed_keeps_its_digits_near_guessing(blocks, nearness):
    error = (1 - 1 / blocks) * (1 - nearness)
    with mpmath.workdps(60):
        e = mpmath.mpf(error)
        oracle = mpmath.log(blocks) - e * mpmath.log(blocks - 1) + (1 - e) * mpmath.log(1 - e) + e * mpmath.log(e)
    assert close(bounds.information_needed(blocks, error), oracle)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=2, max_size=5))
def test_presence_information_is_a_difference_of_entropies(pairs):
    total = np.array([b + 1 for a, b in pairs], dtype=float)
    present = np.minimum(np.array([a for a, b in pairs], dtype=float), total)
    joint = np.stack([present, total - present]) / total.sum()
    oracle = entropy(joint.sum(axis=0)) + entropy(joint.sum(axis=1)) - entropy(joint.ravel())
    assert np.isclose(bounds.presence_information(present, total), oracle, rtol=1e-9, atol=1e-12)


def test_token_that_marks_a_block_has_the_most_information():
    counts = [[9, 1, 0], [5, 5, 5], [10, 0, 0]]
    assert np.argsort(bounds.presence_information(counts, [10, 10, 10])).tolist() == [1, 0, 2]


def test_exact_arguments_give_exact_answers():
    assert bounds.anchor_margin(Rational(1, 2), Integer(0), Integer(4)) == 2
    assert bounds.anchor_scale_needed(Rational(1, 2), Integer(2), Integer(4)) == sympy.oo
    assert bounds.coherence_possible(Integer(4), Integer(8)) == 0
    assert bounds.information_needed(Integer(4), Rational(3, 4)) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bounds.anchor_margin(1.5, 0.1), r"coherence=1.5 must lie in \[-1, 1\]"),
        (lambda: bounds.anchor_margin(0.5, -0.1), r"distance=-0.1 must lie in \[0, 2\]"),
        (lambda: bounds.anchor_margin(0.5, 0.1, 0), "scale=0 must be positive"),
        (lambda: bounds.anchor_margin(float("nan"), 0.1), "coherence=nan must be finite"),
        (lambda: bounds.anchor_scale_needed(0.5, "x", 1), "distance='x' must be a real number"),
        (lambda: bounds.coherence_possible(0, 3), "dimension=0 must be at least 1"),
        (lambda: bounds.coherence_possible(3, 2.5), "anchors=2.5 must be an integer"),
        (lambda: bounds.anchor_capacity(3, 0.5), r"coherence=0.5 must lie in \[-1, 0\]"),
        (lambda: bounds.random_anchor_coherence(3, 4, 0), r"failure=0 must lie in \(0, 1\)"),
        (lambda: bounds.information_needed(1, 0.5), "blocks=1 must be at least 2"),
        (lambda: bounds.information_needed(Integer(3), Rational(3, 2)), r"error=3/2 must lie in \[0, 1\]"),
        (lambda: bounds.presence_information([3], [2]), "present=3 must be at most the contexts of its block"),
    ],
)
def test_errors_name_the_value_and_the_rule(call, message):
    with pytest.raises(DomainError, match=message):
        call()
