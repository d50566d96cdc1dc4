"""Where letters range: what an interval cannot say of a letter is refused, and every wrong argument by one line."""

from __future__ import annotations

from fractions import Fraction

import pytest
from sympy import Float, Ge, Gt, Integers, Interval, Le, Naturals, Range, Rational, Symbol, log, oo, sqrt, symbols

from proofs_check import Verdict, attack, certify
from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.domains import ranges_of, whole
from theory.errors import DomainError

x, y = symbols("x y", real=True)
p = Symbol("p", positive=True)
n = Symbol("n", integer=True)
whole_and_positive = Symbol("k", integer=True, positive=True)
half = Rational(1, 2)


def decides(claim, domain):
    """Both searches, on the same claim."""
    yield lambda: attack(claim, domain, samples=200)
    yield lambda: certify(claim, domain, boxes=50)


# True as read, of numbers that the letter may be; false at numbers that it may not be.
OUTSIDE = [
    (Ge(p, -half, evaluate=False), p, Interval(-1, 1), "to be: positive"),
    (Ge(sqrt(p**2), p + half, evaluate=False), p, Interval(-1, -half), "to be: positive"),
    (Gt(p, 0, evaluate=False), p, Interval(0, 1), "to be: positive"),
    (Ge(whole_and_positive, 1, evaluate=False), whole_and_positive, Interval(-2, 3), "to be: positive"),
]
for fact, interval, law in (
    ("even", Interval(0, 2), "assumed even"),
    ("odd", Interval(0, 2), "assumed odd"),
    ("prime", Interval(2, 9), "assumed prime"),
    ("composite", Interval(2, 9), "assumed composite"),
    ("irrational", Interval(0, 2), "assumed irrational"),
    ("noninteger", Interval(0, 2), "assumed noninteger"),
    ("imaginary", Interval(0, 2), "assumed"),
    ("infinite", Interval(0, 2), "assumed infinite"),
    ("nonzero", Interval(0, 2), "to be: nonzero"),
    ("zero", Interval(0, 2), "to be: zero"),
    ("negative", Interval(-2, 0), "to be: negative"),
    ("nonnegative", Interval(-2, 0), "to be: nonnegative"),
):
    letter = Symbol("e", **{fact: True})
    OUTSIDE.append((Ge((letter - 1) ** 2, 1, evaluate=False), letter, interval, law))
for denied in ("even", "prime", "integer", "rational", "real", "commutative"):
    letter = Symbol("e", **{denied: False})
    OUTSIDE.append((Ge((letter - 1) ** 2, 1, evaluate=False), letter, Interval(0, 2), "assumed"))


@pytest.mark.parametrize(("claim", "letter", "interval", "law"), OUTSIDE, ids=str)
def test_a_letter_keeps_to_what_is_assumed_of_it(claim, letter, interval, law):
    for decide in decides(claim, {letter: interval}):
        with pytest.raises(DomainError, match=law) as refused:
            decide()
        assert "\n" not in str(refused.value)


INSIDE = [
    (p, Interval.Lopen(0, 1)),
    (Symbol("z", nonzero=True), Interval.Lopen(0, 1)),
    (Symbol("z", nonpositive=True), Interval(-1, 0)),
    (Symbol("z", rational=True), Interval(-1, 1)),
    (Symbol("z"), Interval(-1, 1)),
    (Symbol("z", extended_real=True), Interval(-1, 1)),
    (whole_and_positive, Interval(half, 9)),
    (Symbol("z", integer=True, nonpositive=True), Interval(-4, 0)),
    (Symbol("z", even=True), Interval(2, 2)),
    (Symbol("z", prime=True), Interval(7, 7)),
]


@pytest.mark.parametrize(("letter", "interval"), INSIDE, ids=str)
def test_what_holds_on_all_of_the_interval_is_no_hindrance(letter, interval):
    assert ranges_of(letter < 3, {letter: interval})[letter] is not None
    claim = Ge(letter + 20, 0, evaluate=False)
    assert attack(claim, {letter: interval}, samples=200).verdict is Verdict.UNDECIDED
    assert certify(claim, {letter: interval}).verdict is Verdict.PROVED


