"""Planted-false twins: statements made wrong on purpose, which every complete method must refute.

A twin changes one clause of a true statement by one mutation, the kind of slip that happens to real derivations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sympy import Expr, Ge, Gt, Le, Lt, Rational, log, true
from sympy.core.relational import Relational

from theory.catalogue import CATALOGUE
from theory.functions import Logistic
from theory.statement import Clause, Statement
from theory.symbols import F, d, eps, k, lam, m, r

Mutation = Callable[[Clause], Clause]


@dataclass(frozen=True)
class Twin:
    """A false statement: which slip was made in which clause of which true one."""

    slip: str
    of: Statement
    statement: Statement

    @property
    def name(self) -> str:
        """Readable name, such as `A2 margin: sizes swapped`."""
        return f"{self.of.id} {self.statement.claim[0].name}: {self.slip}"


def flipped(clause: Clause) -> Clause:
    """The inequality the other way round."""
    claim = _relational(clause)
    return replace(clause, holds=_OPPOSITE[claim.func](claim.lhs, claim.rhs))


_OPPOSITE = {Le: Ge, Ge: Le, Lt: Gt, Gt: Lt}


def _relational(clause: Clause) -> Relational:
    if not isinstance(clause.holds, Relational):
        raise TypeError(f"this slip needs a clause with two sides, and {clause.name!r} is {clause.holds}")
    return clause.holds


def in_bound(change: Callable[[Expr], Expr]) -> Mutation:
    """A mutation of the right-hand side."""

    def mutate(clause: Clause) -> Clause:
        claim = _relational(clause)
        return replace(clause, holds=claim.func(claim.lhs, change(claim.rhs), evaluate=False))

    return mutate


def replaced(old: Expr, new: Expr) -> Mutation:
    """One expression in the place of another, in the bound."""
    return in_bound(lambda bound: bound.subs(old, new))


sizes_swapped = in_bound(lambda bound: bound.subs({m: k, k: m}, simultaneous=True))
scaled_down = in_bound(lambda bound: Rational(99, 100) * bound)
scaled_up = in_bound(lambda bound: Rational(101, 100) * bound)


def assumption_dropped(clause: Clause) -> Clause:
    """The claim without its assumption."""
    return replace(clause, given=true)


_SLIPS: tuple[tuple[str, str, str, Mutation], ...] = (
    ("A2", "margin", "sizes swapped", sizes_swapped),
    ("A2", "margin", "inequality flipped", flipped),
    ("A2", "margin", "size ratio dropped", in_bound(lambda bound: Logistic(-d))),
    ("A2", "margin", "block one too large", replaced(m, m + 1)),
    ("A2", "margin", "bound scaled by 0.99", scaled_down),
    ("A2", "exponential", "size ratio inverted", sizes_swapped),
    ("A4", "given fidelity", "sizes swapped", sizes_swapped),
    ("A4", "given fidelity", "mixing entropy dropped", in_bound(lambda bound: F * log(m) + eps * log(k))),
    ("A4", "given separation", "bound scaled by 0.99", scaled_down),
    ("A4", "given separation", "assumption d >= 0 dropped", assumption_dropped),
    (
        "A4",
        "given separation",
        "linear term dropped",
        in_bound(lambda bound: bound - d * Logistic(-(d + log(m / k)))),
    ),
    ("A4", "one pair", "one key too few", in_bound(lambda bound: bound.subs(k, k - 1))),
    ("A5", "finite", "inequality flipped", flipped),
    ("A5", "finite", "bound scaled by 1.01", scaled_up),
    ("A5", "quadratic", "8 taken for 16", in_bound(lambda bound: bound / 2)),
    ("A5", "dimension-free", "range halved", replaced(r, r / 2)),
    ("A5", "block form", "bound scaled by 1.01", scaled_up),
    ("B1", "leak", "dial inverted", replaced(lam, 1 - lam)),
    ("B1", "leak", "denominator dropped", in_bound(lambda bound: (1 - lam) * eps)),
    ("B1", "odds", "sign flipped", replaced(log(1 - lam), -log(1 - lam))),
    ("B1", "odds", "dial squared", replaced(lam, lam**2)),
    ("B1", "leak", "bound scaled by 0.99", scaled_down),
)


def twins_of(statement: Statement) -> tuple[Twin, ...]:
    """Every planted-false twin of a statement."""
    return tuple(
        Twin(slip, statement, replace(statement, claim=(mutate(statement.clause(clause)),)))
        for key, clause, slip, mutate in _SLIPS
        if key == statement.id
    )


def all_twins() -> tuple[Twin, ...]:
    """Every planted-false twin of the catalogue."""
    return tuple(twin for statement in CATALOGUE for twin in twins_of(statement))
