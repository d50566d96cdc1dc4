"""Records of `localist measure`: rows against their bounds, and a dial moved at inference."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from empirical.measuring.measure_command import LOCAL_MEANS, local_heads
from empirical.measuring.records import BOUNDS, MANIFEST_NAME, ROWS_NAME, Records, read_records
from figures.report.found import Part
from figures.report.reproduce import measure_command
from figures.report.row_files import kept_rows
from figures.report.shown import File, Head, Map, Row, Shown, Verdict, count, number, optional
from theory.files import sha256_of
from theory.pages import Cell, listed, table, text

# Maps of more heads than this are left out of a dial's record, but for the first and the last dial.
MOST_HEADS = 2000
LAYER_COLUMNS = (
    "largest dial",
    "layer",
    "dial",
    "rows",
    "violated",
    "undecided",
    "fidelity",
    "A2: at least",
    "entropy",
    "A4: at most",
    "A5: at least",
)
MOVED_COLUMNS = ("B1 predicts", "largest error", "B2 predicts", "largest error of B2")
MEANS = (
    "Means over the heads and rows of a layer; entropies in nats. A2 bounds the fidelity of each row from below, A4 "
    "its entropy from above and A5 from below, each at what was measured in that row; the columns are the means of "
    "these bounds."
)

_NOT_KEPT = "Single rows were not kept; `localist measure --rows FILE.parquet` keeps them beside the records."


def show(part: Part) -> Shown:
    """Verdicts, layers and heads of a record folder. Raises InputError."""
    records = read_records(part.path)
    manifest, rows = records.manifest, records.rows
    worst, row_notes, row_files = kept_rows(part.path, records)
    moved = manifest.get("kind") == "dial"
    body = [f"<p>{text(MEANS)}</p>", layer_table(rows, moved), *_bounds(rows), listed(row_notes)]
    files = [File(ROWS_NAME, records.digest, "matches its manifest")]
    files += [File(MANIFEST_NAME, sha256_of(part.path / MANIFEST_NAME), "its totals match the rows"), *row_files]
    return Shown(
        title=f"{part.name}: {'dial moved at inference' if moved else 'rows measured against their bounds'}",
        verdicts=[*verdicts(records), *([] if moved else _local(records))],
        body=body,
        maps=_maps(rows, worst),
        files=files,
        facts=facts(manifest),
        commands=[
            measure_command(manifest, row_files[0].name if row_files else None),
            shlex.join(["localist", "figures", "--records", part.place]),
        ],
        drawn_from=[part.path],
        made_from=manifest.get("files") or {},
    )


def verdicts(records: Records) -> list[Verdict]:
    """What the counts of a record say."""
    measured, violations, undecided = records.measured_rows, records.violations, records.undecided
    manifest = records.manifest
    found = []
    if violations:
        found.append(
            Verdict(
                "bad",
                f"{violations:,} of {measured:,} measured rows violate a bound.",
                "The bounds are theorems and rounding is allowed for: this contradicts a statement or shows a defect.",
            )
        )
    if undecided:
        precision = manifest.get("dtype", "their format")
        found.append(
            Verdict(
                "open",
                f"{undecided:,} of {measured:,} measured rows are undecided.",
                f"Their scores are too large for {precision}, so their rounding error has no bound. Undecided is not "
                "kept. Measure with --precision float64.",
            )
        )
    if not found:
        found.append(Verdict("good", f"No bound is violated in {measured:,} measured rows.", _covered(manifest)))
    if manifest.get("seal") == "unsealed":
        found.append(Verdict("", "The model is unsealed.", "Changes of its files cannot be noticed."))
    return found


def _covered(manifest: dict[str, Any]) -> str:
    """How much text was measured, and that nothing follows for other texts."""
    windows, tokens = manifest.get("held_out_windows"), manifest.get("held_out_tokens")
    where = (
        "" if windows is None else f" on {windows:,} sequences of text" + (f" ({tokens:,} tokens)" if tokens else "")
    )
    return f"Measured{where}, not proved: it says nothing of other texts."


def facts(manifest: dict[str, Any]) -> dict[str, Any]:
    """Model, text, device and versions of a manifest, by name."""
    found: dict[str, Any] = {}
    for key in ("run", "configuration", "seed", "held_out_windows", "held_out_tokens", "dtype", "device", "seal"):
        if manifest.get(key) is not None:
            found[key] = manifest[key]
    for key in ("model", "text", "corpus", "training", "quantiles", "versions"):
        if isinstance(manifest.get(key), dict):
            found |= {f"{key}: {name}": value for name, value in manifest[key].items()}
    if manifest.get("weights_sha256"):
        found["weights_sha256"] = manifest["weights_sha256"]
    for each in manifest.get("passes", ()):
        found[f"perplexity at largest dial {each['dial_largest']:g}"] = f"{each['perplexity']:.6g}"
    return found


def layer_table(rows: pd.DataFrame, moved: bool) -> str:
    """One line per pass and layer."""
    lines = []
    for (largest, layer), part in rows.groupby(["dial_largest", "layer"], sort=False):
        line: list[Cell] = [number(largest), count(layer), number(_mean(part, "dial"))]
        line += [count(part[name].sum()) for name in ("rows", "violations", "undecided")]
        line += [number(_mean(part, name)) for name in ("fidelity_mean", "bound_fidelity_margin", "entropy_mean")]
        line += [number(_mean(part, name)) for name in ("bound_entropy_fidelity", "bound_entropy_range")]
        if moved:
            for name in ("fidelity", "entropy"):
                worst = part[f"prediction_error_{name}"].max(skipna=False)
                line += [number(_mean(part, f"predicted_{name}")), number(worst)]
        lines.append(line)
    return table(
        (*LAYER_COLUMNS, *(MOVED_COLUMNS if moved else ())),
        lines,
        "sortable",
        attributes={"data-table": "layers", "aria-label": "Layers"},
    )


def heads_of(rows: pd.DataFrame, worst: dict[tuple[int, int], list[Row]] | None = None) -> list[Head]:
    """Heads of one pass, or of several seeds of it: means over their rows, least and largest over all."""
    return [
        Head(
            layer=int(layer),
            head=int(head),
            dial=_mean(part, "dial"),
            rows=int(part["rows"].sum()),
            fidelity=optional(_mean(part, "fidelity_mean")),
            fidelity_least=optional(part["fidelity_min"].min()),
            fidelity_bound=optional(_mean(part, "bound_fidelity_margin")),
            entropy=optional(_mean(part, "entropy_mean")),
            entropy_largest=optional(part["entropy_max"].max()),
            entropy_bound=optional(_mean(part, "bound_entropy_fidelity")),
            violations=int(part["violations"].sum()),
            undecided=int(part["undecided"].sum()),
            worst=tuple((worst or {}).get((int(layer), int(head)), ())),
        )
        for (layer, head), part in rows.groupby(["layer", "head"])
    ]


def _maps(rows: pd.DataFrame, worst: dict[float, dict[tuple[int, int], list[Row]]]) -> list[Map]:
    dials = sorted(set(rows["dial_largest"]))
    if len(rows) > MOST_HEADS:
        dials = list(dict.fromkeys((dials[0], dials[-1])))
    kept = "" if worst else _NOT_KEPT
    return [
        Map(
            f"largest dial {dial:g}" if len(dials) > 1 else "",
            heads_of(rows[rows["dial_largest"] == dial], worst.get(dial)),
            kept,
        )
        for dial in dials
    ]


def _bounds(rows: pd.DataFrame) -> list[str]:
    """How many rows violate each bound."""
    lines = [
        [meaning, count(rows[f"violations_{name}"].sum()), number(rows[f"slack_{name}_min"].min())]
        for name, meaning in BOUNDS.items()
    ]
    columns = ("bound", "rows that violate it", "smallest distance from it")
    attributes = {"data-table": "bounds", "aria-label": "Bounds"}
    note = "A distance of a rounding error below 0 is no violation; the error of each row is derived and allowed for."
    shown = table(columns, lines, "sortable", wrapped=["bound"], attributes=attributes)
    return ["<h4>Every bound</h4>", shown, f'<p class="faint">{note}</p>']


def _local(records: Records) -> Sequence[Verdict]:
    local = local_heads(records)
    if local is None:
        return []
    said = f"Heads that are local by nature: {', '.join(local) or 'none'}."
    return [Verdict("", said, f"Named as layer.head; {LOCAL_MEANS}.")]


def _mean(rows: pd.DataFrame, column: str) -> float:
    return float(np.average(rows[column].to_numpy(dtype=float), weights=rows["rows"]))
