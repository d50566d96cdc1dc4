"""Mutants: statements made wrong on purpose, which every complete method must refute.

A mutant changes one clause of a true statement by one mistake that happens in real derivations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sympy import Equivalent, Expr, Ge, Implies, Le, Rational, S, exp, floor, log

from proofs_check.mutants import (
    design_mutants,
    row_mutants,
    weight_mutants,
)
from proofs_check.mutants.mutations import (
    Mutation,
    NamedMutation,
    assumption_dropped,
    claiming,
    flipped,
    in_bound,
    replaced,
    scaled_down,
    scaled_up,
    sizes_swapped,
)
from theory.errors import DomainError
from theory.functions import Logistic, Logit
from theory.statement import Assumption, Statement
from theory.statements.catalogue import CATALOGUE
from theory.statements.context import LARGEST_RATIO
from theory.symbols import F, d, d_T, eps, eps_most, eps_T, eps_target, k, lam, least_own, m, r, tokens, window


@dataclass(frozen=True)
class Mutant:
    """A false statement, with the mutation that was made and the true statement it was made in."""

    mutation: str
    of: Statement
    statement: Statement

    @property
    def name(self) -> str:
        """Readable name, such as `A2 margin: sizes swapped`."""
        return f"{self.of.id} {self.statement.claim[0].name}: {self.mutation}"


def _ratio_with(windows: Expr) -> Mutation:
    return in_bound(lambda bound: window * floor(windows) / least_own)


def _bound_by(ratio: Expr) -> Mutation:
    return in_bound(lambda bound: Logistic(log(ratio) - d_T))


def _kept_from(size: Expr) -> Mutation:
    return claiming(Equivalent(Le(eps_most, eps_target), Ge(d_T, size + Logit(1 - eps_target))))


def _enough_from(size: Expr, share: Expr = S.One) -> Mutation:
    return claiming(Implies(Ge(d_T, share * (size + Logit(1 - eps_target))), Le(eps_T, eps_target)))


MUTATIONS: tuple[NamedMutation, ...] = (
    ("A2", "margin", "sizes swapped", sizes_swapped),
    ("A2", "margin", "inequality flipped", flipped),
    ("A2", "margin", "size ratio dropped", in_bound(lambda bound: Logistic(-d))),
    ("A2", "margin", "block one too large", replaced(m, m + 1)),
    ("A2", "margin", "bound scaled by 0.99", scaled_down),
    ("A2", "exponential", "size ratio inverted", sizes_swapped),
    ("A2", "attained", "sizes swapped", sizes_swapped),
    ("A2", "attained", "bound scaled by 0.99", scaled_down),
    ("A4", "attained", "linear term dropped", in_bound(lambda bound: bound - d * Logistic(-(d + log(m / k))))),
    ("A4", "attained", "sizes swapped", sizes_swapped),
    ("A4", "floor", "assumption d >= 0 dropped", assumption_dropped),
    ("A4", "floor", "floor of all keys", in_bound(lambda bound: log(m + k))),
    ("A4", "floor", "inequality flipped", flipped),
    ("A4", "one pair attained", "one key too few", in_bound(lambda bound: bound.subs(k, k - 1))),
    ("A4", "one pair attained", "two-level bound", in_bound(lambda bound: log(m + k * exp(-d)))),
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
    ("A5", "law below quadratic", "8 taken for 16", in_bound(lambda bound: bound / 2)),
    ("A5", "law below quadratic", "inequality flipped", flipped),
    ("A5", "dimension-free", "range halved", replaced(r, r / 2)),
    ("A5", "block form", "bound scaled by 1.01", scaled_up),
    ("A7", "largest ratio", "last query of a full window", in_bound(lambda bound: (tokens - window) / window)),
    ("A7", "largest ratio", "tokens not rounded", in_bound(lambda bound: (tokens - least_own) / least_own)),
    ("A7", "largest ratio", "least own keys forgotten in the last window", _ratio_with(tokens / window)),
    ("A7", "largest ratio", "last query left out", _ratio_with((tokens - least_own - 1) / window)),
    ("A7", "largest ratio", "window for the least own keys", replaced(least_own, window)),
    ("A7", "every query", "inequality flipped", flipped),
    (
        "A7",
        "binding query",
        "last query taken to bind",
        _bound_by(tokens / window - 1),
    ),
    ("A7", "iff", "margin threshold of the last query", _kept_from(log((tokens - window) / window))),
    ("A7", "iff", "ratio inverted", _kept_from(-log(LARGEST_RATIO))),
    ("A7", "iff", "least own keys taken as 1", _kept_from(log(LARGEST_RATIO * least_own))),
    ("A7", "sufficient", "threshold of the last query", _enough_from(log((tokens - window) / window))),
    ("A7", "sufficient", "threshold scaled by 0.99", _enough_from(log(LARGEST_RATIO), Rational(99, 100))),
    ("A7", "share", "share of one query more", in_bound(lambda bound: bound + 1 / tokens)),
    ("A7", "entropy", "inequality flipped", flipped),
    ("A7", "entropy", "scaled by 0.99", scaled_down),
    ("B1", "leak", "dial inverted", replaced(lam, 1 - lam)),
    ("B1", "leak", "denominator dropped", in_bound(lambda bound: (1 - lam) * eps)),
    ("B1", "odds", "sign flipped", replaced(log(1 - lam), -log(1 - lam))),
    ("B1", "odds", "dial squared", replaced(lam, lam**2)),
    ("B1", "leak", "bound scaled by 0.99", scaled_down),
)


# Statement id, a clause that needs the assumption, and the name of the assumption that is left out.
DROPPED: tuple[tuple[str, str, str], ...] = (
    ("C3", "balanced", "no bias"),
    ("C3", "half the drop", "one live block"),
    ("C4", "one step", "proximal step last"),
    ("C4", "extinct", "Euclidean proximal step"),
    ("C4", "extinct from an empty buffer", "proximal step last"),
    ("C5", "limit", "betas"),
    ("C5", "extinct", "weight decay"),
    ("C5", "extinct", "proximal step last"),
    ("C5", "extinct", "Euclidean proximal step"),
    ("C6", "margin", "no key bias"),
    ("D1", "margin", "along its anchor"),
    ("D1", "margin", "equal keys"),
    ("D2", "simplex least", "unit anchors"),
    ("D3", "error", "uniform target"),
    ("E2", "disjoint targets", "no empty target"),
    ("F3", "inner dial", "steeper"),
    ("F3", "steeper", "positive weights"),
)


def _without(statement: Statement, name: str) -> tuple[Assumption, ...]:
    kept = tuple(each for each in statement.assumptions if each.name != name)
    if len(kept) == len(statement.assumptions):
        raise DomainError(f"assumption {name!r} must be one of {statement.id}")
    return kept


def mutants_of(statement: Statement) -> tuple[Mutant, ...]:
    """Every mutant of a statement."""
    dropped = tuple(
        Mutant(
            f"assumption {name!r} left out",
            statement,
            replace(statement, claim=(statement.clause(clause),), assumptions=_without(statement, name)),
        )
        for key, clause, name in DROPPED
        if key == statement.id
    )
    return dropped + tuple(
        Mutant(mutation, statement, replace(statement, claim=(mutate(statement.clause(clause)),)))
        for key, clause, mutation, mutate in (
            *MUTATIONS,
            *row_mutants.MUTATIONS,
            *weight_mutants.MUTATIONS,
            *design_mutants.MUTATIONS,
        )
        if key == statement.id
    )


def all_mutants() -> tuple[Mutant, ...]:
    """Every mutant of the catalogue."""
    return tuple(mutant for statement in CATALOGUE for mutant in mutants_of(statement))
