"""Tempting but false statements, and all mutants of D-H, are refuted by a counterexample."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy

from proofs_check.inequalities.verdict import Verdict
from proofs_check.methods.sampling import sample
from proofs_check.mutants.statement_mutants import all_mutants
from theory.statements.catalogue import CATALOGUE, find
from theory.statements.folk_claims import FOLK_CLAIMS

_DESIGN = [s for s in CATALOGUE if s.id[0] in "DEFGH"]


@pytest.mark.parametrize("claim", FOLK_CLAIMS, ids=lambda s: s.id)
def test_folk_claims_are_refuted(claim):
    result = sample(claim, 200)
    assert result.verdict is Verdict.REFUTED
    assert claim.title.startswith("False: ")
    assert str(result.counterexample)
    assert find(claim.uses[0]) in CATALOGUE
    assert claim not in CATALOGUE


def test_dial_counterexample_holds_in_floating_point():
    # One key outside the block holds almost all mass, so the dial first spreads the row.
    masses = np.array([0.01, 0.01, 0.98])
    dialled = masses * np.array([1, 1, 0.02])
    assert entropy(dialled / dialled.sum()) > entropy(masses) + 0.5


@pytest.mark.parametrize("statement", _DESIGN, ids=lambda s: s.id)
def test_every_statement_has_mutants(statement):
    assert sum(mutant.of is statement for mutant in all_mutants()) >= 5


def test_statements_of_theory_are_complete_with_sources():
    ids = [s.id for s in CATALOGUE]
    counts = {"D": 4, "E": 4, "F": 4, "G": 4}
    expected = [f"{part}{i}" for part, count in counts.items() for i in range(1, count + 1)]
    assert [i for i in ids if i[0] in counts] == expected
    for statement in _DESIGN:
        assert statement.to_latex()
        assert statement.variables
        assert all(find(used) in CATALOGUE for used in statement.uses)
