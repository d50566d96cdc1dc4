"""`certify(..., kernel=True)`: propositions are exact, and only what Coq's kernel accepts counts as checked."""

import shutil

import pytest
from sympy import (
    Abs,
    E,
    Ge,
    Gt,
    Interval,
    LambertW,
    Le,
    Lt,
    Max,
    Rational,
    Sum,
    Symbol,
    atan,
    cosh,
    exp,
    log,
    oo,
    pi,
    sin,
    sqrt,
    symbols,
    tan,
)

from localist import Verdict, certify
from proofs_check.inequalities.search.interval import certify as certify_without_coq
from proofs_check.kernel import certified
from proofs_check.kernel.build import ALLOWED, MACHINE_INTEGERS, CoqError, CoqMissing
from theory.functions import Logistic
from theory.lowering import UnknownNode

needs_coq = pytest.mark.skipif(shutil.which("coqc") is None, reason="coqc, an optional program, is not installed")
x, y = symbols("x y", real=True)
p = Symbol("p", positive=True)
n = Symbol("n", integer=True)
i = Symbol("i", integer=True)
REALS, UNIT, ABOVE_0 = Interval(-oo, oo), Interval(0, 1), Interval.open(0, oo)
SQUARES = x**2 + y**2 >= 2 * x * y
SPACE = {x: REALS, y: REALS}
WAVE = Lt(sin(x) + exp(x), 5 - atan(x))


@pytest.mark.parametrize(
    ("claim", "domain", "printed"),
    [
        (SQUARES, SPACE, "forall x y : R, 2 * x * y <= x ^ 2 + y ^ 2"),
        (Gt(exp(x), x), {x: UNIT}, "forall x : R, 0 <= x <= 1 -> x < exp x"),
        (Ge(exp(x), x), {x: Interval.open(-1, Rational(1, 3))}, "forall x : R, - 1 < x < 1 / 3 -> x <= exp x"),
        (Le(x, exp(x)), {x: Interval.Lopen(-Rational(1, 2), 2)}, "forall x : R, - (1 / 2) < x <= 2 -> x <= exp x"),
        (Lt(x, exp(x)), {x: Interval.Ropen(0, 1)}, "forall x : R, 0 <= x < 1 -> x < exp x"),
        (Le(log(p), p - 1), {p: ABOVE_0}, "forall p : R, 0 < p -> ln p <= p - 1"),
        (Le(x, 3), {x: Interval(-oo, 2)}, "forall x : R, x <= 2 -> x <= 3"),
        (Lt(x, 3), {x: Interval.open(-oo, 2)}, "forall x : R, x < 2 -> x < 3"),
        (Le(0.5 * x, 1), {x: UNIT}, "forall x : R, 0 <= x <= 1 -> x / 2 <= 1"),
        (Le(Abs(x), Max(x, -x)), {x: REALS}, "forall x : R, Rabs x <= Rmax (- x) x"),
        (Le(sqrt(p), p**p + pi + E), {p: ABOVE_0}, "forall p : R, 0 < p -> sqrt p <= Rpower p p + exp 1 + PI"),
        (Le(tan(x), cosh(x) * 9), {x: UNIT}, "forall x : R, 0 <= x <= 1 -> tan x <= 9 * cosh x"),
        (Ge(Sum(x**i, (i, 0, 2)), 0), {x: REALS}, "forall x : R, 0 <= x ^ 2 + x + 1"),
        (Ge(n**2, n), {n: Interval(1, oo)}, "forall n : R, 1 <= n -> n <= n ^ 2"),
        (Ge(exp(1), 2, evaluate=False), {}, "2 <= exp 1"),
    ],
)
def test_proposition_states_the_claim_and_each_end(claim, domain, printed):
    assert certified.inequality_to_coq(claim, domain) == printed


def test_letter_named_like_a_function_does_not_hide_it():
    named = {name: Symbol(name, real=True) for name in ("exp", "R", "beta_1^t", "x1")}
    claim = Le(named["exp"] + named["R"] + named["beta_1^t"] + named["x1"], exp(named["exp"]) + 9)
    printed = certified.inequality_to_coq(claim, dict.fromkeys(named.values(), UNIT))
    bound, *ranges, last = printed.removeprefix("forall ").replace(" : R, ", " -> ").split(" -> ")
    assert bound.split() == ["v_1", "v_2", "v_3", "x1"]
    assert ranges == [f"0 <= {name} <= 1" for name in bound.split()]
    assert last.endswith("<= exp v_1 + 9")


@pytest.mark.parametrize(
    ("side", "node"), [(Logistic(x), "Logistic"), (LambertW(p), "LambertW"), (x ** Rational(1, 3), "power")]
)
def test_function_without_a_definition_is_named(side, node):
    with pytest.raises(UnknownNode, match=node):
        certified.inequality_to_coq(Le(side, 9), {x: UNIT, p: ABOVE_0})
    assert node in certified.ask(Le(side, 9), {x: UNIT, p: ABOVE_0}).reason


