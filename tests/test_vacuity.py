"""Vacuity: every clause has an instance that certainly meets its assumptions, and a clause without one is named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sympy import Ge, Gt, Implies, Le, Lt

from proofs_check.deciding import Letters, decide, decide_clause
from proofs_check.instances.kinds import KINDS
from proofs_check.vacuity import assumption, check_vacuity
from proofs_check.verdict import Verdict
from theory.catalogue import CATALOGUE, find
from theory.statement import Clause
from theory.symbols import F, H, d, eps, r


@pytest.mark.parametrize("statement", CATALOGUE, ids=lambda s: s.id)
def test_every_assumption_of_the_catalogue_has_a_witness(statement):
    result = check_vacuity(statement)
    assert result.verdict is Verdict.PROVED
    assert set(result.witnesses) == {clause.name for clause in statement.claim}
    for clause in statement.claim:
        letters = Letters(result.witnesses[clause.name], KINDS[statement.about].definitions)
        assert decide(assumption(clause), letters) is Verdict.PROVED
        assert decide_clause(clause, letters) is not Verdict.VACUOUS


@pytest.mark.parametrize(
    "empty",
    [
        Clause("empty", Le(eps, r), Gt(F, 1)),
        Clause("empty", Implies(Gt(eps + F, 1 + r), Ge(eps, d))),
        Clause("empty", Implies(Ge(d, 1), Implies(Lt(r, d), Le(eps, H)))),
        Clause("empty", Implies(Ge(d, 1), Le(eps, H)), Lt(d, 1)),
    ],
    ids=["assumption", "antecedent", "nested", "contradictory"],
)
def test_a_clause_nothing_satisfies_is_vacuous_and_named(empty):
    statement = replace(find("A2"), claim=(find("A2").clause("margin"), empty))
    result = check_vacuity(statement, instances=60)
    assert result.verdict is Verdict.VACUOUS
    assert result.vacuous == ("empty",)
    assert result.instances >= 60
    assert result.witnesses["margin"] is not None


def test_a_seed_repeats_the_witnesses():
    assert check_vacuity(find("A4"), 5) == check_vacuity(find("A4"), 5)


def test_drawing_ends_with_the_last_witness():
    assert check_vacuity(find("A2"), instances=500).instances < 10
