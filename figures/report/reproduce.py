"""The commands that make a record again, from what it states of itself."""

from __future__ import annotations

import json
import shlex
from typing import Any

from empirical.locality import SIZED


def measure_command(manifest: dict[str, Any], rows: str | None = None) -> str:
    """`localist measure` as it made these records; `rows` is the file of rows that it wrote."""
    words = ["localist", "measure", str(manifest.get("run")), *on_text(manifest, manifest.get("model") or {})]
    words += _limited(manifest.get("held_out_windows"), manifest.get("dtype"))
    note = ""
    if manifest.get("kind") == "dial":
        values = [each["dial_largest"] for each in manifest.get("passes", ())]
        words += ["--dial", ",".join(map(_plain, values))]
        if manifest.get("shape", "localist") != "localist":
            words += ["--shape", str(manifest["shape"])]
    elif manifest.get("dials") is not None:
        words += ["--dials", "DIALS.json"]
        note = _dials_note(manifest["dials"])
    words += [] if rows is None else ["--rows", rows]
    return shlex.join(words) + note


def truncate_command(report: dict[str, Any]) -> str:
    """`localist measure --truncate` as it made this report."""
    words = ["localist", "measure", str(report.get("run")), *on_text(report, report)]
    words += ["--truncate", _plain(report["level"]), *_limited(report.get("sequences"), report.get("dtype"))]
    plans = [each["dials"] for each in report["passes"]]
    if not any(_moved(dial) for dials in plans for dial in dials):
        return shlex.join(words)
    # The report does not say whether these are the model's own.
    return f"{shlex.join(words)}  # measured at the dials {json.dumps(plans)}: the model's own, --dials, or --dial"


def calibrate_command(about: dict[str, Any]) -> str:
    """`localist calibrate` as it made this report."""
    model = about["model"]
    words = ["localist", "calibrate", str(about["run"]), *on_text(about, model)]
    for option in ("fidelity", "rows", "max_loss"):
        words += [f"--{option.replace('_', '-')}", _plain(about[option])]
    words += ["--per-head"] if about["per"] == "head" else []
    words += ["--fit", str(len(about["choice"]["windows"])), "--check", str(len(about["check"]["windows"]))]
    words += ["--confidence", _plain(about["unseen"]["confidence"]), "--seed", str(about["seed"])]
    words += ["--compare"] if "compare" in about else []
    return shlex.join([*words, *_limited(None, about.get("dtype"))])


def on_text(about: dict[str, Any], model: dict[str, Any]) -> list[str]:
    """Options of a decoder on a text; a run has its own."""
    stated = about.get("text")
    if not isinstance(stated, dict):
        return []
    words = ["--text", str(stated.get("name"))]
    if model.get("blocks") in SIZED:
        words += ["--block", str(model.get("block"))]
    elif model.get("blocks"):
        words += ["--blocks", str(model["blocks"])]
    return [*words, "--context", str(model.get("context"))]


def _limited(sequences: Any, dtype: Any) -> list[str]:
    words = [] if sequences is None else ["--sequences", str(sequences)]
    return [*words, "--precision", "float64"] if dtype == "float64" else words


def _dials_note(dials: Any) -> str:
    return f"  # DIALS.json: {json.dumps({'dials': dials})}"


def _moved(dial: Any) -> bool:
    return bool(max(dial) if isinstance(dial, list) else dial)


def _plain(value: float) -> str:
    """A float in as few digits as give it back.

    >>> _plain(0.0), _plain(0.25), _plain(1e-6)
    ('0', '0.25', '1e-06')
    """
    return repr(float(value)).removesuffix(".0")
