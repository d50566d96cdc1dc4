"""Attacks on a user's claim: false ones fall, wherever they are false; true ones are never refuted and never proved."""

from __future__ import annotations

from fractions import Fraction

import pytest
from sympy import (
    And,
    Eq,
    Equivalent,
    Ge,
    Gt,
    Implies,
    Interval,
    Le,
    Lt,
    Ne,
    Or,
    Piecewise,
    Rational,
    Symbol,
    cos,
    exp,
    false,
    gamma,
    log,
    oo,
    sin,
    symbols,
    true,
)

from proofs_check import attack, attack_row
from proofs_check.deciding.deciding import Letters, decide_clause
from proofs_check.inequalities.points import decide_at
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.kinds import KINDS
from proofs_check.methods.assumed_rows import contradicts_itself, shapes
from theory.design_symbols import norm
from theory.errors import DomainError
from theory.functions import LowestEntropy
from theory.statements.known import ENTROPY_MIN_ZHAI
from theory.symbols import F, F_lam, H, H_lam, d, eps, eps_target, k, lam, m, r, tau

x, y = symbols("x y", real=True)
p = Symbol("p", positive=True)
n = Symbol("n", integer=True, positive=True)

UNIT = {x: Interval(0, 1)}
SQUARE = {x: Interval(0, 1), y: Interval(0, 1)}
HALF_LINE = {p: Interval.open(0, oo)}

FALSE = {
    "in a disc of radius 1e-5": ((x - Rational(1, 3)) ** 2 + (y - Rational(2, 7)) ** 2 >= Rational(1, 10**10), SQUARE),
    "on a bump of width 1e-4": (exp(-(((x - Rational(7123, 10000)) * 10**4) ** 2)) <= Rational(1, 2), UNIT),
    "beyond 69": (exp(-p) >= Rational(1, 10**30), HALF_LINE),
    "beyond 7e10": (log(1 + p) <= 25, HALF_LINE),
    "beyond 1e12": (p <= 10**12, HALF_LINE),
    "below -1e12": (x >= -(10**12), {x: Interval(-oo, 0)}),
    "near 0 only": (p**2 >= p / 10**6, HALF_LINE),
    "at a closed end only": (x < 1, UNIT),
    "at one corner only": (x + y < 2, SQUARE),
    "at one integer only": (Ne(n**2 - n + 41, 41 * 41), {n: Interval(1, 60)}),
    "by a millionth": (exp(p) <= 1 + p + p**2 / 2 + Rational(1, 10**6), {p: Interval.Lopen(0, Rational(1, 10))}),
    "an implication": (Implies(x > y, x**2 > y**2), {x: Interval(-3, 3), y: Interval(-3, 3)}),
    "a conjunction": (And(x <= 1, x >= Rational(1, 10**9)), UNIT),
    "a disjunction": (Or(x < Rational(1, 2), x > Rational(501, 1000)), UNIT),
    "an equivalence": (Equivalent(x > y, x**3 > y**3 + Rational(1, 10**4)), SQUARE),
    "an identity": (Eq((x + y) ** 2, x**2 + y**2, evaluate=False), SQUARE),
}

TRUE = {
    "tangent": (log(1 + p) <= p, HALF_LINE),
    "equality inside": ((x - y) ** 2 >= 0, SQUARE),
    "open end": (x < 1, {x: Interval.Ropen(0, 1)}),
    "identity": (Eq((x + y) ** 2, x**2 + 2 * x * y + y**2, evaluate=False), SQUARE),
    "implication": (Implies(x > y, exp(x) > exp(y)), SQUARE),
    "integers": (Ge(n, 1), {n: Interval(Rational(1, 2), 9)}),
    "cancelling": (Ge((exp(p) - 1) - p, 0), HALF_LINE),
}


@pytest.mark.parametrize("name", FALSE)
def test_a_false_claim_is_refuted_at_an_exact_point(name):
    claim, domain = FALSE[name]
    found = attack(claim, domain, samples=40_000)
    assert found.verdict is Verdict.REFUTED
    assert decide_at(claim, found.point) is Verdict.REFUTED
    for letter, interval in domain.items():
        assert interval.contains(Rational(found.point[letter].numerator, found.point[letter].denominator))


