"""The exact decision behind `localist check`: a threshold is the smallest float for which the answer is yes."""

from __future__ import annotations

import math
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from theory.design.guarantee import (
    Design,
    Targets,
    dial_beside_penalty,
    dial_threshold,
    guaranteed,
    margin_of_anchors,
    margin_threshold,
    penalty_threshold,
)
from theory.numbers import bounds
from theory.numbers.anchor_bounds import anchor_margin


@st.composite
def designs(draw):
    keys = draw(st.integers(2, 4096))
    return Design(
        keys,
        draw(st.integers(1, keys - 1)),
        margin=draw(st.floats(-12, 30)),
        temperature=draw(st.sampled_from([1.0, 0.25, 3.0])),
        penalty=draw(st.sampled_from([0.0, 0.0, 2.5])),
        dial=draw(st.sampled_from([0.0, 0.0, 0.75])),
    )


fidelities = st.one_of(st.none(), st.floats(0.01, 1 - 1e-9))
entropies = st.one_of(st.none(), st.floats(0, 13))
targets = st.builds(Targets, fidelities, entropies).filter(lambda t: t.any)


@settings(max_examples=40)
@given(designs(), targets)
def test_threshold_is_the_smallest_float_that_guarantees(design, goals):
    bare = replace(design, penalty=0.0, dial=0.0)
    cases = [
        (margin_threshold(design, goals).value, lambda x: replace(bare, margin=x), -math.inf),
        (penalty_threshold(design, goals).value, lambda x: replace(bare, penalty=x), 0.0),
        (dial_threshold(design, goals).value, lambda x: replace(bare, dial=x), 0.0),
    ]
    for value, setting, least in cases:
        if value is None:
            continue
        assert guaranteed(setting(value), goals)
        if value > least:
            assert not guaranteed(setting(math.nextafter(value, -math.inf)), goals)


@settings(max_examples=40)
@given(designs(), st.floats(0.05, 0.999))
def test_fidelity_thresholds_match_the_closed_forms(design, fidelity):
    goals = Targets(fidelity)
    n, m, tau = design.keys, design.block, design.temperature
    margin = margin_threshold(design, goals).value
    assert math.isclose(margin, bounds.margin_needed(n, m, 1 - fidelity, tau), rel_tol=1e-9, abs_tol=1e-9)
    penalty = penalty_threshold(design, goals).value
    closed = bounds.penalty_needed(n, m, 1 - fidelity, design.margin, tau)
    assert math.isclose(penalty, closed, rel_tol=1e-9, abs_tol=1e-9)


@settings(max_examples=40)
@given(designs(), targets)
def test_decision_agrees_with_the_bounds_away_from_equality(design, goals):
    d = (design.margin + design.penalty) / design.temperature - math.log1p(-design.dial)
    kept = True
    if goals.fidelity is not None:
        slack = bounds.fidelity_min(design.keys, design.block, d) - goals.fidelity
        if abs(slack) < 1e-9:
            return
        kept = kept and slack > 0
    if goals.entropy_bits is not None:
        slack = goals.entropy_bits * math.log(2) - bounds.entropy_max(design.keys, design.block, d)
        if abs(slack) < 1e-9:
            return
        kept = kept and slack > 0
    assert guaranteed(design, goals) == kept


def test_equality_is_decided_exactly():
    even = Design(keys=2, block=1, margin=0.0)
    assert guaranteed(even, Targets(0.5, 1.0))
    assert not guaranteed(even, Targets(math.nextafter(0.5, 1)))
    assert not guaranteed(even, Targets(entropy_bits=math.nextafter(1.0, 0)))
    dialled = Design(keys=10, block=1, margin=0.0, dial=0.75)
    assert guaranteed(dialled, Targets(4 / 13 - 1e-16))
    assert not guaranteed(dialled, Targets(4 / 13 + 1e-16))


@pytest.mark.parametrize(
    ("design", "goals", "threshold", "reason"),
    [
        (Design(64, 8, 1.0), Targets(entropy_bits=2.9), margin_threshold, "below the floor log m"),
        (Design(64, 8, 1.0), Targets(entropy_bits=3.0), penalty_threshold, "only in the limit"),
        (Design(64, 8, 1.0), Targets(entropy_bits=6.0), margin_threshold, "every margin"),
        (Design(64, 8, -60.0), Targets(0.9), dial_threshold, "no dial below 1"),
        (Design(64, 8, -60.0), Targets(), dial_threshold, "no target"),
    ],
)
def test_missing_threshold_states_the_reason(design, goals, threshold, reason):
    found = threshold(design, goals)
    assert found.value is None
    assert reason in found.reason


