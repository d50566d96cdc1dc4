"""The kernel method: whole clauses, proved from the definitions and checked by the kernel of the proof assistant Coq.

The propositions are generated: each clause is printed from the catalogue's value, as a claim about an instance defined
in `proofs_check/kernel/coq/`, and compiled before any proof is read. Only the proofs are written by hand, one file per
statement; a last file states only that they prove the generated propositions. The assumptions of its theorem are then
compared with the axioms of the standard library's classical reals: an admitted step would be one more.

Coq is optional: without `coqc`, `check` says so, and `recorded` still reads what an earlier check found.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from proofs_check.inequalities.verdict import Verdict
from proofs_check.kernel.build import ALLOWED, Build, CoqError, CoqMissing, closure, coq_version
from proofs_check.kernel.claims import accept, definitions, propositions, theorem_name
from proofs_check.kernel.kinds import COQ_KINDS, FOLDER
from theory.errors import InputError
from theory.files import read_text, sha256_of
from theory.statement import Statement

NO_COQ = "coqc is not installed: Debian's package coq has it; the recorded result still says what was proved"
_PREFIX = "localist-kernel-"
# Keywords of Coq that skip a proof, or assume the claim.
_ASSUMING = re.compile(r"\b(Admitted|admit|give_up|Axioms?|Conjectures?|Parameters?|bypass_check|Unset)\b")


@dataclass(frozen=True)
class KernelResult:
    """The kernel's result on one statement: PROVED only if it accepted a proof of every clause.

    `proved` names the clauses, `open` gives the reason for each other clause. `axioms` are those the proofs rest on,
    `coq` is the version, `sha256` the hash of every generated proposition and of every file the proofs rest on.
    """

    id: str
    verdict: Verdict
    proved: tuple[str, ...] = ()
    open: dict[str, str] = field(default_factory=dict)
    axioms: tuple[str, ...] = ()
    coq: str | None = None
    sha256: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {**self.record(), "seconds": round(self.seconds, 1)}

    def record(self) -> dict[str, Any]:
        """The object that the evidence holds; equal for runs with equal findings."""
        lists = {"verdict": self.verdict.value, "proved": list(self.proved), "axioms": list(self.axioms)}
        return {name: lists.get(name, value) for name, value in vars(self).items() if name != "seconds"}


def has_proofs(statement: Statement, folder: Path = FOLDER) -> bool:
    """Whether there is a file of proofs for the statement."""
    return (folder / f"{statement.id}.v").exists()


def hashes(statement: Statement, folder: Path = FOLDER) -> dict[str, str]:
    """SHA-256 of every generated proposition and of every file that the definitions and the proofs rest on."""
    found = {
        f"clause {name}": hashlib.sha256(text.encode()).hexdigest() for name, text in propositions(statement).items()
    }
    modules = definitions(statement) if statement.about in COQ_KINDS else []
    modules += [statement.id] if has_proofs(statement, folder) else []
    files = [name for module in modules for name in closure(folder, module)]
    return found | {f"{name}.v": sha256_of(folder / f"{name}.v") for name in sorted(set(files))}


def check(statement: Statement, folder: Path = FOLDER, build: Build | None = None) -> KernelResult:
    """Has the kernel check the proofs of a statement; UNDECIDED, with the reason, unless all clauses pass.

    Files already compiled in `build` are not compiled again.
    """
    begun = time.perf_counter()
    version, every = coq_version(), [clause.name for clause in statement.claim]

    def undecided(reason: str) -> KernelResult:
        return KernelResult(
            statement.id, Verdict.UNDECIDED, open=dict.fromkeys(every, reason), coq=version, reason=reason
        )

    if version is None:
        return undecided(NO_COQ)
    if statement.about not in COQ_KINDS:
        return undecided(f"Coq has no definition of the kind {statement.about!r}")
    if not has_proofs(statement, folder):
        return undecided(f"no proofs for the kernel in {statement.id}.v")
    found = hashes(statement, folder)
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as place:
        try:
            told = accept(statement, build or Build(folder, Path(place)))
        except CoqMissing as error:
            # The kernel did not run, so there is nothing to record.
            return replace(undecided(f"a library of Coq's is missing: {error}"), coq=None)
        except CoqError as error:
            return undecided(str(error))
    return KernelResult(
        id=statement.id,
        verdict=Verdict.UNDECIDED if told.open else Verdict.PROVED,
        proved=told.proved,
        open=told.open,
        axioms=tuple(sorted(entry.split(" : ")[0] for entry in told.assumptions)),
        coq=version,
        sha256=found,
        reason=f"no accepted proof of {', '.join(told.open)}" if told.open else "",
        seconds=time.perf_counter() - begun,
    )


class _Record(BaseModel):
    """A record in the evidence, as `KernelResult.record` writes it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    id: str
    verdict: str
    proved: tuple[str, ...]
    open: dict[str, str]
    axioms: tuple[str, ...]
    coq: str
    sha256: dict[str, str]
    reason: str


