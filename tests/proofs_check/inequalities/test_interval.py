"""The interval method certifies true inequalities over whole domains, and never a false one."""

from __future__ import annotations

from fractions import Fraction

import pytest
from sympy import (
    Abs,
    Eq,
    Float,
    Function,
    Ge,
    Gt,
    Interval,
    Le,
    Lt,
    Max,
    Min,
    Naturals,
    Piecewise,
    Rational,
    S,
    Symbol,
    Union,
    acos,
    cos,
    exp,
    log,
    oo,
    pi,
    sin,
    sqrt,
    symbols,
    tanh,
    true,
)

from proofs_check.inequalities.replay import replay_bytes
from proofs_check.inequalities.search.interval import Certified, Refuted, certify
from proofs_check.inequalities.verdict import Verdict
from theory.errors import DomainError
from theory.functions import BinaryDivergence, BinaryEntropy, Logistic, Logit

x, y = symbols("x y", real=True)
r = Symbol("r", positive=True)
p, q = symbols("p q", positive=True)
n = Symbol("n", integer=True, positive=True)
REALS, ABOVE_0, FROM_0 = Interval(-oo, oo), Interval.open(0, oo), Interval(0, oo)
UNIT, OPEN_UNIT = Interval(0, 1), Interval.open(0, 1)
tilt = r / (1 - exp(-r))
tiny = Rational(1, 10**9)

TRUE = {
    "log below its tangent": (Ge(x - 1 - log(x), 0), {x: ABOVE_0}),
    "exp above its tangent": (Ge(exp(x), 1 + x), {x: REALS}),
    "range-deficit law": (Le(tilt - 1 - log(tilt), r**2 / 8), {r: ABOVE_0}),
    "range-deficit law, strict": (Lt(tilt - 1 - log(tilt), r**2 / 8), {r: ABOVE_0}),
    "Gibbs": (Ge(p * log(p / q) + (1 - p) * log((1 - p) / (1 - q)), 0), {p: OPEN_UNIT, q: OPEN_UNIT}),
    "Pinsker": (Ge(BinaryDivergence(p, q), 2 * (p - q) ** 2), {p: OPEN_UNIT, q: OPEN_UNIT}),
    "entropy is largest at 1/2": (Le(BinaryEntropy(x), log(2)), {x: UNIT}),
    "entropy is concave": (Ge(BinaryEntropy(x), 0), {x: UNIT}),
    "minimum at a corner": (Ge(x**2 + y**2, x * y), {x: Interval(-1, 1), y: Interval(-1, 1)}),
    "minimum inside, by its Hessian": (Ge(exp(x) + exp(y) - 2 - x - y + x * y / 2, 0), {x: UNIT, y: UNIT}),
    "equality at both ends": (Ge(sqrt(x), x), {x: UNIT}),
    "equality at 1/3": (Ge((3 * x - 1) * log(3 * x), 0), {x: ABOVE_0}),
    "equality along a face": (Ge(x * y + x**2, 0), {x: FROM_0, y: FROM_0}),
    "equality only at infinity": (Gt(exp(-x), 0, evaluate=False), {x: REALS}),
    "maximum of x e^-x": (Le(x * exp(-x), exp(-1)), {x: REALS}),
    "kink": (Ge(Abs(x), x), {x: REALS}),
    "kink at 1/3": (Ge(Abs(x - Rational(1, 3)) + x, Rational(1, 3)), {x: REALS}),
    "larger of two": (Ge(Max(x, 1 - x), Rational(1, 2)), {x: REALS}),
    "a kink within a kink": (Ge(exp(Max(2 * x, Abs(x))), 1 / exp(1)), {x: Interval(-1, 1)}),
    "strict across a kink": (Gt(Max(-x / 2, x**2 + x), 0), {x: Interval.open(-oo, 0)}),
    "cases": (Ge(Piecewise((x**2, x < 0), (x, True)), 0), {x: REALS}),
    "logistic": (Lt(Logistic(x), 1), {x: REALS}),
    "log-odds": (Ge(Logit(x), 4 * x - 2), {x: Interval.Ropen(Rational(1, 2), 1)}),
    "integers as reals": (Ge(n, 1 + log(n)), {n: Naturals}),
    "a float is the number it stores": (Ge(x + Float(0.1), Float(0.1)), {x: FROM_0}),
    "cosine": (Ge(cos(x), 1 - x**2 / 2), {x: Interval(0, 1)}),
    "a wave within a tangent": (Le(tanh(sin(x)), 1), {x: Interval(0, 3)}),
    "a float exponent": (Le(p**0.1, 2), {p: Interval(Rational(1, 2), 2)}),
    "arcs": (Le(acos(x), 2), {x: Interval(0, 1)}),
    "one point": (Ge(x, 1), {x: Interval(1, 1)}),
    "log(1 + 1/x) at infinity": (Le(log(1 + 1 / x), 1 / x), {x: ABOVE_0}),
}


