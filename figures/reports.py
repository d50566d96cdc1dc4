"""Reports that are one file each, as tables: of `localist bench` and `calibrate`, of groups, of rules that fired."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from empirical.seal import check_content
from figures.stamp import digest
from theory.errors import InputError
from theory.files import read_json, sha256_of

# The suffix of firing logs.
LOG = ".jsonl"


def is_report(path: Path) -> bool:
    """Whether the file is a report that a figure can show."""
    return _is_log(path) if path.suffix == LOG else _kind(read_json(path)) is not None


def read_report(path: Path) -> tuple[str, pd.DataFrame, dict[str, Any], str]:
    """Kind, table, content and SHA-256 of a report. Raises InputError, also if it differs from its seal."""
    if path.suffix == LOG:
        rows, sha256 = _firings(path)
        return "firings", rows, {}, sha256
    report = read_json(path)
    check_content(path, report)
    kind = str(_kind(report))
    try:
        return kind, _TABLES[kind](path.stem, report), report, sha256_of(path)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not a report of kind {kind!r}: {type(error).__name__} {error}") from error


def is_bench(report: dict[str, Any]) -> bool:
    """Whether the object of a JSON file has the form of a report of `localist bench`."""
    return isinstance(report.get("results"), list) and isinstance(report.get("shape"), dict)


def _is_log(path: Path) -> bool:
    """Whether the first line is that of a firing log; what follows it is checked when it is read."""
    try:
        with path.open("rb") as stream:
            first = json.loads(stream.readline())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(first, dict) and first.get("event") == "log"


def _kind(report: dict[str, Any]) -> str | None:
    """The kind of a report, None of other JSON; the groups of a run are one if their norms were recorded."""
    if is_bench(report):
        return "bench"
    if isinstance(report.get("groups"), list) and "norms_every" in report:
        return "groups"
    return "calibration" if report.get("kind") == "calibration" else None


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


def _groups(name: str, report: dict[str, Any]) -> pd.DataFrame:
    """One row per group and step, from 0: `norm` where it was recorded, and the `rate` of the step.

    `weights`, `longest` (largest measured step of the optimiser over its rate), `extinct` (the step from which the
    group is zero) and `promised` (that of C4 or C5) are the group's; `penalty`, `optimizer` and Adam's `beta1` and
    `beta2` are the run's.
    """
    rates = [float("nan"), *map(float, report["learning_rates"])]
    adam = report["optimizer"] == "adamw"
    every, steps = int(report["norms_every"]), len(rates)
    parts = []
    for number, group in enumerate(report["groups"]):
        norms = pd.Series(float("nan"), index=range(steps))
        norms[0] = float(group["norm_start"])
        norms.iloc[every::every] = pd.Series(group["norms"], dtype=float).to_numpy()
        part = pd.DataFrame({"group": number, "step": range(steps), "norm": norms, "rate": rates})
        promised = group["predicted_step_universal" if adam else "predicted_step_measured"]
        known = {"longest": group["largest_step"], "extinct": group["extinct_step"], "promised": promised}
        parts.append(part.assign(**{key: float("nan" if each is None else each) for key, each in known.items()}))
    beta1, beta2 = map(float, report["betas"])
    return pd.concat(parts, ignore_index=True).assign(
        record=name,
        optimizer=str(report["optimizer"]),
        penalty=float(report["group_penalty"]),
        weights=int(report["weights_in_a_group"]),
        beta1=beta1,
        beta2=beta2,
    )


def _firings(path: Path) -> tuple[pd.DataFrame, str]:
    """One row per firing of a log, and the SHA-256 of its files in their order. Raises InputError.

    A row has a firing's fields, and the `model` that the log names.
    """
    # Loads torch, which takes seconds and which nothing else here needs.
    from empirical.steering.firing_log import part, part_numbers
    from empirical.steering.log_lines import LogLine
    from empirical.steering.read_log import LoggedPass, read_log

    model, lines = "", []
    for entry in read_log(path):
        if isinstance(entry, LogLine):
            model = Path(entry.model or "").name
        elif isinstance(entry, LoggedPass):
            lines += [firing.model_dump(exclude={"event"}) for firing in entry.firings]
    if not lines:
        raise InputError(f"{path} holds no firing of a rule")
    rows = pd.DataFrame(lines).astype({"promise": float}).assign(record=path.stem, model=model)
    files = [part(path, number) for number in (0, *part_numbers(path))]
    return rows, digest(b"".join(file.read_bytes() for file in files))


_TABLES = {"bench": _bench, "calibration": _calibration, "groups": _groups}
