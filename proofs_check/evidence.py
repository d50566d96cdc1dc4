"""Evidence on disk: what every method found of a statement, and the status that follows from it, never set by hand.

One JSON file a statement, with the hash of what it is about; certificates of the interval method lie beside. A file
whose hash is not that of today's statement is stale and counts for nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sympy import srepr

from proofs_check.adversary import tightness
from proofs_check.lemmas import certify_statement
from proofs_check.screen import screen
from proofs_check.vacuity import check_vacuity
from proofs_check.verification import verify
from theory.errors import InputError
from theory.statement import Statement

CERTIFICATES = "certificates"
# Doubtful rows of a clause that the screen decides exactly; more cost minutes and are counted as left.
_DECIDED = 100


def statement_hash(statement: Statement) -> str:
    """SHA-256 of the statement's clauses, assumptions and derivation steps."""
    parts = [statement.id, statement.about]
    parts += [f"{clause.name}: {srepr(clause.given)} => {srepr(clause.holds)}" for clause in statement.claim]
    parts += [repr(step) for step in statement.derive()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def gather(statement: Statement, folder: Path, rows: int, samples: float, seconds: float, seed: int) -> dict[str, Any]:
    """Run every method on a statement and write what it found; what was found with the same effort is kept.

    `rows` instances are decided exactly, `samples` rows screened in floats (statements about rows only), and `seconds`
    bound the interval search for each inequality.
    """
    effort = {"rows": rows, "samples": samples, "seconds_per_lemma": seconds, "seed": seed}
    path = folder / f"{statement.id}.json"
    found = read(path) if path.exists() else {}
    if found.get("statement_sha256") == statement_hash(statement) and found.get("effort") == effort:
        return found
    quick = verify(statement, rows, seed).to_json()
    found = {
        "id": statement.id,
        "statement_sha256": statement_hash(statement),
        "effort": effort,
        "symbolic": quick["symbolic"],
        "random": quick["random"],
        "vacuity": {"verdict": check_vacuity(statement, seed).verdict.value},
        "screen": _screened(statement, samples, seed) if statement.about == "row" else None,
        "adversarial": _attacked(statement, seed) if statement.about == "row" else None,
        "interval": _certified(statement, folder / CERTIFICATES, seconds),
    }
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, path)
    return found


def _screened(statement: Statement, samples: float, seed: int) -> dict[str, Any]:
    result = screen(statement, samples, seed, decide_at_most=_DECIDED)
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


def _attacked(statement: Statement, seed: int) -> list[dict[str, Any]]:
    found = [tightness(statement, clause, seed) for clause in statement.claim]
    return [
        {
            "clause": each.clause,
            "tightness": None if each.ratio != each.ratio else each.ratio,
            "verdict": each.verdict.value,
            "row": None if each.row is None else str(each.row),
        }
        for each in found
    ]


def _certified(statement: Statement, folder: Path, seconds: float) -> list[dict[str, Any]]:
    folder.mkdir(parents=True, exist_ok=True)
    return [
        {
            "lemma": result.lemma.name,
            "because": result.lemma.because,
            "verdict": result.verdict.value,
            "certificate": None if result.path is None else result.path.name,
            "boxes": result.boxes,
            "reason": result.reason,
        }
        for result in certify_statement(statement, folder, seconds=seconds).lemmas
    ]


def read(path: Path) -> dict[str, Any]:
    """One statement's evidence; `InputError` where the file is not that."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the evidence {path}: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} is not a statement's evidence")
    return found


def status(found: Mapping[str, Any], statement: Statement) -> str:
    """The status that the evidence carries, the worst finding first.

    `refuted`, `vacuous`; `certified`: every derivation step decided by sympy and every inequality among them certified
    by intervals as well; `derived`: every step decided by sympy; `sampled`: instances only, all decided for it;
    `undecided`: less than that; `stale`: the evidence is about another statement.
    """
    if found.get("statement_sha256") != statement_hash(statement):
        return "stale"
    lemmas = found["interval"]
    verdicts = [found["symbolic"]["verdict"], found["random"]["verdict"], found["vacuity"]["verdict"]]
    verdicts += [lemma["verdict"] for lemma in lemmas]
    verdicts += [found["screen"]["verdict"]] if found["screen"] else []
    verdicts += [each["verdict"] for each in found["adversarial"] or []]
    for bad in ("refuted", "vacuous"):
        if bad in verdicts:
            return bad
    if not found["random"]["clean"]:
        return "undecided"
    if found["symbolic"]["verdict"] != "proved":
        return "sampled"
    certified = bool(lemmas) and all(lemma["verdict"] == "proved" for lemma in lemmas)
    return "certified" if certified else "derived"


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
        found = read(path)
        lemmas = found["interval"]
        ratios = [each["tightness"] for each in found["adversarial"] or [] if each["tightness"] is not None]
        steps = found["symbolic"]["steps"]
        cells = [
            statement.id,
            statement.title,
            status(found, statement),
            f"{steps - len(found['symbolic']['open_steps'])}/{steps} steps" if steps else "cited",
            f"{found['random']['rows']} instances",
            screened(found["screen"]),
            f"{max(ratios):.9f}" if ratios else "",
            f"{sum(lemma['verdict'] == 'proved' for lemma in lemmas)}/{len(lemmas)}" if lemmas else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
