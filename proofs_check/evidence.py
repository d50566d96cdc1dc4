"""Evidence on disk: what every method found of a statement, and the status that follows from it, never set by hand.

One JSON file a statement, with the hash of what it is about; certificates of the interval method lie beside it, and the
file holds their hashes. The kernel's records lie beside it too, with the hashes of propositions and proofs. Evidence of
another statement, of an older form, or whose certificates are not the ones it names is stale and counts for nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sympy import srepr

from proofs_check.intervals.certificates import speaks_of
from proofs_check.intervals.lemmas import Lemma, lemmas_of
from proofs_check.kernel import recorded
from proofs_check.replay import replay
from proofs_check.verdict import Verdict
from theory.about import ABOUT
from theory.files import read_json, sha256_of
from theory.statement import Statement

CERTIFICATES = "certificates"
KERNEL = "kernel"
FORMAT = "localist evidence 2"
# Statuses that carry a statement, the strongest first.
GOOD = ("kernel-checked", "certified", "derived", "sampled")


def statement_hash(statement: Statement) -> str:
    """SHA-256 of the statement's kind of instance, assumptions, clauses and derivation steps."""
    parts = [statement.id, statement.about, *ABOUT[statement.about]]
    parts += [f"{each.name}: {each.sentence}: {srepr(each.condition)}" for each in statement.assumptions]
    parts += [f"{clause.name}: {srepr(clause.given)} => {srepr(clause.holds)}" for clause in statement.claim]
    parts += [repr(step) for step in statement.derive()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def status(found: Mapping[str, Any], statement: Statement, folder: Path) -> str:
    """The status that the evidence in a folder carries, the worst finding first.

    `stale`: it is of another statement or form, or a certificate that it names is not there, is not the file it names,
    speaks of something else or does not replay. `refuted`, `vacuous`, `undecided`: what a method found. `sampled`:
    instances only, all decided for it. `derived`: every derivation step decided by sympy. `certified`: and every
    inequality among them by intervals. `kernel-checked`: no method found against it, and Coq's kernel accepted a proof
    of every clause from the definitions. Raises `InputError` for a record of the kernel's that cannot be read.
    """
    if found.get("format") != FORMAT or found.get("statement_sha256") != statement_hash(statement):
        return "stale"
    try:
        if _misplaced(found["interval"], statement, folder / CERTIFICATES):
            return "stale"
        standing = _standing(found)
    except (KeyError, TypeError):
        # Of today's form by name only.
        return "stale"
    proved = standing in GOOD and recorded(statement, folder / KERNEL).verdict is Verdict.PROVED
    return "kernel-checked" if proved else standing


def _standing(found: Mapping[str, Any]) -> str:
    lemmas = found["interval"]
    verdicts = [found["symbolic"]["verdict"], found["random"]["verdict"], found["vacuity"]["verdict"]]
    verdicts += [lemma["verdict"] for lemma in lemmas]
    verdicts += [found["screen"]["verdict"]] if found["screen"] else []
    verdicts += [each["verdict"] for each in found["adversarial"] or []]
    for bad in (Verdict.REFUTED.value, Verdict.VACUOUS.value):
        if bad in verdicts:
            return bad
    if not found["random"]["clean"]:
        return "undecided"
    if found["symbolic"]["verdict"] != Verdict.PROVED.value:
        return "sampled"
    certified = bool(lemmas) and all(lemma["verdict"] == Verdict.PROVED.value for lemma in lemmas)
    return "certified" if certified else "derived"


def _misplaced(recorded: list[Mapping[str, Any]], statement: Statement, certificates: Path) -> list[str]:
    """Lemmas whose record is not of today's lemma, or whose certificate does not bear it out."""
    lemmas = lemmas_of(statement)
    if [each["lemma"] for each in recorded] != [lemma.name for lemma in lemmas]:
        return [lemma.name for lemma in lemmas] or ["more than there are"]
    return [
        lemma.name
        for each, lemma in zip(recorded, lemmas, strict=True)
        if each["verdict"] == Verdict.PROVED.value and not _borne_out(each, lemma, certificates)
    ]


def _borne_out(recorded: Mapping[str, Any], lemma: Lemma, certificates: Path) -> bool:
    path = certificates / f"{lemma.name}.json"
    if recorded["certificate"] != path.name or not path.is_file() or sha256_of(path) != recorded["sha256"]:
        return False
    return speaks_of(path, lemma.claim, lemma.domain) and replay(path).holds


def screened(found: Mapping[str, Any] | None) -> str:
    """The screen in a cell: rows thrown, and doubtful ones left because deciding them takes too long."""
    if found is None:
        return ""
    left = f", {found['left']:,} left" if found["left"] else ""
    return f"{found['rows']:,}{left}"


def claims_page(statements: Iterable[Statement], folder: Path) -> str:
    """The page `CLAIMS.md`: every statement with its status and the evidence behind it."""
    lines = [
        "# Claims",
        "",
        "Generated by `localist verify --full --claims CLAIMS.md` from the evidence in this repository; do not edit.",
        "",
        "- **kernel-checked**: Coq's kernel accepted a proof of every clause from the definitions of an instance's",
        "  letters, as the statement's value prints it; the proofs rest on the axioms of the classical reals alone.",
        "- **certified**: sympy decided every step of the derivation, and intervals certified every inequality",
        "  among them over its whole domain, with certificates that a separate program replays. How the steps",
        "  combine is argued in words.",
        "- **derived**: sympy decided every step; some inequality has no certificate, or the derivation has none.",
        "- **sampled**: cited, and clean on random instances decided in exact arithmetic.",
        "",
        "Screened rows were thrown at every clause in float64 with a derived error bound; rows within it are decided",
        "exactly, up to a limit a clause, beyond which they are counted as left. The tightest clause is the largest",
        "ratio of a clause's two sides that a search found; at 1 the bound is attained.",
        "",
        "| id | statement | status | symbolic | random | screened rows | tightest clause | certified |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for statement in statements:
        path = folder / f"{statement.id}.json"
        if not path.exists():
            lines.append(f"| {statement.id} | {statement.title} | no evidence | | | | | |")
            continue
        found = read_json(path)
        standing = status(found, statement, folder)
        if standing == "stale":
            lines.append(f"| {statement.id} | {statement.title} | stale | | | | | |")
            continue
        lemmas = found["interval"]
        ratios = [each["tightness"] for each in found["adversarial"] or [] if each["tightness"] is not None]
        steps = found["symbolic"]["steps"]
        cells = [
            statement.id,
            statement.title,
            standing,
            f"{steps - len(found['symbolic']['open_steps'])}/{steps} steps" if steps else "cited",
            f"{found['random']['rows']} instances",
            screened(found["screen"]),
            f"{max(ratios):.9f}" if ratios else "",
            f"{sum(lemma['verdict'] == 'proved' for lemma in lemmas)}/{len(lemmas)}" if lemmas else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
