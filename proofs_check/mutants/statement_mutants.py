"""Mutants: statements made wrong on purpose, which every complete method must refute.

A mutant changes one clause of a true statement by one mistake, or leaves out an assumption of the whole statement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sympy import true

from proofs_check.mutants import design_mutants, row_mutants, unseen_mutants, weight_mutants
from proofs_check.mutants.mutations import Change, Given, changed, flipped, scaled_down, scaled_up, sizes_swapped
from theory.errors import DomainError
from theory.statement import Assumption, Clause, Statement
from theory.statements.catalogue import CATALOGUE


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


# Clauses whose inequality is flipped.
_FLIPPED = (
    "A1 mean margin, A1 top, A2 margin, A4 floor, A5 finite, A5 law below quadratic, A7 every query, A7 entropy, "
    "A8 quantiles, A9 finite context, "
    "B3 output bound, B4 maximiser, B5 maximiser, C6 margin, D1 margin, D2 simplex least, D3 error, "
    "D4 at least the floor, D4 leak falls, D4 one interval, D4 entropy falls first, D4 entropy rises, "
    "D4 rises where the leak is kept, E4 at least, E4 own promises, E4 late misses, E4 from bounds, "
    "E4 all bounds covered, "
    "E1 least change, E2 every row, E2 cover, E3 at least, F3 steeper, F3 equal mean dial, G1 norm, G2 entropies, "
    "F4 tangent, F4 least, F4 uniform dial, F4 other layers, "
    "H5 new window, H5 share covered, H5 corpus, H5 corpus covered, "
    "G3 Euclidean, G4 variance, H1 head, H1 layer, H2 total variation, H2 divergence, H3 logits, H3 composition, "
    "C7 survives"
)
# Changes that are made in many statements: the name, the clauses, and the change.
_COMMON: tuple[tuple[str, str, Change], ...] = (
    ("bound scaled by 1.01", "A5 finite, A5 block form, D1 margin, D3 error, G1 norm", scaled_up),
    (
        "bound scaled by 0.99",
        "A1 range, A2 margin, A2 attained, A4 given separation, A6 margin, A8 any choice, "
        "A9 finite context, A9 attained, B1 leak, C2 query, "
        "C3 live block, "
        "C3 uniform penalty, C4 buffer, C5 update, C6 leak, G2 entropies, "
        "H1 head, H1 attained, H1 layer, H1 layer by heads, "
        "H2 total variation, H2 attained, H2 divergence, H2 quadratic back, H2 log-probability, "
        "H3 logits, C7 loss gained",
        scaled_down,
    ),
    ("scaled by 0.99", "A7 entropy", scaled_down),
    (
        "sizes swapped",
        "A2 margin, A2 attained, A4 attained, A4 given fidelity, C6 leak",
        sizes_swapped,
    ),
    (
        "assumption dropped",
        "B2 falls, B2 rises first, B2 strict converse, B2 mean margin suffices, C4 extinct, C6 entropy",
        Given(true),
    ),
)

_OWN = (*row_mutants.MUTATIONS, *weight_mutants.MUTATIONS, *design_mutants.MUTATIONS, *unseen_mutants.MUTATIONS)

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
    ("C7", "loss gained", "no bias"),
    ("D1", "margin", "along its anchor"),
    ("D1", "margin", "equal keys"),
    ("D2", "simplex least", "unit anchors"),
    ("D3", "error", "uniform target"),
    ("D4", "score saved", "equal copies"),
    ("D4", "leak falls", "few and many"),
    ("E2", "disjoint targets", "no empty target"),
    ("E4", "all bounds covered", "error split"),
    ("F3", "inner dial", "steeper"),
    ("F3", "steeper", "positive weights"),
    ("F4", "cheapest", "positive weights"),
    ("H4", "isolation", "same windows"),
    ("H4", "isolation", "changed outside"),
    ("H4", "window alone", "same windows"),
    ("H5", "new window", "exchangeable"),
    ("H5", "share covered", "all counted"),
    ("H5", "corpus covered", "all counted"),
)


def _without(statement: Statement, name: str) -> tuple[Assumption, ...]:
    kept = tuple(each for each in statement.assumptions if each.name != name)
    if len(kept) == len(statement.assumptions):
        raise DomainError(f"assumption {name!r} must be one of {statement.id}")
    return kept


def _clauses(statement: Statement, places: str) -> list[Clause]:
    """The clauses of the statement that are named in a list such as `A1 top, A2 margin`."""
    named = (place.partition(" ") for place in places.split(", "))
    return [statement.clause(clause) for key, _, clause in named if key == statement.id]


def _mutants_of(statement: Statement) -> Iterator[Mutant]:
    for key, clause, name in DROPPED:
        if key == statement.id:
            weaker = replace(statement, assumptions=_without(statement, name))
            yield Mutant(f"assumption {name!r} left out", statement, replace(weaker, claim=(statement.clause(clause),)))
    mutated = [("inequality flipped", flipped(clause)) for clause in _clauses(statement, _FLIPPED)]
    for mutation, places, change in _COMMON:
        mutated += [(mutation, changed(clause, change)) for clause in _clauses(statement, places)]
    for key, clause, mutation, change in _OWN:
        if key == statement.id:
            mutated.append((mutation, changed(statement.clause(clause), change)))
    for mutation, false in mutated:
        yield Mutant(mutation, statement, replace(statement, claim=(false,)))


def mutants_of(statement: Statement) -> tuple[Mutant, ...]:
    """Every mutant of a statement."""
    return tuple(_mutants_of(statement))


def all_mutants() -> tuple[Mutant, ...]:
    """Every mutant of the catalogue."""
    return tuple(mutant for statement in CATALOGUE for mutant in mutants_of(statement))