@pytest.mark.parametrize("name", TRUE)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_true_claim_is_neither_refuted_nor_proved(name, seed):
    claim, domain = TRUE[name]
    found = attack(claim, domain, samples=5_000, seed=seed)
    assert found.verdict is Verdict.UNDECIDED
    assert found.point is None
    assert set(found.nearest) == set(domain)


POWERS = {
    "cube root": (Ge(x ** Rational(1, 3), x), UNIT, Verdict.UNDECIDED),
    "cube root, false": (Ge(x ** Rational(1, 3), x + Rational(1, 100)), UNIT, Verdict.REFUTED),
    "cube root of a difference": (Le((1 - x) ** Rational(1, 3), 1 - x / 3), UNIT, Verdict.UNDECIDED),
    "cube root of negatives": (Ge(x ** Rational(1, 3), x), {x: Interval(-1, 0)}, Verdict.UNDECIDED),
    "x^x": (Ge(x**x, Rational(69, 100)), UNIT, Verdict.UNDECIDED),
    "x^x, false": (Ge(x**x, Rational(7, 10)), UNIT, Verdict.REFUTED),
    "0^y for either sign": (Le(x**y, 1), {x: Interval(0, 0), y: Interval(-1, 1)}, Verdict.UNDECIDED),
    "x^y, false": (Le(x**y, 1), {x: Interval(0, 1), y: Interval(-1, 1)}, Verdict.REFUTED),
    "negatives to whole powers": (Le(x**n, 1), {x: Interval(-1, 1), n: Interval(1, 5)}, Verdict.UNDECIDED),
    "negatives to whole powers, false": (Ge(x**n, 0), {x: Interval(-1, 1), n: Interval(1, 5)}, Verdict.REFUTED),
    "float ends": (Ge(x, -1), {x: Interval(-0.5, 1)}, Verdict.UNDECIDED),
    "float ends, false": (Gt(x, -0.5), {x: Interval(-0.5, 1)}, Verdict.REFUTED),
    "floats summed exactly": (Eq(x + 0.1 + 0.2, x + 0.3, evaluate=False), UNIT, Verdict.REFUTED),
}


@pytest.mark.parametrize(("claim", "domain", "verdict"), POWERS.values(), ids=POWERS)
def test_powers_and_floats_are_attacked(claim, domain, verdict):
    assert attack(claim, domain, samples=2_000).verdict is verdict


ONE_POINT = [
    (Le(log(2), Rational(7, 10), evaluate=False), {}, Verdict.UNDECIDED),
    (Ge(log(2), Rational(7, 10), evaluate=False), {}, Verdict.REFUTED),
    (Ge(x, 1), {x: Interval(1, 1)}, Verdict.UNDECIDED),
    (Gt(x, 1), {x: Interval(1, 1)}, Verdict.REFUTED),
    (And(x < n, n < 2), {x: Interval(0, 0), n: Interval(Rational(1, 2), Rational(3, 2))}, Verdict.UNDECIDED),
]


@pytest.mark.parametrize(("claim", "domain", "verdict"), ONE_POINT, ids=str)
def test_a_box_of_one_point_is_decided_there(claim, domain, verdict):
    found = attack(claim, domain)
    assert found.verdict is verdict
    assert set(found.nearest) == set(domain)
    assert found.points == 1
    assert found.slack <= 0 if verdict is Verdict.REFUTED else found.slack >= 0


def test_the_nearest_miss_is_reported():
    found = attack(Le(x * (1 - x), Rational(1, 3)), UNIT, samples=4_000)
    assert found.verdict is Verdict.UNDECIDED
    assert found.slack == pytest.approx(1 / 7, abs=1e-6)
    assert float(found.nearest[x]) == pytest.approx(0.5, abs=1e-2)


def test_a_seed_repeats_the_attack():
    claim, domain = FALSE["in a disc of radius 1e-5"]
    assert attack(claim, domain, 4_000, 3) == attack(claim, domain, 4_000, 3)


