"""The symbolic method: sympy decides each step of a statement's derivation; Arb refutes a false one at a point."""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction
from functools import singledispatch

import sympy
from flint import arb, ctx, fmpq
from sympy import Expr, Symbol, expand_func, expand_log, factor, log, simplify, together

from proofs_check.verdict import Verdict
from theory.derivation import AboveTangent, Equal, Limit, Positive, RisesFromZero, Step
from theory.lowering import Undecided, UnknownNode, arb_target, evaluate
from theory.statement import Statement
from theory.symbols import VOCABULARY

_TRIALS = 24
_PRECISION = 256


@dataclass(frozen=True)
class StepVerdict:
    """One step with its verdict, and the point that refutes it where there is one."""

    step: Step
    verdict: Verdict
    point: str = ""


@dataclass(frozen=True)
class SymbolicResult:
    """The verdict on a derivation: PROVED only if sympy decided every step."""

    steps: tuple[StepVerdict, ...]

    @property
    def verdict(self) -> Verdict:
        """REFUTED if a step is, PROVED if all are, UNDECIDED otherwise (and for a derivation without steps)."""
        verdicts = [step.verdict for step in self.steps]
        if Verdict.REFUTED in verdicts:
            return Verdict.REFUTED
        return Verdict.PROVED if verdicts and set(verdicts) == {Verdict.PROVED} else Verdict.UNDECIDED


def check_derivation(statement: Statement) -> SymbolicResult:
    """Decide every step of the statement's derivation."""
    return SymbolicResult(tuple(decide_step(step) for step in statement.derive()))


def decide_step(step: Step) -> StepVerdict:
    """Decide one step; where algebra does not prove it, look for a point that refutes it."""
    if _proved(step):
        return StepVerdict(step, Verdict.PROVED)
    point = _refuting_point(step)
    return StepVerdict(step, Verdict.REFUTED if point else Verdict.UNDECIDED, point)


@singledispatch
def _proved(step: Step) -> bool:
    raise TypeError(f"no rule decides a step of type {type(step).__name__}")


@_proved.register
def _(step: Equal) -> bool:
    return is_zero(step.left - step.right)


@_proved.register
def _(step: Positive) -> bool:
    return has_sign(step.expr, step.strict)


@_proved.register
def _(step: RisesFromZero) -> bool:
    return is_zero(step.expr.subs(step.var, 0)) and has_sign(step.expr.diff(step.var), strict=False)


@_proved.register
def _(step: AboveTangent) -> bool:
    slope = step.expr.diff(step.var)
    touches = is_zero(step.expr.subs(step.var, step.at)) and is_zero(slope.subs(step.var, step.at))
    return touches and has_sign(slope.diff(step.var), strict=False)


@_proved.register
def _(step: Limit) -> bool:
    return is_zero(sympy.limit(step.expr, step.var, step.to, step.direction) - step.value)


def is_zero(expr: Expr) -> bool:
    """Whether algebra reduces the expression to 0; False when it does not get there."""
    expanded = _spread_logs(expand_func(sympy.sympify(expr)))
    if expanded == 0:
        return True
    return any(reduce(expanded) == 0 for reduce in (_as_fraction, simplify))


def has_sign(expr: Expr, strict: bool) -> bool:
    """Whether the assumptions on the letters settle `expr > 0` (or `>= 0`); False when they do not."""
    forms = (lambda e: e, factor, lambda e: factor(simplify(e)), lambda e: together(simplify(e)))
    for form in forms:
        shaped = form(expand_func(sympy.sympify(expr)))
        if shaped.is_positive or (not strict and shaped.is_nonnegative):
            return True
    return False


def _spread_logs(expr: Expr) -> Expr:
    """Logarithms of products as sums, their arguments factored first; the letters' domains make that valid."""
    inner = expr.replace(log, lambda x: log(factor(together(x))))
    return expand_log(inner, force=True, factor=True)


def _as_fraction(expr: Expr) -> Expr:
    """One reduced fraction in the exponentials and logarithms, each taken as a letter of its own."""
    powers = sympy.powsimp(sympy.expand_power_exp(expr))
    atoms = sorted(powers.atoms(sympy.exp, log), key=sympy.default_sort_key, reverse=True)
    letters = {atom: sympy.Dummy() for atom in atoms}
    return sympy.cancel(together(powers.subs(letters)))


def _refuting_point(step: Step) -> str:
    """A point at which Arb shows the step false, or the empty string."""
    if isinstance(step, Limit):
        return ""
    expr = step.left - step.right if isinstance(step, Equal) else step.expr
    letters = sorted(sympy.sympify(expr).free_symbols, key=str)
    generator = random.Random(0)
    with ctx.workprec(_PRECISION):
        for _ in range(_TRIALS):
            values = {letter: _value(letter, generator) for letter in letters}
            try:
                ball = evaluate(
                    expr, {x: arb(fmpq(v.numerator, v.denominator)) for x, v in values.items()}, arb_target()
                )
            except (Undecided, UnknownNode, ZeroDivisionError):
                continue
            wrong = ball != 0 if isinstance(step, Equal) else ball < 0
            if ball.is_finite() and wrong:
                return ", ".join(f"{x}={v}" for x, v in values.items())
    return ""


def _value(letter: Symbol, generator: random.Random) -> Fraction:
    if letter.is_integer:
        return Fraction(generator.randint(1, 20))
    if letter in VOCABULARY and VOCABULARY[letter].domain.sup == 1:
        return Fraction(generator.randint(1, 99), 100)
    size = Fraction(generator.randint(1, 400), 100)
    return size if letter.is_nonnegative else generator.choice((-1, 1)) * size
