"""A row attains each sharp statement: exactly, or to all digits where the row is transcendental."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from sympy import Eq, Integer, Rational

from proofs_check.deciding.deciding import Letters, decide
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.kinds import KINDS
from proofs_check.instances.rows import AttentionRow
from theory.numbers import bounds
from theory.stable import best_share
from theory.statement import Kind
from theory.statements.catalogue import CATALOGUE, find
from theory.statements.range_deficit import RANGE_DEFICIT
from theory.symbols import d, k, m, r, tau

CASES = [(1, 1, Fraction(3, 2)), (3, 5, Fraction(1, 4)), (1, 6, Fraction(7, 3)), (6, 1, Fraction(0))]
ROW_WITNESSES = [(s, w) for s in CATALOGUE if s.about == "row" for w in s.witnesses]


def row_of(witness, inside, outside, separation):
    temperature = Fraction(1, 2)
    values = {
        m: Integer(inside),
        k: Integer(outside),
        tau: Rational(1, 2),
        d: Rational(separation),
        r: Rational(separation),
    }

    def expanded(groups):
        for score, count in groups:
            number = score.subs(values)
            yield from [Fraction(int(number.p), int(number.q))] * int(count.subs(values))

    block = list(expanded(witness.block))
    return AttentionRow(scores=(*block, *expanded(witness.complement)), block=len(block), temperature=temperature)


@pytest.mark.parametrize(
    ("statement", "witness"), ROW_WITNESSES, ids=lambda x: getattr(x, "id", getattr(x, "clause", ""))
)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_witnesses_attain_their_clause(statement, witness, case):
    holds = statement.clause(witness.clause).holds
    row = row_of(witness, *case)
    assert decide(Eq(holds.lhs, holds.rhs), Letters(row, KINDS["row"].definitions)) is Verdict.PROVED


def test_a_row_off_the_witness_does_not_attain_it():
    row = AttentionRow(scores=(Fraction(1), Fraction(2), Fraction(0)), block=2)
    holds = find("A2").clause("margin").holds
    assert decide(Eq(holds.lhs, holds.rhs), Letters(row, KINDS["row"].definitions)) is Verdict.REFUTED


@pytest.mark.parametrize("keys", [2, 3, 10, 64])
@pytest.mark.parametrize("gap", [Fraction(1, 8), Fraction(3), Fraction(12)])
def test_the_finite_range_bound_is_attained_by_two_levels(keys, gap):
    best = int(float(best_share(float(gap), np)) * keys)
    tops = [top for top in (best, best + 1, best + 2) if 1 <= top < keys] or [1]
    holds = find("A5").clause("finite").holds
    verdicts = []
    for top in tops:
        row = AttentionRow(scores=(gap,) * top + (Fraction(0),) * (keys - top), block=top)
        verdicts.append(decide(Eq(holds.lhs, holds.rhs), Letters(row, KINDS["row"].definitions)))
    assert Verdict.PROVED in verdicts


def test_the_dimension_free_law_is_approached_as_keys_grow():
    gap = 3.0
    law = float(RANGE_DEFICIT.subs(r, Rational(3)).evalf(30))
    shortfalls = [law - (mpmath.log(n) - bounds.entropy_min(n, gap)) for n in (10, 1000, 10**6)]
    assert shortfalls[0] > shortfalls[1] > shortfalls[2] > -1e-12
    assert shortfalls[2] < 1e-8


@pytest.mark.parametrize("n", [2, 3, 9, 100])
@pytest.mark.parametrize("gap", [-0.5, -3.0, -40.0])
def test_one_pair_attains_the_entropy_bound_below_zero(n, gap):
    """One key of the block lies below one other by the gap; the rest share the remaining mass."""
    with mpmath.workdps(60):
        p = 1 / (1 + mpmath.exp(-mpmath.mpf(gap)))
        pair_entropy = -p * mpmath.log(p) - (1 - p) * mpmath.log(1 - p)
        pair_mass = mpmath.exp(pair_entropy) / (mpmath.exp(pair_entropy) + n - 2)
        masses = [pair_mass * p, pair_mass * (1 - p)]
        if n > 2:
            masses += [(1 - pair_mass) / (n - 2)] * (n - 2)
        entropy = -sum(a * mpmath.log(a) for a in masses)
        scores = [mpmath.log(a) for a in masses]
        # The lower key of the pair is the block; the rest lie between, so the margin is the gap.
        assert abs(scores[0] - max(scores[1:]) - gap) < 1e-50
        assert abs(entropy - mpmath.mpf(float(bounds.entropy_max(n, 1, gap)))) < 1e-12 * entropy


def test_every_sharp_row_statement_has_a_witness_or_a_test_here():
    shown_here = {"A5"}
    for statement in CATALOGUE:
        if statement.about == "row" and statement.kind is Kind.SHARP:
            assert statement.witnesses or statement.id in shown_here
