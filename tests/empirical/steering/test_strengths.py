"""Least-change strengths of many rows at once, beside solvers written by others and exact facts."""

from __future__ import annotations

from dataclasses import replace

import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import logit, logsumexp
from steering import slack
from tiny import one_thread  # noqa: F401

from empirical.steering import newton
from empirical.steering.newton import TOLERANCE
from empirical.steering.strengths import Promises, Status
from theory.errors import DomainError
from theory.numbers.rule_bounds import rule_strength

# More than the solver's own bound on the residual by rounding alone.
NEAR = 2 * TOLERANCE


def solve(masses, members, promises, active=None):
    masses, members = np.asarray(masses, dtype=float), np.asarray(members, dtype=bool)
    active = np.ones((*masses.shape[:-1], len(members)), dtype=bool) if active is None else active
    return Promises(members, active, np.asarray(promises, dtype=float)).least_change(masses)


def fidelities(masses, members, strengths):
    """Fidelity of every target, by numpy."""
    tilted = masses + strengths @ members
    row = np.exp(tilted - logsumexp(tilted))
    return members @ row


def kkt(masses, members, promises, strengths):
    """Largest violation of the promises and of complementary slackness: 0 at the minimum of E1 and nowhere else."""
    excess = fidelities(masses, members, strengths) - promises
    assert (strengths >= 0).all()
    return max(float((-excess).max()), float(np.minimum(strengths, np.abs(excess)).max()))


@st.composite
def problems(draw, rules=4, scale=30.0):
    """Log masses, members and promises, some of them impossible."""
    count, atoms = draw(st.integers(1, rules)), draw(st.integers(2, 7))
    members = np.array(
        draw(st.lists(st.lists(st.booleans(), min_size=atoms, max_size=atoms), min_size=count, max_size=count))
    )
    finite = st.floats(-scale, scale)
    masses = np.array(draw(st.lists(finite | st.just(-np.inf), min_size=atoms, max_size=atoms)))
    promises = np.array(draw(st.lists(st.floats(0.01, 0.99), min_size=count, max_size=count)))
    return masses, members, promises


def check(masses, members, promises):
    found = solve(masses, members, promises)
    values, status = found.values, found.status
    seen = members[:, np.isfinite(masses)].any(1)
    assert (status[~seen] == Status.NO_KEY).all()
    assert (values[~seen] == 0).all()
    if not seen.any():
        return
    room = slack(masses, members[seen], promises[seen])
    (one,) = set(status[seen])
    if room > 1e-6:
        assert one == Status.MET
        assert kkt(masses, members[seen], promises[seen], values[seen]) <= NEAR
    elif room < -1e-6:
        assert one == Status.IMPOSSIBLE
        assert (values == 0).all()
    elif one == Status.MET:
        assert kkt(masses, members[seen], promises[seen], values[seen]) <= NEAR


@given(problems())
def test_promises_are_met_with_complementary_slackness_or_proved_impossible(problem):
    check(*problem)


@settings(max_examples=30)
@given(problems(rules=6, scale=600.0))
def test_masses_hundreds_of_nats_apart(problem):
    check(*problem)


@given(problems(rules=3, scale=5.0))
def test_no_other_strengths_have_a_smaller_objective(problem):
    masses, members, promises = problem
    found = solve(masses, members, promises)
    if (found.status == Status.MET).all():

        def objective(b):
            return float(logsumexp(masses + b @ members) - b @ promises)

        values = found.values
        bounds = [(0, None)] * len(promises)
        other = minimize(objective, values + 0.3, method="L-BFGS-B", bounds=bounds, options={"gtol": 1e-10})
        assert objective(values) <= other.fun + 1e-9 * (1 + abs(other.fun))


def test_the_row_is_the_nearest_in_relative_entropy():
    generator = np.random.default_rng(0)
    for _ in range(5):
        masses = generator.dirichlet(np.ones(6))
        members = generator.random((3, 6)) < 0.5
        promises = generator.uniform(0.2, 0.5, 3)
        if slack(np.log(masses), members, promises) < 0.05 or not members.any(1).all():
            continue
        row = cvxpy.Variable(6)
        closest = cvxpy.Problem(
            cvxpy.Minimize(cvxpy.sum(cvxpy.kl_div(row, masses))),
            [members.astype(float) @ row >= promises, cvxpy.sum(row) == 1],
        )
        closest.solve(solver="CLARABEL")
        tilted = np.log(masses) + solve(np.log(masses), members, promises).values @ members
        assert np.allclose(np.exp(tilted - logsumexp(tilted)), row.value, atol=1e-5)


