"""Changes of one clause, each a mistake that happens in real derivations; the tables of mutants name them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from sympy import Expr, Ge, Gt, Le, Lt
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean

from proofs_check.mutants.expression_mutations import LESS, MORE
from theory.statement import Clause
from theory.symbols import k, m

_OPPOSITE = {Le: Ge, Ge: Le, Lt: Gt, Gt: Lt}


@dataclass(frozen=True)
class Given:
    """The assumption in place of the clause's own."""

    condition: Boolean


@dataclass(frozen=True)
class Anywhere:
    """One expression for another in the claim and its assumption."""

    old: Expr
    new: Expr


# A claim replaces the claim, an expression the right-hand side; a pair is an expression of the right-hand side and what
# replaces it, a function gives the new right-hand side for the old one.
Change: TypeAlias = Boolean | Expr | tuple[Expr, Expr] | Callable[[Expr], Expr] | Given | Anywhere
# Statement id, clause name, name of the mutation, and the change.
Mutation: TypeAlias = tuple[str, str, str, Change]


def changed(clause: Clause, change: Change) -> Clause:
    """The clause with the change made in it."""
    match change:
        case Given():
            return replace(clause, given=change.condition)
        case Anywhere(old, new):
            return replace(clause, holds=clause.holds.subs(old, new), given=clause.given.subs(old, new))
        case Expr():
            return _with_bound(clause, lambda bound: change)
        case Boolean():
            return replace(clause, holds=change)
        case (old, new):
            return _with_bound(clause, lambda bound: bound.subs(old, new))
    return _with_bound(clause, change)


def _with_bound(clause: Clause, change: Callable[[Expr], Expr]) -> Clause:
    claim = clause.holds
    if not isinstance(claim, Relational):
        raise TypeError(f"this mutation needs a clause with two sides, and {clause.name!r} is {claim}")
    return replace(clause, holds=claim.func(claim.lhs, change(claim.rhs), evaluate=False))


def flipped(clause: Clause) -> Clause:
    """The clause with its inequality flipped."""
    return replace(clause, holds=_OPPOSITE[type(clause.holds)](clause.holds.lhs, clause.holds.rhs))


def scaled_up(bound: Expr) -> Expr:
    """The expression, 1 % larger."""
    return MORE * bound


def scaled_down(bound: Expr) -> Expr:
    """The expression, 1 % smaller."""
    return LESS * bound


def sizes_swapped(bound: Expr) -> Expr:
    """The expression with the sizes of the block and its complement swapped."""
    return bound.subs({m: k, k: m}, simultaneous=True)