@pytest.mark.parametrize("case", TRUE.values(), ids=TRUE)
def test_a_true_claim_is_proved_and_replays(case):
    claim, domain = case
    found = certify(claim, domain, boxes=4000)
    assert found.verdict is Verdict.PROVED, found
    assert replay_bytes(found.certificate.to_bytes()).holds


FALSE = {
    "constant too small by 1e-9": (Ge(x - 1 - log(x), tiny), {x: ABOVE_0}),
    "factor too large by 1e-9": (Ge(x - 1 - (1 + tiny) * log(x), 0), {x: ABOVE_0}),
    "1/8 too small by 1e-9": (Le(tilt - 1 - log(tilt), r**2 * (Rational(1, 8) - tiny)), {r: ABOVE_0}),
    "maximum off by 1e-9": (Le(x * exp(-x), Rational(367879441, 10**9)), {x: FROM_0}),
    "strict with equality at 0": (Gt(x**2, 0), {x: Interval(-1, 1)}),
    "strict with equality at 1/3": (Gt((3 * x - 1) ** 2, 0), {x: Interval(-1, 1)}),
    "strict with equality at an irrational": (Gt((x**2 - 2) ** 2, 0), {x: Interval(0, 2)}),
    "strict with equality at a closed end": (Gt(x - 1 - log(x), 0), {x: Interval(1, 2)}),
    "strict with equality along a diagonal": (Gt(BinaryDivergence(p, q), 0), {p: OPEN_UNIT, q: OPEN_UNIT}),
    "strict with equality at a corner": (Gt(x + y, 0), {x: UNIT, y: UNIT}),
    "false only at a closed end": (Lt(x, 1), {x: UNIT}),
    "false only near a corner": (Ge(x + y, Rational(1, 10**6)), {x: UNIT, y: UNIT}),
    "false only close to infinity": (Le(log(x), 100), {x: ABOVE_0}),
    "false only past 10^12": (Le(x, 10**12 + sqrt(x)), {x: FROM_0}),
    "false below the limit": (Ge(exp(-x), tiny), {x: FROM_0}),
    "the limit is equality, approached from below": (Ge(x / (1 + x), 1), {x: FROM_0}),
    "a narrow dip": (
        Ge((x - Rational(1234567, 10**7)) ** 2, Rational(1, 10**10)),
        {x: UNIT},
    ),
    "a dip in two letters": (
        Ge((x - Rational(1, 7)) ** 2 + (y - Rational(3, 11)) ** 2, Rational(1, 10**8)),
        {x: UNIT, y: UNIT},
    ),
    "a pole inside": (Gt(1 / x, -2), {x: Interval(-1, 1)}),
    "a pole of even order": (Gt(1 / x**2, 0), {x: Interval(-1, 1)}),
    "a pole at a closed end": (Gt(1 / x, 0), {x: UNIT}),
    "a logarithm of 0": (Le(log(x), 0), {x: UNIT}),
    "0 log 0": (Le(x * log(x), 0), {x: UNIT}),
    "a root of a negative": (Ge(sqrt(x), 0), {x: Interval(-1, 1)}),
    "0 times infinity": (Ge(x * exp(1 / x), 0), {x: UNIT}),
    "0/0": (Ge((x**2 - 1) / (x - 1), 0), {x: Interval(0, 2)}),
    "infinity less infinity": (Ge(exp(exp(x)) - exp(exp(x) + x), 0), {x: FROM_0}),
    "a jump at one point": (Ge(Piecewise((x, x < 1), (-1, x <= 1), (x, True)), 0), {x: FROM_0}),
    "steps that dip": (
        Ge(Piecewise((1, x < Rational(1, 3)), (-1, x <= Rational(1, 3)), (1, True)), 0),
        {x: UNIT},
    ),
    "a wave within a tangent, too high": (Ge(tanh(sin(x)), 1), {x: Interval(0, 3)}),
    "a narrow peak": (Le(exp(-(10**6) * (x - Rational(5, 13)) ** 2), Rational(1, 2)), {x: UNIT}),
    "a power of a million": (Ge((1 + x) ** 10**6, 2 + 10**6 * x), {x: FROM_0}),
    "a float exponent, too high": (Ge(p**0.1, 2), {p: Interval(Rational(1, 2), 2)}),
    "no case applies": (Ge(Piecewise((1, x < 0), (1 + x, x > 0)), 0), {x: Interval(-1, 1)}),
    "a wave dips below": (Ge(cos(50 * x), Rational(-999, 1000)), {x: UNIT}),
    "smaller of two": (Ge(Min(x, 1 - x), 0), {x: Interval(0, 1 + tiny)}),
    "wrong side of a kink": (Ge(Abs(x) - x, 0 * x + tiny), {x: FROM_0}),
    "quantifiers the wrong way": (Ge(x, y), {x: FROM_0, y: FROM_0}),
    "convex, not concave": (Le(exp(x), 1 + x * (exp(1) - 1) - tiny), {x: UNIT}),
    "not for large steps": (Le((1 + x) * exp(-x), 1 - x**2 / 2), {x: UNIT}),
    "an odd order on both sides": (Ge(x**3, 0), {x: Interval(-1, 1)}),
    "saddle": (Ge(x * y, 0), {x: Interval(-1, 1), y: Interval(-1, 1)}),
    "indefinite Hessian": (Ge(x**2 + y**2, 2 * x * y * (1 + tiny)), {x: UNIT, y: UNIT}),
    "false for one integer": (Ge((n - 7) ** 2, 1), {n: Naturals}),
}