def test_a_set_of_integers_is_the_domain_of_an_integer_only():
    for values in (Naturals, Integers, Range(0, 9)):
        assert ranges_of(Ge(n, 0), {n: values})[n] is not None
        for decide in decides(Ge((x - 1) * (x - 2), 0), {x: values}):
            with pytest.raises(DomainError, match="all its integers"):
                decide()
    with pytest.raises(DomainError, match="all its integers"):
        ranges_of(Ge(n, 0), {n: Range(0, 9, 2)})


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (Side(Fraction(1, 2), Fraction(7, 2), False, False), Side(Fraction(1), Fraction(3), False, False)),
        (Side(Fraction(1), Fraction(3), True, True), Side(Fraction(2), Fraction(2), False, False)),
        (Side(Fraction(-1), None, False, True), Side(Fraction(-1), None, False, True)),
    ],
)
def test_the_integers_of_a_side(side, expected):
    assert whole(side) == expected
    assert whole(Side(Fraction(1, 4), Fraction(3, 4), False, False)).is_empty


def test_a_float_end_is_the_number_it_stores():
    side = ranges_of(Ge(x, 0), {x: Interval(Float(0.1), 1)})[x]
    assert side.low == Fraction(0.1)


UNIT = {x: Interval(0, 1)}
TRUE = Le(log(1 + x), x)
MISUSED = [
    (None, {}, "must map every letter"),
    ([(x, 0, 1)], {}, "must map every letter"),
    ({x: (0, 1)}, {}, "one interval"),
    ({x: Interval(0, 10**5000)}, {}, "16610 bits"),
    ({x: Interval(0, Symbol("a", real=True))}, {}, "rational or infinite"),
]
OF_CERTIFY = [
    ({"precision": 0}, "precision=0 must be a whole number of at least 2"),
    ({"boxes": -1}, "boxes=-1"),
    ({"seconds": float("nan")}, "seconds=nan"),
    ({"seconds": -1}, "seconds=-1"),
]
OF_ATTACK = [
    ({"samples": -1}, "samples=-1 must be a whole number of at least 1"),
    ({"samples": 0}, "samples=0"),
    ({"samples": float("nan")}, "samples=nan"),
    ({"samples": float("inf")}, "samples=inf"),
    ({"samples": 10.5}, "samples=10.5"),
    ({"samples": "many"}, "samples='many'"),
    ({"seed": -1}, "seed=-1 must be a whole number of at least 0"),
    ({"seed": None}, "seed=None"),
]


@pytest.mark.parametrize(("domain", "options", "law"), MISUSED, ids=[law for *_, law in MISUSED])
def test_a_domain_that_is_none_is_refused_in_one_line(domain, options, law):
    for decide in decides(TRUE, domain):
        with pytest.raises(DomainError, match=law):
            decide()


@pytest.mark.parametrize(("options", "law"), OF_CERTIFY, ids=str)
def test_certify_refuses_a_wrong_argument(options, law):
    with pytest.raises(DomainError, match=law):
        certify(Le(log(1 + x), x), {x: Interval(0, oo)}, **options)


@pytest.mark.parametrize(("options", "law"), OF_ATTACK, ids=str)
def test_attack_refuses_a_wrong_argument(options, law):
    with pytest.raises(DomainError, match=law):
        attack(TRUE, UNIT, **options)


def test_a_whole_number_may_be_written_as_a_float():
    assert attack(TRUE, UNIT, samples=1e2) == attack(TRUE, UNIT, samples=100)


def test_ends_beyond_the_floats():
    wide = {x: Interval(-(10**400), 10**400)}
    with pytest.raises(DomainError, match="domain of x must have ends below"):
        attack(Ge(x, -(10**400)), wide)
    assert certify(Ge(x, -(10**401)), wide).verdict is Verdict.PROVED
    assert certify(Ge(x**2, x), wide, boxes=20).verdict is Verdict.REFUTED
    assert attack(Le(x, 1), {x: Interval(-1.7e308, 1.7e308)}, samples=200).verdict is Verdict.REFUTED
    assert attack(Le(x, 10**400), UNIT, samples=200).verdict is Verdict.UNDECIDED
