# ruff: noqa: E402
"""C1 and C4 against skglm's group lasso: optimality conditions, proximal map and zero groups."""

from __future__ import annotations

from fractions import Fraction

import numba
import numpy as np
import pytest
from flint import ctx

# Compiling skglm takes longer than all its solves here.
numba.config.DISABLE_JIT = True

from skglm.datafits import QuadraticGroup
from skglm.penalties import WeightedGroupL2
from skglm.solvers import GroupBCD
from skglm.utils.data import grp_converter
from skglm.utils.prox_funcs import BST

from proofs_check.deciding.deciding import Letters, decide_clause
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.exact.quantities import rational, shrink
from proofs_check.instances.kinds import KINDS
from proofs_check.instances.weights.weight_blocks import WeightBlock
from theory.numbers.extinction_steps import extinction_step_sgd
from theory.statements.weights.group_lasso import STATIONARITY

GROUPS, SIZE, ROWS = 6, 4, 60
STOP = 1e-12


class Problem:
    """A regression on `GROUPS` groups of features, solved by skglm."""

    def __init__(self, seed, penalty):
        generator = np.random.default_rng(seed)
        self.features = np.asfortranarray(generator.standard_normal((ROWS, GROUPS * SIZE)))
        self.target = generator.standard_normal(ROWS) + 2 * self.features[:, 0]
        self.penalty = penalty
        indices, pointers = grp_converter(SIZE, GROUPS * SIZE)
        solver = GroupBCD(tol=STOP, fit_intercept=False, max_iter=500)
        self.weights, _, self.residual = solver.solve(
            self.features,
            self.target,
            QuadraticGroup(pointers, indices),
            WeightedGroupL2(penalty, np.ones(GROUPS), pointers, indices),
        )

    def gradient(self, weights):
        return self.features.T @ (self.features @ weights - self.target) / ROWS


def norms(vector):
    return np.linalg.norm(vector.reshape(GROUPS, SIZE), axis=1)


@pytest.fixture(params=[(0, 0.3), (1, 0.15), (2, 0.6), (3, 2.0)], ids=str)
def problem(request):
    return Problem(*request.param)


def test_solution_blocks_meet_the_optimality_conditions(problem):
    # skglm stops at a KKT residual of STOP; a matrix product over 60 rows has a rounding error below 1e-13.
    slack = problem.residual + STOP
    live, pull = norms(problem.weights) > 0, norms(problem.gradient(problem.weights))
    assert np.all(pull[~live] <= problem.penalty + slack)
    assert np.all(np.abs(pull[live] - problem.penalty) <= slack)
    assert np.all(~live[pull < problem.penalty - slack])


def test_smallest_penalty_that_empties_all_blocks():
    probe = Problem(0, 5.0)
    most = norms(probe.gradient(np.zeros(GROUPS * SIZE))).max()
    assert not Problem(0, most * 1.001).weights.any()
    assert Problem(0, most * 0.999).weights.any()


def test_proximal_step_does_not_move_a_solution(problem):
    weights = problem.weights
    stepped = weights - 0.1 * problem.gradient(weights)
    moved = np.concatenate([BST(block, 0.1 * problem.penalty) for block in stepped.reshape(GROUPS, SIZE)])
    assert np.abs(moved - weights).max() <= 0.1 * (problem.residual + STOP) * 2


def test_proximal_map_matches_skglm():
    generator = np.random.default_rng(4)
    for amount in (0.0, 0.3, 1.0, 10.0):
        entries = generator.standard_normal(SIZE)
        with ctx.workprec(128):
            ours = shrink([rational(x) for x in entries.tolist()], rational(amount))
        np.testing.assert_allclose([float(x) for x in ours], BST(entries, amount), rtol=1e-14, atol=1e-15)


def test_descent_empties_blocks_by_the_step_count(problem):
    rate = 1 / np.linalg.eigvalsh(problem.features.T @ problem.features / ROWS).max()
    weights = np.random.default_rng(9).standard_normal(GROUPS * SIZE)
    lengths, pulls = [norms(weights)], []
    for _ in range(400):
        slope = problem.gradient(weights)
        pulls.append(norms(slope))
        blocks = (weights - rate * slope).reshape(GROUPS, SIZE)
        weights = np.concatenate([BST(block, rate * problem.penalty) for block in blocks])
        lengths.append(norms(weights))
    lengths, pulls = np.array(lengths), np.array(pulls)
    np.testing.assert_array_equal(lengths[-1] > 0, norms(problem.weights) > 0)
    checked = 0
    for start in (0, 5, 20):
        for group in range(GROUPS):
            most = float(pulls[start:, group].max())
            steps = extinction_step_sgd(float(lengths[start, group]), rate, problem.penalty, most)
            if steps is not None and start + steps + 1 < len(lengths):
                # One more step in floating point; the counts here are far below 2^26.
                assert not lengths[start + steps + 1 :, group].any()
                checked += 1
    assert checked >= (problem.penalty > 0.2) * 3


@pytest.mark.parametrize("clause", STATIONARITY.claim, ids=lambda c: c.name)
def test_zero_and_nonzero_blocks_exist_at_equality(clause):
    definitions = KINDS["weight block"].definitions
    zero = WeightBlock((Fraction(0), Fraction(0)), (Fraction(3), Fraction(4)), Fraction(5))
    live = WeightBlock((Fraction(3), Fraction(4)), (Fraction(-3), Fraction(-4)), Fraction(5))
    for block in (zero, live):
        assert decide_clause(clause, Letters(block, definitions)) is not Verdict.REFUTED
    verdicts = {decide_clause(clause, Letters(block, definitions)) for block in (zero, live)}
    assert Verdict.UNDECIDED not in verdicts