@pytest.mark.parametrize("case", FALSE.values(), ids=FALSE)
def test_a_false_claim_is_never_proved(case):
    claim, domain = case
    found = certify(claim, domain, boxes=500, seconds=4)
    assert found.verdict in (Verdict.REFUTED, Verdict.UNDECIDED)


# Undefined somewhere, or false only at an irrational point: no rational point shows it.
NOT_AT_A_POINT = {
    "strict with equality at an irrational",
    "a pole of even order",
    "a pole at a closed end",
    "a logarithm of 0",
    "0 log 0",
    "a root of a negative",
    "0 times infinity",
    "0/0",
    "no case applies",
}


@pytest.mark.parametrize("name", sorted(set(FALSE) - NOT_AT_A_POINT))
def test_a_claim_false_at_a_rational_point_is_refuted_there(name):
    claim, domain = FALSE[name]
    found = certify(claim, domain)
    assert isinstance(found, Refuted), found
    place = {symbol: rational(found.point[symbol.name]) for symbol in domain}
    assert all(domain[symbol].contains(value) == true for symbol, value in place.items())
    gap = (claim.gts - claim.lts).subs(place)
    assert gap.evalf(60) <= 0


def rational(x: Fraction):
    return Rational(x.numerator, x.denominator)


VACUOUS = [
    {x: S.EmptySet},
    {x: Interval(1, 0)},
    {x: Interval.open(1, 1)},
    {x: UNIT, y: Interval.Lopen(2, 2)},
    {n: Interval.open(Rational(1, 4), Rational(3, 4)), x: UNIT},
]


@pytest.mark.parametrize("domain", VACUOUS, ids=str)
def test_an_empty_domain_is_vacuous_and_not_a_proof(domain):
    assert certify(Ge(x**2, 0, evaluate=False), domain).verdict is Verdict.VACUOUS


