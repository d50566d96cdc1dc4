"""F1-F3: closed forms against sums, counts against a formula that misrounds, and both orders of the cost."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympy import Integer, Rational

from empirical.attention.schedule import SCHEDULES as TRAINED
from empirical.attention.schedule import layer_dials
from proofs_check.inequalities.verdict import Verdict
from proofs_check.methods.sampling import sample
from proofs_check.methods.symbolic import check_derivation
from theory.errors import DomainError
from theory.numbers import schedule_bounds as bounds
from theory.statements.schedules import LOCALISED_DEPTH, SCHEDULE_BUDGET, SCHEDULE_COST, budget

NAMES = tuple(bounds.SCHEDULES)
STEEPER = ("localist", "linear", "quadratic", "cubic", "quartic", "quintic")


@pytest.mark.parametrize("statement", [SCHEDULE_BUDGET, LOCALISED_DEPTH, SCHEDULE_COST], ids=lambda s: s.id)
def test_statements_are_derived_and_sampled_clean(statement):
    assert check_derivation(statement).verdict is Verdict.PROVED
    assert sample(statement, 60).clean


def test_theory_and_training_have_the_same_schedules():
    assert dict(TRAINED) == bounds.SCHEDULES
    for name in NAMES:
        assert np.allclose(bounds.schedule_dials(name, 7, 0.9), layer_dials(name, 7, 0.9), rtol=1e-15)
    assert bounds.schedule_dials("quintic", 1, 0.9).tolist() == layer_dials("quintic", 1, 0.9)


@given(st.sampled_from(STEEPER), st.integers(2, 200))
def test_budget_equals_the_exact_sum(name, layers):
    exponent = bounds.SCHEDULES[name]
    exact = sum(Fraction(layer**exponent, (layers - 1) ** exponent) for layer in range(layers))
    assert bounds.schedule_budget(name, layers) == float(exact)
    assert bounds.schedule_budget(name, Integer(layers)) == Rational(exact.numerator, exact.denominator)
    assert math.isclose(
        bounds.schedule_budget(name, layers), bounds.schedule_dials(name, layers, 1.0).sum(), rel_tol=1e-13
    )


def test_numeric_closed_forms_match_the_statements():
    from theory.design_symbols import layers as letter

    for name in STEEPER:
        for layers in (2, 3, 12, 97):
            derived = budget(bounds.SCHEDULES[name]).subs(letter, layers)
            assert derived == bounds.schedule_budget(name, Integer(layers))


def test_budget_of_other_schedules():
    assert bounds.schedule_budget("distributed", 12) == 0
    assert bounds.schedule_budget("quintic", 1) == 1
    assert math.isclose(bounds.schedule_budget(2.5, 9), sum((i / 8) ** 2.5 for i in range(9)))
    assert math.isclose(bounds.schedule_budget(2.0, 9), bounds.schedule_budget("quadratic", 9))


@given(st.sampled_from(STEEPER), st.integers(2, 40), st.floats(0, 1))
def test_largest_for_mean_gives_equal_means(name, layers, share):
    mean = share * bounds.schedule_budget(name, layers) / layers
    dials = bounds.schedule_dials(name, layers, bounds.largest_for_mean(name, layers, mean))
    assert math.isclose(dials.mean(), mean, rel_tol=1e-12, abs_tol=1e-300)


@given(st.sampled_from(STEEPER[1:]), st.integers(2, 30), st.integers(1, 20), st.integers(1, 20))
def test_depth_is_an_exact_count(name, layers, top, needed):
    exponent, largest, threshold = bounds.SCHEDULES[name], Fraction(top, 32), Fraction(needed, 64)
    dials = [largest * Fraction(layer**exponent, (layers - 1) ** exponent) for layer in range(layers)]
    distinct = all(abs(dial - threshold) > Fraction(1, 10**12) for dial in dials)
    if distinct:
        assert bounds.localised_depth(name, layers, float(largest), float(threshold)) == sum(
            d >= threshold for d in dials
        )


def test_closed_form_misrounds_where_counting_does_not():
    wrong = 0
    for layers in range(2, 40):
        for exponent in range(1, 6):
            dials = bounds.schedule_dials(exponent, layers, 0.9)
            for layer in range(1, layers):
                formula = layers - math.ceil((layers - 1) * (dials[layer] / 0.9) ** (1 / exponent))
                counted = bounds.localised_depth(exponent, layers, 0.9, dials[layer])
                assert counted == layers - layer
                wrong += formula != counted
    assert wrong > 100


def test_depth_broadcasts():
    depth = bounds.localised_depth("linear", 5, [[0.5], [1.0]], [0.25, 0.5, 0.75])
    assert depth.tolist() == [[3, 1, 0], [4, 3, 2]]


def test_steeper_schedule_costs_less_at_equal_largest_and_more_at_equal_mean():
    for leak in (0.05, 0.6, 0.95):
        plain = [bounds.schedule_cost(name, 12, 0.9, leak) for name in STEEPER]
        assert plain == sorted(plain, reverse=True)
        even = [bounds.schedule_cost(name, 12, bounds.largest_for_mean(name, 12, 0.15), leak) for name in STEEPER]
        assert even == sorted(even)
    assert "equal mean dial" in bounds.BUDGET_WARNING


def test_unequal_leaks_can_reverse_the_cost_order():
    leaks = [0.9] * 6 + [0.01] * 6
    flat, steep = (
        bounds.schedule_cost(name, 12, bounds.largest_for_mean(name, 12, 0.15), leaks)
        for name in ("localist", "quintic")
    )
    assert steep < flat


@given(st.floats(0, 1 - 2**-53), st.floats(0, 1))
def test_dial_gain_matches_the_fidelity_gain(leak, dial):
    eps, lam = Fraction(leak), Fraction(dial)
    exact = (1 - eps) / (1 - lam * eps) - (1 - eps)
    assert abs(Fraction(float(bounds.dial_gain(leak, dial))) - exact) <= exact / 10**12 + Fraction(1, 10**300)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bounds.schedule_dials("septic", 4, 0.5), "schedule='septic' must be one of distributed"),
        (lambda: bounds.schedule_dials(-1, 4, 0.5), "exponent=-1 must be at least 0"),
        (lambda: bounds.schedule_dials("linear", 0, 0.5), "layers=0 must be at least 1"),
        (lambda: bounds.schedule_dials("linear", 2.5, 0.5), "layers=2.5 must be an integer"),
        (lambda: bounds.schedule_dials("linear", [2, 3], 0.5), "must be a single integer"),
        (lambda: bounds.schedule_dials("linear", 4, 1.5), r"largest dial=1.5 must lie in \[0, 1\]"),
        (lambda: bounds.largest_for_mean("quintic", 4, 0.9), "mean dial=0.9 must be at most 0.28"),
        (lambda: bounds.largest_for_mean("distributed", 4, 0.1), "must be at most 0 on the distributed"),
        (lambda: bounds.localised_depth("linear", 4, 0.5, 0), r"needed dial=0 must lie in \(0, 1\]"),
        (lambda: bounds.schedule_cost("linear", 4, 0.5, [0.1, 0.2]), "leak has 2 entries and must have one for each"),
        (lambda: bounds.schedule_cost("linear", 4, 0.5, 0.1, -1), "weight=-1 must be at least 0"),
        (lambda: bounds.schedule_cost("linear", 4, 1.0, 1.0), "leak=1 must be below 1 where the dial is 1"),
        (lambda: bounds.dial_gain(Integer(1), Integer(1)), "leak=1 must be below 1 where the dial is 1"),
    ],
)
def test_errors_name_the_value_and_the_rule(call, message):
    with pytest.raises(DomainError, match=message):
        call()
