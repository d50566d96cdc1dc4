"""One walk over claims: every connective follows from And and Not, in two values and in more."""

from __future__ import annotations

import itertools

import pytest
from sympy import And, Equivalent, Implies, Ne, Not, Or, Symbol, Xor, false, symbols, true

from theory.booleans import Logic

a, b, c = (Ne(symbols(name, real=True), 0) for name in "abc")
BUILT = {
    "And": lambda p, q, r: And(p, q, r),
    "Or": lambda p, q, r: Or(p, q, r),
    "Not": lambda p, q, r: Not(And(p, q), evaluate=False),
    "Implies": lambda p, q, r: Implies(p, q),
    "Equivalent": lambda p, q, r: Equivalent(p, q),
    "Equivalent, three": lambda p, q, r: Equivalent(p, q, r),
    "nested": lambda p, q, r: Implies(Or(p, Not(q)), And(q, r)),
    "nested twice": lambda p, q, r: Equivalent(Implies(p, q), Or(r, Not(p))),
    "true": lambda p, q, r: true,
    "false": lambda p, q, r: false,
}


class Assigned(Logic):
    """0 for false, 1 for true, and 1/2 for unknown."""

    def __init__(self, values):
        self.values = values

    def constant(self, holds):
        return float(holds)

    def relation(self, claim):
        # sympy writes Not(x != 0) as x = 0.
        return self.values[claim] if claim in self.values else 1 - self.values[Not(claim)]

    def conjunction(self, parts):
        return min(parts)

    def negation(self, part):
        return 1 - part


@pytest.mark.parametrize("name", BUILT)
def test_two_values_agree_with_sympy(name):
    for row in itertools.product((True, False), repeat=3):
        found = Assigned(dict(zip((a, b, c), map(float, row), strict=True))).value(BUILT[name](a, b, c))
        expected = BUILT[name](*(true if each else false for each in row)).doit()
        assert found == (1.0 if expected == true else 0.0)


@pytest.mark.parametrize("name", BUILT)
def test_what_is_unknown_settles_nothing_that_could_still_be_otherwise(name):
    claim = BUILT[name](a, b, c)
    for row in itertools.product((0.0, 0.5, 1.0), repeat=3):
        found = Assigned(dict(zip((a, b, c), row, strict=True))).value(claim)
        ways = [(value,) if value != 0.5 else (0.0, 1.0) for value in row]
        could_be = {Assigned(dict(zip((a, b, c), way, strict=True))).value(claim) for way in itertools.product(*ways)}
        assert found == 0.5 or could_be == {found}


def test_another_form_of_claim_is_refused():
    for claim in (Xor(Symbol("p"), Symbol("q")), Symbol("p")):
        with pytest.raises(TypeError, match="no rule decides a claim of type"):
            Assigned({}).value(claim)


def test_parts_are_evaluated_as_they_are_taken():
    seen = []

    class Lazy(Assigned):
        def relation(self, claim):
            seen.append(claim)
            return 0.0

        def implication(self, parts):
            return 1.0 if next(parts) == 0 else next(parts)

    assert Lazy({}).value(Implies(a, b)) == 1
    assert seen == [a]
