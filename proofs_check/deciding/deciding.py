"""Decides a claim on one instance, without a tolerance.

Arb encloses the difference of the sides, at rising precision until the ball excludes 0. No precision separates equal
sides, so an exact form is tried as well: exponentials of different rational exponents become letters, and an identity
in those letters is an identity of the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import lru_cache, reduce
from typing import Any

import sympy
from flint import ctx
from sympy import Expr, Symbol, expand_log, factor, log, together
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean

from proofs_check.deciding.undefined import Demand, broken, cancelled, demands
from proofs_check.inequalities.points import holds_for
from proofs_check.inequalities.verdict import Verdict, both
from proofs_check.instances.exact.arithmetic import ArbArithmetic, Arithmetic, Definition
from theory.booleans import Logic
from theory.functions import BinaryDivergence, BinaryEntropy, Logistic, Logit, LowestEntropy
from theory.lowering import Target, Undecided, UnknownNode, arb_target, evaluate
from theory.statement import Clause, Statement

_PRECISIONS = (96, 384, 2048, 16384, 65536)
# The exact form is tried after this precision has failed to separate the sides.
_TRY_EXACT_AT = 384
# With more different scores than this, the exact form costs more than it is worth.
_EXACT_LEVELS = 4
_LARGEST_POWER = 64


class ExactArithmetic:
    """Algebraic forms in which `e^q` is a positive letter for each rational `q`."""

    def __init__(self) -> None:
        self.memo: dict[Any, Any] = {}

    def number(self, value: Fraction | int) -> Expr:
        exact = Fraction(value)
        return sympy.Rational(exact.numerator, exact.denominator)

    def exp(self, exponent: Fraction) -> Expr:
        return _power_of_e(self.number(exponent))

    def exp_of(self, x: Expr) -> Expr:
        if not x.is_Rational:
            raise Undecided(f"the exponent {x} is not rational")
        return _power_of_e(x)

    def log(self, x: Expr) -> Expr:
        return log(x)

    def absolute(self, x: Expr) -> Expr:
        sign = _sign_in_arb(x)
        if sign == 0 and not _cheaply_zero(x):
            raise Undecided("the sign of a difference is not known")
        return sign * x


@lru_cache(maxsize=4096)
def _letter_of(exponent: sympy.Rational) -> Symbol:
    return Symbol(f"e^({exponent})", positive=True)


_EXPONENTS: dict[Symbol, sympy.Rational] = {}


def _power_of_e(exponent: Expr) -> Expr:
    if exponent == 0:
        return sympy.S.One
    if exponent.is_number and exponent.is_algebraic and not exponent.is_Rational:
        # It has no letter, and sympy would evaluate it to more and more digits.
        raise Undecided(f"the exponent {exponent} is not rational")
    if not exponent.is_Rational:
        rational, rest = exponent.as_coeff_Add()
        return _power_of_e(rational) * sympy.exp(rest)
    # e^q and e^-q are one letter and its inverse, so that products of them cancel.
    letter = _letter_of(-abs(exponent))
    _EXPONENTS[letter] = -abs(exponent)
    return letter if exponent < 0 else 1 / letter


def _sign_in_arb(expr: Expr) -> int:
    """Sign of an exact form; 0 if no precision separates it from 0."""
    for precision in _PRECISIONS:
        with ctx.workprec(precision):
            values = {letter: ArbArithmetic().exp(_as_fraction(_EXPONENTS[letter])) for letter in expr.free_symbols}
            ball = evaluate(expr, values, arb_target())
        if ball > 0 or ball < 0:
            return 1 if ball > 0 else -1
        if precision >= _TRY_EXACT_AT and _cheaply_zero(expr):
            return 0
    return 0


def _cheaply_zero(expr: Expr) -> bool:
    """Whether the form is 0, by `exactly_zero` only if few different exponentials keep that fast."""
    return expr == 0 or (len(expr.free_symbols) <= _EXACT_LEVELS and exactly_zero(expr))


def _as_fraction(value: sympy.Rational) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def _exact_target() -> Target:
    def smaller(x: Expr, y: Expr) -> Expr:
        gap = x - y
        sign = _sign_in_arb(gap)
        if sign == 0 and not _cheaply_zero(gap):
            raise Undecided("it is not known which of two terms is smaller")
        return y if sign > 0 else x

    def choose(branches: list[tuple[Any, Any, Expr]]) -> Expr:
        for condition, walk, branch in branches:
            holds = condition if condition == sympy.true else condition.func(*(walk(side) for side in condition.args))
            if holds == sympy.true:
                return walk(branch)
            if holds != sympy.false:
                raise Undecided(f"the branch {condition} is open")
        raise Undecided("no branch applies")

    def logistic(x: Expr) -> Expr:
        # Expanding the logarithm shows that sigma(q + log c) is rational in the letter e^q.
        rational, logarithms = expand_log(x, force=True).as_independent(log, as_Add=True)
        odds = _power_of_e(rational) * sympy.exp(logarithms) if rational.is_Rational else sympy.exp(x)
        return odds / (1 + odds)

    def lowest_entropy(keys: Expr, span: Expr) -> Expr:
        if keys == 1:
            return sympy.S.Zero
        tops = (sympy.Integer(top) for top in range(1, int(keys)))
        return reduce(smaller, (LowestEntropy.with_top(top, keys, span, _power_of_e(span)) for top in tops))

    operations = {
        sympy.exp: _power_of_e,
        log: log,
        sympy.Pow: sympy.sqrt,
        sympy.cos: lambda x: sympy.expand(sympy.expand_trig(sympy.cos(x))),
        sympy.acos: sympy.acos,
        sympy.asin: sympy.asin,
        sympy.ceiling: sympy.ceiling,
        sympy.floor: sympy.floor,
        sympy.Abs: ExactArithmetic().absolute,
        sympy.Min: lambda *xs: reduce(smaller, xs),
        sympy.Max: lambda *xs: -reduce(smaller, [-x for x in xs]),
        LowestEntropy: lowest_entropy,
        Logistic: logistic,
        Logit: lambda p: log(p / (1 - p)),
        # At 0 and 1 the expanded form contains 0 log 0.
        BinaryEntropy: lambda p: sympy.S.Zero if p in (0, 1) else sympy.expand_func(BinaryEntropy(p)),
        BinaryDivergence: lambda p, q: sympy.expand_func(BinaryDivergence(p, q)),
    }
    return Target("exact forms", ExactArithmetic().number, operations, choose)


def exactly_zero(expr: Expr) -> bool:
    """Whether algebra shows an exact form to be identically 0 in its letters; False does not mean nonzero."""
    dense = any(not power.exp.is_Integer or abs(power.exp) > _LARGEST_POWER for power in expr.atoms(sympy.Pow))
    if dense or any(not power.exp.free_symbols for power in expr.atoms(sympy.exp)):
        # As a dense polynomial, a high power, or a power of e without a letter, would fill the memory.
        return False
    spread = expand_log(expr.replace(log, lambda x: log(factor(together(x)))), force=True, factor=True)
    known = {log(letter): exponent for letter, exponent in _EXPONENTS.items() if letter in spread.free_symbols}
    plain = spread.subs(known)
    letters = {atom: sympy.Dummy() for atom in plain.atoms(log)}
    numerator, _ = together(plain.subs(letters)).as_numer_denom()
    return sympy.expand(numerator) == 0


class Letters:
    """The values of the letters on one instance, each computed once at every precision."""

    def __init__(self, instance: Any, definitions: Mapping[Symbol, Definition]) -> None:
        self.instance = instance
        self._definitions = definitions
        self._found: dict[int, tuple[Arithmetic, dict[Symbol, Any]]] = {}

    def in_arb(self, letters: Iterable[Symbol]) -> dict[Symbol, Any]:
        """Balls at the current precision."""
        return self._values(letters, ctx.prec, ArbArithmetic)

    def exact(self, letters: Iterable[Symbol]) -> dict[Symbol, Any]:
        """Exact forms."""
        return self._values(letters, 0, ExactArithmetic)

    def _values(self, letters: Iterable[Symbol], key: int, arithmetic: Callable[[], Arithmetic]) -> dict[Symbol, Any]:
        by, values = self._found.setdefault(key, (arithmetic(), {}))
        for letter in letters:
            if letter not in values:
                values[letter] = self._definitions[letter](self.instance, by)
        return values


def decide_assumptions(
    statement: Statement, letters: Letters, structure: Mapping[str, Callable[[Any], bool]]
) -> Verdict:
    """Whether an instance keeps the statement's assumptions: PROVED, REFUTED or UNDECIDED.

    `structure` checks those that are not relations of letters; raises `KeyError` for one that is not in it.
    """
    if not all(structure[each.name](letters.instance) for each in statement.structure):
        return Verdict.REFUTED
    verdict = Verdict.PROVED
    for condition in statement.conditions:
        verdict = both(verdict, decide(condition, letters))
    return verdict


def decide_clause(clause: Clause, letters: Letters, assumed: Verdict = Verdict.PROVED) -> Verdict:
    """Verdict on a clause at one instance; VACUOUS where its assumption, or the antecedent of its claim, fails.

    `assumed` says whether the instance keeps the assumptions of the whole statement.
    """
    given = assumed if assumed is Verdict.REFUTED else both(assumed, decide(clause.given, letters))
    if given is Verdict.REFUTED:
        return Verdict.VACUOUS
    holds = decide(clause.holds, letters)
    return holds if given is Verdict.PROVED or holds is not Verdict.REFUTED else Verdict.UNDECIDED


def lacks_value(clause: Clause, letters: Letters) -> bool:
    """Whether a side of one of the clause's relations certainly has no value at the instance."""
    relations = clause.given.atoms(Relational) | clause.holds.atoms(Relational)
    return any(_lacks_value(each, letters, _TRY_EXACT_AT) for each in relations)


