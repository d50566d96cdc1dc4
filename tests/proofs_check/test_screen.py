"""The screen: its error bound encloses, it catches what is wrong in the ninth digit, and it shows when it is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from flint import arb, ctx, fmpq
from sympy import And, Eq, Equivalent, Expr, Gt, Implies, Le, Not, Or, Rational, exp, gamma, log, symbols
from sympy.core.relational import Relational

from proofs_check.deciding.deciding import ArbArithmetic
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.rows import DEFINITIONS
from proofs_check.mutants.statement_mutants import all_mutants
from proofs_check.screening import comparing, judging
from proofs_check.screening.batches import Batch, Columns
from proofs_check.screening.error_rules import INFLATION, LIBRARY_ULPS
from proofs_check.screening.error_target import error_target, lambert_w
from proofs_check.screening.judging import Judge
from proofs_check.screening.letters import LETTERS
from proofs_check.screening.random_batches import BatchSource
from proofs_check.screening.running_error import Tracked
from proofs_check.screening.screen import screen
from theory.errors import DomainError
from theory.lowering import arb_target, evaluate
from theory.statement import Clause
from theory.statements.catalogue import CATALOGUE, find
from theory.statements.leak import LEAK_MAX
from theory.symbols import VOCABULARY, F, H, d, delta, delta_mean, eps, k, m

ROWS = [statement for statement in CATALOGUE if statement.about == "row"]
ROW_MUTANTS = [mutant for mutant in all_mutants() if mutant.of.about == "row"]


def in_arb(value):
    return arb(float(value))


def first_row(tracked):
    """Value and error of a tracked number on the first row."""
    return [x if isinstance(x, float) else float(x.reshape(-1)[0]) for x in (tracked.value, tracked.error)]


def encloses(tracked, exact):
    """Whether the exact value, a ball, may lie within the error bound on the first row; the ball must be tiny."""
    value, error = first_row(tracked)
    miss = abs(exact - in_arb(value))
    return miss.rad() < arb(2) ** -1200 and not miss > in_arb(error * INFLATION)


def expressions():
    """Both sides of every relation of every clause about a row."""
    for statement in ROWS:
        for clause in statement.claim:
            for relation in sorted(clause.holds.atoms(Relational), key=str):
                for side in relation.args:
                    if isinstance(side, Expr) and side.args:
                        yield pytest.param(side, id=f"{statement.id} {clause.name}")


def drawn(letter, generator, count):
    if letter.is_integer:
        return float(generator.integers(2, 30))
    if VOCABULARY[letter].domain.sup == 1:
        return generator.uniform(size=count) ** generator.choice([1, 8, 30])
    size = 10 ** generator.uniform(-6, 1.5, count)
    return size if letter.is_nonnegative else size * generator.choice([-1, 1], count)


@pytest.mark.parametrize("loose", [False, True], ids=["row by row", "all rows"])
@pytest.mark.parametrize("expr", list(expressions()))
def test_error_bound_encloses_every_bound_of_the_catalogue(expr, loose):
    generator = np.random.default_rng(5)
    count = 12
    values = {x: drawn(x, generator, count) for x in sorted(expr.free_symbols, key=str)}
    with np.errstate(all="ignore"):
        tracked = {x: Tracked(v, 0.0, np, loose=loose) for x, v in values.items()}
        result = evaluate(expr, tracked, error_target(np))
        found, error = np.broadcast_to(result.value, count), np.broadcast_to(result.error, count)
    useful = 0
    with ctx.workprec(2000):
        for i in range(count):
            exact = evaluate(expr, {x: in_arb(np.broadcast_to(v, count)[i]) for x, v in values.items()}, arb_target())
            if np.isfinite(found[i]) and np.isfinite(error[i]) and exact.is_finite():
                assert abs(exact - in_arb(found[i])) <= in_arb(error[i] * INFLATION)
                useful += error[i] <= 1e-9 * max(1, abs(found[i]))
    # One bound for all of such different rows may be of no use.
    assert loose or useful >= count // 2


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize("device", [None, "cpu"])
def test_error_bound_encloses_every_letter_on_random_rows(careful, device):
    checked = 0
    with np.errstate(all="ignore"), ctx.workprec(2000):
        for index, batch in enumerate(BatchSource(3, device, elements=256).batches(36)):
            seen = batch.only(batch.xp.arange(batch.rows)) if careful else batch
            row = batch.row(0)
            for letter, value in LETTERS.items():
                tracked = value(seen)
                exact = DEFINITIONS[letter](row, ArbArithmetic())
                assert encloses(tracked, exact), (letter, index)
                checked += 1
                if tracked.one_minus is not None:
                    assert encloses(tracked.one_minus, 1 - exact), (letter, index)
    assert checked > 500


@pytest.mark.parametrize("name", ["exp", "log", "log1p"])
@pytest.mark.parametrize("xp", [np, torch], ids=["numpy", "torch"])
def test_libraries_are_as_accurate_as_assumed(name, xp):
    generator = np.random.default_rng(1)
    points = np.concatenate([generator.uniform(0.5, 2, 400), 10 ** generator.uniform(-12, 2.5, 400)])
    points = -points if name == "exp" else points
    found = np.asarray(getattr(xp, name)(xp.asarray(points)))
    with ctx.workprec(200):
        for x, y in zip(points, found, strict=True):
            exact = getattr(in_arb(x), name)()
            assert abs(exact - in_arb(y)) <= LIBRARY_ULPS * in_arb(np.spacing(abs(y)))


@pytest.mark.parametrize("branch", [0, -1])
def test_lambert_branches_are_enclosed(branch):
    x = -np.exp(-1 - 10 ** np.linspace(-12, 2.4, 40))
    w = lambert_w(Tracked(x, 0.0, np), Tracked(float(branch), 0.0, np))
    with ctx.workprec(300):
        for point, value, error in zip(x, w.value, w.error, strict=True):
            assert abs(in_arb(point).lambertw(branch) - in_arb(value)) <= in_arb(error * INFLATION)
    assert np.all(w.error <= 1e-5)


def test_a_bound_that_is_too_small_is_seen_not_to_enclose():
    x, y = symbols("x y", positive=True)
    values = {x: 1 / 3, y: 1e9}
    with ctx.workprec(200):
        exact = evaluate(log(x + y) - log(y), {s: in_arb(v) for s, v in values.items()}, arb_target())
        result = evaluate(log(x + y) - log(y), {s: Tracked(v, 0.0, np) for s, v in values.items()}, error_target(np))
        miss = abs(exact - in_arb(result.value))
        assert miss <= in_arb(result.error * INFLATION)
        assert miss > in_arb(result.error * 1e-6)


@pytest.mark.parametrize("statement", ROWS, ids=lambda s: s.id)
def test_statements_hold_on_random_rows(statement):
    result = screen(statement, 6000, seed=2, source=BatchSource(2, None, 2**15, equalities=False), decide_at_most=4)
    assert result.rows == 6000
    assert result.counterexample is None
    for clause in result.clauses.values():
        assert clause.clear or clause.agreeing
        assert clause.suspicious < result.rows / 20
        assert (clause.broken, clause.open, clause.skipped) == (0, 0, "")


def test_a_statement_that_floats_settle_is_clean():
    result = screen(find("A3"), 6000, source=BatchSource(2, None, 2**15, equalities=False))
    assert result.clean, result.clauses


@pytest.mark.parametrize("mutant", ROW_MUTANTS, ids=lambda t: t.name)
def test_every_row_mutant_is_refuted(mutant):
    assert screen(mutant.statement, 2e4).verdict is Verdict.REFUTED


def planted(claim, of="A2", **rest):
    return replace(find(of), claim=(Clause("planted", claim, **rest),))


def test_wrong_by_one_part_in_a_billion_is_caught():
    wrong = planted(Le(eps, (1 - Rational(1, 10**9)) * LEAK_MAX))
    result = screen(wrong, 2e4, source=BatchSource(0, None, 2**15, equalities=True))
    assert result.verdict is Verdict.REFUTED
    assert result.counterexample.clause.name == "planted"
    identity = find("A1").clause("identity").holds
    shifted = planted(Eq(identity.lhs, (1 + Rational(1, 10**9)) * identity.rhs))
    assert screen(shifted, 5e3, source=BatchSource(0, None, 2**15, equalities=False)).verdict is Verdict.REFUTED


def two_level_batch(rows=40):
    generator = np.random.default_rng(0)
    scores = np.zeros((3, rows))
    scores[:2] = generator.uniform(-9, 9, rows)
    columns = Columns(lambda name: np.full((3, rows) if name in ("values", "seen", "weights") else rows, 1.3))
    return Batch(scores, 2, columns, "block-level", np)


class OneBatch:
    """A source of one batch, on which sharp bounds are equalities."""

    xp = np

    def batches(self, samples):
        yield two_level_batch()


def test_without_its_error_bound_the_screen_would_miscount(monkeypatch):
    sharp = planted(find("A4").clause("given fidelity").holds, of="A4")
    honest = screen(sharp, 40, source=OneBatch(), decide_at_most=2).clauses["planted"]
    assert honest.suspicious == honest.decided + honest.left > 0
    assert honest.broken == 0
    monkeypatch.setattr(comparing, "INFLATION", 0.0)
    careless = screen(sharp, 40, source=OneBatch(), decide_at_most=2).clauses["planted"]
    assert careless.suspicious < honest.suspicious
    assert careless.broken > 0
    assert not careless.clean


def test_a_claim_that_never_applies_is_vacuous():
    result = screen(planted(Le(eps, 0), given=Gt(F, 1)), 2000, source=BatchSource(0, None, 2**14, equalities=False))
    assert result.verdict is Verdict.VACUOUS
    assert not result.clean


def test_equalities_are_never_cleared_but_counted():
    counts = screen(find("A1"), 3000, source=BatchSource(0, None, 2**14, equalities=False)).clauses["identity"]
    assert counts.clear == 0
    assert counts.agreeing == 3000
    assert not counts.clean


def test_ties_that_floats_can_decide_are_clear():
    one_key = planted(Le(delta, delta_mean), of="A1")
    batch = Batch(np.random.default_rng(0).normal(size=(4, 9)), 1, Columns(lambda name: np.ones(9)), "gaussian", np)

    class Source(OneBatch):
        def batches(self, samples):
            yield batch

    assert screen(one_key, 9, source=Source()).clauses["planted"].clear == 9


def test_a_seed_repeats_the_screen_and_another_does_not():
    def counts(seed):
        result = screen(find("A3"), 4000, seed, decide_at_most=0)
        return {name: (c.clear, c.not_applying) for name, c in result.clauses.items()}

    assert counts(1) == counts(1)
    assert counts(1) != counts(2)


def test_torch_screens_the_same_claims():
    result = screen(find("A3"), 3000, device="cpu", decide_at_most=50)
    assert result.counterexample is None
    assert all(c.clear for c in result.clauses.values())
    assert screen(planted(Le(eps, k / m * exp(-2 * d))), 3000, device="cpu").verdict is Verdict.REFUTED


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
    result = screen(planted(Le(eps, gamma(1 + d**2))), 500, source=BatchSource(0, None, 2**12, equalities=False))
    assert "gamma" in result.clauses["planted"].skipped
    assert not result.clean


def test_rows_enter_the_decision_as_the_floats_they_are():
    batch = next(BatchSource(0, None, 2**12, equalities=False).batches(100))
    row = batch.row(7)
    assert [fmpq(x.numerator, x.denominator) for x in row.scores] == [
        fmpq(*float(x).as_integer_ratio()) for x in batch.scores[:, 7]
    ]
    assert float(row.temperature) == batch.columns["temperature"][7]


UNKNOWN, YES, NO = (False, False), (True, False), (False, True)


@pytest.mark.parametrize("one", [UNKNOWN, YES, NO])
@pytest.mark.parametrize("other", [UNKNOWN, YES, NO])
def test_truth_of_a_compound_claim_is_kleenes(one, other):
    first, second = (tuple(np.array([part]) for part in truth) for truth in (one, other))
    both = YES if one == other == YES else NO if NO in (one, other) else UNKNOWN
    either = NO if one == other == NO else YES if YES in (one, other) else UNKNOWN
    assert tuple(bool(part[0]) for part in judging._both(first, second)) == both
    assert tuple(bool(part[0]) for part in judging._any(first, second)) == either


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
    batch = next(BatchSource(0, None, 2**12, equalities=False).batches(100))
    with np.errstate(all="ignore"):
        judged = Judge(planted(claim), np, loose=False).judge(batch.only(np.arange(batch.rows)))["planted"]
    assert (bool(judged.for_claim.all()), bool(judged.against.all())) == truth
    assert (bool(judged.for_claim.any()), bool(judged.against.any())) == truth
