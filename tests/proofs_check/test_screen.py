"""The screen catches what is wrong in the ninth digit, clears nothing it cannot tell, and shows when it is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sympy import And, Eq, Equivalent, Ge, Gt, Implies, Le, Not, Or, Rational, exp, gamma, log, sqrt

from proofs_check.inequalities.verdict import Verdict
from proofs_check.mutants.statement_mutants import all_mutants
from proofs_check.screening import screen as screening
from proofs_check.screening import tracked
from proofs_check.screening.batches import Batch
from proofs_check.screening.letters import values_on
from proofs_check.screening.random_rows import FAMILIES, random_batches
from proofs_check.screening.screen import judge, screen, screen_batches
from theory.errors import DomainError
from theory.statement import Clause
from theory.statements.catalogue import CATALOGUE, find
from theory.statements.leak import LEAK_MAX
from theory.symbols import F, H, d, delta, delta_mean, eps, k, m

ROWS = [statement for statement in CATALOGUE if statement.about == "row"]
ROW_MUTANTS = [mutant for mutant in all_mutants() if mutant.of.about == "row"]


@pytest.mark.parametrize("statement", ROWS, ids=lambda s: s.id)
def test_statements_hold_on_random_rows_and_nearly_none_is_doubtful(statement):
    result = screen_batches(statement, random_batches(20_000, 2, on_pattern=False), decide_at_most=4)
    assert result.rows == 20_000
    assert result.counterexample is None
    for clause in result.clauses.values():
        assert clause.clear or clause.agreeing
        assert clause.suspicious < result.rows / 1000
        assert (clause.broken, clause.open, clause.skipped) == (0, 0, "")


def test_a_statement_that_floats_settle_is_clean():
    result = screen(find("A3"), 6000)
    assert result.clean, result.clauses


@pytest.mark.parametrize("mutant", ROW_MUTANTS, ids=lambda t: t.name)
def test_every_row_mutant_is_refuted(mutant):
    assert screen(mutant.statement, 2e4).verdict is Verdict.REFUTED


def planted(claim, of="A2", **rest):
    return replace(find(of), claim=(Clause("planted", claim, **rest),))


def test_wrong_by_one_part_in_a_billion_is_caught():
    wrong = planted(Le(eps, (1 - Rational(1, 10**9)) * LEAK_MAX))
    result = screen(wrong, 2e4)
    assert result.verdict is Verdict.REFUTED
    assert result.counterexample.clause.name == "planted"
    identity = find("A1").clause("identity").holds
    shifted = planted(Eq(identity.lhs, (1 + Rational(1, 10**9)) * identity.rhs))
    assert screen_batches(shifted, random_batches(5000, 0, on_pattern=False)).verdict is Verdict.REFUTED


def test_a_bound_false_under_its_assumption_alone_is_refuted():
    right = find("A4").clause("given separation")
    small, large = right.holds.args
    wrong = planted(right.holds.func(small, large * (1 - Rational(1, 10**7))), given=right.given)
    assert screen(wrong, 2e4).verdict is Verdict.REFUTED


def made(scores, block):
    """A batch of these scores at one temperature, with every other column 1.3."""
    rows = scores.shape[1]
    columns = dict.fromkeys(("values", "seen", "weights"), np.full(scores.shape, 1.3))
    names = ("temperature", "dial", "other_dial", "penalty", "leak_target", "fidelity_target")
    return Batch(scores, block, columns | dict.fromkeys(names, np.full(rows, 1.3)), "made")


def test_without_its_error_bound_the_screen_would_miscount(monkeypatch):
    scores = np.zeros((3, 40))
    # On two levels the bound is attained.
    scores[:2] = np.random.default_rng(0).uniform(-9, 9, 40)
    sharp = planted(find("A4").clause("given soft margin").holds, of="A4")
    honest = screen_batches(sharp, [made(scores, 2)], decide_at_most=2).clauses["planted"]
    assert honest.suspicious == honest.decided + honest.left == 40
    assert (honest.clear, honest.decided, honest.broken) == (0, 2, 0)
    monkeypatch.setattr(tracked, "INFLATION", 0.0)
    careless = screen_batches(sharp, [made(scores, 2)], decide_at_most=2).clauses["planted"]
    assert careless.suspicious < honest.suspicious
    assert careless.broken > 0
    assert not careless.clean


def cleared(claim, scores):
    """The rows that are clear, and those certainly against the claim."""
    batch = made(np.array(scores), 1)
    with np.errstate(all="ignore"):
        holds, fails, _ = judge(Clause("planted", claim), batch, values_on(batch))
    return holds.tolist(), fails.tolist()


@pytest.mark.parametrize("claim", [Le(d**3, k + 10), Le(exp(delta), k + 30), Le(k / (1 + exp(d)), k)], ids=str)
def test_rows_that_overflow_are_not_settled(claim):
    none = [False, False, False]
    assert cleared(claim, [[1e200, 1e308, 2.6], [0.0, -1e308, 0.0]]) == ([False, False, True], none)


@pytest.mark.parametrize("claim", [Le(1 / (m - 1), k), Le(log(F - eps), 9), Ge(sqrt(F - eps), -9)], ids=str)
def test_rows_without_a_value_are_not_settled(claim):
    assert cleared(claim, [[0.0, 1.0], [3.0, 1.0]]) == ([False, False], [False, False])


def test_a_claim_that_never_applies_is_vacuous():
    result = screen(planted(Le(eps, 0), given=Gt(F, 1)), 2000)
    assert result.verdict is Verdict.VACUOUS
    assert not result.clean


def test_equalities_are_never_cleared_but_counted():
    counts = screen(find("A1"), 3000).clauses["identity"]
    assert (counts.clear, counts.agreeing) == (0, 3000)
    assert not counts.clean


def test_ties_that_floats_can_decide_are_clear():
    batch = made(np.random.default_rng(0).normal(size=(4, 9)), 1)
    assert screen_batches(planted(Le(delta, delta_mean), of="A1"), [batch]).clauses["planted"].clear == 9


def test_a_seed_repeats_the_rows_and_another_does_not():
    def rows(seed):
        return [batch.row(0) for batch in random_batches(3000, seed)]

    assert rows(1) == rows(1)
    assert rows(1) != rows(2)
    batches = list(random_batches(3000, 1))
    assert sum(batch.rows for batch in batches) == 3000
    assert {batch.family for batch in batches} == set(FAMILIES)
    # A column is the same whatever was asked for before it.
    first, again = (next(random_batches(900, 4, on_pattern=False)) for _ in range(2))
    assert again.columns["dial"].any()
    assert np.array_equal(first.columns["values"], again.columns["values"])


def test_an_interrupted_screen_keeps_what_it_has():
    seen = []

    def stop(rows):
        seen.append(rows)
        if sum(seen) > 1000:
            raise KeyboardInterrupt

    result = screen(find("A3"), 1e5, progress=stop, decide_at_most=0)
    assert result.interrupted
    assert 1000 < result.rows == sum(seen) < 1e5
    assert not result.clean


def test_what_cannot_be_screened_says_so():
    with pytest.raises(DomainError, match="about a"):
        screen(next(s for s in CATALOGUE if s.about != "row"))
    with pytest.raises(DomainError, match="samples=0"):
        screen(find("A1"), 0)
    result = screen(planted(Le(eps, gamma(1 + d**2))), 500)
    assert "gamma" in result.clauses["planted"].skipped
    assert not result.clean


def test_rows_enter_the_decision_as_the_floats_they_are():
    batch = next(random_batches(100, 0, on_pattern=False))
    row = batch.row(7)
    assert [float(x) for x in row.scores] == batch.scores[:, 7].tolist()
    for name in ("temperature", "dial", "penalty", "leak_target"):
        assert float(getattr(row, name)) == batch.columns[name][7]
    assert list(row.weights) == batch.columns["weights"][:, 7].tolist()


UNKNOWN, YES, NO = (False, False), (True, False), (False, True)


@pytest.mark.parametrize("one", [UNKNOWN, YES, NO])
@pytest.mark.parametrize("other", [UNKNOWN, YES, NO])
def test_truth_of_a_compound_claim_is_kleenes(one, other):
    both = YES if one == other == YES else NO if NO in (one, other) else UNKNOWN
    either = NO if one == other == NO else YES if YES in (one, other) else UNKNOWN
    logic = screening.Kleene({})
    assert logic.conjunction(iter([one, other])) == both
    assert logic.disjunction(iter([one, other])) == either


# Of every row certainly true, and certainly false.
TRUE_OF_ALL, FALSE_OF_ALL = F < 2, F > 2
COMPOUND = [
    (Or(TRUE_OF_ALL, FALSE_OF_ALL), YES),
    (Or(FALSE_OF_ALL, eps > 2), NO),
    (Or(FALSE_OF_ALL, eps > 2, m < 0, evaluate=False), NO),
    (Or(FALSE_OF_ALL, H < -1), NO),
    (And(TRUE_OF_ALL, eps < 2), YES),
    (And(TRUE_OF_ALL, eps > 2), NO),
    (Not(And(TRUE_OF_ALL, eps > 2)), YES),
    (And(TRUE_OF_ALL, Implies(eps < 2, F < 3)), YES),
    (And(TRUE_OF_ALL, Implies(eps > 2, F > 3)), YES),
    (And(TRUE_OF_ALL, Implies(eps > 2, F < 3)), YES),
    (And(TRUE_OF_ALL, Implies(eps < 2, F > 3)), NO),
    (Equivalent(TRUE_OF_ALL, eps < 2), YES),
    (Equivalent(TRUE_OF_ALL, eps > 2), NO),
    (Equivalent(FALSE_OF_ALL, eps > 2), YES),
    (Equivalent(FALSE_OF_ALL, eps < 2), NO),
]


@pytest.mark.parametrize(("claim", "truth"), COMPOUND, ids=str)
def test_compound_claims_are_judged_on_every_row(claim, truth):
    batch = next(random_batches(100, 0, on_pattern=False))
    holds, fails, outside = judge(Clause("planted", claim), batch, values_on(batch))
    assert holds.shape == fails.shape == outside.shape == (batch.rows,)
    assert (bool(holds.all()), bool(fails.all())) == truth
    assert (bool(holds.any()), bool(fails.any())) == truth
    assert not outside.any()
