"""Samples of single rows and attention maps, as tables to draw from, and what is wrong with their files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow.parquet as pq
from pyarrow import ArrowException

from empirical.measuring.maps import KIND as MAPS
from empirical.measuring.maps import MANIFEST_NAME, TABLE_NAME, read_maps
from empirical.measuring.row_file import MOVED_COLUMNS, ROW_COLUMNS, ROWS_KEY, SUFFIX, read_rows
from theory.errors import InputError
from theory.files import read_json, sha256_of

Read = TypeVar("Read")
# Kinds of the two files of rows: with the model's own dials, and with moved ones.
SAMPLE, MOVED = "sample", "moved sample"


def is_maps(folder: Path) -> bool:
    """Whether the folder holds attention maps."""
    return (folder / MANIFEST_NAME).is_file() and read_json(folder / MANIFEST_NAME).get("kind") == MAPS


def samples_in(folder: Path, depth: str = "") -> set[Path]:
    """Files of `measure --rows --sample` in the folder; whole files are too large to draw every row of."""
    return {path for path in folder.glob(f"{depth}*{SUFFIX}") if _is_sample(path)}


def read_sample(path: Path, *, verify: bool) -> tuple[str, pd.DataFrame, dict[str, Any], str, str]:
    """Kind, rows, manifest and SHA-256 of a sample, and what is wrong with it. Raises InputError.

    The rows have the totals of the whole measurement as constant columns `all_rows`, `violations` and `undecided`.
    """
    (table, about), damage = leniently(read_rows, path, verify)
    manifest = about.get("manifest")
    if not isinstance(manifest, dict):
        raise InputError(f"{path} does not hold the manifest of its records")
    moved = manifest.get("kind") == "dial"
    needed = [*ROW_COLUMNS, *(MOVED_COLUMNS if moved else ())]
    totals = {"all_rows": "rows", "violations": "violations", "undecided": "undecided"}
    missing = [name for name in needed if name not in table] + [key for key in totals.values() if key not in manifest]
    if missing:
        raise InputError(f"{path}: {len(missing)} columns or entries are missing, first {missing[0]!r}")
    rows = table.assign(**{name: manifest[key] for name, key in totals.items()})
    return MOVED if moved else SAMPLE, rows, manifest, sha256_of(path), damage


def read_drawn_maps(folder: Path, *, verify: bool) -> tuple[str, pd.DataFrame, dict[str, Any], str, str]:
    """Kind, table, manifest and SHA-256 of attention maps, and what is wrong with them. Raises InputError."""
    (table, manifest), damage = leniently(read_maps, folder, verify)
    return MAPS, table, manifest, sha256_of(folder / TABLE_NAME), damage


def leniently(read: Callable[..., Read], path: Path, verify: bool) -> tuple[Read, str]:
    """What `read` gives, and "". Without `verify`, what it gives unchecked, and what the check says."""
    try:
        return read(path), ""
    except InputError as error:
        if verify:
            raise
        return read(path, verify=False), str(error)


def _is_sample(path: Path) -> bool:
    try:
        packed = (pq.read_metadata(path).metadata or {}).get(ROWS_KEY, b"")
    except (ArrowException, OSError):
        return False
    return b'"sample"' in packed
