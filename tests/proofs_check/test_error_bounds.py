"""The bounds on rounding errors hold on rows made to break them, one for all rows or row by row, and show when not."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from flint import arb, ctx
from sympy import Piecewise, Rational, exp, log, symbols
from sympy.core.relational import Equality

from proofs_check.deciding.deciding import ArbArithmetic
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.rows import DEFINITIONS
from proofs_check.screening import batches, error_rules, tracked_functions
from proofs_check.screening.batches import Batch, Columns
from proofs_check.screening.error_rules import INFLATION
from proofs_check.screening.error_target import error_target
from proofs_check.screening.judging import Judge
from proofs_check.screening.letters import LETTERS
from proofs_check.screening.linear_forms import total
from proofs_check.screening.random_batches import BatchSource
from proofs_check.screening.running_error import Tracked
from proofs_check.screening.screen import screen
from proofs_check.screening.tape import Run, Tape
from theory.lowering import evaluate
from theory.statement import Clause
from theory.statements.catalogue import CATALOGUE, find
from theory.symbols import H, H_lam

ROWS = [statement for statement in CATALOGUE if statement.about == "row"]
PRECISION = 1500


def entry(x, row):
    """The number, or that row's."""
    return float(x[row] if np.shape(x) else x)


def encloses(tracked, exact, row):
    """Whether the exact ball may lie within the bound on that row, and is itself too small to matter."""
    value, error = entry(tracked.value, row), entry(tracked.error, row)
    if np.isnan(value) or np.isnan(error) or np.isinf(error):
        return True
    miss = abs(exact - arb(value))
    return miss.rad() < arb(2) ** -1000 and not miss > arb(error * INFLATION)


def hard_batches(careful=False):
    """Rows with ranges of hundreds of nats, masses of 1e-250, equal scores, nearly equal ones, and parts of one key."""
    generator = np.random.default_rng(4)
    for keys, block in ((2, 1), (3, 1), (3, 2), (7, 3), (40, 1), (40, 39)):
        shape = (keys, 8)
        noise = generator.standard_normal(shape)
        scores = noise * np.array([1e-9, 1e-3, 1, 90, 1e-14, 1, 1, 1])
        scores[:, 5] = 0.3
        scores[0, 6] += 560
        scores[-1, 7] += 560
        temperature = np.array([1.0, 1e6, 0.5, 1.3, 1e-2, 2.0, 1.0, 1.0])
        columns = Columns(
            {
                "temperature": temperature,
                "dial": np.array([1 / 64, 0.5, 1 - 2.0**-40, 0.9, 2.0**-20, 0.3, 0.7, 0.9]),
                "other_dial": np.array([0.5, 0.25, 1 - 2.0**-30, 0.95, 2.0**-10, 0.3, 0.9, 0.1]),
                "penalty": np.array([0.0, 3.0, 10.0, 1.0, 0.5, 7.0, 10.0, 10.0]),
                "leak_target": generator.uniform(1e-18, 1, 8),
                "fidelity_target": 1 - 2.0 ** -generator.uniform(1, 52, 8),
                "values": generator.uniform(-4, 4, shape),
                "seen": scores + generator.uniform(-0.5, 0.5, shape),
                "weights": np.floor(generator.uniform(1, 17, shape)),
            }.__getitem__
        )
        yield Batch(scores, block, columns, "hard", np, careful=careful)


@pytest.mark.parametrize("careful", [False, True], ids=["loose", "careful"])
def test_every_letter_is_enclosed_on_hard_rows(careful):
    with np.errstate(all="ignore"), ctx.workprec(PRECISION):
        for batch in hard_batches(careful):
            for index in range(batch.rows):
                row, by = batch.row(index), ArbArithmetic()
                for letter, value in LETTERS.items():
                    assert encloses(value(batch), DEFINITIONS[letter](row, by), index), (letter, batch.keys, index)