def test_search_handles_entropy_rising_below_separation_0():
    """A margin far below 0 keeps an entropy slightly below log n; raising it to -1 does not."""
    goals = Targets(0.001, entropy_bits=math.log2(3.5))
    far, near = Design(4, 1, -6.0), Design(4, 1, -1.0)
    assert guaranteed(replace(far, margin=-5.0), goals)
    assert not guaranteed(near, goals)
    assert penalty_threshold(near, goals).value > 1
    assert margin_threshold(far, goals).value < -5


def test_lower_bound_on_a_negative_margin_promises_no_entropy():
    """16 keys at the mean of two anchors, inner product 0.9 and 0.225 away from both: margin 0, all of log 16.

    At scale 6 and distance 1.5 D1 promises a margin of at least -6.75; the pair's bound there is below log 16.
    """
    anchors = np.array([[1.0, 0.0], [0.9, math.sqrt(1 - 0.81)]])
    key = anchors.sum(axis=0) / np.linalg.norm(anchors.sum(axis=0))
    assert np.linalg.norm(key - anchors, axis=1).max() < 0.23
    scores = 6 * np.array([anchors[0] @ key] * 16)
    weights = np.exp(scores - scores.max())
    weights /= weights.sum()
    bits = float(-(weights @ np.log2(weights)))
    margin = float(anchor_margin(0.9, 1.5, 6.0))
    assert scores[:8].min() - scores[8:].max() >= margin
    assert bits > 3.95
    assert guaranteed(Design(16, 8, margin), Targets(entropy_bits=3.95))
    assert not guaranteed(Design(16, 8, margin, at_least=True), Targets(entropy_bits=3.95))
    # Planted: the pair's bound holds for rows of exactly that margin, and fails for rows of a larger one.
    assert bits * math.log(2) > bounds.entropy_max(16, 8, margin)
    assert math.isclose(bits * math.log(2), bounds.entropy_max_at_least(16, 8, margin), rel_tol=1e-12)


@settings(max_examples=60)
@given(designs(), targets, st.floats(0, 20))
def test_promise_holds_for_every_larger_margin(design, goals, more):
    promised = replace(design, at_least=True)
    if guaranteed(promised, goals):
        assert guaranteed(replace(design, margin=design.margin + more), goals)
        assert guaranteed(replace(promised, margin=design.margin + more), goals)


@settings(max_examples=40)
@given(designs(), targets)
def test_promise_thresholds_are_the_smallest(design, goals):
    promised = replace(design, at_least=True)
    for value, setting in [
        (margin_threshold(promised, goals).value, lambda x: replace(promised, margin=x, penalty=0.0, dial=0.0)),
        (penalty_threshold(promised, goals).value, lambda x: replace(promised, penalty=x, dial=0.0)),
        (dial_beside_penalty(promised, goals).value, lambda x: replace(promised, dial=x)),
    ]:
        if value is None:
            continue
        assert guaranteed(setting(value), goals)
        if value != 0:
            assert not guaranteed(setting(math.nextafter(value, -math.inf)), goals)


def test_only_entropies_of_log_n_are_guaranteed_at_any_margin():
    promised = Design(16, 8, -30.0, at_least=True)
    assert guaranteed(promised, Targets(entropy_bits=4.0))
    assert not guaranteed(promised, Targets(entropy_bits=math.nextafter(4.0, 0)))
    odd = Design(15, 8, -30.0, at_least=True)
    assert guaranteed(odd, Targets(entropy_bits=math.nextafter(math.log2(15), 9)))
    assert not guaranteed(odd, Targets(entropy_bits=math.nextafter(math.log2(15), 0)))


@given(st.floats(-1, 1, exclude_max=True), st.floats(0, 2), st.floats(1e-300, 1e300))
@example(0.0, 0.0, 8.0)
@example(0.6, 1.2, 1.0)
@example(-1.0, 0.0, 2.0**1022)
@example(0.9, 1.5, 6.0)
def test_anchor_margin_is_rounded_down_to_a_float(coherence, distance, scale):
    with mpmath.workdps(400):
        theta, phi = mpmath.acos(mpmath.mpf(coherence)), 2 * mpmath.asin(mpmath.mpf(distance) / 2)
        oracle = mpmath.mpf(scale) * (mpmath.cos(phi) - mpmath.cos(max(mpmath.mpf(0), theta - phi)))
        # With equal angles the margin is 0 and mpmath's rounding decides its sign.
        error = mpmath.mpf(scale) * mpmath.mpf(10) ** -380
        promised = margin_of_anchors(coherence, distance, scale)
        assert promised <= oracle + error
        assert math.nextafter(promised, math.inf) > oracle - error


def test_extreme_values_are_decided():
    huge = Design(keys=10**12, block=1, margin=1e308, temperature=1e-300)
    assert guaranteed(huge, Targets(1 - 2**-53, 1e-9))
    assert not guaranteed(replace(huge, margin=-1e308), Targets(1e-300))
    assert penalty_threshold(replace(huge, margin=-1e308), Targets(0.5)).value == pytest.approx(1e308)
