"""A recorded sweep as tables: its summary with intervals of fidelity, its tasks, and its layers and heads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from empirical.csv_table import read_table
from empirical.sweep.plan import BUDGETS
from empirical.sweep.summary import (
    COUNTS,
    MANIFEST_NAME,
    NAMES,
    ROWS_NAME,
    SUMMARY,
    SUMMARY_NAME,
    interval,
    read_summary,
)
from theory.errors import InputError
from theory.files import read_json, sha256_of

_FIDELITIES = ("fidelity", "last_layer_fidelity")


@dataclass(frozen=True)
class RecordedSweep:
    """A sweep's summary and layers; digests are of the files as they are, `damaged` names those not as stated."""

    summary: pd.DataFrame
    rows: pd.DataFrame
    manifest: dict[str, Any]
    digests: dict[str, str]
    damaged: tuple[str, ...] = ()

    def tasks(self) -> pd.DataFrame:
        """One row per task: `configuration`, `largest_dial`, `seed`, `perplexity`, fidelities over its rows."""
        if self.rows.empty:
            raise InputError("the sweep holds no rows of its tasks")
        try:
            return pd.DataFrame([self._task(task) for task in self.manifest["tasks"]])
        except (KeyError, TypeError) as error:
            raise InputError(f"the sweep's manifest does not describe its tasks: {error}") from error

    def _task(self, task: dict[str, Any]) -> dict[str, Any]:
        rows, last = self.rows, self.rows["layer"].max()
        same = np.isclose(rows["largest_dial"], task["largest_dial"]) & (rows["seed"] == task["seed"])
        part = rows[same & (rows["configuration"] == task["configuration"])]
        if part.empty:
            raise InputError(f"{ROWS_NAME} holds no rows of the task {task['name']!r}")
        line = {key: task[key] for key in ("configuration", "largest_dial", "seed", "perplexity", "loss")}
        line |= {f"budget_{each}": each in task["budgets"] for each in BUDGETS}
        for name, chosen in zip(_FIDELITIES, (part, part[part["layer"] == last]), strict=True):
            line[name] = float(np.average(chosen["fidelity_mean"], weights=chosen["rows"]))
        return line

    def with_intervals(self) -> pd.DataFrame:
        """The summary with 95 % intervals over seeds of both fidelities, as `NAME_low` and `NAME_high`."""
        if self.rows.empty:
            return self.summary
        tasks, summary = self.tasks(), self.summary.copy()
        for name in _FIDELITIES:
            ends = []
            for line in summary.itertuples():
                shared = tasks.get(f"budget_{line.budget}", False)
                chosen = tasks[shared & (tasks["configuration"] == line.configuration)]
                if chosen.empty:
                    where = f"{line.configuration!r} under the budget {line.budget!r}"
                    raise InputError(f"{SUMMARY_NAME} names {where}, which no task of the manifest has")
                ends.append(interval(chosen[name]))
            summary[f"{name}_low"], summary[f"{name}_high"] = ([each[place] for each in ends] for place in (1, 2))
        return summary

    def one_seed(self) -> tuple[pd.DataFrame, int]:
        """Rows of the first seed at the same largest dial, of the first, second and last configuration; the seed."""
        seed = int(self.rows["seed"].min())
        names = list(dict.fromkeys(self.rows["configuration"]))
        wanted = list(dict.fromkeys([*names[:2], names[-1]]))
        parts = []
        for name in wanted:
            of_name = self.rows[(self.rows["configuration"] == name) & (self.rows["seed"] == seed)]
            parts.append(of_name[of_name["largest_dial"] == of_name["largest_dial"].max()])
        return pd.concat(parts, ignore_index=True), seed


def read_sweep(folder: Path, *, verify: bool = True) -> RecordedSweep:
    """Read a sweep's folder. Raises InputError; without `verify`, files that do not match their manifest are read."""
    try:
        read = read_summary(folder)
        summary, manifest = read.summary, read.manifest
    except InputError:
        if verify:
            raise
        manifest = read_json(folder / MANIFEST_NAME)
        summary = read_table(folder / SUMMARY_NAME, SUMMARY, COUNTS, NAMES, optional=("slack_leak_sink_min",))
    digests = {name: sha256_of(folder / name) for name in (SUMMARY_NAME, MANIFEST_NAME)}
    rows = pd.DataFrame()
    if (folder / ROWS_NAME).is_file() and "rows_parquet" in manifest:
        try:
            rows = pd.read_parquet(folder / ROWS_NAME)
        except (ValueError, OSError) as error:
            raise InputError(f"{folder / ROWS_NAME} is not a table: {str(error).splitlines()[0]}") from error
        digests[ROWS_NAME] = sha256_of(folder / ROWS_NAME)
    stated = {SUMMARY_NAME: manifest.get("summary_csv"), ROWS_NAME: manifest.get("rows_parquet")}
    damaged = [
        name
        for name, part in stated.items()
        if name in digests and not (isinstance(part, dict) and part.get("sha256") == digests[name])
    ]
    return RecordedSweep(summary, rows, manifest, digests, tuple(damaged))
