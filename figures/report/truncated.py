"""A truncation: which heads may be computed block by block, and how far that moves them."""

from __future__ import annotations

from typing import Any

from figures.report.found import Part
from figures.report.reproduce import truncate_command
from figures.report.shown import Shown, Verdict, count, number, sealed_file
from theory.files import read_json
from theory.pages import Cell, table, text

COLUMNS = (
    "layer",
    "head",
    "dial",
    "rows",
    "largest leak",
    "allowed",
    "mean move",
    "largest move",
    "H1: at most",
    "violated",
    "undecided",
)
_SAID = (
    "Leak is the share of attention off the block. A head is allowed if none of its measured rows leaks more than the "
    "level. A move is the length by which a head's output changes without the keys off the block, with the layer's "
    "inputs held fixed; H1 bounds it by the leak times an upper bound on the distance of the head's values."
)


def show(part: Part) -> Shown:
    """Verdicts and heads of a report of `localist measure --truncate`. Raises InputError."""
    about = read_json(part.path)
    file, unsealed = sealed_file(part.path, about)
    heads = about["heads"]
    violations, undecided = (sum(each[name] for each in heads) for name in ("violations", "undecided"))
    measured = sum(each["rows"] for each in heads)
    found = []
    if violations:
        why = "H1 is a theorem and rounding is allowed for: this contradicts it or shows a defect."
        found.append(Verdict("bad", f"{violations:,} of {measured:,} rows move farther than their bound.", why))
    if undecided:
        why = "Their scores are too large for their format. Undecided is not kept."
        found.append(Verdict("open", f"{undecided:,} of {measured:,} rows of the truncation are undecided.", why))
    allowed = sum(each["allowed"] for each in heads)
    said = f"{allowed} of {len(heads)} heads leak at most {about['level']:g} in every measured row."
    losses = [f"{each['loss']:.6f} nats per token, {each['truncated_loss']:.6f} with them" for each in about["passes"]]
    why = f"Without truncation the loss is {'; '.join(losses)}. Measured: another text may leak more."
    found.append(Verdict("", said, why))
    if not violations and not undecided:
        said = f"No row of {measured:,} moves farther than H1's bound."
        found.append(Verdict("good", said, "Measured, not proved: it says nothing of other texts."))
    lines = []
    for each in heads:
        line: list[Cell] = [count(each["layer"]), count(each["head"]), number(each["dial"]), count(each["rows"])]
        line += [number(each["leak_max"]), "yes" if each["allowed"] else "no"]
        line += [number(each[name]) for name in ("shift_mean", "shift_max", "bound_max")]
        lines.append([*line, count(each["violations"]), count(each["undecided"])])
    attributes = {"data-table": "truncation", "aria-label": "Heads of the truncation"}
    facts: dict[str, Any] = {
        key: about[key] for key in ("level", "blocks", "block", "sequences", "context", "dtype", "seal") if key in about
    }
    facts |= {f"versions: {name}": value for name, value in (about.get("versions") or {}).items()}
    return Shown(
        title=f"{part.name}: heads computed block by block",
        verdicts=[*found, *unsealed],
        body=[f"<p>{text(_SAID)}</p>", table(COLUMNS, lines, "sortable", attributes=attributes)],
        files=[file],
        facts=facts,
        commands=[truncate_command(about)],
        made_from=about.get("files") or {},
    )