@given(st.floats(-700, 700), st.floats(1e-6, 1 - 1e-6))
def test_one_rule_multiplies_the_odds(odds, promise):
    found = solve([odds, 0.0], [[True, False]], [promise]).values.item()
    assert found == pytest.approx(max(0.0, logit(promise) - odds), rel=1e-12, abs=1e-12)
    if abs(odds) < 30:
        fidelity = 1 / (1 + np.exp(-odds))
        assert found == pytest.approx(rule_strength(fidelity, promise), rel=1e-9, abs=1e-8)


def test_disjoint_targets_have_the_closed_form_of_shares():
    # With shares f_r and the rest 1 - sum f, strengths are the logarithms of share over mass.
    masses, promises = np.log([0.1, 0.2, 0.7]), np.array([0.5, 0.3])
    found = solve(masses, [[True, False, False], [False, True, False]], promises).values
    rest = np.log(0.2 / 0.7)
    assert np.allclose(found, [np.log(5) - rest, np.log(1.5) - rest], atol=1e-9)


def test_targets_without_a_common_key_need_no_step(monkeypatch):
    monkeypatch.setattr(newton, "_MOST_STEPS", 1)
    generator = np.random.default_rng(2)
    for scale in (1.0, 30.0, 300.0):
        masses, members = scale * generator.standard_normal((50, 5)), np.eye(4, 5)
        promises = np.array([0.4, 0.3, 0.05, 0.2])
        found = solve(masses, members, promises)
        assert (found.status == Status.MET).all()
        for row, strengths in zip(masses, found.values, strict=True):
            assert kkt(row, members, promises, strengths) <= NEAR


def test_a_rule_whose_promise_another_one_keeps_stays_at_zero():
    found = solve(np.log([0.1, 0.2, 0.7]), [[True, False, False], [True, True, False]], [0.8, 0.5])
    assert found.values[1] == 0
    assert found.values[0].item() == pytest.approx(logit(0.8) - logit(0.1), abs=1e-9)


def test_rows_of_a_batch_are_those_solved_alone():
    generator = np.random.default_rng(3)
    masses = 4 * generator.standard_normal((5, 3, 8))
    masses[0, 0, :3] = -np.inf
    members, active = generator.random((6, 8)) < 0.3, generator.random((5, 3, 6)) < 0.4
    promises = np.linspace(0.4, 0.9, 6)
    together = solve(masses, members, promises, active)
    assert {Status.MET, Status.IMPOSSIBLE} <= set(together.status[active].tolist())
    for place in np.ndindex(5, 3):
        alone = solve(masses[place], members, promises, active[place])
        assert np.allclose(alone.values, together.values[place], atol=1e-8)
        assert np.array_equal(alone.status, together.status[place])
        assert (together.values[place][~active[place]] == 0).all()


def test_many_overlapping_rules():
    generator = np.random.default_rng(1)
    masses, members = 3 * generator.standard_normal((4, 300)), generator.random((100, 300)) < 0.3
    promises = generator.uniform(0.1, 0.25, 100)
    assert slack(masses[0], members, promises) > 0
    found = solve(masses, members, promises)
    assert (found.status == Status.MET).all()
    for row, strengths in zip(masses, found.values, strict=True):
        assert kkt(row, members, promises, strengths) <= NEAR


@pytest.mark.parametrize(
    ("members", "promises", "status"),
    [
        ([[1, 0, 0], [0, 1, 0]], [0.7, 0.4], Status.IMPOSSIBLE),
        ([[1, 0, 0], [0, 1, 0]], [0.5, 0.500001], Status.IMPOSSIBLE),
        ([[1, 0, 0], [1, 0, 0]], [0.7, 0.4], Status.MET),
        # Only a limit reaches them.
        ([[1, 0, 0], [0, 1, 0]], [0.5, 0.5], Status.MET),
        ([[1, 1, 1], [0, 1, 0]], [0.99, 0.4], Status.MET),
    ],
)
def test_hand_made_rows(members, promises, status):
    found = solve(np.log([0.2, 0.3, 0.5]), members, promises)
    assert found.status.tolist() == [status, status]
    if status is Status.MET:
        assert kkt(np.log([0.2, 0.3, 0.5]), np.array(members), np.array(promises), found.values) <= NEAR


