"""The random method is clean on the catalogue and refutes every mutant with a counterexample."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Eq, Ge, Gt, Implies, Le, true

from proofs_check.deciding.deciding import Letters, decide_clause
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.kinds import KINDS
from proofs_check.instances.rows import AttentionRow
from proofs_check.methods.sampling import sample
from proofs_check.mutants import Planted
from proofs_check.mutants.statement_mutants import all_mutants
from proofs_check.mutants.tested_methods import METHODS
from proofs_check.strategies import attention_rows
from theory.statement import Clause
from theory.statements.catalogue import CATALOGUE, find
from theory.statements.leak import LEAK_MAX
from theory.symbols import Delta, F, d, delta, eps, k, m, tau

ROW = KINDS["row"].definitions
(RANDOM,) = (method for method in METHODS if method.name == "random")


# By default, the page of claims samples each statement.
@pytest.mark.slow
@pytest.mark.parametrize("statement", CATALOGUE, ids=lambda s: s.id)
def test_every_statement_is_clean(statement):
    result = sample(statement, rows=40, random_seed=10)
    assert result.counterexample is None
    assert result.clean, result.verdicts


# The slow table of kills decides every mutant by every method.
SOME = [
    mutant if place % 6 == 0 else pytest.param(mutant, marks=pytest.mark.slow)
    for place, mutant in enumerate(all_mutants())
]


@pytest.mark.parametrize("mutant", SOME, ids=lambda t: t.name)
def test_every_mutant_is_refuted(mutant):
    # The rows that a seed draws depend on the modules that are loaded, so the method is tried as `--mutants` tries it.
    verdict, counterexample = RANDOM.decide(Planted(mutant.name, mutant.statement, "an instance"), 0)
    assert verdict is Verdict.REFUTED
    assert mutant.statement.claim[0].name in counterexample


def test_counterexamples_are_shrunk():
    (mutant,) = (t for t in all_mutants() if t.name == "A2 margin: size ratio dropped")
    row = sample(mutant.statement, rows=200).counterexample.instance
    assert row.temperature == 1
    assert set(row.scores) == {0}


def decide(claim, row, given=true):
    return decide_clause(Clause("planted", claim, given), Letters(row, ROW))


TWO_LEVEL = AttentionRow(scores=(Fraction(3, 2),) * 3 + (Fraction(0),) * 5, block=3, temperature=Fraction(1, 2))


def test_equality_is_proved_exactly_where_no_precision_separates_the_sides():
    assert decide(Le(eps, LEAK_MAX), TWO_LEVEL) is Verdict.PROVED
    assert decide(Eq(eps, LEAK_MAX), TWO_LEVEL) is Verdict.PROVED
    assert decide(Gt(LEAK_MAX, eps), TWO_LEVEL) is Verdict.REFUTED


def test_a_gap_of_1e_minus_40_is_decided():
    tiny = Fraction(1, 10**40)
    assert decide(Le(F, 1 - eps + tiny), TWO_LEVEL) is Verdict.PROVED
    assert decide(Le(F + tiny, 1 - eps), TWO_LEVEL) is Verdict.REFUTED


def test_a_failed_assumption_makes_a_clause_vacuous():
    assert decide(Le(eps, 0), TWO_LEVEL, given=Le(delta, 0)) is Verdict.VACUOUS
    assert decide(Implies(Ge(d, 100), Le(eps, d)), TWO_LEVEL) is Verdict.VACUOUS


def test_a_statement_that_nothing_satisfies_is_vacuous():
    empty = replace(find("A2"), claim=(Clause("empty", Le(eps, 0), Gt(F, 1)),))
    result = sample(empty, rows=20)
    assert result.verdict is Verdict.VACUOUS
    assert not result.clean


def test_sampling_never_proves():
    assert sample(find("A6"), rows=20).verdict is Verdict.UNDECIDED


@settings(max_examples=30)
@given(attention_rows(families=("heavy-tailed", "one-key")))
def test_extreme_rows_are_decided(row):
    assert decide(Le(eps, k / m), row) is not Verdict.UNDECIDED
    assert decide(Le(delta, tau * Delta), row) is Verdict.PROVED


@given(st.integers(2, 10), st.data())
def test_letters_agree_with_their_definitions(keys, data):
    block = data.draw(st.integers(1, keys - 1))
    scores = data.draw(st.lists(st.integers(-5, 5), min_size=keys, max_size=keys))
    row = AttentionRow(scores=tuple(map(Fraction, scores)), block=block, temperature=Fraction(2))
    assert decide(Eq(F + eps, 1), row) is not Verdict.REFUTED
    assert decide(Eq(tau * d, delta), row) is Verdict.PROVED
    assert decide(Eq(delta, min(scores[:block]) - max(scores[block:])), row) is Verdict.PROVED
