"""The bounds on rounding errors hold on rows made to break them, and are seen not to where a rule is broken."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from flint import arb, ctx
from sympy import Expr, Piecewise, log, symbols
from sympy.core.relational import Relational

from proofs_check.deciding.deciding import ArbArithmetic
from proofs_check.instances.rows import DEFINITIONS
from proofs_check.screening import batches, letters, tracked, tracked_target
from proofs_check.screening.batches import Batch
from proofs_check.screening.letters import LETTERS, values_on
from proofs_check.screening.random_rows import random_batches
from proofs_check.screening.tracked import INFLATION, LIBRARY_ULPS, Tracked, compare, exp, pair, sqrt
from proofs_check.screening.tracked_target import TRACKED, lambert_w
from theory.lowering import arb_target, evaluate
from theory.statements.catalogue import CATALOGUE
from theory.symbols import H_B, H_C, VOCABULARY, H, d, d_mean

PRECISION = 2000


def entry(x, row):
    """The number, or that row's."""
    return float(np.broadcast_to(x, row + 1)[row] if not np.ndim(x) else x[row])


def encloses(number, exact, row):
    """Whether the exact ball may lie within the bound on that row, and is itself too small to matter."""
    value, error = entry(number.value, row), entry(number.error, row)
    if not np.isfinite(value) or not np.isfinite(error):
        return True
    miss = abs(exact - arb(value))
    return miss.rad() < arb(2) ** -1000 and not miss > arb(error * INFLATION)


def hard_batches():
    """Rows with ranges of hundreds of nats, masses of 1e-250, equal scores, nearly equal ones, and parts of one key."""
    generator = np.random.default_rng(4)
    for keys, block in ((2, 1), (3, 1), (3, 2), (7, 3), (40, 1), (40, 39)):
        shape = (keys, 8)
        scores = generator.standard_normal(shape) * np.array([1e-9, 1e-3, 1, 90, 1e-14, 1, 1, 1])
        scores[:, 5] = 0.3
        scores[0, 6] += 560
        scores[-1, 7] += 560
        columns = {
            "temperature": np.array([1.0, 1e6, 0.5, 1.3, 1e-2, 2.0, 1.0, 1.0]),
            "dial": np.array([1 / 64, 0.5, 1 - 2.0**-40, 0.9, 2.0**-20, 0.3, 0.7, 0.9]),
            "other_dial": np.array([0.5, 0.25, 1 - 2.0**-30, 0.95, 2.0**-10, 0.3, 0.9, 0.1]),
            "penalty": np.array([0.0, 3.0, 10.0, 1.0, 0.5, 7.0, 10.0, 10.0]),
            "leak_target": generator.uniform(1e-18, 1, 8),
            "fidelity_target": 1 - 2.0 ** -generator.uniform(1, 52, 8),
            "values": generator.uniform(-4, 4, shape),
            "seen": scores + generator.uniform(-0.5, 0.5, shape),
            "weights": np.floor(generator.uniform(1, 17, shape)),
        }
        yield Batch(scores, block, columns, "hard")


def missed(batch, index):
    """The letters whose bound, or whose complement's, does not enclose the exact value on a row of the batch."""
    found, row, by = [], batch.row(index), ArbArithmetic()
    values = values_on(batch)
    for letter in LETTERS:
        number, exact = values[letter], DEFINITIONS[letter](row, by)
        held = encloses(number, exact, index)
        if number.one_minus is not None:
            held = held and encloses(number.one_minus, 1 - exact, index)
        found += [] if held else [letter]
    return found


def missed_on_hard_rows(most=6):
    with np.errstate(all="ignore"), ctx.workprec(PRECISION):
        return [x for batch in islice(hard_batches(), most) for i in range(batch.rows) for x in missed(batch, i)]


def test_every_letter_is_enclosed_on_hard_rows():
    assert missed_on_hard_rows() == []


