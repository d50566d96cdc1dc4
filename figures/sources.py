"""Finds and reads the recorded rows that a figure is drawn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from empirical.measuring.records import MANIFEST_NAME, ROWS_NAME, read_records
from empirical.sweep.summary import SUMMARY_NAME, read_summary
from figures.stamp import Source
from theory.errors import InputError
from theory.files import read_json

DEFAULT_RECORDS = Path("runs")

# Columns of panels that still fit a page.
MOST_RECORDS = 6
LONGEST_NAME = 28

# Command that makes records of each kind.
_COMMANDS = {
    "rows": "localist measure RUN",
    "dial": "localist measure RUN --dial 0:1:0.1",
    "sweep": "localist sweep SWEEP.toml RUNS",
}


@dataclass(frozen=True)
class Recorded:
    """One folder's rows and manifest, their kind, and the file they were read from."""

    kind: str
    rows: pd.DataFrame
    manifest: dict[str, Any]
    file: str
    digest: str


@dataclass(frozen=True)
class Material:
    """Rows with a `configuration` each, and their sources."""

    rows: pd.DataFrame
    sources: tuple[Source, ...]


def read_all(folders: Sequence[Path]) -> list[Recorded]:
    """All records in the folders, which may hold records, runs, sweeps, or folders of these. Raises InputError."""
    found: dict[Path, Recorded] = {}
    for folder in folders:
        for path in _record_folders(folder):
            if path.resolve() not in found:
                found[path.resolve()] = _read(path)
    return list(found.values())


def material(records: Sequence[Recorded], kind: str, figure: str) -> Material:
    """The rows of all records of this kind. Raises InputError if there are none, or too many to draw."""
    chosen = [each for each in records if each.kind == kind]
    if not chosen:
        raise InputError(
            f"figure {figure!r} needs records of kind {kind!r}, none given. "
            f"Make them with `{_COMMANDS[kind]}` and name their folder with --records."
        )
    most = 1 if kind == "sweep" else MOST_RECORDS
    if len(chosen) > most:
        raise InputError(
            f"figure {figure!r}: {len(chosen)} records of kind {kind!r} are more than the {most} that "
            f"{'fits' if most == 1 else 'fit'}. Name {'one' if most == 1 else 'some'} of them with --records."
        )
    if kind == "sweep":
        (one,) = chosen
        return Material(one.rows, (Source(one.file, one.digest),))
    names = _names(chosen)
    parts = [each.rows.assign(configuration=name) for each, name in zip(chosen, names, strict=True)]
    moved = ", dial moved" if kind == "dial" else ""
    sources = tuple(
        Source(f"{name}{moved}: {each.file}", each.digest) for each, name in zip(chosen, names, strict=True)
    )
    return Material(pd.concat(parts, ignore_index=True), sources)


def _read(folder: Path) -> Recorded:
    if _is_sweep(folder):
        sweep = read_summary(folder)
        return Recorded("sweep", sweep.summary, sweep.manifest, SUMMARY_NAME, sweep.digest)
    records = read_records(folder)
    return Recorded(str(records.manifest.get("kind")), records.rows, records.manifest, ROWS_NAME, records.digest)


def _is_sweep(folder: Path) -> bool:
    path = folder / MANIFEST_NAME
    return path.is_file() and read_json(path).get("kind") == "sweep"


def _record_folders(folder: Path) -> list[Path]:
    if not folder.exists():
        raise InputError(f"no folder of records at {folder}")
    if (folder / MANIFEST_NAME).is_file() or (folder / ROWS_NAME).is_file():
        return [folder]
    # A run keeps its records one level down, `runs` two, a demo in `runs` three; a sweep's tasks belong to the sweep.
    found: set[Path] = set()
    for depth in ("*", "*/*", "*/*/*"):
        for name in (ROWS_NAME, MANIFEST_NAME):
            found |= {path.parent for path in folder.glob(f"{depth}/{name}")}
    sweeps = {path for path in found if _is_sweep(path)}
    found = {path for path in found if not sweeps & set(path.parents)}
    if not found:
        raise InputError(f"no records in {folder}. Make some with `localist measure`.")
    return sorted(found)


def _names(records: Sequence[Recorded]) -> list[str]:
    """Unique readable names: the configuration, with seed, run or number as needed."""
    plain = [str(each.manifest.get("configuration", "unnamed")) for each in records]
    seeded = [f"{name}, seed {each.manifest.get('seed')}" for name, each in zip(plain, records, strict=True)]
    full = [f"{name}, {each.manifest.get('run')}" for name, each in zip(seeded, records, strict=True)]
    for names in (plain, seeded, full):
        short = [_shortened(name) for name in names]
        if max(Counter(short).values()) == 1:
            return short
    # After the shortened name: shortening would cut off the number that makes it unique.
    return [_shortened(name, f" #{number}") for number, name in enumerate(seeded, 1)]


def _shortened(name: str, end: str = "") -> str:
    return " ".join(name.split())[: LONGEST_NAME - len(end)] + end
