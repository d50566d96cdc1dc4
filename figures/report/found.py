"""Which records a folder holds, recognised by the names and contents of their files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empirical.audit.files import REPORT_NAME as AUDIT_NAME
from empirical.calibration.calibrate import FILE_NAME as CALIBRATION_NAME
from empirical.config import SWEEP_NAME
from empirical.measuring.maps import KIND as MAPS
from empirical.measuring.records import MANIFEST_NAME, ROWS_NAME
from empirical.measuring.truncation import REPORT_NAME as TRUNCATION_NAME
from empirical.steering.firing_log import part_numbers
from empirical.training.train import CONFIG_NAME
from figures.reports import is_bench
from theory.errors import InputError
from theory.files import read_json

# Files of one JSON object, and the kind that each must state.
_REPORTS = {AUDIT_NAME: "audit", CALIBRATION_NAME: "calibration", TRUNCATION_NAME: "truncation"}
# Folders whose reports have names of their own.
_NAMED = ("bench", "calibration")
LOOKED_FOR = (
    f"{CONFIG_NAME} (a run), {MANIFEST_NAME} with {ROWS_NAME} or of a sweep, {AUDIT_NAME} (an audit), "
    f"{CALIBRATION_NAME}, {TRUNCATION_NAME}, reports of `localist bench`, and logs of rules (.jsonl)"
)
# Bytes of the largest JSON report that is read.
MOST_BYTES = 100_000_000


@dataclass(frozen=True)
class Part:
    """One record: its kind, the folder or file that holds it, and its name in the report.

    `place` is its path from the folder that holds the reported one. A file of kind "other" is none.
    """

    kind: str
    path: Path
    name: str
    place: str


def parts_of(root: Path) -> list[Part]:
    """The records in a folder and one folder down, or the one of a file. Raises InputError if there is none."""
    if root.is_file():
        return [Part(_of_file(root), root, root.stem, root.name)]
    if not root.is_dir():
        raise InputError(f"{root} is neither a folder nor a file")
    name = root.resolve().name
    found = list(_in(root, name, name, named=True))
    # The runs and records of a sweep's tasks belong to the sweep.
    if not any(each.kind == "sweep" for each in found):
        for folder in sorted(path for path in root.iterdir() if path.is_dir()):
            below = _in(folder, folder.name, f"{name}/{folder.name}", named=folder.name in _NAMED)
            found += [each for each in below if each.kind != "run"]
    if all(each.kind == "other" for each in found):
        raise InputError(f"nothing to report in {root}: looked for {LOOKED_FOR}, there and one folder down")
    return found


def _of_file(path: Path) -> str:
    """The kind of a record that is one file. Raises InputError for any other file."""
    if path.suffix == ".json":
        kind = _stated(_read(path))
        if kind is None:
            kinds = ", ".join(dict.fromkeys(_REPORTS.values()))
            stated = str(_read(path).get("kind"))[:40]
            raise InputError(f"{path}: kind is {stated!r}, which must be one of {kinds}, or it must be a bench's")
        return kind
    if _is_log(path):
        return "log"
    raise InputError(f"{path} is neither a JSON report nor the first file of a log of rules")


def _in(folder: Path, name: str, place: str, named: bool) -> Iterator[Part]:
    run = (folder / CONFIG_NAME).is_file()
    if run:
        yield Part("run", folder, name, place)
    if (folder / MANIFEST_NAME).is_file() or (folder / ROWS_NAME).is_file():
        kind = read_json(folder / MANIFEST_NAME).get("kind") if (folder / MANIFEST_NAME).is_file() else None
        # Attention maps are drawn by `figures`; they hold no verdicts.
        if kind == MAPS:
            return
        yield Part("sweep" if kind == "sweep" else "rows", folder, name, place)
    elif (folder / SWEEP_NAME).is_file():
        raise InputError(f"{folder} holds a sweep without results: finish it with `localist sweep`")
    for file, kind in _REPORTS.items():
        # The names of calibrations and truncations are theirs alone: one that says otherwise is refused, not left out.
        if (folder / file).is_file() and (_read(folder / file).get("kind") == kind or file != AUDIT_NAME):
            yield Part(kind, folder / file, name, f"{place}/{file}")
    # A model's folder has JSON files of its own, and those of a sweep were read.
    models = run or (folder / "config.json").is_file() or (folder / MANIFEST_NAME).is_file()
    if named and not models:
        for path in sorted(folder.glob("*.json")):
            if path.is_file() and path.name not in (*_REPORTS, SWEEP_NAME):
                yield Part(_stated(_read(path)) or "other", path, path.stem, f"{place}/{path.name}")
    # A log whose first file is missing is refused, not left out.
    logs = {*folder.glob("*.jsonl"), *(path.with_suffix("") for path in folder.glob("*.jsonl.[1-9]*"))}
    for path in sorted(path for path in logs if not path.is_dir()):
        yield Part("log" if _is_log(path) else "other", path, path.stem, f"{place}/{path.name}")


def _stated(report: dict[str, Any]) -> str | None:
    """The kind that a JSON report states of itself."""
    if is_bench(report):
        return "bench"
    kind = report.get("kind")
    return kind if isinstance(kind, str) and kind in _REPORTS.values() else None


def _read(path: Path) -> dict[str, Any]:
    if (size := path.stat().st_size) > MOST_BYTES:
        raise InputError(f"{path} has {size:,} bytes, more than the {MOST_BYTES:,} of the largest report that is read")
    return read_json(path)


def _is_log(path: Path) -> bool:
    """Whether a file begins as a log of rules, or is named as one and has parts that follow."""
    try:
        with path.open("rb") as stream:
            start = stream.read(200)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    return b'"event": "log"' in start or (path.suffix == ".jsonl" and (b'"event"' in start or bool(part_numbers(path))))
