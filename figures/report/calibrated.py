"""A calibration: the dials it chose, what they keep, and what follows for unseen text."""

from __future__ import annotations

import shlex
from typing import Any

from empirical.calibration.calibrate import SCHEMA
from empirical.calibration.command import compared, sentences
from figures.report.found import Part
from figures.report.reproduce import calibrate_command, on_text
from figures.report.shown import Shown, Verdict, count, number, prose, sealed_file
from theory.errors import InputError
from theory.files import read_json
from theory.pages import Cell, listed, table, text

COLUMNS = (
    "layer",
    "head",
    "dial chosen",
    "rows",
    "rows kept at dial 0",
    "rows kept at the dial",
    "rise of loss (nats)",
)
WINDOW_COLUMNS = ("window", "share of its rows that keep the fidelity", "kept")

_DIALS = (
    "A dial of 0 leaves a layer as it is, 1 cuts off every key outside the block. Rows and rise of the loss were "
    "measured with this dial alone, all others at 0, on the windows that chose the dials."
)


def why_not_kept(about: dict[str, Any]) -> str:
    """What the checked windows miss: the rows, the allowed rise of the loss, or both."""
    check, missed = about["check"], []
    if not check["share"] >= about["rows"]:
        missed.append(f"only {check['share']:.3g} of the rows keep it")
    if not check["rise"] <= about["max_loss"]:
        missed.append(
            f"the loss rises by {check['rise']:.3g} nats per token, more than the {about['max_loss']:g} allowed"
        )
    return f"NOT KEPT: {' and '.join(missed)}"


def show(part: Part) -> Shown:
    """Verdict, dials and checked windows of a calibration. Raises InputError."""
    about = read_json(part.path)
    file, unsealed = sealed_file(part.path, about)
    if about.get("schema") != SCHEMA:
        raise InputError(f"{part.path}: schema is {about.get('schema')!r}, this version reads {SCHEMA}")
    reached = about["check"]["share"] >= about["rows"] and about["check"]["rise"] <= about["max_loss"]
    if about["reached"] is not reached:
        raise InputError(f"{part.path}: reached is {about['reached']!r}, and its checked windows say {reached}")
    _, kept, *unseen = sentences(about)
    tone = "warn" if reached else "bad"
    promise = f"a fidelity of {about['fidelity']:g} in {about['rows']:g} of the rows"
    verdict = "kept as measured, NOT GUARANTEED" if reached else why_not_kept(about)
    said = f"Calibration for {promise}: {verdict}."
    lines = [*sentences(about), *map(compared, about.get("compare", ()))]
    model = about["model"]
    body = [
        listed(lines),
        "<h4>Dials</h4>",
        f"<p>{text(_DIALS)}</p>",
        _dials(about),
        "<h4>Windows that checked the dials</h4>",
        _windows(about),
    ]
    facts: dict[str, Any] = {f"model: {name}": value for name, value in model.items()}
    facts |= {key: about[key] for key in ("windows_of_the_text", "dtype", "device", "seal", "levels") if key in about}
    for key in ("text", "corpus", "versions"):
        facts |= {f"{key}: {name}": value for name, value in (about.get(key) or {}).items()}
    return Shown(
        title=f"{part.name}: dials calibrated for {about['run']}",
        verdicts=[Verdict(tone, said, prose([kept, *unseen])), *unsealed],
        body=body,
        files=[file],
        facts=facts,
        commands=[
            calibrate_command(about),
            shlex.join(["localist", "measure", str(about["run"]), *on_text(about, model), "--dials", part.place]),
        ],
        drawn_from=[part.path],
        made_from=about.get("files") or {},
    )


def _dials(about: dict[str, Any]) -> str:
    lines = []
    for each in about["curves"]:
        dial = about["dials"][each["layer"]]
        dials = dial if isinstance(dial, list) else [dial]
        dial = dials[each["head"] or 0]
        place = about["levels"].index(dial)
        line: list[Cell] = [count(each["layer"]), "all" if each["head"] is None else count(each["head"])]
        line += [number(dial), count(each["rows"])]
        line += [number(each["met"][at] / each["rows"] if each["rows"] else None) for at in (0, place)]
        lines.append([*line, number(each["losses"][place])])
    return table(COLUMNS, lines, "sortable", attributes={"data-table": "dials", "aria-label": "Dials"})


def _windows(about: dict[str, Any]) -> str:
    check = about["check"]
    lines = [
        [count(window), number(share), "yes" if share >= about["rows"] else "no"]
        for window, share in zip(check["windows"], check["shares"], strict=True)
    ]
    return table(WINDOW_COLUMNS, lines, "sortable", attributes={"data-table": "windows", "aria-label": "Windows"})