@pytest.mark.parametrize("careful", [False, True], ids=["loose", "careful"])
def test_other_forms_of_the_entropy_enclose_it_and_its_floor_is_below(careful):
    rows = np.arange(8)
    met = 0
    with np.errstate(all="ignore"), ctx.workprec(PRECISION):
        for batch in hard_batches(careful):
            for letter in (H, H_lam):
                entropy = LETTERS[letter](batch)
                forms = [total(form, rows) for form in entropy.forms]
                floor = entropy.floor(rows)
                for index in rows:
                    exact = DEFINITIONS[letter](batch.row(index), ArbArithmetic())
                    assert all(encloses(form, exact, index) for form in forms)
                    low = entry(floor.value, index) - INFLATION * entry(floor.error, index)
                    assert np.isnan(low) or not arb(low) > exact
                    met += low > 0
    assert met > 60


@pytest.mark.parametrize("statement", ROWS, ids=lambda s: s.id)
def test_one_bound_for_all_rows_never_contradicts_the_bound_of_each(statement):
    loose, careful = Judge(statement, np, loose=True), Judge(statement, np, loose=False)
    settled = 0
    with np.errstate(all="ignore"):
        sources = [*hard_batches(), *BatchSource(7, None, 2**13, equalities=False).batches(900)]
        for batch in sources:
            one, other = loose.judge(batch), careful.judge(batch.only(np.arange(batch.rows)))
            for name in one:
                assert not np.any(one[name].for_claim & other[name].against), name
                assert not np.any(one[name].against & ~one[name].settled & other[name].for_claim), name
                assert not np.any(one[name].against), name
                settled += int(one[name].settled.sum())
    # Floats never prove an equality, and these clauses are nothing else.
    assert settled > 0 or all(isinstance(clause.holds, Equality) for clause in statement.claim)


@pytest.mark.parametrize("statement", ROWS, ids=lambda s: s.id)
def test_torch_and_numpy_agree_on_the_same_rows(statement):
    judges = Judge(statement, np, loose=True), Judge(statement, torch, loose=True)
    checked = 0
    with np.errstate(all="ignore"):
        for batch in BatchSource(5, None, 2**14, equalities=False).batches(700):
            columns = Columns(lambda name, batch=batch: torch.asarray(np.array(batch.columns[name])))
            mutant = Batch(torch.asarray(batch.scores.copy()), batch.block, columns, batch.family, torch)
            ours, theirs = judges[0].judge(batch), judges[1].judge(mutant)
            assert ours.keys() == theirs.keys()
            for name, seen in ours.items():
                other = theirs[name].settled.numpy()
                assert not np.any(theirs[name].against.numpy())
                checked += int((seen.settled == other).sum())
                assert np.mean(seen.settled == other) > 0.98, name
    assert checked > 500


def test_a_tape_says_what_its_expression_says():
    x, y = symbols("x y", positive=True)
    target = error_target(np)
    values = {x: Tracked(np.array([0.5, 2.0]), 0.0, np), y: Tracked(np.array([3.0, 0.25]), 0.0, np)}
    tape = Tape(target)
    sides = [log(x + y) ** 2 / x, exp(-y) * x - Rational(1, 3), Piecewise((x, x < y), (y / x, True))]
    lines = [tape.add(side) for side in sides]
    run = Run(tape, values.__getitem__)
    for side, line in zip(sides, lines, strict=True):
        expected = evaluate(side, values, target)
        assert np.array_equal(run.number(line).value, expected.value)
    first = tape.add(log(x + y))
    assert first == tape.add(log(x + y)) < lines[0]


