"""A CSV file as a table whose columns are known: which are there, which are whole numbers, which are names."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from theory.errors import InputError
from theory.files import read_text

# What fits a column of whole numbers.
_LARGEST = 2**63 - 1


def read_table(
    path: Path, columns: Collection[str], counts: Collection[str], names: Collection[str] = ()
) -> pd.DataFrame:
    """The `columns` of a CSV file, others left out: `counts` are whole numbers, `names` text, the rest float64.

    An empty cell is NaN where a number may be missing, and refused among the counts. Raises InputError.
    """
    try:
        # csv splits the lines itself: a name in quotes may hold a line end.
        lines = list(csv.reader(io.StringIO(read_text(path), newline=""), strict=True))
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV table: {error}") from error
    header, *rows = lines or [[]]
    missing = [name for name in columns if name not in header]
    if missing:
        raise InputError(f"{path}: {len(missing)} columns are missing, first {missing[0]!r}")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise InputError(f"{path}, row {number}: {len(row)} cells must be {len(header)}, one a column")
    table = {}
    for name in columns:
        place = header.index(name)
        cells = [row[place] for row in rows]
        if name in names:
            table[name] = pd.Series(cells, dtype=object)
        elif name in counts:
            table[name] = pd.Series([_count(path, name, cell) for cell in cells], dtype="int64")
        else:
            table[name] = pd.Series([_number(path, name, cell) for cell in cells], dtype="float64")
    return pd.DataFrame(table)


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
        # Python's float rounds correctly, which pandas' own parser does not promise in every version.
        return float(cell) if cell else math.nan
    except ValueError:
        raise InputError(f"{path}: column {name!r} must hold numbers, found {cell[:40]!r}") from None
