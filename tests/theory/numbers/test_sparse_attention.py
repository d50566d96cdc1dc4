"""B5 against cvxpy, against exact sorting, and at the row that attains it."""

from __future__ import annotations

import math
from fractions import Fraction

import cvxpy
import numpy as np
import pytest
from flint import ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check.deciding.deciding import Letters, decide_clause
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.kinds import KINDS
from proofs_check.instances.sparse_rows import SparseRow, sparse_rows
from proofs_check.mutants.statement_mutants import mutants_of
from theory.errors import DomainError
from theory.numbers.weight_bounds import sparse_penalty_exact, sparse_penalty_needed, water_level
from theory.statements.catalogue import find
from theory.statements.sparse_attention import SPARSE_ATTENTION
from theory.symbols import J_any
from theory.weight_symbols import J_sparse, eps_sparse

DEFINITIONS = KINDS["sparse row"].definitions


def value(row, letter):
    with ctx.workprec(256):
        return Letters(row, DEFINITIONS).in_arb([letter])[letter]


def solved(row):
    """The maximiser and its objective by cvxpy."""
    scores = np.array([float(s) for s in row.scores])
    masses = cvxpy.Variable(len(scores))
    penalty, at = 0, row.block
    for size, lam in zip(row.sizes, row.penalties, strict=True):
        penalty = penalty + float(lam) * cvxpy.norm(masses[at : at + size])
        at += size
    quadratic = float(row.temperature) / 2 * cvxpy.sum_squares(masses)
    problem = cvxpy.Problem(
        cvxpy.Maximize(scores @ masses - quadratic - penalty), [masses >= 0, cvxpy.sum(masses) == 1]
    )
    problem.solve(solver="CLARABEL")
    return masses.value, problem.value


@settings(max_examples=40)
@given(sparse_rows(most_keys=7))
def test_maximiser_matches_cvxpy(row):
    masses, best = solved(row)
    size = 1 + max(abs(float(s)) for s in row.scores)
    # Clarabel stops at a relative gap and an infeasibility of 1e-8; its point may be off by a hundred times that.
    gap = 1e-6 * size
    assert float(value(row, J_sparse)) == pytest.approx(best, abs=gap)
    # The objective is tau-strongly concave: an objective within gap of the best bounds the distance of the masses.
    near = math.sqrt(2 * gap / float(row.temperature)) * math.sqrt(len(row.scores))
    assert float(value(row, eps_sparse)) == pytest.approx(float(masses[row.block :].sum()), abs=near)


def sorted_level(scores, temperature):
    """Projection onto the simplex by sorting, in fractions."""
    ordered = sorted(scores, reverse=True)
    used = 0
    for j in range(1, len(ordered) + 1):
        if temperature + j * ordered[j - 1] > sum(ordered[:j]):
            used = j
    return (sum(ordered[:used], Fraction(0)) - temperature) / used


FRACTIONS = st.fractions(min_value=-4, max_value=4, max_denominator=16)


@given(st.lists(FRACTIONS, min_size=1, max_size=8), st.fractions(Fraction(1, 8), 4, max_denominator=8))
def test_water_level_matches_sorting(scores, temperature):
    exact = sorted_level(scores, temperature)
    row = SparseRow((*scores, Fraction(0)), len(scores), (1,), (Fraction(1),), temperature)
    assert row.water_level == row.block_level == exact
    found = water_level([float(s) for s in scores], float(temperature))
    # The largest input is below 8 + 4/1, and each of a dozen operations rounds once.
    assert float(found) == pytest.approx(float(exact), abs=12 * 12 * 2.0**-53)


@given(sparse_rows())
def test_exact_penalty_decides_each_group(row):
    scores = [float(s) for s in row.scores]
    needed = [
        sparse_penalty_exact(scores[: row.block], [float(s) for s in group], float(row.temperature))
        for group in row.groups
    ]
    ratios = [
        float(lam) / float(least) if least else math.inf for lam, least in zip(row.penalties, needed, strict=True)
    ]
    if min(ratios) > 1.001:
        assert value(row, eps_sparse) == 0
    if min(ratios) < 0.999:
        assert value(row, eps_sparse) > 0


def flat(gap, size, share):
    """Equal scores in the block and in the group: the row that attains the threshold in the margin."""
    needed = Fraction(float(sparse_penalty_needed(2, size, float(gap))))
    scores = (gap,) * 2 + (Fraction(0),) * size
    return SparseRow(scores, 2, (size,), (needed * share,), weights=(1,) * (2 + size))


@pytest.mark.parametrize("gap", [Fraction(-1), Fraction(0), Fraction(1, 4)])
@pytest.mark.parametrize("size", [1, 4, 9])
def test_1_percent_less_penalty_leaves_mass_outside(gap, size):
    assert value(flat(gap, size, Fraction(1)), eps_sparse) == 0
    assert value(flat(gap, size, Fraction(99, 100)), eps_sparse) > 0


def test_margin_of_tau_over_m_needs_no_penalty():
    assert float(sparse_penalty_needed(4, 16, 0.25)) == 0
    assert float(sparse_penalty_needed(4, 16, 0.2499)) > 0
    barely = SparseRow((Fraction(1, 2),) * 2 + (Fraction(0),), 2, (1,), (Fraction(1, 10**9),), weights=(1, 1, 1))
    assert value(barely, eps_sparse) == 0


def test_rival_equal_to_the_maximiser_is_decided_exactly():
    row = SparseRow((Fraction(3), Fraction(0)), 1, (1,), (Fraction(1),), weights=(1, 0))
    assert value(row, J_any) == value(row, J_sparse)
    verdict = decide_clause(SPARSE_ATTENTION.clause("maximiser"), Letters(row, DEFINITIONS))
    assert verdict is Verdict.PROVED


@given(
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.floats(1e-6, 1e6),
    st.one_of(st.floats(-1e6, 1e6), st.floats(0.999999, 1.000001)),
)
def test_penalty_for_a_margin_keeps_twelve_digits(m, size, temperature, drawn):
    # The last kind of margin is close to temperature / m, where the two nearly cancel.
    margin = drawn * temperature / m if 0.999 < drawn < 1.001 else drawn
    lacking = max(Fraction(temperature) / m - Fraction(margin), Fraction(0))
    exact = math.sqrt(size) * float(lacking)
    assert float(sparse_penalty_needed(m, size, margin, temperature)) == pytest.approx(exact, rel=1e-12, abs=0)


def test_penalties_broadcast_over_rows():
    needed = sparse_penalty_needed(np.array([1, 2, 4]), 4, np.array([[0.0], [0.5]]))
    assert needed.shape == (2, 3)
    assert needed[1].tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sparse_penalty_needed(0, 4, 0.1), "m=0 must be at least 1"),
        (lambda: sparse_penalty_needed(2, 1.5, 0.1), "group size=1.5 must be an integer"),
        (lambda: sparse_penalty_needed(2, 4, math.nan), "margin=nan must be finite"),
        (lambda: sparse_penalty_needed(2, 4, 0.1, temperature=0.0), "temperature=0 must be positive"),
        (lambda: water_level(["a"]), "block score=.* must be a real number"),
    ],
)
def test_errors_name_the_value_and_the_rule(call, message):
    with pytest.raises(DomainError, match=message):
        call()


@pytest.mark.parametrize("key", ["B5", "C1", "C2", "C3", "C4", "C5", "C6"])
def test_every_statement_has_five_mutants(key):
    assert len(mutants_of(find(key))) >= 5