SENSELESS = [
    (Eq(x, 1), {x: UNIT}, "Le, Lt, Ge, Gt"),
    (Ge(x, y), {x: UNIT}, "letter y of the claim must have a domain"),
    (Ge(x, 0), {x: Union(Interval(0, 1), Interval(2, 3))}, "must be one interval"),
    (Ge(x, 0), {x: Interval(0, pi)}, "must be rational or infinite"),
    (Ge(Function("f")(x), 0), {x: UNIT}, "intervals are known for"),
    (Ge(r, 0, evaluate=False), {r: UNIT}, "where sympy assumes"),
    (Ge(x, 0), {"x": UNIT}, "must be a sympy symbol"),
    (Ge(x + Symbol("x", positive=True), 0), {x: UNIT, Symbol("x", positive=True): OPEN_UNIT}, "different names"),
    (Ge(Piecewise((x, Eq(x, 0)), (1, True)), 0), {x: UNIT}, "single inequality"),
    ("x > 0", {x: UNIT}, "must be a sympy inequality"),
]


@pytest.mark.parametrize(("claim", "domain", "law"), SENSELESS, ids=[law for *_, law in SENSELESS])
def test_a_senseless_question_names_the_law_it_breaks(claim, domain, law):
    with pytest.raises(DomainError, match=law):
        certify(claim, domain)


def test_a_claim_that_sympy_settled_before_is_not_taken_on_trust():
    claim = r > -1
    assert claim == true
    assert certify(claim, {x: Interval(-5, 5)}).verdict is Verdict.UNDECIDED


def test_floats_are_summed_exactly():
    claim = Gt(Float(-0.0406446283231044), Float(-0.416146836547142), evaluate=False)
    assert certify(claim, {x: UNIT}).verdict is Verdict.PROVED
    tangent = Le(log(x * Float(0.1) + Float(0.75)), x * Float(0.1) - Float(0.25))
    assert certify(tangent, {x: UNIT}).verdict is Verdict.PROVED


def test_a_search_that_believes_anything_is_caught_by_the_replay(monkeypatch):
    monkeypatch.setattr("proofs_check.inequalities.search.corners.suffices", lambda value, strict: True)
    monkeypatch.setattr("proofs_check.inequalities.search.refuting.is_false", lambda question, point: False)
    monkeypatch.setattr("proofs_check.inequalities.search.refuting.proposed", lambda question: None)
    found = certify(Ge(x, Rational(1, 2)), {x: UNIT}, boxes=50)
    assert found.verdict is Verdict.UNDECIDED
    assert "replay" in found.reason


def test_the_budget_is_kept_and_what_is_left_is_named():
    open_ended = certify(Gt((x**2 - 2) ** 2, 0), {x: Interval(0, 2)}, boxes=20)
    assert open_ended.verdict is Verdict.UNDECIDED
    assert open_ended.boxes <= 20
    assert "budget of 20 boxes" in open_ended.reason
    assert open_ended.left


def test_the_boxes_of_all_ways_together_keep_to_the_budget():
    hard = Gt((x**2 - 2) ** 2 + y**2, 0), {x: FROM_0, y: FROM_0}
    found = certify(*hard, boxes=300)
    assert found.verdict is Verdict.UNDECIDED
    assert found.boxes == 300
    assert found.reason == "the budget of 300 boxes is spent"
    seen = []
    certify(*hard, boxes=300, progress=lambda state: seen.append(state.done))
    assert sorted(seen) == seen
    assert 64 < seen[-1] < 300


def test_progress_is_reported_and_an_interruption_passes_through():
    seen = []

    def stop(state):
        seen.append(state)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        certify(Ge(x - 1 - log(x), 0), {x: ABOVE_0}, progress=stop)
    assert seen[0].done == 0


def test_a_change_of_variable_brings_infinity_to_an_end():
    found = certify(Lt(x * log(1 + 1 / x), 1), {x: ABOVE_0})
    assert isinstance(found, Certified)
    assert found.certificate.payload["substitution"]["x"]["new"] == "t_x"


def test_an_equality_is_found_that_no_one_would_guess():
    odd = Rational(123, 457)
    claim = Ge(exp(x) - exp(odd) * (1 + x - odd), 0)
    assert certify(claim, {x: REALS}, boxes=40).verdict is Verdict.PROVED


def test_a_power_that_has_values_at_whole_exponents_alone_is_refuted_there():
    base, exponent = symbols("base exponent", real=True)
    found = certify(Gt(base**exponent, 0), {base: Interval(-3, -1), exponent: Interval(1, 7)})
    assert found.verdict is Verdict.REFUTED
    assert found.point["exponent"] % 2 == 1
