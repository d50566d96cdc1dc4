"""The worst rows of each head, from a file that `localist measure --rows` kept beside its records."""

from __future__ import annotations

import heapq
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pyarrow import ArrowException

from empirical.measuring.records import MANIFEST_NAME, Records
from empirical.measuring.row_file import ROWS_KEY, SUFFIX
from figures.report.shown import File, Row, count, ident, number
from theory.errors import InputError
from theory.files import sha256_of

# Rows listed per head, and over all heads.
WORST, MOST_ROWS = 3, 2000
_COLUMNS = (
    "dial_largest",
    "layer",
    "head",
    "sequence",
    "position",
    "token",
    "n",
    "m",
    "fidelity",
    "entropy",
    "verdict",
    "violates",
)
_RANK = {"violated": 0, "undecided": 1, "not violated": 2}

# By largest dial, then by layer and head.
Worst = dict[float, dict[tuple[int, int], list[Row]]]


def kept_rows(folder: Path, records: Records) -> tuple[Worst, list[str], list[File]]:
    """The worst rows by pass and head, remarks, and the file they are from; empty without a file of these records.

    Looks in the record folder and the one above it. Raises InputError for a file that names these records and does not
    agree with them.
    """
    remarks = []
    for path in sorted([*folder.glob(f"*{SUFFIX}"), *folder.resolve().parent.glob(f"*{SUFFIX}")]):
        # Only a broken table beside the records themselves may be theirs.
        if (stated := _stated(path, strict=path.parent == folder)) is None:
            continue
        if stated.get("rows_csv_sha256") != records.digest:
            # Beside the records of a sweep or of another measurement in the run.
            if path.parent == folder:
                remarks.append(f"{path.name} belongs to another measurement, so its rows are not shown")
            continue
        if stated.get("manifest_sha256") != sha256_of(folder / MANIFEST_NAME):
            raise InputError(f"{path} names another {MANIFEST_NAME} than that of {folder}: it was changed since")
        if "sample" in stated:
            remarks.append(f"{path.name} holds a sample of the rows, so it does not show the worst ones")
            continue
        worst = _read(path, records)
        file = File(path.name, sha256_of(path), "agrees with the records in counts, least and largest values")
        return worst, remarks, [file]
    return {}, remarks, []


def _stated(path: Path, *, strict: bool) -> dict[str, Any] | None:
    """What the file's metadata say; None for a table that is no file of rows, or unless `strict` for no table."""
    try:
        packed = (pq.read_metadata(path).metadata or {}).get(ROWS_KEY)
        stated = None if packed is None else json.loads(packed)
    except (ArrowException, OSError, ValueError) as error:
        if not strict:
            return None
        raise InputError(f"{path} is no table: {str(error).splitlines()[0]}") from error
    return stated if isinstance(stated, dict) else None


def _read(path: Path, records: Records) -> Worst:
    heads = len(records.rows)
    most = max(1, min(WORST, MOST_ROWS // heads))
    heaps: dict[tuple[float, int, int], list[Any]] = {}
    seen: dict[tuple[float, int, int], list[float]] = {}
    try:
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=list(_COLUMNS)).to_pandas()
            for key, part in table.groupby(["dial_largest", "layer", "head"]):
                _tally(seen.setdefault(key, [0, 0, 0, float("inf"), float("-inf")]), part)
                rank = part["verdict"].astype(str).map(_RANK)
                chosen = part.assign(rank=rank).nsmallest(most, ["rank", "fidelity"])
                found = (_entry(line) for line in chosen.itertuples())
                heaps[key] = heapq.nsmallest(most, [*heaps.get(key, []), *found], key=lambda entry: entry[:4])
    except (ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    _compare(path, seen, records)
    worst: Worst = {}
    for (dial, layer, head), entries in heaps.items():
        worst.setdefault(dial, {})[layer, head] = [_row(entry[-1]) for entry in entries]
    return worst


def _entry(line: Any) -> tuple[Any, ...]:
    return line.rank, line.fidelity, line.sequence, line.position, line


def _tally(sums: list[float], part: Any) -> None:
    verdicts = part["verdict"].astype(str)
    sums[0] += len(part)
    sums[1] += int((verdicts == "violated").sum())
    sums[2] += int((verdicts == "undecided").sum())
    sums[3] = min(sums[3], float(part["fidelity"].min()))
    sums[4] = max(sums[4], float(part["entropy"].max()))


def _compare(path: Path, seen: dict[tuple[float, int, int], list[float]], records: Records) -> None:
    """Raise InputError unless counts, least fidelity and largest entropy of every head are those of the records."""
    names = ("rows", "violations", "undecided", "fidelity_min", "entropy_max")
    stated = {
        (line["dial_largest"], line["layer"], line["head"]): [line[name] for name in names]
        for line in records.rows.to_dict("records")
    }
    if set(stated) != set(seen):
        raise InputError(f"{path} holds rows of other heads than its records: one of them was changed")
    for key, values in stated.items():
        for name, recorded, found in zip(names, values, seen[key], strict=True):
            if recorded != found:
                where = f"layer {key[1]}, head {key[2]}"
                raise InputError(
                    f"{path}, {where}: {name} is {found:g}, its records state {recorded:g}: one was changed"
                )


def _row(line: Any) -> Row:
    verdict = str(line.verdict)
    why = {"violated": f"violates {line.violates}", "undecided": "undecided"}.get(verdict, "among the least fidelities")
    cells = (why, ident(line.sequence), ident(line.position), ident(line.token))
    return Row((*cells, number(line.fidelity, 6), number(line.entropy, 6), count(line.n), count(line.m)))
