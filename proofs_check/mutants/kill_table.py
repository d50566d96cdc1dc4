"""The kill table: every method tried on its mutants, counted by statement and method."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from proofs_check.inequalities.verdict import Verdict
from proofs_check.methods.running import Report
from proofs_check.mutants import Planted
from proofs_check.mutants.tested_methods import METHODS, Method
from theory.errors import LocalistError
from theory.statements.catalogue import find


@dataclass(frozen=True)
class Trial:
    """The verdict of one method on one mutant. `shown` says whether an exact point shows the mutant to be false."""

    statement: str
    method: str
    mutant: str
    verdict: str
    counterexample: str
    shown: bool

    @property
    def killed(self) -> bool:
        """Whether the method refuted it."""
        return self.verdict == Verdict.REFUTED.value

    @property
    def survived(self) -> bool:
        """Whether it is false and the method did not refute it."""
        return self.shown and not self.killed

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {**asdict(self), "killed": self.killed}


@dataclass(frozen=True)
class Cell:
    """Mutants of one statement on one method: refuted, tried, and not shown to be false (which are not tried)."""

    killed: int
    tried: int
    equivalent: int

    def __str__(self) -> str:
        return f"{self.killed}/{self.tried}" if self.tried else ""


def try_statement(key: str, report: Report, seed: int = 0, methods: Sequence[Method] = METHODS) -> list[Trial]:
    """Tries every method on its mutants of one statement."""
    trials = []
    for method in methods:
        report(method.name)
        trials += [_tried(key, method, planted, seed) for planted in method.plant(find(key))]
    return trials


def _tried(key: str, method: Method, planted: Planted, seed: int) -> Trial:
    try:
        verdict, counterexample = method.decide(planted, seed)
    except LocalistError as error:
        # A method that refuses the question has not decided it.
        verdict, counterexample = Verdict.UNDECIDED, str(error)
    shown = bool(planted.false_at) or verdict is Verdict.REFUTED
    return Trial(key, method.name, planted.name, verdict.value, counterexample, shown)


def cell(trials: Iterable[Trial], method: str, statement: str | None = None) -> Cell:
    """The counts of one method's trials, for one statement or for all."""
    mine = [trial for trial in trials if trial.method == method and statement in (None, trial.statement)]
    shown = [trial for trial in mine if trial.shown]
    return Cell(sum(trial.killed for trial in shown), len(shown), len(mine) - len(shown))


def survivors(trials: Iterable[Trial], methods: Sequence[Method] = METHODS, complete: bool = True) -> list[Trial]:
    """Trials whose false mutant a complete method did not refute, or with `complete=False` another method."""
    names = {method.name for method in methods if method.complete is complete}
    return [trial for trial in trials if trial.survived and trial.method in names]


def holds(trials: Sequence[Trial], methods: Sequence[Method] = METHODS) -> bool:
    """Whether there were trials, and no complete method let a mutant pass."""
    return bool(trials) and not survivors(trials, methods)
