"""Every formula that is written a second time, for speed or stability, agrees with the statement it is a copy of."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from sympy import Expr, Integer, Rational, Symbol, expand_func, oo, simplify, sqrt
from sympy import exp as e_to

from empirical.attention.gate import _dialled
from empirical.measuring.checks import mixture_entropy
from theory import design_symbols as design
from theory import symbols as row
from theory import weight_symbols as weights
from theory.design.promise import entropy_most
from theory.numbers import (
    anchor_bounds,
    bounds,
    decay_bounds,
    exact,
    exact_arguments,
    extinction_steps,
    output_bounds,
    rule_bounds,
    schedule_bounds,
    truncation_bounds,
    weight_bounds,
)
from theory.statements import (
    anchors,
    dial,
    entropy,
    known,
    leak,
    quantile_leak,
    schedules,
)
from theory.statements.weights import extinction

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
# Those of `PLAIN`, by which exact answers are computed, are added below.
ROW = {row.m: SIZE, row.k: SIZE}
COPIES = {
    "A2 bounds.leak_max": (lambda m, k, d: bounds.leak_max(m + k, m, d), leak.LEAK_MAX, ROW | {row.d: REAL}),
    "A2 bounds.fidelity_min": (
        lambda m, k, d: bounds.fidelity_min(m + k, m, d),
        1 - leak.LEAK_MAX,
        ROW | {row.d: REAL},
    ),
    "A8 bounds.quantile_leak_max": (
        lambda weight, gap, k, m: bounds.quantile_leak_max(np.log(weight), k, -gap, m, 0.0),
        quantile_leak.QUANTILE_LEAK_MAX,
        {row.W_out: POSITIVE, row.d_rest: REAL, row.k_rest: SIZE, row.m_kept: SIZE},
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
    "D3 anchor_bounds.information_needed": (
        lambda number, error: anchor_bounds.information_needed(number, error * (1 - 1 / number)),
        lambda number, error: known.INFORMATION_NEEDED.subs(
            {design.blocks: number, design.error: error * (1 - Rational(1, number))}
        ),
        {None: lambda draw: draw.randint(3, 500), 1: lambda draw: Fraction(draw.randint(1, 900), 1000)},
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


# What is drawn for an argument that must obey a law; of several laws, the last decides.
DRAWN = {
    exact_arguments.REAL: REAL,
    exact_arguments.SIZE: POSITIVE,
    exact_arguments.POSITIVE: POSITIVE,
    exact_arguments.UNIT: UNIT,
    exact_arguments.OPEN_UNIT: UNIT,
    exact_arguments.FROM_1: SIZE,
    exact_arguments.FROM_2: lambda draw: draw.randint(2, 500),
}
MODULES = (
    anchor_bounds,
    bounds,
    decay_bounds,
    output_bounds,
    rule_bounds,
    schedule_bounds,
    truncation_bounds,
    weight_bounds,
)


def plain_copy(name):
    """The numeric function of a plain entry, with the keys outside the block for the visible ones."""
    expr, letters = exact.PLAIN[name]
    function = next(getattr(module, name) for module in MODULES if hasattr(module, name))
    drawn = {letter: DRAWN[exact_arguments.ARGUMENTS[letter][-1]] for letter in letters}
    if letters[:2] != (exact_arguments.n, row.m):
        return function, expr, drawn
    del drawn[exact_arguments.n]
    return lambda m, k, *rest: function(m + k, m, *rest), expr, ROW | drawn


COPIES |= {name: plain_copy(name) for name in exact.PLAIN}


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


# Points at which the exact functions that are no plain expression have a value, with the numeric functions to compare.
EXACT = [
    (bounds.leak_max, (8, 2, Rational(4, 3))),
    (bounds.leak_max, (8, 2, oo)),
    (bounds.quantile_leak_max, (Rational(2, 3), 5, Rational(-4, 3), 3, Rational(1, 2))),
    (bounds.quantile_leak_max, (-oo, 5, Rational(-4, 3), 3, Rational(1, 2))),
    (bounds.quantile_leak_max, (Rational(2, 3), 0, -oo, 3, Rational(1, 2))),
    (decay_bounds.decay_leak_max, (9, 4, Rational(2, 7), Rational(3, 2), Rational(5, 4))),
    (decay_bounds.decay_leak_max, (oo, 4, Rational(2, 7), Rational(3, 2), Rational(5, 4))),
    (output_bounds.next_token_divergence_max, (Rational(7, 3),)),
    (output_bounds.next_token_divergence_max, (Integer(0),)),
    (bounds.fidelity_min, (8, 2, Rational(-4, 3))),
    (bounds.fidelity_min, (8, 2, -oo)),
    (bounds.entropy_max, (9, 4, Rational(2, 3))),
    (bounds.entropy_max, (9, 4, Rational(-2, 3))),
    (bounds.entropy_max, (9, 4, oo)),
    (bounds.entropy_max, (9, 4, -oo)),
    (bounds.entropy_max_at_least, (9, 4, Rational(-2, 3))),
    (bounds.entropy_min, (9, Rational(7, 2))),
    (bounds.entropy_min, (900, Rational(7, 2))),
    (bounds.entropy_min_zhai, (9, Rational(7, 2))),
    (bounds.dialled_leak, (Rational(1, 3), Rational(2, 5))),
    (bounds.dialled_leak, (Rational(1, 3), Integer(1))),
    (schedule_bounds.dial_gain, (Rational(1, 3), Rational(2, 5))),
    (weight_bounds.collapse_radius, (Rational(3, 2), 2, 3, 5, 7, 11)),
    (weight_bounds.collapse_radius, (Rational(3, 2), 0, 3, 5, 7, 11)),
    (extinction_steps.adam_update_bound, (5, Rational(1, 2), Rational(7, 8))),
    (extinction_steps.adam_update_bound, (oo, Rational(1, 2), Rational(7, 8))),
    (extinction_steps.adam_threshold, (9, Rational(1, 2), Rational(7, 8), 5)),
    (anchor_bounds.anchor_margin, (Rational(1, 3), Rational(1, 5), 3)),
    (anchor_bounds.anchor_margin, (Rational(1, 3), Rational(7, 5), 3)),
    (anchor_bounds.anchor_scale_needed, (Rational(1, 3), Rational(1, 5), 3)),
    (anchor_bounds.anchor_scale_needed, (Rational(1, 3), Rational(7, 5), 3)),
    (anchor_bounds.coherence_possible, (Integer(5), 4)),
    (anchor_bounds.coherence_possible, (Integer(5), 9)),
    (anchor_bounds.coherence_possible, (Integer(5), 17)),
    (anchor_bounds.coherence_possible, (Integer(1), 3)),
    (anchor_bounds.anchor_capacity, (5, Rational(-2, 9))),
    (anchor_bounds.anchor_capacity, (5, Rational(-1, 90))),
    (anchor_bounds.anchor_capacity, (5, Integer(0))),
    (anchor_bounds.information_needed, (5, Rational(1, 7))),
    (anchor_bounds.information_needed, (5, Integer(0))),
    (anchor_bounds.information_needed, (5, Rational(8, 9))),
]


@pytest.mark.parametrize(("function", "point"), EXACT, ids=[f"{f.__name__}{p}" for f, p in EXACT])
def test_an_exact_value_agrees_with_the_float(function, point):
    exact_value = function(*point)
    assert isinstance(exact_value, Expr)
    assert float(exact_value) == pytest.approx(float(function(*map(float, point))), rel=1e-12, abs=1e-300)


def test_every_exact_function_is_compared():
    assert {function.__name__ for function, _ in EXACT} == set(exact._OTHERS)


@pytest.mark.parametrize(
    ("function", "point"),
    [
        (bounds.leak_max, (row.m + row.k, row.k, row.d)),
        (bounds.quantile_leak_max, (row.d, row.m_kept, row.d_rest, row.k_rest, row.delta)),
        (bounds.entropy_max_at_least, (row.m, 1, Rational(1, 3))),
        (bounds.margin_needed, (row.k, row.m, row.F, row.eps_target)),
        (bounds.penalty_needed, (row.k, 2, row.tau, row.m, row.delta)),
        (weight_bounds.gradient_bound, (row.tau, weights.d_k, 2, 3, 5, weights.Lam)),
        (anchor_bounds.random_anchor_coherence, (design.anchors, design.dimension, row.eps)),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_an_argument_may_hold_the_statements_own_letters(function, point):
    """Substituted one after the other, a letter would be replaced in the value of another one."""
    letters = sorted({letter for value in point if isinstance(value, Expr) for letter in value.free_symbols}, key=str)
    strange = [Symbol(f"strange_{i}", **letter.assumptions0) for i, letter in enumerate(letters)]
    there, back = dict(zip(letters, strange, strict=True)), dict(zip(strange, letters, strict=True))
    renamed = function(*(value.xreplace(there) if isinstance(value, Expr) else value for value in point))
    assert simplify(function(*point) - renamed.xreplace(back)) == 0
