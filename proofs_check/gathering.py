"""Gathers evidence: runs the costly methods on a statement and writes their findings to its file.

Findings with the same effort on the same statement are kept, so that an interrupted run resumes.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from proofs_check import kernel
from proofs_check.evidence import on_file, statement_hash
from proofs_check.findings import FORMAT, Effort, Evidence, LemmaFound, Screened, Tightest, path_of, read, write
from proofs_check.inequalities.verdict import Verdict
from proofs_check.kernel import KernelResult
from proofs_check.methods.adversary import tightness
from proofs_check.methods.lemmas import certify_statement
from proofs_check.methods.running import Report
from proofs_check.screening.screen import screen
from theory.files import read_json
from theory.statement import Statement

# Doubtful rows per clause that the screen decides exactly; more would take minutes and are counted as left.
_DECIDED = 100


def gather(statement: Statement, folder: Path, effort: Effort, report: Report = lambda part: None) -> Evidence:
    """Runs every method whose findings are kept, names each to `report`, and writes what they found.

    Evidence of the same statement and effort is kept unless it is stale. Of other evidence, certificates that still
    replay are kept, and the kernel's record if it still counts. Raises `InputError` for a file that is not evidence.
    """
    path = path_of(statement.id, folder)
    earlier: Mapping[str, Any] = {}
    if path.exists():
        # Raises for a file that is not evidence, which must not be overwritten.
        read(path)
        earlier = read_json(path)
    found, _ = on_file(statement, folder)
    if found is None or found.effort != effort:
        record = earlier.get("kernel")
        counts = isinstance(record, dict) and _counts(statement, record)
        found = Evidence(
            id=statement.id,
            format=FORMAT,
            statement_sha256=statement_hash(statement),
            effort=effort,
            screen=_screened(statement, effort, report),
            adversarial=_attacked(statement, effort, report),
            interval=_certified(statement, effort, _certificates(earlier), report),
            kernel=record if counts else None,
        )
        write(found, path)
    if kernel.recorded(statement, found.kernel).verdict is not Verdict.PROVED and kernel.has_proofs(statement):
        report("kernel")
        found = keep(kernel.check(statement), found, path)
    return found


def keep(result: KernelResult, found: Evidence, path: Path) -> Evidence:
    """Writes the evidence with the kernel's result and returns it; unchanged if Coq could not run."""
    if result.coq is None or result.record() == found.kernel:
        return found
    found = found.model_copy(update={"kernel": result.record()})
    write(found, path)
    return found


def _counts(statement: Statement, record: Mapping[str, Any]) -> bool:
    return kernel.recorded(statement, record).verdict is Verdict.PROVED


def _certificates(earlier: Mapping[str, Any]) -> list[Any]:
    """The unchecked certificates of earlier evidence; each is replayed before it counts."""
    lemmas = earlier.get("interval")
    return [each.get("certificate") for each in lemmas if isinstance(each, dict)] if isinstance(lemmas, list) else []


def _screened(statement: Statement, effort: Effort, report: Report) -> Screened | None:
    if statement.about != "row":
        return None
    report("screen")
    result = screen(statement, effort.samples, effort.seed, decide_at_most=_DECIDED)
    if result.interrupted:
        raise KeyboardInterrupt
    return Screened(
        verdict=result.verdict,
        clean=result.clean,
        rows=result.rows,
        suspicious=result.suspicious,
        decided=result.decided,
        left=result.left,
        rows_per_second=round(result.rows_per_second),
        counterexample=None if result.counterexample is None else str(result.counterexample),
    )


def _attacked(statement: Statement, effort: Effort, report: Report) -> list[Tightest] | None:
    if statement.about != "row":
        return None
    report("adversarial")
    found = [tightness(statement, clause, effort.seed) for clause in statement.claim]
    return [
        Tightest(
            clause=each.clause,
            tightness=float(each.ratio) if isfinite(each.ratio) else None,
            verdict=each.verdict,
            row=None if each.row is None else str(each.row),
        )
        for each in found
    ]


def _certified(statement: Statement, effort: Effort, kept: list[Any], report: Report) -> list[LemmaFound]:
    report("interval")
    return [
        LemmaFound(
            lemma=result.lemma.name,
            because=result.lemma.because,
            verdict=result.verdict,
            reason=result.reason,
            certificate=None if result.certificate is None else dict(result.certificate),
        )
        for result in certify_statement(statement, kept, seconds=effort.seconds_per_lemma)
    ]
