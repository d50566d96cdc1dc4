"""The result of a screen: counts by clause, and the counterexample if there is one."""

from __future__ import annotations

from dataclasses import dataclass, field

from proofs_check.deciding.counterexample import Counterexample
from proofs_check.inequalities.verdict import Verdict


@dataclass
class ClauseScreen:
    """Counts for one clause: rows settled in floats, and the suspicious ones.

    `agreeing` rows are those of an equality whose sides differ by no more than the error bound. Of the suspicious,
    `decided` were decided for the claim, those outside its assumption count as `not_applying`, `open` were not
    decided, `left` were not tried because the limit was reached; of the open ones `undefined` are rows at which a side
    has no value. `broken` counts rows certainly false in floats and not false exactly: one shows that an error bound is
    wrong.
    """

    clear: int = 0
    not_applying: int = 0
    agreeing: int = 0
    suspicious: int = 0
    tried: int = 0
    decided: int = 0
    open: int = 0
    undefined: int = 0
    left: int = 0
    broken: int = 0
    skipped: str = ""

    @property
    def clean(self) -> bool:
        """Whether every row was decided for the claim, in floats or exactly, and the claim applied to some row."""
        applied = self.clear + self.decided > 0
        return applied and not (self.agreeing or self.open or self.left or self.broken or self.skipped)


@dataclass
class ScreenResult:
    """The result of a screen; `seconds` is the whole time, exact decisions included."""

    rows: int = 0
    seconds: float = 0.0
    clauses: dict[str, ClauseScreen] = field(default_factory=dict)
    counterexample: Counterexample | None = None
    interrupted: bool = False

    @property
    def rows_per_second(self) -> float:
        """Rows screened per second, drawing and decisions included."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def suspicious(self) -> int:
        """Rows handed to the exact decision, or left over, summed over the clauses."""
        return sum(clause.suspicious for clause in self.clauses.values())

    @property
    def decided(self) -> int:
        """Suspicious rows decided exactly for the claim."""
        return sum(clause.decided for clause in self.clauses.values())

    @property
    def left(self) -> int:
        """Suspicious rows that were not tried because the limit was reached."""
        return sum(clause.left for clause in self.clauses.values())

    @property
    def verdict(self) -> Verdict:
        """REFUTED by an exact counterexample, VACUOUS if a clause never applied, else UNDECIDED: never proved."""
        if self.counterexample is not None:
            return Verdict.REFUTED
        for clause in self.clauses.values():
            if not clause.skipped and self.rows and clause.not_applying == self.rows:
                return Verdict.VACUOUS
        return Verdict.UNDECIDED

    @property
    def clean(self) -> bool:
        """Whether every clause but equalities is clean, and no equality was refuted."""
        if self.counterexample is not None or self.interrupted or not self.rows:
            return False
        return all(
            clause.clean or (clause.agreeing and not (clause.open or clause.left or clause.broken))
            for clause in self.clauses.values()
        )