def decide(claim: Boolean, letters: Letters) -> Verdict:
    """Verdict on a claim at one instance. Raises `TypeError` for an unknown form of claim."""
    return _AtInstance(letters).value(claim)


class _AtInstance(Logic[Verdict]):
    """Truth at one instance; an implication whose antecedent fails is VACUOUS."""

    def __init__(self, letters: Letters) -> None:
        self._letters = letters

    def constant(self, holds: bool) -> Verdict:
        return Verdict.PROVED if holds else Verdict.REFUTED

    def relation(self, claim: Relational) -> Verdict:
        return _decide_relation(claim, self._letters)

    def conjunction(self, parts: Iterator[Verdict]) -> Verdict:
        return reduce(both, parts, Verdict.PROVED)

    def negation(self, part: Verdict) -> Verdict:
        raise TypeError("no rule decides a claim with Not or Or: whether one that is vacuous counts is not defined")

    def implication(self, parts: Iterator[Verdict]) -> Verdict:
        antecedent = next(parts)
        if antecedent is Verdict.REFUTED:
            return Verdict.VACUOUS
        consequent = next(parts)
        return consequent if antecedent is Verdict.PROVED or consequent is Verdict.PROVED else Verdict.UNDECIDED

    def equivalence(self, parts: Iterator[Verdict]) -> Verdict:
        sides = set(parts)
        if Verdict.UNDECIDED in sides or Verdict.VACUOUS in sides:
            return Verdict.UNDECIDED
        return self.constant(len(sides) == 1)


