"""Sides compared through a rising function, factors taken out, cases, kinks both ways, gaps: forged, and refused."""

from __future__ import annotations

import copy
import hashlib
import json
from functools import cache

import pytest
from certificates import HALF, ROW, above, leaf, made, x, y
from sympy import (
    Abs,
    Add,
    Ge,
    Gt,
    Integer,
    Interval,
    Le,
    Lt,
    Mul,
    Rational,
    Symbol,
    atan,
    exp,
    log,
    oo,
    sqrt,
    symbols,
    tan,
)

from proofs_check import Verdict, certify
from proofs_check.inequalities.replay import replay_bytes

p, q = symbols("p q", positive=True)
n = Symbol("n", integer=True)
ABOVE_0 = Interval.open(0, oo)


def through(by="nothing", factor=None):
    """An entry that compares the sides so, or takes the node out of their difference."""
    return lambda payload: payload.update(through={"by": by, "factor": factor})


def letter(payload):
    return payload["nodes"].index(["x", "x"])


def test_a_factor_that_is_not_above_0_is_refused():
    # x^2 - x is x times x - 1, and x - 1 may be below 0; forms of the quotient prove nothing at x = 0.
    claim, domain = above(x**2), {x: Interval(-1, 1)}

    def edit(payload):
        payload["through"] = {"by": "nothing", "factor": letter(payload)}

    assert "factor taken out may not be above 0" in made(claim, domain, leaf(), {(): x}, edit=edit)
    assert made(claim, {x: Interval(1, 2)}, leaf(), {(): x}, edit=edit) == ""
    assert "no form of the derivative" in made(claim, {x: Interval(1, 2)}, leaf(), {(): x**2}, edit=edit)


def test_sides_that_are_not_compared_so_are_refused():
    for by in ("log", "exp", "2"):
        assert f"not compared through {by}" in made(above(x), ROW, leaf(), edit=through(by))
    assert made(above(x), ROW, leaf(), edit=through("sin")).startswith("malformed")


def rehashed(payload):
    def spelt(document):
        return json.dumps(document, sort_keys=True, separators=(",", ":"))

    return (spelt({"payload": payload, "sha256": hashlib.sha256(spelt(payload).encode()).hexdigest()}) + "\n").encode()


@cache
def proved(claim, domain):
    found = certify(claim, dict(domain))
    assert found.verdict is Verdict.PROVED
    return found


def forged(claim, domain, forge):
    found = proved(claim, tuple(domain.items()))
    payload = copy.deepcopy(dict(found.certificate.payload))
    assert replay_bytes(rehashed(payload)).holds
    before = json.dumps(payload)
    forge(payload)
    assert json.dumps(payload) != before
    found = replay_bytes(rehashed(payload))
    assert not found.holds
    return found.reason


def leaves(cell):
    return [each for part in cell.get("parts", []) for each in leaves(part)] or [cell]


BENT = (Ge(Abs(x - y), Abs(x) - Abs(y)), {x: Interval(-oo, oo), y: Interval(-oo, oo)})


def cases_of(payload):
    assert "cases" in payload
    return payload["cases"]


def narrowed(payload):
    """The first case stated over a smaller domain than the whole."""
    case = cases_of(payload)
    while "proof" not in case:
        case = case["parts"][0]
    case["proof"]["statement"]["domain"]["x"].update(low="0", low_open=False)


CASES = {
    "a case left out": (BENT, lambda c: cases_of(c)["parts"].pop(), "malformed"),
    "one case twice": (
        BENT,
        lambda c: cases_of(c).update(parts=[cases_of(c)["parts"][0]] * 2),
        "not replaced by what the change says",
    ),
    "cut elsewhere": (BENT, lambda c: cases_of(c).update(at="1"), "not replaced by what the change says"),
    "compared with itself": (BENT, lambda c: cases_of(c).update(at="letter x"), "compared with itself"),
    "another domain in a case": (BENT, narrowed, "statement's hash does not match"),
    "an entry too many": (BENT, lambda c: c.update(more=1), "missing or unknown entries"),
}


@pytest.mark.parametrize("name", CASES)
def test_forged_cases_are_refused(name):
    claim, forge, reason = CASES[name]
    assert reason in forged(*claim, forge)


def test_a_case_of_another_claim_is_refused():
    other = dict(certify(above(x**2), {x: Interval(-oo, oo)}).certificate.payload)

    def forge(payload):
        cases_of(payload)["parts"][0] = {"proof": copy.deepcopy(other)}

    assert "not one of the claim stated" in forged(*BENT, forge)


def test_a_kink_settled_one_way_only_is_refused():
    claim = above(x - Abs(x))
    tree = {"either": 0, "parts": [leaf(), leaf()]}

    def edit(payload):
        index = next(i for i, node in enumerate(payload["nodes"]) if node[0] == "abs")
        payload["tree"]["either"] = index

    told = made(claim, {x: Interval(-1, 1)}, tree, {(): Integer(0)}, {Abs(x): True}, edit=edit)
    assert "a kink does not take the branch it is said to" in told


