"""The random method: tries random rows on every clause of a statement, and decides each without a tolerance.

Sampling never proves a statement for all rows. It refutes with a shrunk counterexample, or it is clean: every row drawn
was decided in favour of the claim.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from proofs_check.deciding.counterexample import Counterexample
from proofs_check.deciding.deciding import Letters, decide_assumptions, decide_clause, lacks_value
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.kinds import KINDS
from theory.statement import Statement


@dataclass
class SamplingResult:
    """What sampling found: rows drawn, verdicts by clause, and the shrunk counterexample if there is one.

    `undefined` counts the verdicts not reached because a side has no value, `astray` the rows that break an assumption
    of the statement, to which no clause applies.
    """

    rows: int = 0
    verdicts: dict[str, Counter[Verdict]] = field(default_factory=dict)
    counterexample: Counterexample | None = None
    agreeing: int = 0
    undefined: int = 0
    astray: int = 0

    @property
    def verdict(self) -> Verdict:
        """REFUTED by a counterexample, VACUOUS if a clause never applied, else UNDECIDED: sampling never proves."""
        if self.counterexample is not None:
            return Verdict.REFUTED
        if not all(counts[Verdict.PROVED] + counts[Verdict.UNDECIDED] for counts in self.verdicts.values()):
            return Verdict.VACUOUS
        return Verdict.UNDECIDED

    @property
    def undecided(self) -> int:
        """The number of UNDECIDED verdicts."""
        return sum(counts[Verdict.UNDECIDED] for counts in self.verdicts.values())

    @property
    def clean(self) -> bool:
        """Whether every clause applied to some row, and every row was decided in its favour."""
        applied = all(counts[Verdict.PROVED] for counts in self.verdicts.values())
        return self.rows > 0 and self.counterexample is None and applied and self.undecided == 0


class _Refuted(Exception):
    def __init__(self, counterexample: Counterexample) -> None:
        super().__init__(str(counterexample))
        self.counterexample = counterexample


def sample(statement: Statement, rows: int = 100, random_seed: int = 0, shrink: bool = True) -> SamplingResult:
    """Tries about `rows` random rows on every clause of the statement.

    The same seed draws the same rows in processes that have loaded the same modules: Hypothesis also draws constants
    that it finds in the source of modules outside `site-packages`. Without `shrink` the first counterexample is kept as
    drawn, which is quicker.
    """
    kind = KINDS[statement.about]
    result = SamplingResult(verdicts={clause.name: Counter() for clause in statement.claim})

    def throw(instance: Any) -> None:
        result.rows += 1
        letters = Letters(instance, kind.definitions)
        assumed = decide_assumptions(statement, letters, kind.structure)
        result.astray += assumed is Verdict.REFUTED
        for clause in statement.claim:
            verdict = decide_clause(clause, letters, assumed)
            if verdict is Verdict.REFUTED:
                raise _Refuted(Counterexample(clause, instance))
            if verdict is Verdict.UNDECIDED and clause.holds.func.__name__ == "Equality":
                # Both sides agree to hundreds of bits; too many different scores for the exact form.
                result.agreeing += 1
            else:
                result.verdicts[clause.name][verdict] += 1
                result.undefined += verdict is Verdict.UNDECIDED and lacks_value(clause, letters)

    try:
        kind.each(throw, rows, random_seed, shrink)
    except _Refuted as refuted:
        result.counterexample = refuted.counterexample
    return result
