"""Reports that are one JSON file each, as tables: those of `localist bench` and `localist calibrate`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from empirical.seal import check_content
from theory.errors import InputError
from theory.files import read_json, sha256_of


def is_report(path: Path) -> bool:
    """Whether the JSON file is a report that a figure can show."""
    report = read_json(path)
    return report.get("kind") == "calibration" or is_bench(report)


def read_report(path: Path) -> tuple[str, pd.DataFrame, dict[str, Any], str]:
    """Kind, table, content and SHA-256 of a report. Raises InputError, also if it differs from its seal."""
    report = read_json(path)
    check_content(path, report)
    kind, table = ("bench", _bench) if is_bench(report) else ("calibration", _calibration)
    try:
        return kind, table(path.stem, report), report, sha256_of(path)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not a report of kind {kind!r}: {type(error).__name__} {error}") from error


def is_bench(report: dict[str, Any]) -> bool:
    """Whether the object of a JSON file has the form of a report of `localist bench`."""
    return isinstance(report.get("results"), list) and isinstance(report.get("shape"), dict)


def _bench(name: str, report: dict[str, Any]) -> pd.DataFrame:
    """One row per timed variant: `model`, `device`, `task`, `tokens`, `variant`, `rounds`, `seconds`, `ratio`,
    `extra_mib`, which is empty where only time was measured.
    """
    rows = pd.DataFrame(report["results"])
    shown = ["task", "tokens", "dropout", "variant", "rounds", "seconds", "ratio", "extra_mib"]
    # Only whole passes have their memory recorded.
    rows = rows.reindex(columns=shown) if "extra_mib" not in rows else rows[shown]
    numbers = rows.columns.difference(["task", "variant"])
    rows = rows.astype(dict.fromkeys(numbers, float)).astype({"tokens": int, "rounds": int})
    return rows.assign(model=name, device=f"{report['device']}, {report['threads']} threads")


def _calibration(name: str, report: dict[str, Any]) -> pd.DataFrame:
    """One row per checked window: `share` of its rows that keep `fidelity`, and the promise made of all windows."""
    check, unseen = report["check"], report["unseen"]
    new = unseen["new_window"] or {}
    return pd.DataFrame(
        {
            "record": name,
            "model": re.sub("LMHeadModel|ForCausalLM", "", str(report["model"]["architecture"])),
            "window": check["windows"],
            "share": pd.Series(check["shares"], dtype=float),
            "fidelity": float(report["fidelity"]),
            "promised": float(report["rows"]),
            "confidence": float(unseen["confidence"]),
            "windows": int(unseen["windows"]),
            "violations": int(unseen["violations"]),
            "share_at_most": float(unseen["share_at_most"]),
            "level": float(new.get("probability", float("nan"))),
            "least_share": float(new.get("share", float("nan"))),
        }
    )
