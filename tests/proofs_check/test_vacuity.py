"""Vacuity: every clause has an instance that certainly meets its assumptions, and a clause without one is named."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from sympy import Ge, Gt, Implies, Le, Lt, log

from proofs_check.deciding.deciding import Letters, decide, decide_clause
from proofs_check.deciding.vacuity import assumption, check_vacuity
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.kinds import KINDS
from proofs_check.instances.rows import AttentionRow
from theory.statement import Assumption, Clause
from theory.statements.catalogue import CATALOGUE, find
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


def row(separation):
    return AttentionRow(scores=(Fraction(separation), Fraction(0)), block=1)


class Drawn:
    """A kind of which these instances are drawn, in their order."""

    definitions = KINDS["row"].definitions
    structure = KINDS["row"].structure

    def __init__(self, *instances):
        self.instances = instances

    def each(self, look, instances, random_seed):
        for instance in self.instances:
            look(instance)


def test_an_assumption_that_nothing_decides_is_no_witness(monkeypatch):
    """The logarithm has no value on any row: neither certainly met nor certainly not."""
    open_ended = Clause("open", Le(eps, H), Gt(log(F - 2), 0))
    letters = Letters(row(2), KINDS["row"].definitions)
    assert decide(assumption(open_ended), letters) is Verdict.UNDECIDED
    monkeypatch.setitem(KINDS, "row", Drawn(row(2), row(0)))
    result = check_vacuity(replace(find("A2"), claim=(open_ended,)))
    assert result.instances == 2
    assert result.verdict is Verdict.VACUOUS
    assert result.vacuous == ("open",)


def test_an_assumption_of_the_whole_statement_that_nothing_decides_is_not_met(monkeypatch):
    open_ended = Assumption("open", "The logarithm of F - 2 is positive.", Gt(log(F - 2), 0))
    monkeypatch.setitem(KINDS, "row", Drawn(row(2), row(0)))
    result = check_vacuity(replace(find("A2"), claim=(Clause("any", Le(eps, H)),), assumptions=(open_ended,)))
    assert result.instances == 2
    assert result.vacuous == ("any",)


def test_the_first_instance_that_meets_an_assumption_is_its_witness(monkeypatch):
    late = Clause("late", Le(eps, H), Gt(d, 5))
    at_once = Clause("at once", Le(eps, 1), Ge(d, 1))
    rows = [row(separation) for separation in (0, 2, 3, 6, 9)]
    monkeypatch.setitem(KINDS, "row", Drawn(*rows))
    result = check_vacuity(replace(find("A2"), claim=(at_once, late)))
    assert result.witnesses == {"at once": rows[1], "late": rows[3]}
    assert result.instances == 4
