"""The symbolic method proves every derivation of the catalogue, and proves nothing that is false."""

from __future__ import annotations

import pytest
from sympy import Rational, asin, exp, log, oo, sin, sqrt, symbols

from proofs_check.inequalities.verdict import Verdict, both
from proofs_check.methods import symbolic
from proofs_check.methods.signs import (
    has_values,
    have_values_together,
    is_nonnegative,
    is_nonzero,
    is_positive,
    spread_logs,
)
from proofs_check.methods.symbolic import SymbolicResult, check_derivation, decide_step
from theory.derivation import AboveTangent, Equal, Limit, Positive, RisesFromZero
from theory.errors import DomainError
from theory.statement import Kind
from theory.statements.catalogue import CATALOGUE, find
from theory.symbols import eps

x = symbols("x", positive=True)
y = symbols("y", real=True)


@pytest.mark.parametrize("statement", CATALOGUE, ids=lambda s: s.id)
def test_every_step_is_decided(statement):
    result = check_derivation(statement)
    assert [s.step.because for s in result.steps if s.verdict is not Verdict.PROVED] == []
    # Without a derivation there is nothing to prove, and a citation must stand in its place.
    assert result.verdict is (Verdict.PROVED if result.steps else Verdict.UNDECIDED)
    assert result.steps or statement.kind is Kind.KNOWN


FALSE_STEPS = [
    Equal("", log(x + 1), log(x) + 1),
    Equal("", exp(x) * exp(x), exp(x**2)),
    Positive("", x - 1),
    Positive("", -x, strict=False),
    RisesFromZero("", x**2 - x, x),
    RisesFromZero("", x + 1, x),
    AboveTangent("", x - 1 - Rational(101, 100) * log(x), x, 1),
    AboveTangent("", 1 + y - exp(y), y, 0),
    Limit("", exp(-x), x, oo, 1),
]


@pytest.mark.parametrize("step", FALSE_STEPS, ids=str)
def test_a_false_step_is_never_proved(step):
    assert decide_step(step).verdict is not Verdict.PROVED


def test_a_false_equality_is_refuted_at_a_point():
    found = decide_step(FALSE_STEPS[0])
    assert found.verdict is Verdict.REFUTED
    assert "x=" in found.point


@pytest.mark.parametrize("factor", [Rational(99, 100), Rational(101, 100)])
def test_a_step_that_is_false_on_a_narrow_interval_is_refuted(factor):
    found = decide_step(AboveTangent("", x - 1 - factor * log(x), x, 1))
    assert found.verdict is Verdict.REFUTED
    assert found.point == f"x={factor}"


def test_a_derivation_without_steps_proves_nothing():
    assert SymbolicResult(()).verdict is Verdict.UNDECIDED


def test_a_verdict_has_no_truth_value():
    with pytest.raises(TypeError, match="no truth value"):
        bool(Verdict.PROVED)


def test_only_two_proofs_prove_a_conjunction():
    assert both(Verdict.PROVED, Verdict.PROVED) is Verdict.PROVED
    assert both(Verdict.PROVED, Verdict.UNDECIDED) is Verdict.UNDECIDED
    assert both(Verdict.UNDECIDED, Verdict.REFUTED) is Verdict.REFUTED
    assert both(Verdict.VACUOUS, Verdict.PROVED) is Verdict.VACUOUS


def test_an_unknown_statement_is_named_in_the_error():
    with pytest.raises(DomainError, match="'Z9' must be one of A1"):
        find("Z9")
    assert find("leak-bound").id == find("a2").id == "A2"


def test_a_point_with_an_unknown_power_does_not_end_the_search():
    base, power = symbols("b p", real=True)
    found = decide_step(Positive("not where the base is below -1", log(base + 2) / (base + 2) ** power))
    assert found.verdict is Verdict.REFUTED


t = symbols("t", positive=True)
a, b = symbols("a b", real=True)
z = symbols("z", nonnegative=True)
free = symbols("c")
# Each is an identity of numbers for which both sides have a value, or of positive numbers alone.
NOT_EVERYWHERE = [
    Equal("", log((t - 1) ** 2), 2 * log(t - 1)),
    Equal("", log((t - 1) * (t - 2)), log(t - 1) + log(t - 2)),
    Equal("", log((t - 1) / (t - 2)), log(t - 1) - log(t - 2)),
    Equal("", log(a * b), log(a) + log(b)),
    Equal("", log(a**2), 2 * log(a)),
    Equal("", log(free**2), 2 * log(free)),
    Equal("", sqrt(a**2), a),
    Equal("", sqrt(a) * sqrt(b), sqrt(a * b)),
    Equal("", (a**3) ** Rational(1, 3), a),
    Equal("", ((a - 1) ** a) ** b, (a - 1) ** (a * b)),
    Equal("", asin(sin(x)), x),
    Equal("", (x**2 - 1) / (x - 1), x + 1),
    Equal("", 1 / (x - 1) - 1 / (x - 1) / x, 1 / x),
    Equal("", x / log(x) * log(x**2), 2 * x),
    Positive("", (x**2 - 1) ** 2 / (x - 1) ** 2 + 1),
    Positive("", sqrt(a - 1) + 1),
    RisesFromZero("", -x / (x - 1), x),
    RisesFromZero("", -log(1 - z), z),
    AboveTangent("", -log(2 - x) - (x - 1), x, 1),
]


@pytest.mark.parametrize("step", NOT_EVERYWHERE, ids=str)
def test_a_step_is_not_proved_where_a_side_has_no_value(step):
    assert not symbolic._proved(step)


EVERYWHERE = [
    Equal("", log(x / t), log(x) - log(t)),
    Equal("", log(x**3 * exp(-a)), 3 * log(x) - a),
    Equal("", log((t - 1) ** 2 * x), log((t - 1) ** 2) + log(x)),
    Equal("", log((1 - eps) * eps), log(1 - eps) + log(eps)),
    Equal("", (x**2 - 1) / (x + 1), x - 1),
    Equal("", (t**2 - 1) / (t - 1) ** 2, (t + 1) / (t - 1)),
    Positive("", exp(a) + a**2),
    RisesFromZero("", log(1 + z), z),
]


@pytest.mark.parametrize("step", EVERYWHERE, ids=str)
def test_a_step_is_proved_where_signs_are_known(step):
    assert symbolic._proved(step)


def test_a_logarithm_is_expanded_only_by_known_signs():
    assert spread_logs(log(a * b * x)) == log(x) + log(a * b)
    assert spread_logs(log((1 - eps) ** 2)) == 2 * log(1 - eps)
    assert spread_logs(log((1 - t) ** 2)) in (log((1 - t) ** 2), log((t - 1) ** 2))
    assert spread_logs(log((x - t) ** 2)) in (log((x - t) ** 2), log((t - x) ** 2))
    assert spread_logs(log(4 * exp(a) / 9)) == a + 2 * log(2) - 2 * log(3)


def test_a_sign_holds_on_the_whole_range_and_not_at_a_pole():
    assert is_positive(1 - eps)
    assert is_nonnegative(1 - exp(-z))
    assert not is_positive(1 - exp(-z))
    assert is_nonzero(-x - 1)
    assert not is_nonzero(x - 1)
    assert has_values(log(1 + z) / x)
    assert not has_values(log(z))
    assert not has_values(1 / (x - 1))
    assert have_values_together(1 / (x - 1), 2 / (1 - x))
    assert not have_values_together(1 / (x - 1), x)
    # At 0 neither side has a value, and everywhere else both.
    assert have_values_together(1 / (z - 1 + exp(-z)) / (1 - exp(-z)), 1 / (1 - exp(-z)))
