"""Which records a folder holds, recognised by the names and contents of their files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from empirical.audit.files import REPORT_NAME as AUDIT_NAME
from empirical.calibration.calibrate import FILE_NAME as CALIBRATION_NAME
from empirical.config import SWEEP_NAME
from empirical.measuring.records import MANIFEST_NAME, ROWS_NAME
from empirical.measuring.truncation import REPORT_NAME as TRUNCATION_NAME
from empirical.training.train import CONFIG_NAME
from theory.errors import InputError
from theory.files import read_json

# Files of one JSON object, and the kind that each must state.
_REPORTS = {AUDIT_NAME: "audit", CALIBRATION_NAME: "calibration", TRUNCATION_NAME: "truncation"}
LOOKED_FOR = (
    f"{CONFIG_NAME} (a run), {MANIFEST_NAME} with {ROWS_NAME} or of a sweep, "
    f"{AUDIT_NAME} (an audit), {CALIBRATION_NAME}, {TRUNCATION_NAME}"
)


@dataclass(frozen=True)
class Part:
    """One record: its kind, the folder or file that holds it, and its name in the report.

    `place` is its path from the folder that holds the reported one.
    """

    kind: str
    path: Path
    name: str
    place: str


def parts_of(root: Path) -> list[Part]:
    """The records in a folder and one folder down, or the one of a JSON file. Raises InputError if there is none."""
    if root.is_file():
        kind = read_json(root).get("kind")
        if kind not in _REPORTS.values():
            raise InputError(f"{root}: kind is {str(kind)[:40]!r}, which must be one of {', '.join(_REPORTS.values())}")
        return [Part(str(kind), root, root.stem, root.name)]
    if not root.is_dir():
        raise InputError(f"{root} is neither a folder nor a file")
    name = root.resolve().name
    found = list(_in(root, name, name))
    # The runs and records of a sweep's tasks belong to the sweep.
    if not any(each.kind == "sweep" for each in found):
        for folder in sorted(path for path in root.iterdir() if path.is_dir()):
            found += [each for each in _in(folder, folder.name, f"{name}/{folder.name}") if each.kind != "run"]
    if not found:
        raise InputError(f"nothing to report in {root}: looked for {LOOKED_FOR}, there and one folder down")
    return found


def _in(folder: Path, name: str, place: str) -> Iterator[Part]:
    if (folder / CONFIG_NAME).is_file():
        yield Part("run", folder, name, place)
    if (folder / MANIFEST_NAME).is_file() or (folder / ROWS_NAME).is_file():
        swept = (folder / MANIFEST_NAME).is_file() and read_json(folder / MANIFEST_NAME).get("kind") == "sweep"
        yield Part("sweep" if swept else "rows", folder, name, place)
    elif (folder / SWEEP_NAME).is_file():
        raise InputError(f"{folder} holds a sweep without results: finish it with `localist sweep`")
    for file, kind in _REPORTS.items():
        if (folder / file).is_file() and read_json(folder / file).get("kind") == kind:
            yield Part(kind, folder / file, name, f"{place}/{file}")
