"""False steps and false lemmas, made systematically from every step of a derivation and every lemma of a statement.

They test the methods that decide steps and inequalities rather than claims. An exact point shows that a candidate is
false; without one it may be as true as the original, and a method that lets it pass is not at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from sympy import Eq, Expr, Ge, Gt, Integer, Interval, Le, Lt, S, Symbol

from proofs_check.methods.lemmas import Lemma, lemmas_of
from proofs_check.methods.step_claims import false_at, said_by
from proofs_check.mutants import Planted
from proofs_check.mutants.expression_mutations import (
    LESS,
    MORE,
    mutations_of_sign,
    mutations_of_value,
    without_assumption,
)
from theory.derivation import AboveTangent, Equal, Limit, Positive, RisesFromZero, Step
from theory.statement import Statement


def step_mutants(statement: Statement) -> Iterator[Planted]:
    """Yields every mutant of every step of the derivation, such as `A2 step 3: sign flipped`."""
    for index, step in enumerate(statement.derive(), 1):
        for mutation, mutated in _mutated(step):
            claim, domain = said_by(mutated)
            if isinstance(step, Limit) and isinstance(mutated, Limit):
                # A limit is one value: if the old and the new differ, the new one is wrong.
                claim = Eq(step.value, mutated.value, evaluate=False)
            yield Planted(f"{statement.id} step {index}: {mutation}", mutated, false_at(claim, domain))


def lemma_mutants(statement: Statement) -> Iterator[Planted]:
    """Yields every mutant of every scalar inequality of the statement, such as `A2-1: inequality flipped`."""
    for lemma in lemmas_of(statement):
        for mutation, claim, domain in _mutated_inequality(lemma):
            mutated = replace(lemma, claim=claim, domain=domain)
            yield Planted(f"{lemma.name}: {mutation}", mutated, false_at(claim, domain))


def _mutated(step: Step) -> Iterator[tuple[str, Step]]:
    match step:
        case Equal():
            yield from ((name, replace(step, right=right)) for name, right in _others(step.right, mutations_of_value))
        case Limit():
            yield from ((name, replace(step, value=value)) for name, value in _others(step.value, mutations_of_value))
        case Positive() | RisesFromZero() | AboveTangent():
            yield from ((name, replace(step, expr=expr)) for name, expr in _others(step.expr, mutations_of_sign))
            yield from _weakened(step)
        case _:
            raise TypeError(f"no rule makes mutations in a step of type {type(step).__name__}")


def _others(expr: Expr, mutations: Callable[[Expr], Iterator[tuple[str, Expr]]]) -> Iterator[tuple[str, Expr]]:
    return ((name, mutated) for name, mutated in mutations(expr) if mutated != expr)


def _weakened(step: Positive | RisesFromZero | AboveTangent) -> Iterator[tuple[str, Step]]:
    """Yields the step for strict inequality, and for one letter without its sign."""
    if isinstance(step, Positive) and not step.strict:
        yield "strict", replace(step, strict=True)
    for mutation, expr, old, free in without_assumption(step.expr):
        if isinstance(step, Positive):
            yield mutation, replace(step, expr=expr)
        # A step from zero says itself where its letter starts.
        elif not (isinstance(step, RisesFromZero) and old == step.var):
            yield mutation, replace(step, expr=expr, var=free if old == step.var else step.var)


Mutated = tuple[str, Any, Mapping[Symbol, Interval]]
_FLIPPED: dict[type, type] = {Ge: Le, Gt: Lt, Le: Ge, Lt: Gt}
_STRICT: dict[type, type] = {Ge: Gt, Le: Lt}


def _mutated_inequality(lemma: Lemma) -> Iterator[Mutated]:
    claim, domain = lemma.claim, lemma.domain
    kind = type(claim)
    yield "inequality flipped", _FLIPPED[kind](claim.lhs, claim.rhs, evaluate=False), domain
    if kind in _STRICT:
        yield "strict", _STRICT[kind](claim.lhs, claim.rhs, evaluate=False), domain
    for share in (LESS, MORE) if claim.rhs != 0 else ():
        yield f"bound scaled by {float(share)}", kind(claim.lhs, share * claim.rhs, evaluate=False), domain
    relation = Gt if kind in (Gt, Lt) else Ge
    for mutation, gap in mutations_of_sign(claim.gts - claim.lts):
        # The first is the flipped claim again.
        if mutation != "inequality flipped":
            kept = {letter: each for letter, each in domain.items() if letter in gap.free_symbols}
            yield mutation, relation(gap, Integer(0), evaluate=False), kept
    for letter in domain:
        yield from _wider(claim, domain, letter)


def _wider(claim: Any, domain: Mapping[Symbol, Interval], letter: Symbol) -> Iterator[Mutated]:
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
