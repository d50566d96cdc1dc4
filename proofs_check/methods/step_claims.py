"""The claim of a derivation step at each point, and the domains of its letters."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import sympy
from sympy import Eq, Ge, Gt, Integer, Interval, S, Symbol

from proofs_check.inequalities.search.domains import side_of
from proofs_check.inequalities.search.false_points import false_point, shown
from theory.derivation import AboveTangent, Equal, Limit, Positive, RisesFromZero, Step
from theory.symbols import NONNEGATIVE, POSITIVE, REALS, VOCABULARY


def said_by(step: Step) -> tuple[Any, Mapping[Symbol, Interval]]:
    """The relation that a step claims, and the domains of its letters."""
    claim = _claim_of(step)
    domain = domains_of(claim)
    if isinstance(step, RisesFromZero) and step.var in domain:
        domain[step.var] = domain[step.var] & Interval(0, S.Infinity)
    return claim, domain


def domains_of(claim: Any) -> dict[Symbol, Interval]:
    """The domains of the letters of a claim, in the order of their names."""
    return {letter: domain_of(letter) for letter in sorted(claim.free_symbols, key=lambda letter: letter.name)}


def domain_of(symbol: Symbol) -> Interval:
    """The domain of a letter: the declared one, else the one that sympy assumes; integers are relaxed to reals."""
    declared = VOCABULARY.get(symbol)
    if declared is not None:
        domain = declared.domain
        return domain if isinstance(domain, Interval) else Interval(domain.inf, S.Infinity)
    if symbol.is_integer and symbol.is_positive:
        return Interval(1, S.Infinity)
    if symbol.is_positive:
        return POSITIVE
    return NONNEGATIVE if symbol.is_nonnegative else REALS


def holds(domain: Interval, value: Fraction) -> bool:
    """Whether a rational lies in an interval."""
    above = value > domain.start if domain.left_open else value >= domain.start
    below = value < domain.end if domain.right_open else value <= domain.end
    return bool(above) and bool(below)


def _claim_of(step: Step) -> Any:
    match step:
        case Equal():
            return Eq(step.left, step.right, evaluate=False)
        case Limit():
            return Eq(sympy.limit(step.expr, step.var, step.to, step.direction), step.value, evaluate=False)
        case Positive() | RisesFromZero() | AboveTangent():
            relation = Gt if isinstance(step, Positive) and step.strict else Ge
            return relation(step.expr, Integer(0), evaluate=False)
    raise TypeError(f"no rule gives the claim of a step of type {type(step).__name__}")


def false_at(claim: Any, domain: Mapping[Symbol, Interval]) -> str:
    """A point at which Arb shows the claim false, among simple, extreme and named numbers; empty if none is found."""
    sides = {letter: side for letter, each in domain.items() if (side := side_of(letter, each)) is not None}
    return shown(false_point(claim, sides)) if len(sides) == len(domain) else ""
