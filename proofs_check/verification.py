"""Brings a statement's methods together: what each found, and whether that is enough."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from proofs_check.sampling import SamplingResult, sample
from proofs_check.symbolic import SymbolicResult, check_derivation
from proofs_check.twins import Twin
from proofs_check.verdict import Verdict
from theory.statement import Statement


@dataclass(frozen=True)
class Verification:
    """One statement with the findings of its methods and the seconds they took."""

    statement: Statement
    symbolic: SymbolicResult
    random: SamplingResult
    seconds: float

    @property
    def status(self) -> str:
        """`refuted`, `vacuous`, `proved`, `sampled` or `undecided`, the worst finding first."""
        verdicts = (self.symbolic.verdict, self.random.verdict)
        for bad in (Verdict.REFUTED, Verdict.VACUOUS):
            if bad in verdicts:
                return bad.value
        if self.symbolic.verdict is Verdict.PROVED:
            return "proved"
        return "sampled" if self.random.clean else "undecided"

    @property
    def passed(self) -> bool:
        """Whether the statement is proved or sampled clean, and no method found against it."""
        return self.status in ("proved", "sampled")

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "id": self.statement.id,
            "name": self.statement.name,
            "status": self.status,
            "symbolic": {
                "verdict": self.symbolic.verdict.value,
                "steps": len(self.symbolic.steps),
                "open_steps": [
                    {"because": s.step.because, "verdict": s.verdict.value, "point": s.point}
                    for s in self.symbolic.steps
                    if s.verdict is not Verdict.PROVED
                ],
            },
            "random": {
                "verdict": self.random.verdict.value,
                "clean": self.random.clean,
                "rows": self.random.rows,
                "undecided": self.random.undecided,
                "agreeing": self.random.agreeing,
                "counterexample": None if self.random.counterexample is None else str(self.random.counterexample),
            },
            "seconds": round(self.seconds, 3),
        }


def verify(statement: Statement, rows: int = 100, random_seed: int = 0) -> Verification:
    """Run every method on a statement."""
    begun = time.perf_counter()
    symbolic = check_derivation(statement)
    random = sample(statement, rows, random_seed)
    return Verification(statement, symbolic, random, time.perf_counter() - begun)


@dataclass(frozen=True)
class TwinTrial:
    """A planted-false twin and what the random method made of it."""

    twin: Twin
    random: SamplingResult

    @property
    def killed(self) -> bool:
        """Whether the twin was refuted, as it must be."""
        return self.random.verdict is Verdict.REFUTED


def try_twin(twin: Twin, rows: int = 400, random_seed: int = 0) -> TwinTrial:
    """Throw rows at a twin until one refutes it."""
    return TwinTrial(twin, sample(twin.statement, rows, random_seed))
