"""The symbolic method proves every derivation of the catalogue, and proves nothing that is false."""

from __future__ import annotations

import pytest
from sympy import Rational, exp, log, oo, symbols

from proofs_check.symbolic import SymbolicResult, check_derivation, decide_step
from proofs_check.verdict import Verdict, both
from theory.catalogue import CATALOGUE, find
from theory.derivation import AboveTangent, Equal, Limit, Positive, RisesFromZero
from theory.errors import DomainError
from theory.statement import Kind

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


def test_an_unknown_statement_is_named():
    with pytest.raises(DomainError, match="'Z9' must be one of A1"):
        find("Z9")
    assert find("leak-bound").id == find("a2").id == "A2"


def test_a_point_with_an_unknown_power_ends_no_search():
    base, power = symbols("b p", real=True)
    found = decide_step(Positive("not where the base is below -1", log(base + 2) / (base + 2) ** power))
    assert found.verdict is Verdict.REFUTED
