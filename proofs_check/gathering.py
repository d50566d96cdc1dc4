"""Gathers evidence: every method run on a statement, what each found in one file, certificates beside it.

What was found with the same effort of the same statement is kept, so that a run broken off goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from proofs_check.adversary import tightness
from proofs_check.evidence import CERTIFICATES, FORMAT, statement_hash, status
from proofs_check.intervals.lemmas import certify_statement
from proofs_check.running import Report
from proofs_check.sampling import sample
from proofs_check.screening.screen import screen
from proofs_check.symbolic import check_derivation
from proofs_check.vacuity import check_vacuity
from proofs_check.verification import random_json, symbolic_json
from theory.files import read_json, sha256_of, write_text_atomically
from theory.statement import Statement

# Doubtful rows of a clause that the screen decides exactly; more cost minutes and are counted as left.
_DECIDED = 100


@dataclass(frozen=True)
class Effort:
    """Instances decided exactly, rows screened in floats, seconds of interval search a lemma, and the seed."""

    rows: int = 60
    samples: float = 1e6
    seconds_per_lemma: float = 20.0
    seed: int = 0


def gather(statement: Statement, folder: Path, effort: Effort, report: Report = lambda part: None) -> dict[str, Any]:
    """Run every method on a statement, `report` naming each, and write what it found.

    Evidence of the same statement and effort is returned as it stands, unless it is stale.
    """
    path = folder / f"{statement.id}.json"
    found = read_json(path) if path.exists() else {}
    if found.get("effort") == asdict(effort) and status(found, statement, folder) != "stale":
        return found
    found = {
        "id": statement.id,
        "format": FORMAT,
        "statement_sha256": statement_hash(statement),
        "effort": asdict(effort),
    }
    for name, method in METHODS.items():
        report(name)
        found[name] = method(statement, effort, folder)
    write_text_atomically(path, json.dumps(found, indent=2) + "\n")
    return found


def _derived(statement: Statement, effort: Effort, folder: Path) -> dict[str, Any]:
    return symbolic_json(check_derivation(statement))


def _sampled(statement: Statement, effort: Effort, folder: Path) -> dict[str, Any]:
    return random_json(sample(statement, effort.rows, effort.seed))


def _satisfiable(statement: Statement, effort: Effort, folder: Path) -> dict[str, Any]:
    return {"verdict": check_vacuity(statement, effort.seed).verdict.value}


def _screened(statement: Statement, effort: Effort, folder: Path) -> dict[str, Any] | None:
    if statement.about != "row":
        return None
    result = screen(statement, effort.samples, effort.seed, decide_at_most=_DECIDED)
    if result.interrupted:
        raise KeyboardInterrupt
    return {
        "verdict": result.verdict.value,
        "clean": result.clean,
        "rows": result.rows,
        "suspicious": result.suspicious,
        "decided": result.decided,
        "left": sum(clause.left for clause in result.clauses.values()),
        "rows_per_second": round(result.rows_per_second),
        "softmax_ratio": round(result.softmax_ratio, 2),
        "counterexample": None if result.counterexample is None else str(result.counterexample),
    }


def _attacked(statement: Statement, effort: Effort, folder: Path) -> list[dict[str, Any]] | None:
    if statement.about != "row":
        return None
    found = [tightness(statement, clause, effort.seed) for clause in statement.claim]
    return [
        {
            "clause": each.clause,
            "tightness": None if each.ratio != each.ratio else each.ratio,
            "verdict": each.verdict.value,
            "row": None if each.row is None else str(each.row),
        }
        for each in found
    ]


def _certified(statement: Statement, effort: Effort, folder: Path) -> list[dict[str, Any]]:
    certificates = folder / CERTIFICATES
    certificates.mkdir(parents=True, exist_ok=True)
    return [
        {
            "lemma": result.lemma.name,
            "because": result.lemma.because,
            "verdict": result.verdict.value,
            "certificate": None if result.path is None else result.path.name,
            "sha256": None if result.path is None else sha256_of(result.path),
            "boxes": result.boxes,
            "reason": result.reason,
        }
        for result in certify_statement(statement, certificates, seconds=effort.seconds_per_lemma).lemmas
    ]


# Each finds something of a statement with an effort, and may keep files in the folder.
METHODS: Mapping[str, Callable[[Statement, Effort, Path], Any]] = {
    "symbolic": _derived,
    "random": _sampled,
    "vacuity": _satisfiable,
    "screen": _screened,
    "adversarial": _attacked,
    "interval": _certified,
}
