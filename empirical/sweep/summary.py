"""Results of a sweep: one line per budget and configuration, every layer's records, and a manifest.

`summary.csv` has the columns `SUMMARY`; `rows.parquet` has the rows of every task's records, preceded by
`configuration`, `largest_dial` and `seed`; `manifest.json` has the sweep's configuration, one entry per task, the
failures, versions, and the SHA-256 of the other two. An empty cell is an interval that a single seed cannot give.

A perplexity is `exp` of the mean loss over seeds, and its interval is `exp` of the Student's t interval of the losses.
The ratio to the baseline is paired by seed, because a seed sees the same batches in the same order under every
configuration; its interval is that of the differences of the losses. The intervals are over fine-tuning seeds only:
all tasks share one base model and one held-out text.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from empirical.attention.schedule import BUDGET_WARNING
from empirical.csv_table import read_table
from empirical.environment import environment
from empirical.measuring.records import BOUNDS, COLUMNS, Records
from empirical.sweep.plan import BASELINE, BUDGETS, SweepConfig, Task, mean_dial, plain
from empirical.sweep.promised import promise_of
from theory.errors import InputError
from theory.files import read_json, sha256_of, write_bytes_atomically, write_text_atomically

SUMMARY_NAME = "summary.csv"
ROWS_NAME = "rows.parquet"
MANIFEST_NAME = "manifest.json"
CONFIDENCE = 0.95

SUMMARY: dict[str, str] = {
    "budget": "what all configurations share. largest, mean: that dial; promise: the calibration's, kept on the base",
    "configuration": "schedule of the dial",
    "largest_dial": "largest dial over the layers",
    "mean_dial": "mean dial over the layers",
    "seeds": "fine-tuning seeds",
    "perplexity": "exp of the mean held-out loss over seeds",
    "perplexity_low": "lower end of its 95 % interval",
    "perplexity_high": "upper end of its 95 % interval",
    "ratio": "perplexity over that of the baseline, paired by seed",
    "ratio_low": "lower end of its 95 % interval",
    "ratio_high": "upper end of its 95 % interval",
    "entropy": "mean entropy of a row over layers, heads and seeds, nats",
    "fidelity": "mean fidelity of a row over layers, heads and seeds",
    "last_layer_entropy": "mean entropy of a row in the last layer, nats",
    "last_layer_fidelity": "mean fidelity of a row in the last layer",
    "rows": "attention rows measured",
    "violations": "rows that violate at least one bound beyond the derived rounding error",
    "undecided": "rows with undecided bounds, because their scores are too large",
    **{f"slack_{name}_min": f"smallest distance from the bound, nats or mass. {law}" for name, law in BOUNDS.items()},
}
NAMES = ("budget", "configuration")
COUNTS = ("seeds", "rows", "violations", "undecided")


@dataclass(frozen=True)
class Finished:
    """A task and its records."""

    task: Task
    records: Records


@dataclass(frozen=True)
class Sweep:
    """A summarised sweep: the rows of `SUMMARY`, the manifest, and the folder that holds them."""

    summary: pd.DataFrame
    manifest: dict[str, Any]
    folder: Path

    @property
    def digest(self) -> str:
        """SHA-256 of `summary.csv`; figures of the sweep are stamped with it."""
        return str(self.manifest["summary_csv"]["sha256"])


def interval(losses: Sequence[float]) -> tuple[float, float, float]:
    """Mean and ends of its 95 % interval (Student's t); the ends are NaN for a single value.

    >>> [round(value, 3) for value in interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    from scipy.stats import t

    values = np.asarray(losses, dtype=np.float64)
    mean = float(values.mean())
    if len(values) < 2:
        return mean, math.nan, math.nan
    half = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    return mean, mean - half, mean + half


def summarise(config: SweepConfig, layers: int, finished: Sequence[Finished]) -> pd.DataFrame:
    """The rows of `SUMMARY`, in the order of budgets and configurations."""
    lines = []
    for budget in BUDGETS:
        baseline = _losses(finished, budget, BASELINE)
        for name in config.configurations:
            chosen = [each for each in finished if each.task.configuration == name and budget in each.task.budgets]
            if chosen:
                lines.append(_line(budget, layers, chosen, baseline))
    return pd.DataFrame(lines, columns=list(SUMMARY))


def write_summary(
    folder: Path,
    config: SweepConfig,
    layers: int,
    finished: Sequence[Finished],
    failures: dict[str, str],
    base: Records | None,
) -> Sweep:
    """Summarise and write the three files. Raises InputError if the folder cannot be written."""
    summary = summarise(config, layers, finished)
    text = summary.to_csv(index=False, float_format="%.10g", lineterminator="\n")
    write_text_atomically(folder / SUMMARY_NAME, text)
    manifest: dict[str, Any] = {
        "kind": "sweep",
        "sweep": plain(config),
        "mean_dial": mean_dial(config, layers),
        **({} if config.calibration is None else {"promise": promise_of(config.calibration)}),
        "warning": BUDGET_WARNING,
        "base": None if base is None else _described(base),
        "tasks": [
            {
                "name": each.task.name,
                "configuration": each.task.configuration,
                "largest_dial": each.task.largest_dial,
                "seed": each.task.seed,
                "budgets": list(each.task.budgets),
                **({} if each.task.measured is None else {"dials": list(each.task.measured)}),
                **_described(each.records),
            }
            for each in finished
        ],
        "failed": failures,
        "versions": environment(),
        "summary_csv": {"name": SUMMARY_NAME, "sha256": hashlib.sha256(text.encode()).hexdigest()},
    }
    if finished:
        manifest["corpus"] = finished[0].records.manifest["corpus"]
        manifest["rows_parquet"] = {"name": ROWS_NAME, "sha256": _write_rows(folder / ROWS_NAME, finished)}
    write_text_atomically(folder / MANIFEST_NAME, json.dumps(manifest, indent=2, allow_nan=False) + "\n")
    return Sweep(summary, manifest, folder)


def read_summary(folder: Path | str) -> Sweep:
    """Read a sweep's summary and check it against its manifest. Raises InputError.

    Only a sweep without finished tasks may lack rows.
    """
    folder = Path(folder)
    manifest = read_json(folder / MANIFEST_NAME)
    if manifest.get("kind") != "sweep":
        raise InputError(f"{folder / MANIFEST_NAME} is not a sweep's manifest")
    _check_stamp(folder, manifest, "summary_csv", SUMMARY_NAME)
    # Summaries of earlier records lack A8.
    summary = read_table(folder / SUMMARY_NAME, SUMMARY, COUNTS, NAMES, optional=("slack_leak_sink_min",))
    if len(summary) or "rows_parquet" in manifest:
        _check_stamp(folder, manifest, "rows_parquet", ROWS_NAME)
    return Sweep(summary, manifest, folder)


def _check_stamp(folder: Path, manifest: dict[str, Any], part: str, name: str) -> None:
    stated = manifest.get(part)
    if not isinstance(stated, dict) or not isinstance(stated.get("sha256"), str):
        raise InputError(f"{folder / MANIFEST_NAME}: {part} must state the sha256 of {name}")
    path = folder / name
    if not path.is_file() or sha256_of(path) != stated["sha256"]:
        raise InputError(f"{path} is missing or does not match its manifest")


def _losses(finished: Sequence[Finished], budget: str, name: str) -> dict[int, float]:
    return {
        each.task.seed: each.records.manifest["passes"][0]["loss"]
        for each in finished
        if each.task.configuration == name and budget in each.task.budgets
    }


def _line(budget: str, layers: int, chosen: list[Finished], baseline: dict[int, float]) -> dict[str, Any]:
    task = chosen[0].task
    losses = _losses(chosen, budget, task.configuration)
    paired = [loss - baseline[seed] for seed, loss in losses.items() if seed in baseline]
    # Without a baseline, which may have failed, there is no ratio.
    ratio = interval(paired) if paired else (math.nan,) * 3
    perplexity = interval(list(losses.values()))
    rows = pd.concat([each.records.rows for each in chosen])
    last = rows[rows["layer"] == layers - 1]
    line = {
        "budget": budget,
        "configuration": task.configuration,
        "largest_dial": task.largest_dial,
        "mean_dial": sum(task.dials(layers)) / layers,
        "seeds": len(chosen),
        "entropy": _mean(rows, "entropy_mean"),
        "fidelity": _mean(rows, "fidelity_mean"),
        "last_layer_entropy": _mean(last, "entropy_mean"),
        "last_layer_fidelity": _mean(last, "fidelity_mean"),
        "rows": int(rows["rows"].sum()),
        "violations": int(rows["violations"].sum()),
        "undecided": int(rows["undecided"].sum()),
    }
    for label, value in zip(("", "_low", "_high"), perplexity, strict=True):
        line[f"perplexity{label}"] = math.exp(value)
    for label, value in zip(("", "_low", "_high"), ratio, strict=True):
        line[f"ratio{label}"] = math.exp(value)
    return line | {f"slack_{name}_min": rows[f"slack_{name}_min"].min() for name in BOUNDS}


def _mean(rows: pd.DataFrame, column: str) -> float:
    values: NDArray[np.float64] = rows[column].to_numpy()
    return float(np.average(values, weights=rows["rows"]))


def _described(records: Records) -> dict[str, Any]:
    manifest = records.manifest
    return {
        "loss": manifest["passes"][0]["loss"],
        "perplexity": manifest["passes"][0]["perplexity"],
        "rows": records.measured_rows,
        "violations": records.violations,
        "undecided": records.undecided,
        "held_out_tokens": manifest["held_out_tokens"],
        "training": manifest["training"],
        "weights_sha256": manifest["weights_sha256"],
    }


def _write_rows(path: Path, finished: Sequence[Finished]) -> str:
    parts = []
    for each in finished:
        rows = each.records.rows.loc[:, list(COLUMNS)].copy()
        rows.insert(0, "seed", each.task.seed)
        rows.insert(0, "largest_dial", each.task.largest_dial)
        rows.insert(0, "configuration", each.task.configuration)
        parts.append(rows)
    buffer = io.BytesIO()
    pd.concat(parts, ignore_index=True).to_parquet(buffer, index=False, compression="zstd")
    write_bytes_atomically(path, buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()
