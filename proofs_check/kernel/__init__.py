"""The kernel road: clauses proved whole, from the definitions, and checked by the kernel of the Coq proof assistant.

What is proved is generated: each clause is printed from the catalogue's value, about an instance as the definitions in
`proofs_check/kernel/coq/` have it, and compiled before any proof is read. Only proofs are written by hand, one file a
statement; the last file says no more than that the proof there is one of the generated proposition. What the theorem
assumes is then compared with the axioms of the standard library's classical reals: an admitted step is one more.

Coq is optional: where `coqc` is missing a check says so, and `recorded` tells what was found where it is not.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from proofs_check.kernel.build import Build, CoqError, CoqMissing, closure, coq_version
from proofs_check.kernel.claims import accept, definitions, propositions
from proofs_check.kernel.kinds import COQ_KINDS
from proofs_check.verdict import Verdict
from theory.errors import InputError
from theory.files import read_json, sha256_of, write_text_atomically
from theory.statement import Statement

FOLDER = Path(__file__).parent / "coq"
NO_COQ = "coqc is not installed: Debian's package coq has it; the recorded result still says what was proved"
_PREFIX = "localist-kernel-"


@dataclass(frozen=True)
class KernelResult:
    """What the kernel made of one statement: PROVED only where it accepted a proof of every clause.

    `proved` names the clauses, `open` says of each other clause why not. `axioms` are those the proofs rest on, `coq`
    the version, `hashes` the SHA-256 of every generated proposition and of every file the proofs rest on.
    """

    statement: str
    verdict: Verdict
    proved: tuple[str, ...] = ()
    open: dict[str, str] = field(default_factory=dict)
    axioms: tuple[str, ...] = ()
    coq: str | None = None
    seconds: float = 0.0
    hashes: dict[str, str] = field(default_factory=dict)
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The object that a record holds and `--json` prints."""
        return {
            "id": self.statement,
            "verdict": self.verdict.value,
            "proved": list(self.proved),
            "open": self.open,
            "axioms": list(self.axioms),
            "coq": self.coq,
            "seconds": round(self.seconds, 1),
            "sha256": self.hashes,
            "reason": self.reason,
        }


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
    """Have the kernel check the proofs of a statement; UNDECIDED, with the reason, where not all clauses pass.

    Files that an earlier statement had compiled in `build` are not compiled again.
    """
    begun = time.perf_counter()
    version, every = coq_version(), [clause.name for clause in statement.claim]

    def undecided(reason: str) -> KernelResult:
        return KernelResult(
            statement.id, Verdict.UNDECIDED, (), dict.fromkeys(every, reason), (), version, reason=reason
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
            # The kernel has not been asked, so nothing is known that a record could hold.
            return replace(undecided(f"a library of Coq's is missing: {error}"), coq=None)
        except CoqError as error:
            return undecided(str(error))
    return KernelResult(
        statement=statement.id,
        verdict=Verdict.UNDECIDED if told.open else Verdict.PROVED,
        proved=told.proved,
        open=told.open,
        axioms=tuple(sorted(entry.split(" : ")[0] for entry in told.assumptions)),
        coq=version,
        seconds=time.perf_counter() - begun,
        hashes=found,
        reason=f"no accepted proof of {', '.join(told.open)}" if told.open else "",
    )


def recorded(statement: Statement, records: Path, folder: Path = FOLDER) -> KernelResult:
    """What the record among `records` says, if it is about today's clauses and files; UNDECIDED otherwise.

    Needs no Coq. Raises `InputError` for a record that cannot be read.
    """
    path = records / f"{statement.id}.json"
    if not path.exists():
        return KernelResult(statement.id, Verdict.UNDECIDED, reason="the kernel has not been asked")
    found = read_json(path)
    try:
        result = KernelResult(
            statement=found["id"],
            verdict=Verdict(found["verdict"]),
            proved=tuple(str(name) for name in found["proved"]),
            open=dict(found["open"]),
            axioms=tuple(found["axioms"]),
            coq=found["coq"],
            seconds=float(found["seconds"]),
            hashes=dict(found["sha256"]),
            reason=found["reason"],
        )
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise InputError(f"cannot read the kernel's record {path}: {error!r}") from None
    return result if _is_current(result, statement, folder) else _stale(result, statement, folder)


def _is_current(result: KernelResult, statement: Statement, folder: Path) -> bool:
    whole = {clause.name for clause in statement.claim} == set(result.proved) and not result.open
    return (
        result.statement == statement.id
        and result.hashes == hashes(statement, folder)
        and (result.verdict is Verdict.PROVED) == whole
    )


def _stale(result: KernelResult, statement: Statement, folder: Path) -> KernelResult:
    today = hashes(statement, folder)
    changed = sorted(name for name in today.keys() | result.hashes.keys() if today.get(name) != result.hashes.get(name))
    reason = f"the record is stale: {', '.join(changed) or 'its clauses'} changed since"
    return KernelResult(statement.id, Verdict.UNDECIDED, coq=result.coq, reason=reason)


def recheck(
    statements: Iterable[Statement],
    records: Path,
    folder: Path = FOLDER,
    told: Callable[[KernelResult], None] | None = None,
) -> list[KernelResult]:
    """Check every statement that has proofs, write what was found to `records`; `told` hears each as it comes.

    Nothing is recorded where `coqc` or a library of Coq's is missing.
    """
    results = []
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as place:
        build = Build(folder, Path(place)) if coq_version() else None
        for statement in statements:
            if not has_proofs(statement, folder):
                continue
            result = check(statement, folder, build)
            if result.coq is not None:
                write_text_atomically(records / f"{statement.id}.json", json.dumps(result.to_json(), indent=2) + "\n")
            if told is not None:
                told(result)
            results.append(result)
    return results
