"""Checks for vacuous clauses: each clause needs an instance that certainly satisfies its assumptions."""

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
    """By clause: the witness of its assumptions, None if none of the `instances` drawn is one."""

    witnesses: dict[str, Any] = field(default_factory=dict)
    instances: int = 0

    @property
    def vacuous(self) -> tuple[str, ...]:
        """Clauses without a witness."""
        return tuple(name for name, witness in self.witnesses.items() if witness is None)

    @property
    def verdict(self) -> Verdict:
        """VACUOUS if a clause has no witness, else PROVED: every assumption is certainly satisfiable."""
        return Verdict.VACUOUS if self.vacuous or not self.witnesses else Verdict.PROVED


class _AllWitnessed(Exception):
    """Ends the drawing: every clause has its witness."""


def assumption(clause: Clause) -> Boolean:
    """The clause's own assumption: `given` and the antecedents of nested implications."""
    needed, claim = clause.given, clause.holds
    while isinstance(claim, Implies):
        needed, claim = And(needed, claim.args[0]), claim.args[1]
    return needed


def check_vacuity(statement: Statement, random_seed: int = 0, instances: int = 600) -> VacuityResult:
    """Draws instances of the statement's kind until each clause's assumption is certainly met, at most `instances`.

    The same seed draws the same instances if the same modules are loaded (see `sample`). Satisfiability is decided
    exactly at each. An assumption met only by instances that the strategy does not draw counts as vacuous, which is the
    safe side.
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