def test_a_rule_that_forgets_roundings_is_noticed(monkeypatch):
    for module in (error_rules, batches, tracked_functions):
        monkeypatch.setattr(module, "UNIT", 0.0)
        monkeypatch.setattr(module, "LIBRARY", 0.0)
    missed = 0
    with np.errstate(all="ignore"), ctx.workprec(PRECISION):
        for batch in islice(hard_batches(), 3):
            for index in range(batch.rows):
                exact = {x: value(batch.row(index), ArbArithmetic()) for x, value in DEFINITIONS.items()}
                missed += sum(not encloses(value(batch), exact[x], index) for x, value in LETTERS.items())
    assert missed > 50


def test_a_bound_false_under_its_assumption_alone_is_refuted():
    right = find("A4").clause("given separation")
    small, large = right.holds.args
    wrong = Clause("planted", right.holds.func(small, large * (1 - Rational(1, 10**7))), right.given)
    result = screen(replace(find("A4"), claim=(wrong,)), 2e4)
    assert result.verdict is Verdict.REFUTED


SLOW = {"B2"}


@pytest.mark.parametrize(
    "statement",
    [pytest.param(s, marks=pytest.mark.slow if s.id in SLOW else ()) for s in ROWS],
    ids=lambda s: s.id,
)
def test_no_row_is_left(statement):
    result = screen(statement, 2e4, seed=1, decide_at_most=40)
    for counts in result.clauses.values():
        assert (counts.left, counts.open, counts.broken) == (0, 0, 0)
        assert counts.suspicious <= 40


@pytest.mark.parametrize("loose", [False, True])
def test_a_quotient_by_what_overflowed_has_no_bound(loose):
    """It is 0 as a float; in truth it may be anything."""
    wide = Tracked(np.array([1e200, 2.0]), 0.0, np, loose=loose)
    with np.errstate(over="ignore"):
        found = error_rules.product_of(wide, wide)
    product = Tracked(*found[:2], np, relative=2**-53, loose=loose)
    assert np.isinf(product.value[0])
    top = Tracked(np.array([1e300, 1.0]), 0.0, np, loose=loose)
    value, absolute, relative = error_rules.quotient_of(top, product)
    error = absolute + relative * abs(value)
    assert value[0] == 0
    assert np.broadcast_to(error, 2)[0] == np.inf
    assert loose or error[1] < 1e-15


@pytest.mark.parametrize(
    ("values", "least", "size"),
    [
        ([2.0, 5.0], 2.0, 5.0),
        ([-5.0, -2.0], 2.0, 5.0),
        ([-1.0, 3.0], 0.0, 3.0),
        ([-3.0, 1.0], 0.0, 3.0),
        ([0.0, 3.0], 0.0, 3.0),
        ([-3.0, 0.0], 0.0, 3.0),
        ([4.0, np.nan, 2.0], 2.0, 4.0),
    ],
    ids=str,
)
@pytest.mark.parametrize("negated", [False, True])
def test_one_size_for_all_rows_is_the_largest_and_the_least(values, least, size, negated):
    loose = Tracked(np.array(values), 0.0, np, loose=True)
    loose = -loose if negated else loose
    assert (loose.least, loose.size) == (least, size)
    each = Tracked(np.array(values), 0.0, np)
    assert np.array_equal((-each if negated else each).least, np.abs(values), equal_nan=True)
    assert np.array_equal((-each if negated else each).size, np.abs(values), equal_nan=True)


def test_a_quotient_by_numbers_of_either_sign_has_the_bound_of_the_least():
    """The error of 1/x grows with the error of x over the square of the least of them."""
    for values in ([2.0, 5.0], [-5.0, -2.0]):
        below = Tracked(np.array(values), 1e-9, np, loose=True)
        quotient = Tracked(1.0, 0.0, np) / below
        assert 1e-9 / 4 <= np.max(quotient.error) <= 1e-9
        assert np.all(np.abs(1 / (np.array(values) - 1e-9) - quotient.value) <= quotient.error * INFLATION)
    straddling = Tracked(np.array([-1.0, 3.0]), 1e-9, np, loose=True)
    assert np.all(np.isinf((Tracked(1.0, 0.0, np) / straddling).error))