def test_missing_coqc_leaves_the_proof_unchecked(monkeypatch):
    monkeypatch.setenv("PATH", "")
    found = certify(SQUARES, SPACE, kernel=True)
    assert found.verdict is Verdict.PROVED
    assert (found.kernel.accepted, found.kernel.coq, found.kernel.axioms) == (False, None, ())
    assert str(found.kernel).startswith("not checked: coqc is not installed")
    assert "Coq's kernel: not checked: coqc is not installed" in found._repr_html_().replace("&#x27;", "'")


def test_without_kernel_and_without_a_proof_coq_is_not_asked(monkeypatch):
    monkeypatch.setattr(certified, "ask", lambda *_: pytest.fail("Coq was asked"))
    assert certify(SQUARES, SPACE).kernel is None
    assert certify(SQUARES, SPACE).certificate == certify_without_coq(SQUARES, SPACE).certificate
    assert certify(Gt(x**2, 0), {x: REALS}, kernel=True).verdict is Verdict.REFUTED


class Told:
    """In place of a folder in which Coq compiles: prints a list of assumptions, or refuses."""

    listed = ""
    refusal = None

    def __init__(self, *_):
        pass

    def compile(self, name, text, seconds):
        if name == "Certified" and self.refusal:
            raise self.refusal
        return self.listed


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr(certified, "coq_version", lambda: "8.16.1")
    monkeypatch.setattr(certified, "Build", Told)
    return lambda **said: [monkeypatch.setattr(Told, name, value) for name, value in said.items()]


def test_axiom_that_is_not_listed_is_refused(told):
    told(listed="Axioms:\nClassical_Prop.classic : forall P : Prop, P \\/ ~ P\n")
    assert certified.ask(SQUARES, SPACE).axioms == ("Classical_Prop.classic",)
    told(listed="Axioms:\nhole : 1 <= 0\n")
    refused = certified.ask(SQUARES, SPACE)
    assert not refused.accepted
    assert "the axiom 'hole', which is not allowed" in refused.reason
    told(listed="nothing that Coq prints")
    assert "could not be listed: Print Assumptions printed" in certified.ask(SQUARES, SPACE).reason


def test_reason_tells_a_missing_library_and_a_limit_from_a_failure(told):
    told(refusal=CoqMissing("Cannot find a physical path"))
    assert "interval (its library is missing)" in certified.ask(WAVE, {x: UNIT}).reason
    told(refusal=CoqError("Certified.v: not compiled within 10 s"))
    assert "nra (out of time)" in certified.ask(WAVE, {x: UNIT}).reason
    told(refusal=CoqError("No applicable tactic"))
    assert certified.ask(SQUARES, SPACE).reason.startswith("no tactic proved it: nra, facts, nra, interval,")


@needs_coq
def test_polynomial_is_accepted_by_nra():
    check = certify(SQUARES, SPACE, kernel=True).kernel
    assert (check.accepted, check.tactic, check.reason) == (True, "nra", "")
    assert check.proposition == "forall x y : R, 2 * x * y <= x ^ 2 + y ^ 2"
    assert set(check.axioms) <= set(ALLOWED)
    assert str(check).startswith(f"accepted by Coq {check.coq} (nra)")


@needs_coq
def test_false_proposition_is_refused(monkeypatch):
    monkeypatch.setattr(certified, "inequality_to_coq", lambda *_: "forall x y : R, x ^ 2 + y ^ 2 < 2 * x * y")
    monkeypatch.setattr(certified, "_INTERVAL", "")
    found = certify(SQUARES, SPACE, kernel=True)
    assert found.verdict is Verdict.PROVED
    assert not found.kernel.accepted
    assert found.kernel.reason.startswith("no tactic proved it: nra, facts, nra")


@needs_coq
@pytest.mark.slow
@pytest.mark.parametrize(
    ("claim", "domain", "tactic"),
    [
        (WAVE, {x: UNIT}, "interval"),
        (Ge(p + 1 / p, 2), {p: ABOVE_0}, "facts, nra"),
        (Le(log(p), p - 1), {p: ABOVE_0}, "facts, nra"),
    ],
)
def test_claim_is_accepted_by(claim, domain, tactic):
    check = certify(claim, domain, kernel=True).kernel
    if "library is missing" in check.reason:
        pytest.skip("Coq's Interval library is not installed")
    assert check.tactic == tactic
    assert set(check.axioms) <= {*ALLOWED, *MACHINE_INTEGERS}
    assert bool(set(check.axioms) & MACHINE_INTEGERS) is (tactic == "interval")


@needs_coq
@pytest.mark.slow
def test_claim_that_no_tactic_proves_stays_proved_and_unchecked():
    found = certify(Ge(p * log(p), -exp(-1)), {p: ABOVE_0}, kernel=True)
    assert found.verdict is Verdict.PROVED
    assert found.kernel.reason.startswith("no tactic proved it: nra, facts, nra")
