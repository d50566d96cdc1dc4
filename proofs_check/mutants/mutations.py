"""Mistakes that happen in real derivations, each a change of one clause; `statement_mutants` applies them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sympy import Expr, Ge, Gt, Le, Lt, Rational, true
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean

from theory.statement import Clause
from theory.symbols import k, m

Mutation = Callable[[Clause], Clause]
# Statement id, clause name, name of the mutation, and the mutation.
NamedMutation = tuple[str, str, str, Mutation]


def flipped(clause: Clause) -> Clause:
    """The clause with its inequality flipped."""
    claim = _relational(clause)
    return replace(clause, holds=_OPPOSITE[claim.func](claim.lhs, claim.rhs))


_OPPOSITE = {Le: Ge, Ge: Le, Lt: Gt, Gt: Lt}


def _relational(clause: Clause) -> Relational:
    if not isinstance(clause.holds, Relational):
        raise TypeError(f"this mutation needs a clause with two sides, and {clause.name!r} is {clause.holds}")
    return clause.holds


def in_bound(change: Callable[[Expr], Expr]) -> Mutation:
    """A mutation that applies `change` to the right-hand side."""

    def mutate(clause: Clause) -> Clause:
        claim = _relational(clause)
        return replace(clause, holds=claim.func(claim.lhs, change(claim.rhs), evaluate=False))

    return mutate


def replaced(old: Expr, new: Expr) -> Mutation:
    """A mutation that replaces one expression by another in the right-hand side."""
    return in_bound(lambda bound: bound.subs(old, new))


sizes_swapped = in_bound(lambda bound: bound.subs({m: k, k: m}, simultaneous=True))
scaled_down = in_bound(lambda bound: Rational(99, 100) * bound)
scaled_up = in_bound(lambda bound: Rational(101, 100) * bound)


def assumption_dropped(clause: Clause) -> Clause:
    """The clause without its assumption."""
    return replace(clause, given=true)


def claiming(holds: Boolean) -> Mutation:
    """A mutation that replaces the whole claim."""
    return lambda clause: replace(clause, holds=holds)


def assuming(given: Boolean) -> Mutation:
    """A mutation that replaces the assumption."""
    return lambda clause: replace(clause, given=given)
