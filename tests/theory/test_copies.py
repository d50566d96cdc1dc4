"""Every formula that is written a second time, for speed or stability, agrees with the statement it is a copy of."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from sympy import Rational, expand_func, sqrt
from sympy import exp as e_to

from empirical.attention.gate import _dialled
from empirical.measuring.checks import mixture_entropy
from theory import design_symbols as design
from theory import symbols as row
from theory import weight_symbols as weights
from theory.design.promise import entropy_most
from theory.numbers import anchor_bounds, bounds, extinction_steps, rule_bounds, schedule_bounds, weight_bounds
from theory.statements import (
    anchors,
    dial,
    entropy,
    extinction,
    gradient_bound,
    known,
    leak,
    penalty,
    rules,
    schedules,
    sparse_attention,
    weights_to_attention,
)

SIZE = lambda draw: draw.randint(1, 500)  # noqa: E731
UNIT = lambda draw: Fraction(draw.randint(1, 999), 1000)  # noqa: E731
POSITIVE = lambda draw: Fraction(draw.randint(1, 400), 40)  # noqa: E731
REAL = lambda draw: Fraction(draw.randint(-400, 400), 40)  # noqa: E731


def floats(function):
    """The function on the values as floats, sizes as they are."""
    return lambda *values: function(*(value if isinstance(value, int) else float(value) for value in values))


class _Row:
    def __init__(self, m, k):
        self.keys, self.own, self.others = m + k, m, k


# The copy, the statement's expression, and the letters in the copy's order with what is drawn for each.
ROW = {row.m: SIZE, row.k: SIZE}
COPIES = {
    "A2 bounds.leak_max": (lambda m, k, d: bounds.leak_max(m + k, m, d), leak.LEAK_MAX, ROW | {row.d: REAL}),
    "A2 bounds.fidelity_min": (
        lambda m, k, d: bounds.fidelity_min(m + k, m, d),
        1 - leak.LEAK_MAX,
        ROW | {row.d: REAL},
    ),
    "A3 bounds.margin_needed": (
        lambda m, k, eps, tau: bounds.margin_needed(m + k, m, eps, tau),
        row.tau * leak.MARGIN_THRESHOLD,
        ROW | {row.eps_target: UNIT, row.tau: POSITIVE},
    ),
    "A4 bounds.entropy_max": (
        lambda m, k, d: bounds.entropy_max(m + k, m, d),
        entropy.ENTROPY_MAX,
        ROW | {row.d: POSITIVE},
    ),
    "A4 promise.entropy_most": (
        lambda m, k, d: entropy_most(_Row(m, k), d),
        entropy.ENTROPY_MAX,
        ROW | {row.d: POSITIVE},
    ),
    "A4 checks.mixture_entropy": (
        lambda m, k, d: mixture_entropy(np.array(m + k), np.array(m), bounds.leak_max(m + k, m, d)),
        entropy.ENTROPY_MAX,
        ROW | {row.d: POSITIVE},
    ),
    "B1 bounds.dialled_leak": (bounds.dialled_leak, dial.DIALLED_LEAK, {row.eps: UNIT, row.lam: UNIT}),
    "B1 bounds.dial_needed": (bounds.dial_needed, dial.DIAL_NEEDED, {row.F: UNIT, row.F_target: UNIT}),
    "B1 gate, leak": (
        lambda eps, lam: _dialled(1 - np.float64(eps), -np.log1p(-lam))[0],
        dial.DIALLED_LEAK,
        {row.eps: UNIT, row.lam: UNIT},
    ),
    "B1 gate, fidelity": (
        lambda eps, lam: _dialled(1 - np.float64(eps), -np.log1p(-lam))[1],
        1 - dial.DIALLED_LEAK,
        {row.eps: UNIT, row.lam: UNIT},
    ),
    "B4 bounds.penalty_needed": (
        lambda m, k, eps, delta, tau: bounds.penalty_needed(m + k, m, eps, delta, tau),
        penalty.PENALTY_NEEDED,
        ROW | {row.eps_target: UNIT, row.delta: REAL, row.tau: POSITIVE},
    ),
    "B5 weight_bounds.sparse_penalty_needed": (
        lambda m, delta, tau: weight_bounds.sparse_penalty_needed(m, 1, delta, tau),
        sparse_attention.SPARSE_PENALTY,
        {row.m: SIZE, row.delta: REAL, row.tau: POSITIVE},
    ),
    "C2 weight_bounds.gradient_bound": (
        weight_bounds.gradient_bound,
        gradient_bound.GRADIENT_MAX,
        {
            weights.Lam: POSITIVE,
            weights.v_norm: POSITIVE,
            weights.k_norm: POSITIVE,
            weights.x_g: POSITIVE,
            weights.d_k: SIZE,
            row.tau: POSITIVE,
        },
    ),
    "C6 weight_bounds.margin_from_weights": (
        weight_bounds.margin_from_weights,
        weights_to_attention.MARGIN_FROM_WEIGHTS,
        {weights.s_in: REAL, weights.reach_off: POSITIVE, weights.pull: POSITIVE, weights.d_k: SIZE},
    ),
    "C5 extinction_steps.adam_update_bound": (
        lambda t: extinction_steps.adam_update_bound(t, 0.5, 0.875),
        lambda t: sqrt(
            extinction.UPDATE_SQUARE.subs(
                {
                    weights.beta_1: Rational(1, 2),
                    weights.beta_2: Rational(7, 8),
                    weights.beta_1_t: Rational(1, 2) ** t,
                    weights.beta_2_t: Rational(7, 8) ** t,
                }
            )
        ),
        {None: lambda draw: draw.randint(1, 60)},
    ),
    "D1 anchor_bounds.anchor_margin": (
        lambda mu, eta: anchor_bounds.anchor_margin(mu, eta, 1.0),
        anchors.BRACKET,
        {design.coherence: UNIT, design.distance: UNIT},
    ),
    "D2 anchor_bounds.random_anchor_coherence": (
        anchor_bounds.random_anchor_coherence,
        anchors.RANDOM_COHERENCE,
        {design.dimension: SIZE, design.anchors: lambda draw: draw.randint(2, 500), design.failure: UNIT},
    ),
    "D3 anchor_bounds.information_needed": (
        lambda number, error: anchor_bounds.information_needed(number, error * (1 - 1 / number)),
        lambda number, error: anchors.INFORMATION_NEEDED.subs(
            {design.blocks: number, design.error: error * (1 - Rational(1, number))}
        ),
        {None: lambda draw: draw.randint(3, 500), 1: lambda draw: Fraction(draw.randint(1, 900), 1000)},
    ),
    "E1 rule_bounds.rule_strength": (
        rule_bounds.rule_strength,
        rules.STRENGTH_NEEDED,
        {row.F: UNIT, design.promise: UNIT, row.tau: POSITIVE},
    ),
    "E3 rule_bounds.expected_fidelity": (
        rule_bounds.expected_fidelity,
        rules.EXPECTED_FIDELITY,
        {design.missed: UNIT, design.mean_fired: UNIT, design.mean_missed: UNIT},
    ),
    "F3 schedule_bounds.dial_gain": (
        schedule_bounds.dial_gain,
        schedules.LAYER_COST,
        {row.eps: UNIT, design.dial_here: UNIT},
    ),
    "G1 bounds.entropy_min_zhai": (
        lambda n, norm: bounds.entropy_min_zhai(n, norm),
        lambda n, norm: known.ENTROPY_MIN_ZHAI.subs({row.m: 1, row.k: n - 1, design.norm: norm}),
        {None: lambda draw: draw.randint(2, 500), 1: POSITIVE},
    ),
}


def disagreement(copy, expr, letters, seed=0, draws=40):
    """The largest relative difference between a copy and its statement at random points."""
    draw, worst = random.Random(seed), 0.0
    for _ in range(draws):
        values = [strategy(draw) for strategy in letters.values()]
        exact = [Rational(value.numerator, value.denominator) for value in values]
        written = expr(*exact) if callable(expr) else expr.subs(dict(zip(letters, exact, strict=True)))
        truth = expand_func(written).evalf(40)
        got = float(floats(copy)(*values))
        worst = max(worst, abs(got - float(truth)) / max(abs(float(truth)), 1e-12))
    return worst


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_agrees_with_its_statement(name):
    assert disagreement(*COPIES[name]) < 1e-11


def test_a_copy_that_is_off_is_seen():
    copy, expr, letters = COPIES["A2 bounds.leak_max"]
    assert disagreement(lambda m, k, d: copy(m, k, d + 1e-9), expr, letters) > 1e-11
    assert disagreement(copy, expr * e_to(Rational(1, 10**9)), letters) > 1e-11
