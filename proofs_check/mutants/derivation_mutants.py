"""False steps and false lemmas, made systematically from every step of a derivation and every lemma of a statement.

They test the methods that decide steps and inequalities rather than claims. An exact point shows that a candidate is
false; without one it may be as true as the original, and a method that lets it pass is not at fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

from sympy import Eq, Expr, Ge, Gt, Integer, Interval, Le, Lt, Rational, S, Symbol

from proofs_check.inequalities.search.domains import side_of
from proofs_check.inequalities.search.false_points import false_point, shown
from proofs_check.methods.lemmas import Lemma, lemmas_of
from proofs_check.methods.step_claims import said_by
from proofs_check.mutants.expression_mutations import mutations_of_sign, mutations_of_value, without_assumption
from theory.derivation import AboveTangent, Equal, Limit, Positive, RisesFromZero, Step
from theory.statement import Statement


@dataclass(frozen=True)
class StepMutant:
    """A mutant of step `index` of a derivation, with a point at which it is false; empty if none was found."""

    of: Statement
    index: int
    mutation: str
    step: Step
    false_at: str

    @property
    def name(self) -> str:
        """Readable name, such as `A2 step 3: sign flipped`."""
        return f"{self.of.id} step {self.index}: {self.mutation}"


@dataclass(frozen=True)
class LemmaMutant:
    """A mutant of a lemma, with a point at which it is false; empty if none was found."""

    of: Statement
    mutation: str
    lemma: Lemma
    false_at: str

    @property
    def name(self) -> str:
        """Readable name, such as `A2-1: inequality flipped`."""
        return f"{self.lemma.name}: {self.mutation}"


def step_mutants(statement: Statement) -> Iterator[StepMutant]:
    """Yields every mutant of every step of the derivation."""
    for index, step in enumerate(statement.derive(), 1):
        for mutation, mutated in _mutated(step):
            claim, domain = said_by(mutated)
            if isinstance(step, Limit) and isinstance(mutated, Limit):
                # A limit is one value: if the old and the new differ, the new one is wrong.
                claim = Eq(step.value, mutated.value, evaluate=False)
            yield StepMutant(statement, index, mutation, mutated, _false_at(claim, domain))


def lemma_mutants(statement: Statement) -> Iterator[LemmaMutant]:
    """Yields every mutant of every scalar inequality of the statement."""
    for lemma in lemmas_of(statement):
        for mutation, claim, domain in _mutated_inequality(lemma):
            mutated = replace(lemma, claim=claim, domain=domain)
            yield LemmaMutant(statement, mutation, mutated, _false_at(claim, domain))


def _false_at(claim: Any, domain: Mapping[Symbol, Interval]) -> str:
    sides = {letter: side for letter, each in domain.items() if (side := side_of(letter, each)) is not None}
    return shown(false_point(claim, sides)) if len(sides) == len(domain) else ""


@singledispatch
def _mutated(step: Step) -> Iterator[tuple[str, Step]]:
    raise TypeError(f"no rule makes mutations in a step of type {type(step).__name__}")


@_mutated.register
def _(step: Equal) -> Iterator[tuple[str, Step]]:
    for mutation, right in mutations_of_value(step.right):
        if right != step.right:
            yield mutation, replace(step, right=right)


@_mutated.register
def _(step: Positive) -> Iterator[tuple[str, Step]]:
    yield from _with_expression(step)
    if not step.strict:
        yield "strict", replace(step, strict=True)
    for mutation, expr, _, _ in without_assumption(step.expr):
        yield mutation, replace(step, expr=expr)


@_mutated.register(RisesFromZero)
@_mutated.register(AboveTangent)
def _(step: RisesFromZero | AboveTangent) -> Iterator[tuple[str, Step]]:
    yield from _with_expression(step)
    for mutation, expr, old, free in without_assumption(step.expr):
        # The step's own claim starts from zero, whatever sympy assumes about the letter.
        if not (isinstance(step, RisesFromZero) and old == step.var):
            yield mutation, replace(step, expr=expr, var=free if old == step.var else step.var)


def _with_expression(step: Any) -> Iterator[tuple[str, Step]]:
    for mutation, expr in mutations_of_sign(step.expr):
        if expr != step.expr:
            yield mutation, replace(step, expr=expr)


@_mutated.register
def _(step: Limit) -> Iterator[tuple[str, Step]]:
    for mutation, value in mutations_of_value(step.value):
        if value != step.value:
            yield mutation, replace(step, value=value)


Mutated = tuple[str, Any, dict[Symbol, Interval]]
_FLIPPED: dict[type, type] = {Ge: Le, Gt: Lt, Le: Ge, Lt: Gt}
_STRICT: dict[type, type] = {Ge: Gt, Le: Lt}


def _mutated_inequality(lemma: Lemma) -> Iterator[Mutated]:
    claim, domain = lemma.claim, dict(lemma.domain)
    kind = type(claim)
    yield "inequality flipped", _FLIPPED[kind](claim.lhs, claim.rhs, evaluate=False), domain
    if kind in _STRICT:
        yield "strict", _STRICT[kind](claim.lhs, claim.rhs, evaluate=False), domain
    for share in (Rational(99, 100), Rational(101, 100)):
        if claim.rhs != 0:
            yield f"bound scaled by {float(share)}", kind(claim.lhs, share * claim.rhs, evaluate=False), domain
    relation = Gt if kind in (Gt, Lt) else Ge
    for mutation, gap in mutations_of_sign(claim.gts - claim.lts):
        # The first is the flipped claim again.
        if mutation != "inequality flipped":
            yield mutation, relation(gap, Integer(0), evaluate=False), _domain(gap, domain)
    for letter in domain:
        yield from _wider(claim, domain, letter)


def _domain(expr: Expr, domain: Mapping[Symbol, Interval]) -> dict[Symbol, Interval]:
    return {letter: each for letter, each in domain.items() if letter in expr.free_symbols}


def _wider(claim: Any, domain: dict[Symbol, Interval], letter: Symbol) -> Iterator[Mutated]:
    """Yields the claim with one end of a letter's domain left out, or an open end included."""
    side = domain[letter]
    wider = {
        f"{letter} without lower end": Interval(-S.Infinity, side.end, True, side.right_open),
        f"{letter} without upper end": Interval(side.start, S.Infinity, side.left_open, True),
        f"{letter} with its lower end": Interval(side.start, side.end, False, side.right_open),
        f"{letter} with its upper end": Interval(side.start, side.end, side.left_open, False),
    }
    # Beyond the old end, sympy's assumptions about the letter no longer hold.
    free = Symbol(letter.name, real=True)
    widened = claim.func(claim.lhs.xreplace({letter: free}), claim.rhs.xreplace({letter: free}), evaluate=False)
    rest = {each: old for each, old in domain.items() if each != letter}
    for mutation, interval in wider.items():
        if interval != side:
            yield mutation, widened, {free: interval, **rest}
