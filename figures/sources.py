"""Finds and reads the recorded rows that a figure is drawn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from empirical.measuring.maps import TABLE_NAME as MAPS_NAME
from empirical.measuring.records import MANIFEST_NAME, ROWS_NAME, read_records
from empirical.measuring.row_file import SUFFIX
from empirical.sweep.summary import ROWS_NAME as SWEPT_ROWS
from empirical.sweep.summary import SUMMARY_NAME
from figures.reports import is_report, read_report
from figures.samples import is_maps, leniently, read_drawn_maps, read_sample, samples_in
from figures.stamp import Source, digest
from figures.stated import STATED_NAME, read_stated, with_stated
from figures.sweeps import RecordedSweep, read_sweep
from theory.errors import InputError
from theory.files import read_json, sha256_of

DEFAULT_RECORDS = Path("runs")

# Columns of panels that a reader can still read on a page.
MOST_RECORDS = 3
LONGEST_NAME = 28
# Files that a footer lists one by one.
_MOST_SOURCES = 8

# Command that makes records of each kind.
_COMMANDS = {
    "rows": "localist measure RUN",
    "dial": "localist measure RUN --dial 0:1:0.1",
    "sample": "localist measure RUN --rows RUN/rows.parquet --sample 500",
    "moved sample": "localist measure RUN --dial 0:1:0.1 --rows RUN/dialled.parquet --sample 100",
    "maps": "localist measure RUN --maps 0.0,1.0",
    "sweep": "localist sweep SWEEP.toml RUNS",
    "sweep tasks": "localist sweep SWEEP.toml RUNS",
    "sweep layers": "localist sweep SWEEP.toml RUNS",
    "bench": "localist bench --out records/bench/NAME.json",
    "calibration": "localist calibrate RUN --fidelity 0.9 --rows 0.95 --max-loss 0.02",
    "groups": "localist train RUN --group-penalty 0.01 --norms-every 4",
    "firings": "localist generate MODEL --rules RULES.toml --log NAME.jsonl",
}
_FITTING = {"moved sample": 1, "maps": 2, "sweep": 1, "sweep tasks": 1, "sweep layers": 1, "bench": 6, "calibration": 8}
_FITTING |= {"groups": 24, "firings": 1}
# Names of folders and files that hold reports.
_REPORTS = ("bench/*.json", "calibration/*.json", "calibration.json", "paths/*.json", "groups.json", "rules/*.jsonl")


@dataclass(frozen=True)
class Recorded:
    """One folder's rows and manifest, their kind, and the file they were read from."""

    kind: str
    rows: pd.DataFrame
    manifest: dict[str, Any]
    file: str
    digest: str
    sweep: RecordedSweep | None = None
    damage: str = ""


@dataclass(frozen=True)
class Material:
    """Rows with a `configuration` each, their sources, and what is wrong with these."""

    rows: pd.DataFrame
    sources: tuple[Source, ...]
    damage: str = ""


def read_all(folders: Sequence[Path], *, verify: bool = True) -> list[Recorded]:
    """Each distinct record in the folders, which are records, runs, sweeps, or folders of these. Raises InputError."""
    found: dict[Path, Recorded] = {}
    for folder in folders:
        for path in _record_paths(folder):
            if path.resolve() not in found:
                found[path.resolve()] = _read(path, verify)
    return list(found.values())


def material(records: Sequence[Recorded], kind: str, figure: str) -> Material:
    """The rows of all records of this kind. Raises InputError if there are none, or too many to draw."""
    # The tasks and layers of a sweep are part of its record.
    chosen = [each for each in records if each.kind == ("sweep" if kind.startswith("sweep") else kind)]
    if kind == "bench":
        chosen = [each for each in chosen if (each.rows["task"] == "measuring").any()]
    if not chosen and kind == "rows":
        swept = [each.sweep for each in records if each.sweep and not each.sweep.rows.empty]
        if len(swept) == 1:
            return _layers_of(swept[0])
    if not chosen:
        raise InputError(
            f"figure {figure!r} needs records of kind {kind!r}, none given. "
            f"Make them with `{_COMMANDS[kind]}` and name their folder with --records."
        )
    most = _FITTING.get(kind, MOST_RECORDS)
    if len(chosen) > most:
        raise InputError(
            f"figure {figure!r}: {len(chosen)} records of kind {kind!r} are more than the {most} that "
            f"{'fits' if most == 1 else 'fit'}. Name {'one' if most == 1 else 'some'} of them with --records."
        )
    if chosen[0].sweep:
        found = _of_sweep(chosen[0].sweep, kind)
        stated = [each for each in records if each.kind == "stated"]
        if kind == "sweep tasks" and len(stated) == 1:
            sources = (*found.sources, Source(stated[0].file, stated[0].digest))
            return replace(found, rows=with_stated(found.rows, stated[0].rows), sources=sources)
        return found
    if kind == "groups":
        _check_comparable(chosen)
    if kind in ("bench", "calibration", "groups", "firings"):
        rows = pd.concat([each.rows for each in chosen], ignore_index=True)
        return Material(rows, _sources(chosen))
    names = _names(chosen)
    parts = [each.rows.assign(configuration=name) for each, name in zip(chosen, names, strict=True)]
    moved = ", dial moved" if kind in ("dial", "moved sample") else ""
    sources = tuple(
        Source(f"{name}{moved}: {each.file}", each.digest) for each, name in zip(chosen, names, strict=True)
    )
    damage = "; ".join(each.damage for each in chosen if each.damage)
    return Material(pd.concat(parts, ignore_index=True), sources, damage)