def gap(name):
    return leaf("gap", letter=name)


def test_a_gap_must_hold_no_integer_of_an_integer_letter():
    claim, one_or_two = Ge((n - 1) * (n - 2), 0, evaluate=False), {n: Interval(1, 2)}

    def cut(first, second):
        rest = {"cut": ["n", "2", False], "parts": [first, second]}
        return {"cut": ["n", "1", True], "parts": [leaf(), rest]}

    assert made(claim, one_or_two, cut(gap("n"), leaf())) == ""
    assert "n may be 2" in made(claim, one_or_two, cut(gap("n"), gap("n")))
    assert "n may be 1" in made(claim, one_or_two, gap("n"))
    assert "not an integer letter" in made(above((x - 1) * (x - 2)), {x: Interval(1, 2)}, gap("x"))
    assert "not an integer letter" in made(claim, {n: Interval(1, oo)}, gap("n"))


def test_one_letter_must_not_be_stated_as_two():
    claim = Ge((n - 1) * (n - 2), 0, evaluate=False)

    def edit(payload):
        statement = payload["statement"]
        statement["srepr"] = statement["srepr"].replace("Symbol('n', integer=True)", "Symbol('n', real=True)", 1)

    assert "two letters n" in made(claim, {n: Interval(1, 1)}, leaf(), edit=edit)


def test_a_place_at_another_number_is_refused():
    claim = (Ge(p + 2 / p, 2 * sqrt(2)), {p: ABOVE_0})

    def at_a_letter(payload):
        for cell in leaves(payload["tree"]):
            cell["leaf"]["details"]["at"] = f"node {payload['nodes'].index(['x', 'p'])}"

    def at_two(payload):
        payload["nodes"].append(["q", "2"])
        for cell in leaves(payload["tree"]):
            cell["leaf"]["details"]["at"] = f"node {len(payload['nodes']) - 1}"

    assert "is not a number" in forged(*claim, at_a_letter)
    assert "derivative 0 does not vanish" in forged(*claim, at_two)


def even(payload):
    payload["through"]["by"] = "4"


def test_a_square_of_what_may_be_negative_is_refused():
    # x >= -1 on [-2, 2] is false; the squares compare the other way.
    claim = Ge(x, Integer(-1), evaluate=False)
    found = certify(claim, {x: Interval(-2, 2)})
    assert found.verdict is Verdict.REFUTED
    assert "not compared through 4" in forged(Le(sqrt(p**2 + q**2), p + q), {p: ABOVE_0, q: ABOVE_0}, even)


FALSE = {
    "a root, by 1e-9": (Ge(p + 2 / p, 2 * sqrt(2) + Rational(1, 10**9)), {p: ABOVE_0}),
    "a limit, strictly below itself less 1e-9": (Lt(p * log(1 + 1 / p), 1 - Rational(1, 10**9)), {p: ABOVE_0}),
    "a limit from 0 on": (Lt(p * log(1 + 1 / p), 1 - Rational(1, 1000)), {p: ABOVE_0}),
    "a tangent past its pole": (Ge(tan(x), 0), {x: Interval(0, 2)}),
    "an arc tangent": (Ge(atan(x), x - x**3 / 4), {x: Interval(0, oo)}),
    "real numbers between integers": (Ge((x - 1) * (x - 2), 0), {x: Interval(1, oo)}),
    "two letters, by 1e-9": (Ge(p**2 + q**2, (2 + Rational(1, 10**9)) * p * q), {p: ABOVE_0, q: ABOVE_0}),
    "strict where both sides meet": (Gt(Abs(x) + Abs(y), Abs(x + y)), BENT[1]),
    "a log on a wider domain": (Ge(exp(x), x + 1 + HALF * x**2), {x: Interval(-1, oo)}),
}


@pytest.mark.parametrize("name", FALSE)
def test_a_claim_that_is_false_by_little_is_refuted(name):
    claim, domain = FALSE[name]
    assert certify(claim, domain, boxes=400).verdict is Verdict.REFUTED


def test_what_has_no_value_somewhere_is_not_proved():
    for claim, domain in (
        (above(Mul(x**2, x**-2, evaluate=False)), {x: Interval(-1, 1)}),
        (above(Add(log(x), -log(x), evaluate=False)), {x: Interval(-1, 1)}),
        (Ge(sqrt(x) * sqrt(x) + 1, x), {x: Interval(-1, 1)}),
        (above(Mul((p - q) ** 2, (p - q) ** -2, evaluate=False)), {p: ABOVE_0, q: ABOVE_0}),
        (Ge(tan(x) ** 2, 0), {x: Interval(0, 2)}),
    ):
        assert certify(claim, domain, boxes=100).verdict is not Verdict.PROVED, claim
