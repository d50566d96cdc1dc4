"""The numeric functions' types, which mypy checks in this file: numbers give a number, arrays an array."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
from sympy import Expr, Integer, Rational

import localist
from theory.numbers import (
    anchor_bounds,
    bounds,
    decay_bounds,
    exact,
    extinction_steps,
    output_bounds,
    rule_bounds,
    schedule_bounds,
    truncation_bounds,
    weight_bounds,
)
from theory.numbers.checked import Array
from theory.numbers.numeric import Numeric

# mypy refuses a function without the overloads here.
FUNCTIONS: tuple[Numeric, ...] = (
    bounds.leak_max,
    bounds.quantile_leak_max,
    bounds.fidelity_min,
    bounds.entropy_max,
    bounds.entropy_max_at_least,
    bounds.entropy_min,
    bounds.entropy_min_zhai,
    bounds.margin_needed,
    bounds.penalised_margin,
    bounds.penalty_needed,
    bounds.dial_needed,
    bounds.dialled_leak,
    schedule_bounds.dial_gain,
    truncation_bounds.truncation_shift_max,
    weight_bounds.sparse_penalty_needed,
    weight_bounds.gradient_bound,
    weight_bounds.group_threshold,
    weight_bounds.collapse_radius,
    weight_bounds.surviving_product,
    weight_bounds.survival_penalty,
    weight_bounds.margin_from_weights,
    decay_bounds.decay_leak_max,
    decay_bounds.decay_slope_needed,
    output_bounds.next_token_variation_max,
    output_bounds.next_token_divergence_max,
    extinction_steps.adam_update_bound,
    extinction_steps.adam_threshold,
    anchor_bounds.anchor_margin,
    anchor_bounds.anchor_scale_needed,
    anchor_bounds.coherence_possible,
    anchor_bounds.anchor_capacity,
    anchor_bounds.random_anchor_coherence,
    anchor_bounds.information_needed,
    rule_bounds.rule_strength,
    rule_bounds.expected_fidelity,
)


def test_every_function_with_an_exact_form_is_typed_as_numeric() -> None:
    named = {getattr(function, "__name__", "") for function in FUNCTIONS}
    assert named == set(exact.PLAIN) | set(exact._OTHERS)


def test_a_number_gives_a_float() -> None:
    leak = localist.leak_max(n=8, m=2, separation=1)
    assert_type(leak, float)
    assert isinstance(leak, float)
    assert_type(bounds.margin_needed(8, 2, 0.1), float)
    assert isinstance(bounds.margin_needed(8, 2, 0.1), float)


def test_an_array_or_a_list_gives_an_array() -> None:
    leak = localist.leak_max(n=8, m=2, separation=np.zeros(3))
    assert_type(leak, Array)
    assert isinstance(leak, np.ndarray)
    assert leak.dtype == np.float64
    assert_type(bounds.dial_needed([0.25, 0.5], 0.75), Array)
    assert isinstance(bounds.dial_needed([0.25, 0.5], 0.75), np.ndarray)


def test_a_sympy_number_gives_a_sympy_number() -> None:
    # To mypy, sympy's types are all Any; what matters is that the answer is taken for neither a float nor an array.
    leak = localist.leak_max(n=8, m=2, separation=Integer(0))
    assert_type(leak, Any)
    assert isinstance(leak, Expr)
    assert leak == Rational(3, 4)
