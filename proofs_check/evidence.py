"""The standing of a statement: its status, decided anew but for the kernel's record, and what limits it.

Cheap checks are repeated: the symbolic and the random method, the search for a vacuous clause, and the replay of every
certificate. The kernel's record counts only if it is about today's propositions and proofs. Recorded measurements can
only count against the statement.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sympy import srepr

from proofs_check.deciding.vacuity import VacuityResult, check_vacuity
from proofs_check.findings import Evidence, LemmaFound, path_of, read
from proofs_check.inequalities.verdict import Verdict
from proofs_check.kernel import KernelResult, recorded
from proofs_check.methods.lemmas import Lemma, lemmas_of, replayed
from proofs_check.statuses import Status
from proofs_check.verification import Verification, verify
from theory.errors import InputError
from theory.statement import Statement
from theory.statements.about import ABOUT

# Instances drawn to decide a status: enough that every clause of the catalogue applies to some.
ROWS = 20


@dataclass(frozen=True)
class Standing:
    """One statement with its new and recorded findings, its status and what keeps it from a better one.

    `certified` of `lemmas` inequalities have a certificate that replayed.
    """

    quick: Verification
    vacuity: VacuityResult
    found: Evidence | None
    kernel: KernelResult
    lemmas: int
    certified: int
    status: Status
    reasons: tuple[str, ...]

    @property
    def statement(self) -> Statement:
        """The statement that the standing is about."""
        return self.quick.statement

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints: recorded measurements are under `recorded`."""
        measured = {"effort", "screen", "adversarial"}
        return {
            **self.quick.to_json(),
            "status": self.status.value,
            "reasons": list(self.reasons),
            "vacuity": self.vacuity.verdict.value,
            "lemmas": self.lemmas,
            "certified": self.certified,
            "kernel": self.kernel.record(),
            "recorded": None if self.found is None else self.found.model_dump(mode="json", include=measured),
        }


def statement_hash(statement: Statement) -> str:
    """SHA-256 of the statement's kind of instance, assumptions, clauses and derivation steps."""
    parts = [statement.id, statement.about, *ABOUT[statement.about]]
    parts += [f"{each.name}: {each.sentence}: {srepr(each.condition)}" for each in statement.assumptions]
    parts += [f"{clause.name}: {srepr(clause.given)} => {srepr(clause.holds)}" for clause in statement.claim]
    parts += [repr(step) for step in statement.derive()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def standing(statement: Statement, folder: Path, rows: int = ROWS, seed: int = 0) -> Standing:
    """The standing of a statement, from the cheap methods at `rows` instances and the evidence in a folder."""
    quick, vacuity = verify(statement, rows, seed), check_vacuity(statement, seed)
    found, stale = on_file(statement, folder)
    lemmas = lemmas_of(statement)
    proved = [] if found is None else [each.lemma for each in found.interval if each.certificate is not None]
    kernel = recorded(statement, None if found is None else found.kernel)
    status, *reasons = _judged(quick, vacuity, found, stale, [lemma.name for lemma in lemmas if lemma.name in proved])
    if found is not None and kernel.verdict is Verdict.PROVED and status.holds:
        status, reasons = Status.KERNEL_CHECKED, []
    elif found is not None and found.kernel is not None:
        reasons.append(kernel.reason)
    return Standing(quick, vacuity, found, kernel, len(lemmas), len(proved), status, tuple(reasons))


def on_file(statement: Statement, folder: Path) -> tuple[Evidence | None, str]:
    """The evidence of a statement, if it is current and its certificates replay, and what is wrong.

    What is wrong is empty if nothing is, or if there is no file.
    """
    path = path_of(statement.id, folder)
    if not path.exists():
        return None, ""
    try:
        found = read(path)
    except InputError as error:
        return None, str(error)
    if isinstance(found, str):
        return None, found
    wrong = _contradicted(found, statement)
    return (None, f"{path.name}: {wrong}") if wrong else (found, "")


def _contradicted(found: Evidence, statement: Statement) -> str:
    """Why the evidence does not fit today's statement or its own verdicts; empty if it does."""
    if found.id != statement.id:
        return f"it is about {found.id[:80]}"
    if found.statement_sha256 != statement_hash(statement):
        return "the statement has changed since"
    rows = statement.about == "row"
    if rows != (found.screen is not None) or rows != (found.adversarial is not None):
        return "a screen and a search for the tightest row must be present for rows, and for rows only"
    clauses = [clause.name for clause in statement.claim] if rows else []
    if [each.clause for each in found.adversarial or []] != clauses:
        return "the search for the tightest row is of other clauses"
    lemmas = lemmas_of(statement)
    if [(each.lemma, each.because) for each in found.interval] != [(each.name, each.because) for each in lemmas]:
        return "its lemmas are not today's"
    wrong = (_not_borne_out(each, lemma) for each, lemma in zip(found.interval, lemmas, strict=True))
    return next(filter(None, wrong), "")


def _not_borne_out(found: LemmaFound, lemma: Lemma) -> str:
    if (found.verdict is Verdict.PROVED) != (found.certificate is not None):
        has = "no" if found.certificate is None else "a"
        return f"{lemma.name} is said to be {found.verdict.value} and has {has} certificate"
    if found.certificate is None:
        return ""
    result = replayed(found.certificate, lemma)
    return "" if result.holds else f"{lemma.name}: {result.reason}"


def _judged(
    quick: Verification, vacuity: VacuityResult, found: Evidence | None, stale: str, proved: list[str]
) -> tuple[Any, ...]:
    """The status without the kernel's record, followed by the reasons; the worst finding decides."""
    verdicts = {"the symbolic method": quick.symbolic.verdict, "the random method": quick.random.verdict}
    verdicts["the search for vacuous clauses"] = vacuity.verdict
    if found is not None:
        verdicts |= {each.lemma: each.verdict for each in found.interval}
        verdicts |= {f"the tightest row of {each.clause!r}": each.verdict for each in found.adversarial or []}
        verdicts |= {} if found.screen is None else {"the screen": found.screen.verdict}
    for bad, status in ((Verdict.REFUTED, Status.REFUTED), (Verdict.VACUOUS, Status.VACUOUS)):
        if methods := [method for method, verdict in verdicts.items() if verdict is bad]:
            return status, f"{bad.value} by {', '.join(methods)}"
    if not quick.random.clean:
        return Status.UNDECIDED, "a clause was not decided at a random instance, or never applied"
    if found is None:
        return (Status.STALE, stale) if stale else (Status.MISSING, "there is no file of evidence")
    # Rows that a screen leaves undecided are only counted on the page: they speak neither for nor against a statement.
    if quick.status is Status.SAMPLED:
        steps = len(quick.symbolic.steps)
        return Status.SAMPLED, f"sympy left a step of {steps} undecided" if steps else "cited: there is no derivation"
    if open_ := [each.lemma for each in found.interval if each.lemma not in proved]:
        return Status.DERIVED, f"no certificate of {', '.join(open_)}"
    if not proved:
        return Status.DERIVED, "no inequality to certify"
    return (Status.CERTIFIED,)
