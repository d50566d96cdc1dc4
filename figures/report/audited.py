"""An audit: its verdicts and numbers, and the worst rows that broke something."""

from __future__ import annotations

import gzip
import hashlib
import shlex
from pathlib import Path
from typing import Any

from empirical.audit import wording
from empirical.audit.exceptions import FILE_NAME
from empirical.audit.report import KIND, SCHEMA, content_hash
from figures.report.found import Part
from figures.report.shown import File, Head, Map, Row, Shown, Verdict, ident, number, prose
from theory.errors import InputError
from theory.files import read_json, sha256_of
from theory.pages import listed, pairs, table, text

_TONES = {"guaranteed": "good", "kept": "warn", "broken": "bad", "undecided": "open", "not fired": "warn"}
# Exceptions listed for one head.
WORST = 3


def show(part: Part) -> Shown:
    """What an audit's report says, after checking that it is as it was written. Raises InputError."""
    about = read_json(part.path)
    if about.get("schema") != SCHEMA or about.get("kind") != KIND:
        raise InputError(f"{part.path}: schema is {about.get('schema')!r}, this version reads {SCHEMA}")
    if content_hash(about) != about.get("sha256"):
        raise InputError(f"{part.path} was changed since it was written: its content does not match the hash in it")
    files = [File(part.path.name, sha256_of(part.path), "its content matches the hash in it")]
    files += _exception_file(part.path, about["exceptions"])
    made = about["manifest"]
    files += [File(name, digest, "stated by the audit") for name, digest in made["files"]["model"].items()]
    for key in ("text", "rules"):
        if made["files"][key]:
            files.append(File(made["files"][key]["name"], made["files"][key]["sha256"], "stated by the audit"))
    attributes = {"data-table": "audit", "aria-label": "Layers of the audit"}
    layers = wording.layer_rows(about)
    body = [
        listed(wording.bound_lines(about)),
        table(wording.LAYER_COLUMNS, layers, "sortable", wrapped=["bounded by"], attributes=attributes),
        f"<h4>Exceptions</h4><p>{text(wording.more_exceptions(about))}</p>",
    ]
    if about["exceptions"]["count"]:
        attributes = {"data-table": "exceptions", "aria-label": "Exceptions"}
        rows = wording.exception_rows(about)
        body.append(table(wording.EXCEPTION_COLUMNS, rows, "left sortable", wrapped=["what"], attributes=attributes))
    body += [f"<h4>What each number rests on</h4>{pairs(about['methods'].items())}", listed(about["limits"])]
    return Shown(
        title=f"{part.name}: an audit of {made['model']['name']}",
        verdicts=_verdicts(about),
        body=body,
        maps=[Map("", _heads(about), "No exception was recorded in this head.")],
        files=files,
        facts=_facts(about),
        commands=[made["command"], shlex.join(["localist", "audit", "--verify", part.place])],
        made_from=made["files"]["model"],
    )


def _verdicts(about: dict[str, Any]) -> list[Verdict]:
    found, measured = [], about["measured"]
    rows = measured["rows"]
    if measured["violations"]:
        why = "The bounds are theorems and rounding is allowed for: this contradicts a statement or shows a defect."
        found.append(
            Verdict("bad", f"{measured['violations']:,} violations of a bound in {rows:,} measured rows.", why)
        )
    if measured["undecided"]:
        said = f"{measured['undecided']:,} of {rows:,} measured rows are undecided."
        found.append(Verdict("open", said, "Undecided is not kept. Audit with --precision float64."))
    if not measured["violations"] and not measured["undecided"]:
        why = prose([wording.headline(about)]) if not about["promises"] and about["rules"] is None else ""
        why = f"{why} Measured, not proved: it says nothing of other texts.".strip()
        found.append(Verdict("good", f"No bound is violated in the {rows:,} rows that the audit measured.", why))
    for each in about["promises"]:
        why = prose(said for _, said in wording.promise_lines(each, about))
        found.append(Verdict(_TONES[each["verdict"]], f"Promise “{each['promise']}”: {wording.verdict(each)}.", why))
    if about["rules"] is not None:
        for each in about["rules"]["rules"]:
            said = wording.rule_verdict(each)
            why = prose(line for _, line in wording.rule_lines(each, about))
            found.append(Verdict(_TONES.get(each["verdict"], ""), f"Rule “{each['name']}”: {said}.", why))
        check = about["rules"]["check"]
        tone = "" if check["possible"] else "open" if check["possible"] is None else "bad"
        found.append(Verdict(tone, f"{wording.check_line(check)}.", prose(check["assumes"])))
    return found


def _heads(about: dict[str, Any]) -> list[Head]:
    worst: dict[tuple[int, int], list[Row]] = {}
    for each in about["exceptions"]["worst"]:
        rows = worst.setdefault((each["layer"], each["head"]), [])
        if len(rows) < WORST:
            what = str(each["what"])
            cells = (
                f"{each['status']}: {what}",
                ident(each["sequence"]),
                ident(each["position"]),
                ascii(each["token"]),
            )
            value = number(each["value"], 6)
            fidelity, entropy = (value, "") if what.startswith("fidelity") else ("", value)
            rows.append(Row((*cells, fidelity, entropy if what.startswith("entropy") else "", "", "")))
    return [
        Head(
            # Numbers, whatever the file holds: they become part of the markup.
            layer=int(each["layer"]),
            head=int(each["head"]),
            dial=each["dial"],
            rows=each["rows"],
            fidelity=each["measured"]["fidelity_mean"],
            fidelity_least=each["measured"]["fidelity_least"],
            fidelity_bound=each["bounds_mean"]["A2"],
            entropy=each["measured"]["entropy_mean"],
            entropy_largest=each["measured"]["entropy_largest"],
            entropy_bound=each["bounds_mean"]["A4"],
            violations=each["violations"],
            undecided=each["undecided"],
            worst=tuple(worst.get((each["layer"], each["head"]), ())),
        )
        for each in about["heads"]
    ]


def _exception_file(report: Path, described: dict[str, Any]) -> list[File]:
    """The file of all exceptions, if there is one. Raises InputError if it is missing or was changed."""
    if described["file"] is None:
        return []
    path = report.with_name(FILE_NAME)
    try:
        with gzip.open(path) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{path}, which {report.name} describes, cannot be read: {error}") from error
    if found != described["sha256"]:
        raise InputError(f"{path} was changed: SHA-256 {found[:12]}, {report.name} states {described['sha256'][:12]}")
    return [File(FILE_NAME, sha256_of(path), f"its lines match the hash in {report.name}")]


def _facts(about: dict[str, Any]) -> dict[str, Any]:
    made = about["manifest"]
    found = {"windows": f"{len(made['windows']['measured'])} of {made['windows']['of']}"}
    found |= {name: made[name] for name in ("dtype", "device", "threads", "processor", "tokens_sha256")}
    found |= {f"model: {name}": value for name, value in made["model"].items()}
    found |= {f"versions: {name}": value for name, value in made["versions"].items()}
    return found | {"sha256 of the content": about["sha256"]}
