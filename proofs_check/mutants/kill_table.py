"""The kill table: every planted falsehood tried on its road, counted by statement and road."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from proofs_check.inequalities.verdict import Verdict
from proofs_check.mutants.roads import ROADS, Planted, Road
from proofs_check.running import Report
from theory.errors import LocalistError
from theory.statements.catalogue import find


@dataclass(frozen=True)
class Trial:
    """One falsehood on one road. `shown` says that an exact point has shown it false, on this road or before."""

    statement: str
    road: str
    twin: str
    verdict: str
    counterexample: str
    shown: bool

    @property
    def killed(self) -> bool:
        """Whether the road refuted it."""
        return self.verdict == Verdict.REFUTED.value

    @property
    def survived(self) -> bool:
        """Whether it is false and the road let it pass."""
        return self.shown and not self.killed

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {**asdict(self), "killed": self.killed}


@dataclass(frozen=True)
class Cell:
    """Falsehoods of one statement on one road: refuted, tried, and not shown to be false (which are not counted)."""

    killed: int
    tried: int
    equivalent: int

    def __str__(self) -> str:
        return f"{self.killed}/{self.tried}" if self.tried else ""


def try_statement(key: str, report: Report, seed: int = 0, roads: Sequence[Road] = ROADS) -> list[Trial]:
    """Plant falsehoods of one statement on every road and try them."""
    trials = []
    for road in roads:
        report(road.name)
        trials += [_tried(key, road, planted, seed) for planted in road.plant(find(key))]
    return trials


def _tried(key: str, road: Road, planted: Planted, seed: int) -> Trial:
    try:
        verdict, counterexample = road.decide(planted, seed)
    except LocalistError as error:
        # A road that refuses the question has not decided it.
        verdict, counterexample = Verdict.UNDECIDED, str(error)
    shown = bool(planted.false_at) or verdict is Verdict.REFUTED
    return Trial(key, road.name, planted.name, verdict.value, counterexample, shown)


def cell(trials: Iterable[Trial], road: str, statement: str | None = None) -> Cell:
    """Count one road's trials, of one statement or of all."""
    mine = [trial for trial in trials if trial.road == road and statement in (None, trial.statement)]
    shown = [trial for trial in mine if trial.shown]
    return Cell(sum(trial.killed for trial in shown), len(shown), len(mine) - len(shown))


def survivors(trials: Iterable[Trial], roads: Sequence[Road] = ROADS, complete: bool = True) -> list[Trial]:
    """Falsehoods that the complete roads let pass, or those that the others did."""
    names = {road.name for road in roads if road.complete is complete}
    return [trial for trial in trials if trial.survived and trial.road in names]


def holds(trials: Sequence[Trial], roads: Sequence[Road] = ROADS) -> bool:
    """Whether there were trials, and no complete road let a falsehood pass."""
    return bool(trials) and not survivors(trials, roads)
