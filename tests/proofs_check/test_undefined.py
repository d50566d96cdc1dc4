"""Where a side has no value: found out in one look, told, and never taken for true or for false."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from sympy import Ge, Le, Ne, Piecewise, Rational, acos, gamma, log, sqrt
from sympy.core.relational import Relational

from proofs_check import Verdict, attack_row
from proofs_check.deciding import deciding
from proofs_check.deciding.deciding import Letters, decide_clause, lacks_value
from proofs_check.deciding.undefined import cancelled, demands
from proofs_check.instances.kinds import KINDS
from proofs_check.instances.rows import AttentionRow
from proofs_check.screening.tracked import Tracked, compare, nearest
from theory.design_symbols import norm
from theory.errors import DomainError
from theory.functions import BinaryEntropy, Logit
from theory.statement import Clause
from theory.symbols import F, H, eps, k, m

half = Rational(1, 2)


def letters_of(scores, block=1):
    row = AttentionRow(scores=tuple(map(Fraction, scores)), block=block, temperature=Fraction(1))
    return Letters(row, KINDS["row"].definitions)


# One key in the block and one outside: F is 1/2 where the scores tie, and below where the block's is the lower.
TIED, LOW, HIGH = (0, 0), (0, 1), (1, 0)
WITHOUT = [
    (Le(1 / (m - 1), k + 10), HIGH),
    (Le(-((m - 1) ** -3), k + 10), HIGH),
    (Le(log(F - half), 0), LOW),
    (Le(log(F - half), 0), TIED),
    (Ge(sqrt(F - half), 0), LOW),
    (Ge((F - eps) ** -2, -1), TIED),
    (Ge(Logit(F - half), 0), LOW),
    (Ge(BinaryEntropy(F + half), -1), HIGH),
    (Le(acos(2 * F), 9), HIGH),
    (Ge(1 / (m - 1) + m, 1 / (m - 1) + 2), HIGH),
    (Le(1 / (m - 1) + m, 1 / (m - 1) + 2), HIGH),
]
WITH = [
    (Le(1 / (m + 1), k + 10), HIGH),
    (Le(log(F - half), 0), HIGH),
    (Ge(sqrt(F - half), 0), TIED),
    (Ge((F - eps) ** -2, -1), LOW),
    (Ge(BinaryEntropy(F), 0), LOW),
    (Le(Piecewise((1 / (m - 1), m > 1), (0, True)), 1), HIGH),
]


@pytest.mark.parametrize(("claim", "scores"), WITHOUT, ids=str)
def test_a_claim_about_no_value_is_given_up_at_once(claim, scores, monkeypatch):
    clause, letters = Clause("planted", claim), letters_of(scores)
    assert lacks_value(clause, letters)
    honest, digits = deciding._enclosure, []

    def watched(expr, letters, precision):
        digits.append(precision)
        return honest(expr, letters, precision)

    monkeypatch.setattr(deciding, "_enclosure", watched)
    assert decide_clause(clause, letters) is Verdict.UNDECIDED
    # Exact forms are tried after 384 bits; thousands more would take their time and give no value.
    assert digits
    assert max(digits) <= 384


@pytest.mark.parametrize(("claim", "scores"), WITH, ids=str)
def test_a_claim_about_values_is_decided(claim, scores):
    clause, letters = Clause("planted", claim), letters_of(scores)
    assert not lacks_value(clause, letters)
    assert decide_clause(clause, letters) is Verdict.PROVED


def test_what_a_difference_cancels_is_kept_in_mind():
    claim = Ge(1 / (m - 1) + m, 1 / (m - 1) + 2)
    assert isinstance(claim, Relational)
    assert cancelled(claim) == ((m - 1, "!="),)
    assert cancelled(Ge(1 / (m - 1), 2)) == ()
    assert demands(log(F) / (m - 2)) == ((m - 2, "!="), (F, ">"))


@pytest.mark.slow
@pytest.mark.parametrize("claim", [Le(1 / (m - 1), k + 10), Le(log(F - half), 0)], ids=str)
def test_an_attack_on_rows_says_where_it_gave_up(claim):
    found = attack_row(claim, samples=500)
    assert found.verdict is Verdict.UNDECIDED
    assert found.undefined > 0


def test_an_attack_refutes_beside_rows_without_a_value():
    assert attack_row(Le(1 / (m - 1), Rational(1, 3)), samples=500).verdict is Verdict.REFUTED
    assert attack_row(Le(log(F - half), -1), samples=500).verdict is Verdict.REFUTED


def test_a_claim_beside_another_row_says_so_too():
    assert attack_row(Le(log(F - 2), norm), samples=500).undefined > 0
    with pytest.raises(DomainError, match="gamma"):
        attack_row(Ge(gamma(1 + norm), 0, evaluate=False), samples=500)


def test_what_is_said_to_differ_is_refuted_where_it_is_equal():
    found = attack_row(Ne(F, eps), samples=500)
    assert found.verdict is Verdict.REFUTED
    assert found.undefined == 0
    assert attack_row(Ne(m, 3), samples=500).verdict is Verdict.REFUTED


def test_a_number_beyond_the_floats_bounds_rows():
    for number in (Fraction(10) ** 400, -(Fraction(10) ** 400)):
        assert nearest(number).value == float("inf") * (1 if number > 0 else -1)
        assert nearest(number).error == float("inf")
    assert attack_row(Ge(H, 10**400), samples=100).verdict is Verdict.REFUTED


@pytest.mark.parametrize("sign", ["<=", "<", ">=", ">"])
@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
def test_floats_settle_nothing_of_an_infinite_number(sign, value):
    infinite = Tracked(np.array([value]), float("inf"))
    with np.errstate(invalid="ignore"):
        holds, fails = compare(sign, infinite, Tracked(np.array([1.0])))
    assert not np.any(holds)
    assert not np.any(fails)


@pytest.mark.parametrize(
    ("options", "law"),
    [
        ({"samples": 0}, "samples=0 must be a whole number of at least 1"),
        ({"samples": float("nan")}, "samples=nan"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 1.5}, "seed=1.5"),
    ],
)
def test_a_wrong_argument_of_an_attack_on_rows(options, law):
    with pytest.raises(ValueError, match=law):
        attack_row(Le(eps, F), **options)