def _of_sweep(sweep: RecordedSweep, kind: str) -> Material:
    if kind == "sweep layers":
        return _drawn_from(sweep, sweep.rows, SWEPT_ROWS)
    if kind == "sweep tasks":
        return _drawn_from(sweep, sweep.tasks(), MANIFEST_NAME, SWEPT_ROWS)
    return _drawn_from(sweep, sweep.with_intervals(), SUMMARY_NAME, SWEPT_ROWS)


def _check_comparable(records: Sequence[Recorded]) -> None:
    """Raise InputError unless the runs of an optimizer have a penalty each, and the same groups at the start."""
    starts: dict[str, pd.Series] = {}
    penalties = set()
    for each in records:
        optimizer, penalty = str(each.rows["optimizer"].iloc[0]), float(each.rows["penalty"].iloc[0])
        if (optimizer, penalty) in penalties:
            raise InputError(f"{each.file} is another run of {optimizer!r} with penalty {penalty:g}: name one of them")
        penalties.add((optimizer, penalty))
        start = each.rows["norm"][each.rows["step"] == 0].reset_index(drop=True)
        if not start.equals(starts.setdefault(optimizer, start)):
            raise InputError(f"{each.file} began with other weights than the runs beside it: name runs of one model")


def _sources(records: Sequence[Recorded]) -> tuple[Source, ...]:
    """One source per file; many files of one folder are one, whose digest is that of `sha256sum *`."""
    folders = {each.file.split("/")[0] for each in records}
    if len(records) <= _MOST_SOURCES or len(folders) > 1:
        return tuple(Source(each.file, each.digest) for each in records)
    lines = sorted((each.file.split("/")[1], each.digest) for each in records)
    listed = "".join(f"{digest}  {name}\n" for name, digest in lines)
    return (Source(f"{folders.pop()}: {len(lines)} files, sha256sum * | sha256sum:", digest(listed.encode())),)


def _layers_of(sweep: RecordedSweep) -> Material:
    rows, seed = sweep.one_seed()
    names = {name: f"{name}, seed {seed}" for name in rows["configuration"]}
    return _drawn_from(sweep, rows.assign(configuration=rows["configuration"].map(names)), SWEPT_ROWS)


def _drawn_from(sweep: RecordedSweep, rows: pd.DataFrame, *files: str) -> Material:
    sources = tuple(Source(name, sweep.digests[name]) for name in files if name in sweep.digests)
    damaged = [name for name in files if name in sweep.damaged]
    return Material(rows, sources, "; ".join(f"{name} does not match its manifest" for name in damaged))


def _read(path: Path, verify: bool) -> Recorded:
    if path.name == STATED_NAME:
        return Recorded("stated", read_stated(path), {}, path.name, sha256_of(path))
    if path.is_file() and path.suffix == SUFFIX:
        kind, rows, manifest, digest, damage = read_sample(path, verify=verify)
        return Recorded(kind, rows, manifest, path.name, digest, damage=damage)
    if is_maps(path):
        kind, rows, manifest, digest, damage = read_drawn_maps(path, verify=verify)
        return Recorded(kind, rows, manifest, MAPS_NAME, digest, damage=damage)
    if path.is_file():
        kind, rows, report, digest = read_report(path)
        return Recorded(kind, rows, report, f"{path.parent.name}/{path.name}", digest)
    if _is_sweep(path):
        sweep = read_sweep(path, verify=verify)
        return Recorded("sweep", sweep.summary, sweep.manifest, SUMMARY_NAME, sweep.digests[SUMMARY_NAME], sweep)
    records, damage = leniently(read_records, path, verify)
    kind = str(records.manifest.get("kind"))
    return Recorded(kind, records.rows, records.manifest, ROWS_NAME, records.digest, damage=damage)


def _is_sweep(folder: Path) -> bool:
    path = folder / MANIFEST_NAME
    return path.is_file() and read_json(path).get("kind") == "sweep"


def _record_paths(folder: Path) -> list[Path]:
    if not folder.exists():
        raise InputError(f"no folder of records at {folder}")
    if folder.is_file():
        if folder in samples_in(folder.parent) or (folder.suffix != SUFFIX and is_report(folder)):
            return [folder]
        raise InputError(f"{folder} is neither a folder of records nor a report, log or sample that a figure shows")
    if (folder / MANIFEST_NAME).is_file() or (folder / ROWS_NAME).is_file():
        return [folder, *sorted(samples_in(folder))]
    found = _paths_below(folder)
    if not found:
        raise InputError(f"no records in {folder}. Make some with `localist measure`.")
    return sorted(found)


def holds_records(folder: Path) -> bool:
    """Whether there are records in the folder or below it."""
    return bool(_paths_below(folder))


def _paths_below(folder: Path) -> set[Path]:
    # A run keeps its records one level down, `runs` two, a demo in `runs` three; a sweep's tasks belong to the sweep.
    found: set[Path] = set()
    for depth in ("*", "*/*", "*/*/*"):
        for name in (ROWS_NAME, MANIFEST_NAME):
            found |= {path.parent for path in folder.glob(f"{depth}/{name}")}
    found |= {path for depth in ("", "*/", "*/*/", "*/*/*/") for path in samples_in(folder, depth)}
    sweeps = {path for path in found if _is_sweep(path)}
    found = {path for path in found if not sweeps & set(path.parents)}
    reports = {path for name in _REPORTS for depth in ("", "*/", "*/*/") for path in folder.glob(depth + name)}
    # The folder itself may be named after its reports.
    own = [name.split("/")[1] for name in _REPORTS if name.startswith(f"{folder.name}/")]
    reports |= {path for name in own for path in folder.glob(name)}
    found |= {path for path in reports if is_report(path)}
    if found and (folder / STATED_NAME).is_file():
        found.add(folder / STATED_NAME)
    return found


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
