"""C5's update bound: attained at every step, never exceeded, and computed to twelve digits."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sympy import Eq

from proofs_check.deciding.deciding import Letters, decide
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.weights.adam_runs import ADAM_DEFINITIONS, AdamRun
from theory.errors import DomainError
from theory.numbers.extinction_steps import adam_update_bound
from theory.statements.weights.extinction import EXTINCTION_BY_ADAM

BETAS = [(0.9, 0.999), (0.9, 0.95), (0.5, 0.3), (0.0, 0.99)]


def exact_update_square(gradients, beta1, beta2):
    """Square of Adam's last bias-corrected update, in fractions."""
    mean = square = Fraction(0)
    for g in gradients:
        mean = beta1 * mean + (1 - beta1) * g
        square = beta2 * square + (1 - beta2) * g * g
    steps = len(gradients)
    return (mean / (1 - beta1**steps)) ** 2 / (square / (1 - beta2**steps))


@pytest.mark.parametrize(("beta1", "beta2"), [("9/10", "999/1000"), ("9/10", "19/20"), ("1/2", "3/10")])
def test_worst_sequence_attains_the_bound_at_every_step(beta1, beta2):
    first, second = Fraction(beta1), Fraction(beta2)
    gradients = [(second / first) ** i for i in range(1, 31)]
    for step in range(1, 31):
        attained = exact_update_square(gradients[:step], first, second)
        sums = [sum(base**i for i in range(step)) for base in (first, second, first**2 / second)]
        assert attained == sums[1] * sums[2] / sums[0] ** 2
        assert float(adam_update_bound(step, float(first), float(second))) == pytest.approx(
            math.sqrt(attained), rel=1e-13
        )


def test_update_clause_holds_with_equality_for_the_worst_sequence():
    first, second = Fraction(9, 10), Fraction(999, 1000)
    gradients = tuple(((second / first) ** i,) for i in range(1, 8))
    run = AdamRun((Fraction(1),), gradients, (Fraction(1),) * 7, Fraction(1), first, second)
    holds = EXTINCTION_BY_ADAM.clause("update").holds
    letters = Letters(run, ADAM_DEFINITIONS)
    assert decide(Eq(holds.lhs, holds.rhs), letters) is Verdict.PROVED
    wrong = replace(run, gradients=(*gradients[:-1], (Fraction(2),)))
    assert decide(Eq(holds.lhs, holds.rhs), Letters(wrong, ADAM_DEFINITIONS)) is Verdict.REFUTED


@pytest.mark.parametrize(("beta1", "beta2"), BETAS)
def test_search_finds_no_larger_update(beta1, beta2):
    steps = 12
    weights = beta1 ** np.arange(steps)[::-1] if beta1 else np.eye(steps)[-1]
    decay = beta2 ** np.arange(steps)[::-1]

    def update(gradients):
        mean = (1 - beta1) / (1 - beta1**steps) * (weights @ gradients)
        return -mean / math.sqrt((1 - beta2) / (1 - beta2**steps) * (decay @ gradients**2) + 1e-300)

    bound, generator = float(adam_update_bound(steps, beta1, beta2)), np.random.default_rng(0)
    found = [-minimize(update, generator.standard_normal(steps), tol=1e-12).fun for _ in range(8)]
    assert max(found) <= bound * (1 + 1e-12)
    assert max(found) > 0.999 * bound


def in_arb(step, beta1, beta2):
    with ctx.workprec(2000):
        first, second = arb(beta1), arb(beta2)
        rho = first * first / second
        sums = [(1 - base**step) / (1 - base) for base in (first, second, rho)]
        return float((sums[1] * sums[2]).sqrt() / sums[0])


NEAR_ONE = st.integers(1, 52).map(lambda e: 1 - 2.0**-e)
STEP_COUNTS = st.one_of(st.integers(1, 50), st.integers(1, 10**9))


@settings(max_examples=150)
@given(STEP_COUNTS, st.one_of(NEAR_ONE, st.floats(1e-6, 0.999)), st.one_of(NEAR_ONE, st.floats(1e-3, 0.9999)))
def test_bound_keeps_twelve_digits(step, beta1, beta2):
    if not Fraction(beta1) ** 2 < Fraction(beta2):
        with pytest.raises(DomainError, match="square below beta2"):
            adam_update_bound(step, beta1, beta2)
        return
    assert float(adam_update_bound(step, beta1, beta2)) == pytest.approx(in_arb(step, beta1, beta2), rel=1e-12)


def test_beta1_squared_near_beta2_keeps_twelve_digits():
    beta1 = 0.9
    for ulps in (1, 2, 10):
        beta2 = beta1 * beta1
        while Fraction(beta2) <= Fraction(beta1) ** 2:
            beta2 = math.nextafter(beta2, 1)
        for _ in range(ulps - 1):
            beta2 = math.nextafter(beta2, 1)
        for step in (1, 10, 10**6):
            exact = in_arb(step, beta1, beta2)
            assert float(adam_update_bound(step, beta1, beta2)) == pytest.approx(exact, rel=1e-12)


def test_bound_rises_from_1_to_its_limit():
    bounds = adam_update_bound(np.arange(1, 20000), 0.9, 0.999)
    assert bounds[0] == pytest.approx(1, rel=1e-15)
    assert np.all(np.diff(bounds) >= -1e-14)
    assert float(adam_update_bound(math.inf)) == pytest.approx(math.sqrt(2590) / 7, rel=1e-14)
    assert bounds[-1] <= float(adam_update_bound(math.inf)) * (1 + 1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: adam_update_bound(0), "step=0 must be an integer of at least 1"),
        (lambda: adam_update_bound(1.5), "step=1.5 must be an integer"),
        (lambda: adam_update_bound(math.nan), "step=nan must be an integer"),
        (lambda: adam_update_bound(1, 0.99, 0.9), "beta1=0.99 must have a square below beta2"),
        (lambda: adam_update_bound(1, -0.1, 0.9), r"beta1=-0.1 must lie in \[0, 1\]"),
        (lambda: adam_update_bound(1, 0.1, 1.0), "beta2=1 must be below 1"),
    ],
)
def test_errors_name_the_value_and_the_rule(call, message):
    with pytest.raises(DomainError, match=message):
        call()
