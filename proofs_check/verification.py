"""Runs the quick methods on a statement and derives its status from them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from proofs_check.inequalities.verdict import Verdict
from proofs_check.methods.sampling import SamplingResult, sample
from proofs_check.methods.symbolic import SymbolicResult, check_derivation
from proofs_check.statuses import Status
from theory.statement import Statement


@dataclass(frozen=True)
class Verification:
    """One statement with the findings of its methods and the seconds they took."""

    statement: Statement
    symbolic: SymbolicResult
    random: SamplingResult
    seconds: float

    @property
    def status(self) -> Status:
        """The status by these methods alone, derived or sampled at best; the worst finding decides."""
        verdicts = (self.symbolic.verdict, self.random.verdict)
        for bad, status in ((Verdict.REFUTED, Status.REFUTED), (Verdict.VACUOUS, Status.VACUOUS)):
            if bad in verdicts:
                return status
        if not self.random.clean:
            return Status.UNDECIDED
        return Status.DERIVED if self.symbolic.verdict is Verdict.PROVED else Status.SAMPLED

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "id": self.statement.id,
            "name": self.statement.name,
            "status": self.status.value,
            "symbolic": symbolic_json(self.symbolic),
            "random": random_json(self.random),
            "seconds": round(self.seconds, 3),
        }


def symbolic_json(found: SymbolicResult) -> dict[str, Any]:
    """The symbolic method's findings for `--json`."""
    return {
        "verdict": found.verdict.value,
        "steps": len(found.steps),
        "open_steps": [
            {"because": s.step.because, "verdict": s.verdict.value, "point": s.point}
            for s in found.steps
            if s.verdict is not Verdict.PROVED
        ],
    }


def random_json(found: SamplingResult) -> dict[str, Any]:
    """The random method's findings for `--json`."""
    return {
        "verdict": found.verdict.value,
        "clean": found.clean,
        "rows": found.rows,
        "undecided": found.undecided,
        "agreeing": found.agreeing,
        "counterexample": None if found.counterexample is None else str(found.counterexample),
    }


def verify(statement: Statement, rows: int = 100, random_seed: int = 0) -> Verification:
    """Runs the symbolic and the random method on a statement."""
    begun = time.perf_counter()
    symbolic = check_derivation(statement)
    random = sample(statement, rows, random_seed)
    return Verification(statement, symbolic, random, time.perf_counter() - begun)