def test_no_verdict_from_a_ball_that_is_not_finite():
    assert decide_at(Ge(1 / x, 0), {x: Fraction(0)}) is Verdict.UNDECIDED
    assert decide_at(Ge(log(x), 0), {x: Fraction(-1)}) is Verdict.UNDECIDED


def test_a_power_has_its_value_where_a_letter_is_0():
    base, rise = symbols("b h", nonnegative=True)
    claim = Le(base ** (rise + 1), base**rise)
    assert decide_at(claim, {base: Fraction(2), rise: Fraction(0)}) is Verdict.REFUTED
    assert decide_at(claim, {base: Fraction(0), rise: Fraction(3)}) is Verdict.PROVED


def test_sides_that_agree_are_told_equal_only_by_exact_arithmetic():
    assert decide_at(Eq(log(x**2), 2 * log(x), evaluate=False), {x: Fraction(3)}) is Verdict.PROVED
    assert decide_at(Eq(cos(x) ** 2 + sin(x) ** 2, 1, evaluate=False), {x: Fraction(1, 3)}) is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("claim", "domain", "law"),
    [
        (x < y, UNIT, "letter y"),
        (x < 1, {x: Interval.open(1, 1)}, "not empty"),
        (x < 1, {x: symbols("S")}, "sympy Interval"),
        (gamma(p) > x, {**HALF_LINE, **UNIT}, "gamma"),
        (x, UNIT, "built from relations"),
        (Ge(Piecewise((x, Eq(x, 0)), (1, True)), 0), UNIT, "single inequality"),
        (Ge(Piecewise((x, x > 0)), 0), UNIT, "must end with a branch"),
        (Le(LowestEntropy(x, y), 9), {x: Interval(1, 4), y: Interval(0, 1)}, "cannot be attacked"),
        (Eq(x > 0, y > 0), SQUARE, "must be a number"),
    ],
)
def test_what_cannot_be_attacked_says_so(claim, domain, law):
    with pytest.raises(DomainError, match=law):
        attack(claim, domain)


@pytest.mark.parametrize(
    "claim",
    [
        Ge(H, log(m + k) - r**2 / 9),
        Le(eps, exp(-d)),
        Le(H_lam, H),
        Ge(H, ENTROPY_MIN_ZHAI * Rational(101, 100)),
    ],
)
def test_a_false_claim_about_rows_is_refuted_by_a_row(claim):
    found = attack_row(claim, samples=1e4)
    assert found.verdict is Verdict.REFUTED
    assert "fails at" in str(found.counterexample)


@pytest.mark.parametrize("claim", [Ge(H, log(m + k) - r**2 / 8), Le(eps, (k / m) * exp(-d)), Ge(H, ENTROPY_MIN_ZHAI)])
def test_a_true_claim_about_rows_stands(claim):
    found = attack_row(claim, samples=5e3)
    assert found.verdict is Verdict.UNDECIDED
    assert found.counterexample is None
    assert not found.ratio > 1


def test_a_claim_under_an_assumption_no_row_meets_is_vacuous():
    assert attack_row(Le(eps, 0), given=F > 2, samples=1e3).verdict is Verdict.VACUOUS


@pytest.mark.parametrize(
    ("claim", "law"), [(Le(eps, p), "letter p"), (Or(eps < 1, F < 1), "built from"), (eps <= gamma(1 + r), "gamma")]
)
def test_what_rows_cannot_be_attacked_with_says_so(claim, law):
    with pytest.raises(DomainError, match=law):
        attack_row(claim, samples=500)


