"""Has Coq accept proofs of the generated propositions: a file of claims, files of proofs, and one to match them.

The file of claims is compiled with only the definitions, and the matching file imports nothing, so that no declaration
in a file of proofs can change a claim.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from proofs_check.kernel.build import LIBRARY, Build, CoqError, assumed, refused
from proofs_check.kernel.kinds import COQ_KINDS
from proofs_check.kernel.printing import MODULES, assumptions_to_coq, clause_to_coq
from theory.lowering import UnknownNode
from theory.statement import Statement

# The theorem that the assumptions can be met, in the kind's module or among the statement's own proofs.
_INHABITED = "some_instance"


@dataclass(frozen=True)
class Acceptance:
    """The clauses whose proofs Coq accepts, the reason for each other clause, and what the theorems assume."""

    proved: tuple[str, ...]
    open: dict[str, str]
    assumptions: frozenset[str]


def theorem_name(clause: str) -> str:
    """The name of the theorem that proves a clause: `mean_margin` for `mean margin`."""
    return re.sub(r"\W+", "_", clause).strip("_")


def propositions(statement: Statement) -> dict[str, str]:
    """The generated proposition of each clause that can be printed, by the clause's name."""
    printed = {}
    for clause in statement.claim:
        try:
            printed[clause.name] = clause_to_coq(statement, clause)
        except UnknownNode:
            continue
    return printed


def definitions(statement: Statement) -> list[str]:
    """The modules that give the generated propositions their meaning; `KeyError` for a kind without one."""
    text = " ".join(propositions(statement).values())
    special = {module for name, module in MODULES.items() if re.search(rf"\b{name}\b", text)}
    return ["Functions", *sorted(special), COQ_KINDS[statement.about].module]


def accept(statement: Statement, build: Build) -> Acceptance:
    """Finds which clauses the statement's file of proofs proves; raises `CoqError` if Coq refuses a file."""
    kind, printed = COQ_KINDS[statement.about], propositions(statement)
    for module in definitions(statement):
        build.require(module)
    claims = {theorem_name(name): text for name, text in printed.items()}
    assumptions_asked = assumptions_to_coq(statement)
    claims[_INHABITED] = f"exists a : {kind.type}, " + " /\\ ".join(["possible a", *assumptions_asked])
    generated = f"Claim_{statement.id}"
    build.compile(generated, _claim_file(definitions(statement), claims))
    build.require(statement.id)
    assumptions = _accepted(build, generated, statement.id if assumptions_asked else kind.module, [_INHABITED])
    refusals: dict[str, str] = {}
    proved: list[str] = []
    try:
        # All at once first: Coq then starts once, not once per clause.
        assumptions |= _accepted(build, generated, statement.id, [theorem_name(name) for name in printed])
        proved = list(printed)
    except CoqError:
        for name in printed:
            try:
                assumptions |= _accepted(build, generated, statement.id, [theorem_name(name)])
                proved.append(name)
            except CoqError as error:
                refusals[name] = str(error)
    unprinted = {clause.name for clause in statement.claim} - printed.keys()
    refusals |= dict.fromkeys(sorted(unprinted), "Coq has no meaning for a node or a letter of it")
    return Acceptance(tuple(proved), refusals, frozenset(assumptions))


def _claim_file(modules: list[str], claims: dict[str, str]) -> str:
    lines = ["Require Import Reals.", f"From {LIBRARY} Require Import {' '.join(modules)}.", "Open Scope R_scope."]
    lines += [f"Definition {name} : Prop := {text}." for name, text in claims.items()]
    return "\n".join(lines) + "\n"


def _accepted(build: Build, generated: str, module: str, names: list[str]) -> set[str]:
    """What the module's theorems assume, if they prove the claims of the same names.

    Raises `CoqError` if one does not, or assumes more than is allowed.
    """
    claimed = " /\\ ".join(f"{LIBRARY}.{generated}.{name}" for name in names)
    proofs = [f"exact {LIBRARY}.{module}.{name}" for name in names]
    tactics = "".join(f"split; [{proof} |]. " for proof in proofs[:-1]) + proofs[-1]
    lines = [
        f"From {LIBRARY} Require {generated} {module}.",
        f"Theorem checked : {claimed}.",
        f"Proof. {tactics}. Qed.",
        "Print Assumptions checked.",
    ]
    printed = build.compile("_".join(["Checked", module, *names]), "\n".join(lines) + "\n")
    if others := refused(assumed(printed)):
        raise CoqError(f"{module} assumes {'; '.join(others)}")
    return set(assumed(printed))