def recorded(statement: Statement, record: Mapping[str, Any] | None, folder: Path = FOLDER) -> KernelResult:
    """The result in a record, if it matches today's clauses and files and does not contradict itself.

    Otherwise UNDECIDED, with the reason. This needs no Coq, so it cannot tell whether the kernel accepted the proofs
    that the record names: only a recheck can.
    """
    if record is None:
        return KernelResult(statement.id, Verdict.UNDECIDED, reason="the kernel has not been asked")
    try:
        said = _Record.model_validate_json(json.dumps(record))
        refusal = _refusal(said, statement, folder)
    except ValidationError as error:
        refusal = f"{'.'.join(map(str, error.errors()[0]['loc']))}: {error.errors()[0]['msg']}"
    except InputError as error:
        refusal = str(error)
    if refusal:
        return KernelResult(statement.id, Verdict.UNDECIDED, reason=f"the kernel's record does not count: {refusal}")
    return KernelResult(**(said.model_dump() | {"verdict": Verdict(said.verdict)}))


def _refusal(said: _Record, statement: Statement, folder: Path) -> str:
    """Why a record does not count; empty if it does."""
    clauses = [clause.name for clause in statement.claim]
    if said.id != statement.id:
        return f"it is about {said.id}"
    if not has_proofs(statement, folder):
        return f"there is no file of proofs {statement.id}.v"
    today = hashes(statement, folder)
    if unprinted := [name for name in clauses if f"clause {name}" not in today]:
        return f"the clause {unprinted[0]!r} has no proposition in Coq"
    if changed := sorted(name for name, _ in today.items() ^ said.sha256.items()):
        return f"{', '.join(dict.fromkeys(changed))} changed since"
    if others := [axiom for axiom in said.axioms if axiom not in ALLOWED]:
        return f"the axiom {others[0]!r} is not allowed"
    if not said.axioms:
        return "it names no axiom, and no proof about real numbers rests on none"
    if not re.fullmatch(r"\d+(\.\d+)+", said.coq):
        return f"{said.coq!r} is not a version of Coq"
    if sorted([*said.proved, *said.open]) != sorted(clauses):
        return "its clauses are not the statement's"
    whole = not said.open
    if said.verdict != (Verdict.PROVED if whole else Verdict.UNDECIDED).value or bool(said.reason) == whole:
        return f"it says {said.verdict!r} with {len(said.open)} clauses open"
    return _unproved(said.proved, statement, folder)


def _unproved(proved: Iterable[str], statement: Statement, folder: Path) -> str:
    """A theorem or a proof that the text of the proofs shows to be missing; empty if there is none."""
    text = read_text(folder / f"{statement.id}.v")
    for name in proved:
        if not re.search(rf"\b(Theorem|Lemma|Corollary|Proposition|Definition)\s+{theorem_name(name)}\b", text):
            return f"{statement.id}.v has no theorem {theorem_name(name)}"
    for module in closure(folder, statement.id):
        if word := _ASSUMING.search(read_text(folder / f"{module}.v")):
            return f"{module}.v says {word[0]}"
    return ""