half = Rational(1, 2)
# Satisfiable, but random rows seldom or never meet it.
ASSUMED = {
    "sizes": Implies(And(Eq(m, 3), Eq(k, 5)), Le(d, 1)),
    "large sizes": Implies(And(Eq(m, 300), Eq(k, 1200)), Le(d, 1)),
    "a sum of sizes": Implies(Eq(m + k, 100), Le(d, 1)),
    "a product of sizes": Implies(Gt(m * k, 10**4), Le(d, 1)),
    "sizes in proportion": Implies(Eq(m, 2 * k + 1), Le(H, log(m))),
    "a temperature that is no float": Implies(Eq(tau, Rational(1, 3)), Ge(eps, Rational(1, 10**9))),
    "a separation": Implies(Eq(d, 2), Le(eps, half)),
    "a target and a dial": Implies(And(Eq(eps_target, Rational(1, 100)), Eq(lam, half)), Le(F_lam, 1 - eps_target)),
    "within an implication": Implies(Eq(m, 3), Implies(Eq(k, 5), Le(d, 1))),
    "an equality": Implies(And(Eq(m, 3), Eq(k, 5)), Eq(d, 1)),
    "beside another row": Implies(And(Eq(m, 7), Eq(k, 9)), Le(norm, 0)),
}


@pytest.mark.parametrize("name", ASSUMED)
def test_rows_are_built_for_what_random_rows_do_not_meet(name):
    claim = ASSUMED[name]
    found = attack_row(claim, samples=500)
    assert found.verdict is Verdict.REFUTED
    about = "row beside another" if norm in claim.free_symbols else "row"
    clause = found.counterexample.clause
    assert clause.holds == claim
    letters = Letters(found.counterexample.instance, KINDS[about].definitions)
    assert decide_clause(clause, letters) is Verdict.REFUTED


def test_a_true_claim_of_chosen_sizes_is_searched_at_these_sizes():
    found = attack_row(
        Implies(And(Eq(m, 3), Eq(k, 5), Eq(tau, Rational(1, 3))), Le(eps, (k / m) * exp(-d))), samples=500
    )
    assert found.verdict is Verdict.UNDECIDED
    assert (found.nearest.block, len(found.nearest.scores)) == (3, 8)
    assert found.nearest.temperature == Fraction(1, 3)
    assert 0.999 < found.ratio <= 1


# No row meets these, by the letters' ranges, definitions or arithmetic.
CONTRADICTORY = {
    "a range": F > 2,
    "a definition": And(half < F, eps > half),
    "two values": And(Eq(m, 3), Eq(m, 4)),
    "a value and a bound": And(Eq(m, 3), m > 5),
    "no integer between": And(m > 3, m < 4),
    "half a key": Eq(2 * m, 3, evaluate=False),
    "no interval": And(d > 3, d < 2),
    "a dial beyond 1": Eq(lam, 2),
    "too few keys": Lt(m + k, 2),
    "after a value is put in": And(Eq(m, 3), Lt(m * k, 3)),
    "more than all": Gt(eps + F, 1 + r),
    "nothing": false,
    "beside another row": norm < 0,
}


@pytest.mark.parametrize("name", CONTRADICTORY)
def test_only_an_assumption_proved_to_contradict_itself_is_vacuous(name):
    given = CONTRADICTORY[name]
    assert contradicts_itself(given)
    claim = Le(eps, F + norm) if name == "beside another row" else Le(eps, F)
    assert attack_row(claim, given=given, samples=500).verdict is Verdict.VACUOUS


def test_an_assumption_that_nothing_proves_or_meets_is_left_open():
    given = And(Gt(d, 1), Lt(r, d))
    assert not contradicts_itself(given)
    assert attack_row(Le(eps, F), given=given, samples=100).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    "given",
    [
        Eq(m, 3),
        Ne(m, 3),
        And(m > 3, m < 5),
        Eq(F, half),
        And(half < F, eps < half),
        Eq(lam, 0),
        Ge(F, half),
        true,
        d <= r,
    ],
    ids=str,
)
def test_what_rows_meet_contradicts_nothing(given):
    assert not contradicts_itself(given)


def test_sizes_meet_what_is_said_of_them_and_spread():
    assert shapes(And(Eq(m, 3), Eq(k, 5), d > 1)) == ((3, 5),)
    assert shapes(d > 1) == ()
    assert shapes(And(Eq(m, 3), Eq(m, 4))) == ()
    found = shapes(m > k)
    assert all(block > rest for block, rest in found)
    assert 4 <= len(found) <= 8
    assert max(map(sum, found)) > 100
