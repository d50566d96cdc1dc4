"""Reads a CSV file with known columns of whole numbers, text and floats."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from theory.errors import InputError

# Largest int64.
_LARGEST = 2**63 - 1


def read_table(
    path: Path,
    columns: Collection[str],
    counts: Collection[str],
    names: Collection[str] = (),
    optional: Collection[str] = (),
) -> pd.DataFrame:
    """The `columns` of a CSV file, without any others: `counts` are whole numbers, `names` text, the rest float64.

    An empty cell is NaN in a float column and refused in `counts`. A file may lack the `optional` columns, which are
    then NaN, or 0 in `counts`. Raises InputError.
    """
    table: dict[str, Any] = {}
    for name in columns:
        table[name] = [] if name in names else array("q" if name in counts else "d")
    try:
        # newline="": csv splits lines itself, since a quoted name may contain a line break.
        with path.open(encoding="utf-8", newline="") as stream:
            lines = csv.reader(stream, strict=True)
            header = next(lines, [])
            lacking = [name for name in optional if name not in header]
            places = _places(path, [name for name in columns if name not in lacking], header)
            for number, row in enumerate(lines, 1):
                if len(row) != places.cells:
                    raise InputError(f"{path}, row {number}: {len(row)} cells must be {places.cells}, one per column")
                for name, place in places.of.items():
                    cell = row[place]
                    if name in names:
                        table[name].append(cell)
                    else:
                        table[name].append(_count(path, name, cell) if name in counts else _number(path, name, cell))
                for name in lacking:
                    table[name].append(0 if name in counts else math.nan)
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV table: {error}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text") from error
    kinds = {name: "object" if name in names else "int64" if name in counts else "float64" for name in columns}
    return pd.DataFrame({name: pd.Series(values, dtype=kinds[name]) for name, values in table.items()})


@dataclass(frozen=True)
class _Places:
    """Number of cells in a line, and the index of each column."""

    cells: int
    of: dict[str, int]


def _places(path: Path, columns: Collection[str], header: list[str]) -> _Places:
    missing = [name for name in columns if name not in header]
    if missing:
        raise InputError(f"{path}: {len(missing)} columns are missing, first {missing[0]!r}")
    twice = [name for name in columns if header.count(name) > 1]
    if twice:
        raise InputError(f"{path}: column {twice[0]!r} appears more than once")
    return _Places(len(header), {name: header.index(name) for name in columns})


def _count(path: Path, name: str, cell: str) -> int:
    try:
        value = int(cell)
    except ValueError:
        value = -1
    if not 0 <= value <= _LARGEST:
        raise InputError(f"{path}: column {name!r} must hold integers from 0, found {cell[:40]!r}")
    return value


def _number(path: Path, name: str, cell: str) -> float:
    try:
        # Python's float rounds correctly; pandas' parser does not promise that in every version.
        return float(cell) if cell else math.nan
    except ValueError:
        raise InputError(f"{path}: column {name!r} must hold numbers, found {cell[:40]!r}") from None
