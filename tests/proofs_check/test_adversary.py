"""The adversarial search: sharp clauses brought to equality, loose ones to their best ratio, false ones to a row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sympy import Ge, Gt, Implies, Le, Rational, log

from proofs_check.deciding.deciding import Letters, decide_clause
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.kinds import KINDS
from proofs_check.methods.adversary import tightness
from proofs_check.methods.witness_rows import witness_scores
from proofs_check.mutants.statement_mutants import all_mutants
from theory.errors import DomainError
from theory.statement import Clause, Kind, Witness
from theory.statements.catalogue import CATALOGUE, find
from theory.statements.leak import LEAK_MAX, MARGIN_THRESHOLD
from theory.symbols import F, H, d, eps, eps_target, k, m, r, tau

SHARP = [
    pytest.param(statement, clause, id=f"{statement.id} {clause.name}")
    for statement in CATALOGUE
    if statement.about == "row" and statement.kind is Kind.SHARP
    for clause in statement.claim
    if (statement.id, clause.name) == ("A5", "finite") or clause.name in {w.clause for w in statement.witnesses}
]


@pytest.mark.parametrize(("statement", "clause"), SHARP)
def test_sharp_clauses_are_brought_to_equality(statement, clause):
    found = tightness(statement, clause)
    assert 1 - 1e-6 <= found.ratio <= 1
    assert found.verdict is Verdict.PROVED
    assert decide_clause(clause, Letters(found.row, KINDS["row"].definitions)) is Verdict.PROVED


@pytest.mark.parametrize(("statement", "clause"), [p.values for p in SHARP if p.values[0].id != "A5"][:3])
def test_equality_is_found_without_the_witnesses(statement, clause):
    assert tightness(replace(statement, witnesses=()), clause).ratio >= 1 - 1e-6


def planted(claim, **rest):
    clause = Clause("planted", claim, **rest)
    return replace(find("A2"), claim=(clause,), witnesses=()), clause


def test_a_loose_bound_shows_its_best_ratio():
    found = tightness(*planted(Le(eps, 2 * LEAK_MAX)), generations=12)
    assert found.ratio == pytest.approx(0.5, abs=1e-6)
    assert found.verdict is Verdict.PROVED
    # Uniform rows of 128 keys, the longest searched: log 128 / (log 128 + log 2).
    entropy = tightness(*planted(Ge(H + log(2), log(m + k) - r**2 / 8)), generations=12)
    assert entropy.ratio == pytest.approx(7 / 8, abs=1e-6)


@pytest.mark.parametrize(
    "claim",
    [
        Le(eps, (1 - Rational(1, 10**6)) * LEAK_MAX),
        Ge(H, (1 + Rational(1, 10**6)) * (log(m + k) - r**2 / 8)),
        Implies(Ge(d, MARGIN_THRESHOLD), Le(eps, (1 - Rational(1, 10**5)) * eps_target)),
    ],
)
def test_a_clause_false_by_a_millionth_is_refuted(claim):
    statement, clause = planted(claim)
    found = tightness(statement, clause)
    assert found.verdict is Verdict.REFUTED
    assert found.ratio > 1
    assert decide_clause(clause, Letters(found.counterexample.instance, KINDS["row"].definitions)) is Verdict.REFUTED


SLOW_TO_MEET = ("threshold scaled", "bound scaled", "size ratio dropped", "errors counted once")


@pytest.mark.parametrize(
    "mutant",
    [t for t in all_mutants() if t.of.about == "row" and t.mutation.startswith(SLOW_TO_MEET)],
    ids=lambda t: t.name,
)
def test_mutants_that_are_nearly_true_are_refuted(mutant):
    assert tightness(mutant.statement, mutant.statement.claim[0]).verdict is Verdict.REFUTED


def test_thresholds_are_met_from_the_side_of_their_assumption():
    statement = find("A3")
    found = tightness(statement, statement.clause("sufficient"))
    assert found.ratio >= 1 - 1e-6
    assert found.verdict is Verdict.PROVED


def test_an_assumption_no_row_meets_is_vacuous():
    found = tightness(*planted(Le(eps, r), given=Gt(F, 2)), generations=2)
    assert found.verdict is Verdict.VACUOUS
    assert found.row is None


def test_a_seed_repeats_the_search():
    statement, clause = planted(Le(eps, 2 * LEAK_MAX))
    assert tightness(statement, clause, 4, generations=3) == tightness(statement, clause, 4, generations=3)


def test_only_rows_are_searched():
    other = next(s for s in CATALOGUE if s.about != "row")
    with pytest.raises(DomainError, match="rows only"):
        tightness(other, other.claim[0])


def test_witnesses_become_scores_of_the_sizes_they_name():
    scores = witness_scores(find("A2"), "margin", 2, 3, np.array([1.0, 2.0]))
    assert scores.shape == (5, 2)
    assert scores[:, 1].tolist() == [4.0, 4.0, 0.0, 0.0, 0.0]
    single = replace(find("A2"), witnesses=(Witness("margin", ((tau * d, m / m),), ((0 * d, k),)),))
    assert witness_scores(single, "margin", 2, 3, np.ones(4)).shape == (5, 0)
    assert witness_scores(find("A2"), "exponential", 2, 3, np.ones(4)).shape == (5, 0)
