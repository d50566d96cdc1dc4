"""Which recorded rows a figure is drawn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from empirical.records import MANIFEST_NAME, ROWS_NAME, Records, read_records
from figures.stamp import Source
from theory.errors import InputError

DEFAULT_RECORDS = Path("runs")

# Columns of panels that still fit a page.
MOST_RECORDS = 6
LONGEST_NAME = 28


@dataclass(frozen=True)
class Material:
    """Rows with a `configuration` each, and what they came from."""

    rows: pd.DataFrame
    sources: tuple[Source, ...]


def read_all(folders: Sequence[Path]) -> list[Records]:
    """Every record in the folders, which may hold records, runs, or folders of runs. Raises InputError."""
    found: dict[Path, Records] = {}
    for folder in folders:
        for path in _record_folders(folder):
            if path.resolve() not in found:
                found[path.resolve()] = read_records(path)
    return list(found.values())


def material(records: Sequence[Records], kind: str, figure: str) -> Material:
    """The rows of all records of this kind. Raises InputError when there are none, or too many to draw."""
    chosen = [each for each in records if each.manifest.get("kind") == kind]
    if not chosen:
        command = "localist measure RUN" + (" --dial 0:1:0.1" if kind == "dial" else "")
        raise InputError(
            f"figure {figure!r} needs records of kind {kind!r}, none given. "
            f"Make them with `{command}` and name their folder with --records."
        )
    if len(chosen) > MOST_RECORDS:
        raise InputError(
            f"figure {figure!r}: {len(chosen)} records of kind {kind!r} are more than the {MOST_RECORDS} that "
            "fit. Name some of them with --records."
        )
    names = _names(chosen)
    parts = [each.rows.assign(configuration=name) for each, name in zip(chosen, names, strict=True)]
    moved = ", dial moved" if kind == "dial" else ""
    sources = tuple(
        Source(f"{name}{moved}: {ROWS_NAME}", each.digest) for each, name in zip(chosen, names, strict=True)
    )
    return Material(pd.concat(parts, ignore_index=True), sources)


def _record_folders(folder: Path) -> list[Path]:
    if not folder.exists():
        raise InputError(f"no folder of records at {folder}")
    if (folder / MANIFEST_NAME).is_file() or (folder / ROWS_NAME).is_file():
        return [folder]
    # A run keeps its records one level down, `runs` two, a demo in `runs` three.
    depths = ("*", "*/*", "*/*/*")
    found = {path.parent for depth in depths for path in folder.glob(f"{depth}/{ROWS_NAME}")}
    found |= {path.parent for depth in depths for path in folder.glob(f"{depth}/{MANIFEST_NAME}")}
    if not found:
        raise InputError(f"no records in {folder}. Make some with `localist measure`.")
    return sorted(found)


def _names(records: Sequence[Records]) -> list[str]:
    """A readable name each, unique among these: the configuration, its seed and run where that is needed."""
    plain = [str(each.manifest.get("configuration", "unnamed")) for each in records]
    seeded = [f"{name}, seed {each.manifest.get('seed')}" for name, each in zip(plain, records, strict=True)]
    full = [f"{name}, {each.manifest.get('run')}" for name, each in zip(seeded, records, strict=True)]
    numbered = [f"{name} #{index}" for index, name in enumerate(seeded, 1)]
    for names in (plain, seeded, full, numbered):
        short = [" ".join(name.split())[:LONGEST_NAME] for name in names]
        if max(Counter(short).values()) == 1:
            return short
    raise AssertionError("numbered names differ")
