"""The symbolic method: sympy decides each step of a statement's derivation; Arb refutes a false one at a point."""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction

import sympy
from sympy import Expr, Interval, Symbol, expand_func, factor, log, simplify, together

from proofs_check.inequalities.points import decide_at
from proofs_check.inequalities.verdict import Verdict
from proofs_check.methods.signs import has_values, have_values_together, spread_logs
from proofs_check.methods.step_claims import false_at, holds, said_by
from theory.derivation import AboveTangent, Equal, Limit, Positive, RisesFromZero, Step
from theory.lowering import UnknownNode
from theory.statement import Statement

_TRIALS = 400
_USUAL = 24
_POWERS = (0, 0, -1, 1, -2, -4, 4, -8, 8)
_AT_END = 0.2
_SIMPLE, _SIMPLY = (-1, 0, 1), 0.4


@dataclass(frozen=True)
class StepVerdict:
    """One step with its verdict, and the point that refutes it if there is one."""

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
    """Decides every step of the statement's derivation."""
    return SymbolicResult(tuple(decide_step(step) for step in statement.derive()))


def decide_step(step: Step) -> StepVerdict:
    """Decides one step; if algebra does not prove it, looks for a point that refutes it."""
    if _proved(step):
        return StepVerdict(step, Verdict.PROVED)
    point = _refuting_point(step)
    return StepVerdict(step, Verdict.REFUTED if point else Verdict.UNDECIDED, point)


def _proved(step: Step) -> bool:
    match step:
        case Equal(left=left, right=right):
            return is_zero(left - right) and have_values_together(left, right)
        case Limit(expr=expr):
            return is_zero(sympy.limit(expr, step.var, step.to, step.direction) - step.value)
        case Positive(expr=expr):
            settled = has_sign(expr, step.strict)
        case RisesFromZero(expr=expr, var=var):
            settled = is_zero(expr.subs(var, 0)) and has_sign(expr.diff(var), strict=False)
        case AboveTangent(expr=expr, var=var, at=at):
            slope = expr.diff(var)
            touches = is_zero(expr.subs(var, at)) and is_zero(slope.subs(var, at))
            settled = touches and has_sign(slope.diff(var), strict=False)
        case _:
            raise TypeError(f"no rule decides a step of type {type(step).__name__}")
    # A slope bounds a difference only if the expression is defined all the way.
    return settled and has_values(expr)


def is_zero(expr: Expr) -> bool:
    """Whether algebra reduces the expression to 0; False does not mean nonzero."""
    expanded = spread_logs(expand_func(sympy.sympify(expr)))
    if expanded == 0:
        return True
    return any(reduce(expanded) == 0 for reduce in (_as_fraction, simplify))


def has_sign(expr: Expr, strict: bool) -> bool:
    """Whether the assumptions on the letters settle `expr > 0` (or `>= 0` if not `strict`)."""
    forms = (lambda e: e, factor, lambda e: factor(simplify(e)), lambda e: together(simplify(e)))
    for form in forms:
        shaped = form(expand_func(sympy.sympify(expr)))
        if shaped.is_positive or (not strict and shaped.is_nonnegative):
            return True
    return False


def _as_fraction(expr: Expr) -> Expr:
    """One reduced fraction in the exponentials and logarithms, each taken as a letter."""
    powers = sympy.powsimp(sympy.expand_power_exp(expr))
    atoms = sorted(powers.atoms(sympy.exp, log), key=sympy.default_sort_key, reverse=True)
    letters = {atom: sympy.Dummy() for atom in atoms}
    return sympy.cancel(together(powers.subs(letters)))


def _refuting_point(step: Step) -> str:
    """A point at which Arb shows the step false, or the empty string."""
    claim, domain = said_by(step)
    generator = random.Random(0)
    for trial in range(_TRIALS if domain else 1):
        point = {letter: _value(letter, values, generator, trial) for letter, values in domain.items()}
        try:
            if decide_at(claim, point) is Verdict.REFUTED:
                return ", ".join(f"{letter}={value}" for letter, value in point.items()) or "everywhere"
        except UnknownNode:
            # At other points the branch of a Piecewise with this node may not be taken.
            continue
    return false_at(claim, domain)


def _value(letter: Symbol, domain: Interval, generator: random.Random, trial: int) -> Fraction:
    """A number in the letter's domain: of usual size in early trials, then of any size, sometimes a closed end."""
    low, high = (Fraction(int(end.p), int(end.q)) if end.is_Rational else None for end in (domain.start, domain.end))
    if trial >= _USUAL and generator.random() < _SIMPLY:
        # Sides are often equal where letters are 0, 1 or equal.
        simple = Fraction(generator.choice(_SIMPLE))
        if holds(domain, simple):
            return simple
    if letter.is_integer:
        return (low or Fraction(0)) + generator.randint(0, 20)
    power = 0 if trial < _USUAL else generator.choice(_POWERS)
    size = Fraction(generator.randint(1, 400), 100) * Fraction(10) ** power
    if trial >= _USUAL and low is not None and not domain.left_open and generator.random() < _AT_END:
        return low
    if low is not None and high is not None:
        return low + (high - low) * size / (1 + size)
    if low is not None:
        return low + size
    return high - size if high is not None else generator.choice((-1, 1)) * size