@pytest.mark.parametrize(
    ("masses", "members", "promises"),
    [
        # The first strength returns to 0 along a nearly flat direction.
        ([-2.6, 9.3, -26.0, 22.6, 24.6], [[1, 1, 1, 0, 1], [0, 0, 1, 0, 1]], [0.9, 0.9]),
        # Strengths of hundreds of nats trade places.
        ([-514.9, -122.3, 389.7], [[1, 0, 1], [1, 1, 0], [1, 0, 1], [1, 1, 0]], [0.737, 0.244, 0.845, 0.434]),
    ],
)
def test_rows_that_need_long_or_clipped_steps(masses, members, promises):
    check(np.array(masses), np.array(members, dtype=bool), np.array(promises))


def test_a_rule_without_a_visible_key_is_marked_and_the_others_are_solved():
    found = solve([0.0, -np.inf, 0.0], [[1, 0, 0], [0, 1, 0]], [0.9, 0.5])
    assert found.status.tolist() == [Status.MET, Status.NO_KEY]
    assert found.values.tolist() == pytest.approx([np.log(9), 0])


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("rules", [1, 2])
def test_scores_that_are_no_numbers_are_unsolved(wrong, rules):
    found = solve([[wrong, 0.0, 1.0], [0.0, 0.0, 1.0]], [[1, 0, 0], [0, 1, 0]][:rules], [0.5, 0.3][:rules])
    assert found.status[0].tolist() == [Status.UNSOLVED] * rules
    assert found.status[1].tolist() == [Status.MET] * rules
    assert (found.values[0] == 0).all()


def test_a_row_that_runs_out_of_steps_is_unsolved(monkeypatch):
    monkeypatch.setattr(newton, "_MOST_STEPS", 1)
    found = solve(np.log([0.2, 0.3, 0.1, 0.4]), [[1, 1, 0, 0], [0, 1, 1, 0]], [0.8, 0.7])
    assert found.status.tolist() == [Status.UNSOLVED] * 2
    assert (found.values == 0).all()


@pytest.mark.parametrize("factor", [0.999999, 1.000001])
def test_planted_strengths_off_by_a_factor_are_found(factor):
    masses, members, promises = (
        np.log([0.2, 0.3, 0.1, 0.4]),
        np.array([[1, 1, 0, 0], [0, 1, 1, 0]]),
        np.array([0.8, 0.7]),
    )
    found = solve(masses, members, promises)
    assert (found.status == Status.MET).all()
    assert kkt(masses, members, promises, found.values) <= NEAR
    assert kkt(masses, members, promises, found.values * factor) > NEAR


def test_a_planted_error_of_the_gradient_is_unsolved_and_not_met(monkeypatch):
    right = newton._Problem.state

    def wrong(self, strengths):
        state = right(self, strengths)
        return replace(state, gradient=state.gradient + 1e-3, residual=state.residual + 1e-3)

    monkeypatch.setattr(newton._Problem, "state", wrong)
    found = solve(np.log([0.2, 0.3, 0.1, 0.4]), [[1, 1, 0, 0], [0, 1, 1, 0]], [0.8, 0.7])
    assert found.status.tolist() == [Status.UNSOLVED] * 2


def test_refusals():
    with pytest.raises(DomainError, match=r"promise 1.0 must lie in \(0, 1\)"):
        solve([[0.0, 0.0]] * 3, [[1, 0], [0, 1]], [0.5, 1.0])
    with pytest.raises(DomainError, match="promise nan"):
        solve([0.0, 0.0], [[1, 0]], [np.nan])
    with pytest.raises(DomainError, match="log masses do not fit"):
        solve([0.0, 0.0, 0.0], [[1, 0]], [0.5])
    with pytest.raises(DomainError, match="members, active rules and promises do not fit"):
        solve([0.0, 0.0], [[1, 0]], [0.5, 0.4])