def _decide_relation(claim: Relational, letters: Letters) -> Verdict:
    gap = claim.lhs - claim.rhs
    # A term that cancels in the difference may itself have no value.
    if cancelled(claim) and _is_broken(cancelled(claim), letters, _TRY_EXACT_AT):
        return Verdict.UNDECIDED
    for precision in _PRECISIONS:
        ball = _enclosure(gap, letters, precision)
        if ball is None:
            if _lacks_value(claim, letters, precision):
                return Verdict.UNDECIDED
        elif ball > 0 or ball < 0 or ball.is_zero():
            sign = 1 if ball > 0 else -1 if ball < 0 else 0
            return Verdict.PROVED if holds_for(claim.rel_op, sign) else Verdict.REFUTED
        if precision == _TRY_EXACT_AT:
            if _exactly_equal(gap, letters):
                return Verdict.PROVED if holds_for(claim.rel_op, 0) else Verdict.REFUTED
            if claim.rel_op in ("==", "!="):
                return Verdict.UNDECIDED
    return Verdict.UNDECIDED


def _lacks_value(claim: Relational, letters: Letters, precision: int) -> bool:
    return _is_broken((*demands(claim.lhs), *demands(claim.rhs)), letters, precision)


def _is_broken(wanted: Iterable[Demand], letters: Letters, precision: int) -> bool:
    """Whether one of the demands certainly fails at the instance; exact forms are tried once digits did not help."""

    def is_zero(expr: Expr) -> bool:
        return precision >= _TRY_EXACT_AT and _exactly_equal(expr, letters)

    return broken(wanted, lambda expr: _enclosure(expr, letters, precision), is_zero)


def _enclosure(expr: Expr, letters: Letters, precision: int) -> Any | None:
    """A ball that holds the value, or None where Arb finds none at this precision."""
    with ctx.workprec(precision):
        try:
            ball = evaluate(expr, letters.in_arb(expr.free_symbols), arb_target())
        except (Undecided, ZeroDivisionError):
            return None
    return ball if ball.is_finite() else None


def _exactly_equal(gap: Expr, letters: Letters) -> bool:
    with ctx.workprec(_TRY_EXACT_AT):
        try:
            form = evaluate(gap, letters.exact(gap.free_symbols), _exact_target())
            return form == 0 or (letters.instance.levels <= _EXACT_LEVELS and exactly_zero(form))
        except (Undecided, UnknownNode, KeyError):
            return False
