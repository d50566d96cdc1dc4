"""E1-E3: linear programs against scipy, least change against a general solver, certificates exactly."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize
from sympy import Integer, Rational

from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.games import highest_floor, lowest_ceiling
from proofs_check.methods.sampling import sample
from proofs_check.methods.symbolic import check_derivation
from theory.errors import DomainError
from theory.numbers import rule_bounds as bounds
from theory.numbers.exact_game import solve_game
from theory.statements.rules import IMPERFECT_CHECKER, ODDS_COMPOSITION, RULE_SET_PROMISE


@pytest.mark.parametrize("statement", [ODDS_COMPOSITION, RULE_SET_PROMISE, IMPERFECT_CHECKER], ids=lambda s: s.id)
def test_statements_are_derived_and_sampled_clean(statement):
    assert check_derivation(statement).verdict is Verdict.PROVED
    assert sample(statement, 60).clean


payoffs = st.integers(1, 4).flatmap(
    lambda rows: st.lists(
        st.lists(st.integers(-6, 6).map(lambda i: Fraction(i, 5)), min_size=rows, max_size=rows), min_size=1, max_size=5
    )
)


@given(payoffs)
def test_simplex_agrees_with_enumerated_bases(columns):
    payoff = tuple(zip(*columns, strict=True))
    game = solve_game(payoff)
    assert game.value == highest_floor(payoff) == lowest_ceiling(payoff)
    assert sum(game.masses) == sum(game.weights) == 1
    assert min(*game.masses, *game.weights) >= 0
    assert game.value == min(sum(p * x for p, x in zip(game.masses, row, strict=True)) for row in payoff)
    assert game.value == max(sum(y * x for y, x in zip(game.weights, column, strict=True)) for column in columns)


def linear_program(targets, promises):
    """Largest common excess of the fidelities over the promises, by scipy."""
    rules, keys = targets.shape
    found = linprog(
        c=[0] * keys + [-1],
        A_ub=np.hstack([-targets, np.ones((rules, 1))]),
        b_ub=-np.asarray(promises),
        A_eq=[[1] * keys + [0]],
        b_eq=[1],
        bounds=[(0, None)] * keys + [(None, None)],
    )
    return -found.fun


@pytest.mark.parametrize("seed", range(12))
def test_promises_match_scipy(seed):
    rng = np.random.default_rng(seed)
    rules, keys = int(rng.integers(2, 25)), int(rng.integers(2, 200))
    targets = (rng.random((rules, keys)) < rng.uniform(0.1, 0.7)).astype(int)
    sup = bounds.promise_sup(targets)
    assert np.isclose(float(sup.value), linear_program(targets, np.zeros(rules)), atol=1e-8)
    promises = rng.random(rules).round(2)
    verdict = bounds.promises_possible(targets, promises)
    assert np.isclose(float(verdict.slack), linear_program(targets, promises), atol=1e-8)
    exact = [Fraction(repr(float(f))) for f in promises]
    if verdict.possible:
        assert verdict.certificate is None
        held = [sum(p for p, x in zip(verdict.masses, row, strict=True) if x) for row in targets]
        assert all(got >= f for got, f in zip(held, exact, strict=True))
    else:
        assert bounds.is_certificate(targets, exact, verdict.certificate)


def test_refuses_wrong_certificates():
    targets, promises = [[1, 0], [0, 1]], [Fraction(7, 10), Fraction(2, 5)]
    assert bounds.is_certificate(targets, promises, [Fraction(1, 2), Fraction(1, 2)])
    assert not bounds.is_certificate(targets, promises, [Fraction(1), Fraction(0)])
    assert not bounds.is_certificate(targets, promises, [Fraction(3), Fraction(-1)])
    assert not bounds.is_certificate(targets, promises, [Fraction(1)])


def test_disjoint_promises_sum_to_at_most_one():
    for count in range(1, 6):
        assert bounds.promise_sup(np.eye(count, dtype=int)).value == Fraction(1, count)
    assert bounds.promises_possible(np.eye(10, dtype=int), [0.1] * 10).possible
    assert not bounds.promises_possible(np.eye(10, dtype=int), [0.1] * 9 + [0.11]).possible


@given(st.floats(1e-12, 1 - 1e-12), st.floats(1e-12, 1 - 1e-12), st.floats(1e-3, 1e3))
def test_rule_strength_matches_mpmath(fidelity, target, temperature):
    with mpmath.workdps(60):
        odds = [mpmath.mpf(x) / (1 - mpmath.mpf(x)) for x in (fidelity, target)]
        oracle = max(mpmath.mpf(0), mpmath.mpf(temperature) * mpmath.log(odds[1] / odds[0]))
        error = abs(mpmath.mpf(float(bounds.rule_strength(fidelity, target, temperature))) - oracle)
    assert error <= 1e-12 * oracle


@pytest.mark.parametrize("nudge", [0.0, 2**-53, 1e-12, 1e-6])
def test_rule_strength_is_accurate_for_close_and_extreme_fidelities(nudge):
    with mpmath.workdps(400):
        for fidelity, target in ((0.5, 0.5 + nudge), (1e-300, 0.5), (1e-300, 1 - 2**-53)):
            start, goal = mpmath.mpf(fidelity), mpmath.mpf(target)
            oracle = mpmath.log(goal) - mpmath.log(1 - goal) - mpmath.log(start) + mpmath.log(1 - start)
            assert abs(mpmath.mpf(float(bounds.rule_strength(fidelity, target))) - oracle) <= 1e-12 * oracle


def ruled(masses, targets, strengths, temperature):
    row = masses * np.exp(strengths @ targets / temperature)
    return row / row.sum()


@pytest.mark.parametrize("seed", range(40))
def test_least_change_matches_a_general_solver(seed):
    rng = np.random.default_rng(seed)
    rules, keys = int(rng.integers(1, 5)), int(rng.integers(2, 8))
    targets = (rng.random((rules, keys)) < 0.5).astype(int)
    targets[np.arange(rules), rng.integers(0, keys, rules)] = 1
    masses = rng.dirichlet(np.ones(keys)) * 0.99 + 0.01 / keys
    temperature = float(rng.choice([0.5, 1.0, 3.0]))
    promises = np.full(rules, float(bounds.promise_sup(targets).value) * rng.choice([0.5, 0.9, 0.999]))
    strengths = bounds.rule_strengths(masses, targets, promises, temperature)
    row = ruled(masses, targets, strengths, temperature)
    assert (strengths >= 0).all()
    # The solver stops at a residual of 1e-11 in the fidelities or strengths.
    assert (targets @ row >= promises - 1e-10).all()
    assert np.allclose(strengths * (targets @ row - promises), 0, atol=1e-9)
    found = minimize(
        lambda p: float(np.sum(p * np.log(np.maximum(p, 1e-300) / masses))),
        np.full(keys, 1 / keys),
        bounds=[(0, 1)] * keys,
        constraints=[
            {"type": "eq", "fun": lambda p: p.sum() - 1},
            {"type": "ineq", "fun": lambda p: targets @ p - promises},
        ],
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    change = float(np.sum(row * np.log(row / masses)))
    feasible = found.success and (targets @ found.x >= promises - 1e-9).all()
    assert not feasible or change <= found.fun + 1e-6


def test_single_rule_matches_the_closed_form():
    strengths = bounds.rule_strengths([0.3, 0.2, 0.5], [[1, 1, 0]], [0.95], 2.0)
    assert np.allclose(strengths, bounds.rule_strength(0.5, 0.95, 2.0), rtol=1e-9)
    assert bounds.rule_strengths([0.3, 0.2, 0.5], [[1, 1, 0]], [0.4])[0] == 0


def test_rules_already_kept_have_strength_0():
    # The second target contains the first, so its promise is kept already.
    strengths = bounds.rule_strengths([0.25] * 4, [[1, 0, 0, 0], [1, 1, 0, 0]], [0.8, 0.8])
    assert strengths[1] == 0
    assert np.isclose(strengths[0], np.log(12))


def test_expected_fidelity_includes_missed_queries():
    assert np.isclose(bounds.expected_fidelity(0.1, 0.9), 0.81)
    assert bounds.expected_fidelity(Rational(1, 2), Integer(1), Rational(1, 4)) == Rational(5, 8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bounds.rule_strength(0, 0.5), r"fidelity=0 must lie in \(0, 1\)"),
        (lambda: bounds.rule_strength(0.5, 1), r"target fidelity=1 must lie in \(0, 1\)"),
        (lambda: bounds.rule_strength(0.5, 0.6, -1), "temperature=-1 must be positive"),
        (lambda: bounds.rule_strength(Rational(1, 2), Integer(1)), r"target fidelity=1 must lie in \(0, 1\)"),
        (lambda: bounds.promise_sup([[2, 0]]), "memberships=2 must be 0 or 1"),
        (lambda: bounds.promise_sup([1, 0]), "must be rules x keys"),
        (lambda: bounds.promise_sup([[1, 0], [1]]), "memberships"),
        (lambda: bounds.promises_possible([[1, 0]], [0.5, 0.5]), "2 promises must be one for each of 1 rules"),
        (lambda: bounds.promises_possible([[1, 0]], [1.5]), r"promise=1.5 must lie in \[0, 1\]"),
        (lambda: bounds.rule_strengths([0.5, 0.5], [[1, 0], [0, 1]], [0.7, 0.7]), "must be possible: weights"),
        (lambda: bounds.rule_strengths([0.5, 0.5], [[1, 0]], [1.0]), "must lie below their supremum"),
        (lambda: bounds.rule_strengths([1.0, 0.0], [[0, 1]], [0.5]), "must be possible"),
        (lambda: bounds.rule_strengths([1.0], [[0, 1]], [0.5]), "must be one for each of 2 keys"),
        (lambda: bounds.expected_fidelity(1.5, 0.5), r"miss=1.5 must lie in \[0, 1\]"),
    ],
)
def test_errors_name_the_value_and_the_rule(call, message):
    with pytest.raises(DomainError, match=message):
        call()
