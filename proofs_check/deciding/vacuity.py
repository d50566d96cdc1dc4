"""Vacuity: for every clause an instance that certainly satisfies its assumptions, or the clause says nothing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sympy.logic.boolalg import And, Boolean, Implies

from proofs_check.deciding.deciding import Letters, decide, decide_assumptions
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.kinds import KINDS
from theory.statement import Clause, Statement


@dataclass
class VacuityResult:
    """By clause: the witness of its assumptions, None where none was found among `instances` drawn."""

    witnesses: dict[str, Any] = field(default_factory=dict)
    instances: int = 0

    @property
    def vacuous(self) -> tuple[str, ...]:
        """Clauses whose assumptions nothing drawn was seen to satisfy."""
        return tuple(name for name, witness in self.witnesses.items() if witness is None)

    @property
    def verdict(self) -> Verdict:
        """VACUOUS if a clause has no witness; PROVED otherwise: each assumption is satisfiable, certainly."""
        return Verdict.VACUOUS if self.vacuous or not self.witnesses else Verdict.PROVED


class _AllWitnessed(Exception):
    """Every clause has its witness: no need to draw on."""


def assumption(clause: Clause) -> Boolean:
    """What the clause itself asks for: `given`, and the antecedents of nested implications."""
    needed, claim = clause.given, clause.holds
    while isinstance(claim, Implies):
        needed, claim = And(needed, claim.args[0]), claim.args[1]
    return needed


def check_vacuity(statement: Statement, random_seed: int = 0, instances: int = 600) -> VacuityResult:
    """Draw instances of the statement's kind until each clause's assumption is certainly met, or `instances` are drawn.

    The same seed draws the same instances where the same modules are loaded (see `sample`). Satisfiability is decided
    exactly at each; an assumption met only by instances that the strategy does not draw counts as vacuous, which is
    the safe side.
    """
    kind = KINDS[statement.about]
    result = VacuityResult({clause.name: None for clause in statement.claim})

    def draw(instance: Any) -> None:
        result.instances += 1
        letters = Letters(instance, kind.definitions)
        if decide_assumptions(statement, letters, kind.structure) is not Verdict.PROVED:
            return
        for clause in statement.claim:
            if result.witnesses[clause.name] is None and decide(assumption(clause), letters) is Verdict.PROVED:
                result.witnesses[clause.name] = instance
        if not result.vacuous:
            raise _AllWitnessed

    with suppress(_AllWitnessed):
        kind.each(draw, instances, random_seed)
    return result