def test_every_letter_is_enclosed_on_random_rows_and_bounds_are_small():
    with np.errstate(all="ignore"), ctx.workprec(PRECISION):
        for batch in islice(random_batches(10**4, 3), 60):
            assert missed(batch, batch.rows // 2) == []
            values = values_on(batch)
            for letter in LETTERS:
                number = values[letter]
                size = np.maximum(abs(number.value), 1)
                assert np.all(number.error <= 1e-9 * size * np.maximum(batch.columns["temperature"], 1)), letter


def test_rules_that_forget_roundings_are_noticed(monkeypatch):
    for module in (tracked, tracked_target, batches, letters):
        monkeypatch.setattr(module, "UNIT", 0.0, raising=False)
    assert len(missed_on_hard_rows(3)) > 20


@pytest.mark.parametrize("function", [exp, tracked.log])
def test_a_library_better_than_it_is_would_be_noticed(monkeypatch, function):
    points = np.random.default_rng(2).uniform(1.5, 9, 200)
    with ctx.workprec(PRECISION):
        exact = [arb(x).exp() if function is exp else arb(x).log() for x in points]
        assert all(encloses(function(Tracked(points)), ball, i) for i, ball in enumerate(exact))
        monkeypatch.setattr(tracked, "LIBRARY", 0.0)
        assert sum(encloses(function(Tracked(points)), ball, i) for i, ball in enumerate(exact)) < 20


@pytest.mark.parametrize(("letter", "other"), [(H_B, H_C), (d, d_mean), (H, H_B)], ids=str)
def test_a_wrong_letter_is_noticed(monkeypatch, letter, other):
    monkeypatch.setitem(LETTERS, letter, LETTERS[other])
    assert set(missed_on_hard_rows()) == {letter}


def expressions():
    """Both sides of every relation of every clause about a row."""
    for statement in CATALOGUE:
        for clause in statement.claim if statement.about == "row" else ():
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


@pytest.mark.parametrize("expr", list(expressions()))
def test_error_bound_encloses_every_side_of_the_catalogue(expr):
    generator, count = np.random.default_rng(5), 12
    values = {x: drawn(x, generator, count) for x in sorted(expr.free_symbols, key=str)}
    with np.errstate(all="ignore"):
        result = evaluate(expr, {x: Tracked(v) for x, v in values.items()}, TRACKED)
    useful = 0
    with ctx.workprec(PRECISION):
        for i in range(count):
            exact = evaluate(expr, {x: arb(entry(v, i)) for x, v in values.items()}, arb_target())
            if exact.is_finite():
                assert encloses(result, exact, i)
                useful += entry(result.error, i) <= 1e-9 * max(1, abs(entry(result.value, i)))
    assert useful >= count // 2


@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p"])
def test_numpy_is_as_accurate_as_assumed(name):
    generator = np.random.default_rng(1)
    points = np.concatenate([generator.uniform(0.5, 2, 400), 10 ** generator.uniform(-12, 2.5, 400)])
    points = -points if name == "exp" else points
    found = getattr(np, name)(points)
    with ctx.workprec(200):
        for x, y in zip(points, found, strict=True):
            assert abs(getattr(arb(x), name)() - arb(y)) <= LIBRARY_ULPS * arb(np.spacing(abs(y)))


@pytest.mark.parametrize("branch", [0, -1])
def test_lambert_branches_are_enclosed(branch, monkeypatch):
    x = -np.exp(-1 - 10 ** np.linspace(-12, 2.4, 40))
    w = lambert_w(Tracked(x), Tracked(float(branch)))
    with ctx.workprec(PRECISION):
        exact = [arb(point).lambertw(branch) for point in x]
        assert all(encloses(w, ball, i) for i, ball in enumerate(exact))
        assert np.all(w.error <= 1e-5)
        assert np.all(w.error[20:] <= 1e-11)
        # A root that is wrong in the sixth digit widens the bound, and one on the other branch leaves none.
        honest = tracked_target._newton
        monkeypatch.setattr(tracked_target, "_newton", lambda level, above: honest(level, above) * (1 + 1e-6))
        rough = lambert_w(Tracked(x), Tracked(float(branch)))
        assert all(encloses(rough, ball, i) for i, ball in enumerate(exact))
        assert np.all(rough.error > 1e-7 * abs(rough.value))
        monkeypatch.setattr(tracked_target, "_newton", lambda level, above: honest(level, not above))
        assert np.all(np.isinf(lambert_w(Tracked(x), Tracked(float(branch))).error))


def test_a_bound_is_not_much_larger_than_the_error():
    x, y = symbols("x y", positive=True)
    values = {x: 1 / 3, y: 1e9}
    with ctx.workprec(200):
        exact = evaluate(log(x + y) - log(y), {s: arb(v) for s, v in values.items()}, arb_target())
        result = evaluate(log(x + y) - log(y), {s: Tracked(v) for s, v in values.items()}, TRACKED)
        assert arb(result.error * 1e-6) < abs(exact - arb(float(result.value))) <= arb(result.error)


def test_a_quotient_by_what_overflowed_has_no_bound():
    """It is 0 as a float; in truth it may be anything."""
    with np.errstate(all="ignore"):
        quotient = Tracked(np.array([1e300, 1.0])) / (Tracked(np.array([1e200, 2.0])) * Tracked(np.array([1e200, 2.0])))
    assert quotient.value[0] == 0
    assert not np.isfinite(quotient.error[0])
    assert quotient.error[1] < 1e-15


def test_what_may_be_zero_or_negative_has_no_quotient_logarithm_or_root():
    small = Tracked(np.array([-1.0, 1e-9, 3.0, 0.0]), 2e-9)
    with np.errstate(all="ignore"):
        quotient, logarithm, root = 1 / small, tracked.log(small), sqrt(small)
    # A quotient by a number certainly below 0 does have one.
    assert np.isfinite(quotient.error).tolist() == [True, False, True, False]
    assert np.isfinite(logarithm.error).tolist() == [False, False, True, False]
    assert np.isfinite(root.error + root.value).tolist() == [False, False, True, False]
    with np.errstate(all="ignore"):
        assert sqrt(Tracked(np.array([0.0]))).error[0] == 0


def test_the_smaller_of_two_counts_as_far_as_it_may_be_the_larger():
    for gap, error in ((0.5, 0.5), (2.0, 1e-9)):
        found = tracked.larger(Tracked(np.array([gap]), 1e-9), Tracked(np.array([0.0]), 1.0))
        assert found.value[0] == gap
        assert found.error[0] == pytest.approx(error, rel=1e-5)


def test_complements_settle_what_rounds_to_1():
    tiny, double = Tracked(np.array([1e-30])), Tracked(np.array([2e-30]))
    one, other = (Tracked(np.array([1.0]), 1e-16) for _ in range(2))
    assert [bool(x[0]) for x in compare("<", other, one)] == [False, False]
    more, less = pair(one, tiny), pair(other, double)
    assert [bool(x[0]) for x in compare("<", less, more)] == [True, False]
    assert [bool(x[0]) for x in compare(">=", less, more)] == [False, True]
    assert (1 - more) is tiny
    assert tracked.log(more).value[0] == -1e-30


def test_a_piecewise_is_known_where_its_condition_is():
    x, y = symbols("x y", positive=True)
    values = {x: Tracked(np.array([0.5, 2.0, 1.0]), 1e-9), y: Tracked(np.array([1.0, 1.0, 1.0]))}
    found = evaluate(Piecewise((x, x < y), (y / x, True)), values, TRACKED)
    assert found.value[:2].tolist() == [0.5, 0.5]
    assert np.isfinite(found.error).tolist() == [True, True, False]


def test_numbers_are_exact_where_they_are_floats():
    assert tracked.nearest(Fraction(3, 4)).error == 0
    third = tracked.nearest(Fraction(1, 3))
    assert abs(Fraction(1, 3) - Fraction(float(third.value))) <= Fraction(third.error)
    assert exp(Tracked(-800.0)).value == 0 < exp(Tracked(-800.0)).error
