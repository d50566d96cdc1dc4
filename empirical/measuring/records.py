"""Records of a measurement: a CSV with one row per layer, head and dial, and a JSON manifest.

A record folder holds `rows.csv` and `manifest.json`. The manifest contains the SHA-256 of the CSV, and the reader
refuses a folder whose rows do not match it. `COLUMNS` is the schema: every column with its meaning. Entropies,
margins, ranges and slacks are in nats; margins and ranges are those of the scores in the softmax (dial included),
divided by the temperature. An empty cell means "undefined": margins and ranges under the hard mask (dial 1),
predictions if no dial was moved, tolerances with undecided rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from empirical.csv_table import read_table
from empirical.reserve import reserved
from theory.display import MOST_ROWS, Card, Displayed, Table, bounds_badge
from theory.errors import InputError
from theory.files import read_json, sha256_of

SCHEMA = 3
# Read too: they lack A8, whose columns are then empty, and its count of violations 0.
FORMER_SCHEMA = 2
ROWS_NAME = "rows.csv"
MANIFEST_NAME = "manifest.json"

# Quantities measured on every row; records hold their distributions over the rows of a layer and head.
QUANTITIES: dict[str, str] = {
    "entropy": "entropy of the attention row",
    "fidelity": "attention mass on the query's own block",
    "leak": "attention mass off the block, summed there and never computed as 1 - fidelity",
    "margin": "smallest score in the block minus the largest outside, over the temperature",
    "mean_margin": "mean score in the block minus the largest outside, over the temperature",
    "soft_margin": "log-mean-exp in the block minus that outside (A1)",
    "logit_range": "largest minus smallest visible score, over the temperature",
}

# Checked bounds; the columns of violations, mean value and slack contain these names.
BOUNDS: dict[str, str] = {
    "leak_margin": "A2: leak <= leak_max at the margin",
    "leak_mean_margin": "A2: leak <= leak_max at the mean margin",
    "leak_sink": "A8: leak <= quantile_leak_max with the head's sink, or the text's first token, singled out",
    "entropy_fidelity": "A4: entropy <= h(F) + F log m + (1-F) log k at the measured fidelity",
    "entropy_margin": "A4: entropy <= entropy_max at the margin (one-pair form where it is negative)",
    "entropy_mean_margin": "A4: entropy <= entropy_max at the mean margin if >= 0, else at the margin",
    "entropy_range": "A5: entropy >= entropy_min at the logit range",
}

QUANTILES: dict[str, float] = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}

# Quantiles of a bound's value and of the distance from it.
FEW_QUANTILES = ("q05", "q50", "q95")

# Size of a 17-digit number with sign, exponent and comma, and of a manifest without its passes.
CELL_BYTES = 25
MANIFEST_BYTES = 1 << 14


def _columns() -> dict[str, str]:
    columns = {
        "layer": "layer, from 0",
        "head": "head, from 0",
        "dial_largest": "largest dial over the layers in this pass",
        "dial": "dial on this layer, 1 is the hard block mask",
        "rows": "attention rows with a non-empty complement",
        "violations": "rows that violate at least one bound beyond the derived rounding error",
        "undecided": "rows whose scores are too large for the format, so that their rounding error has no bound",
    }
    for name, meaning in QUANTITIES.items():
        columns[f"{name}_mean"] = f"mean: {meaning}"
        columns[f"{name}_min"] = f"smallest: {meaning}"
        for label, quantile in QUANTILES.items():
            columns[f"{name}_{label}"] = f"{quantile:g} quantile: {meaning}"
        columns[f"{name}_max"] = f"largest: {meaning}"
    for name, meaning in BOUNDS.items():
        columns[f"violations_{name}"] = f"rows that violate the bound. {meaning}"
        columns[f"bound_{name}"] = f"mean of the bound's value. {meaning}"
        columns |= {f"bound_{name}_{label}": f"{label} of the bound's value. {meaning}" for label in FEW_QUANTILES}
        columns[f"slack_{name}_min"] = f"smallest distance from the bound, >= 0 where it holds. {meaning}"
        for label in FEW_QUANTILES:
            columns[f"slack_{name}_{label}"] = f"{label} of the distance from the bound. {meaning}"
    columns |= {
        "bound_fidelity_margin": "mean of fidelity_min at the margin (A2)",
        **{f"bound_fidelity_margin_{label}": f"{label} of fidelity_min at the margin" for label in FEW_QUANTILES},
        "tolerance_entropy_max": "largest derived rounding error of a row's entropy",
        "tolerance_leak_max": "largest derived relative rounding error of a row's leak",
        "predicted_fidelity": "mean fidelity that B1 predicts from this layer's rows in the dial-0 pass",
        "predicted_entropy": "mean entropy that B2 predicts from this layer's rows in the dial-0 pass",
        "prediction_error_fidelity": "largest |measured - predicted| fidelity over the rows",
        "prediction_error_entropy": "largest |measured - predicted| entropy over the rows",
        "shift_mean": "mean length of the head's output minus that in the dial-0 pass",
        "predicted_shift": "mean length of that shift, predicted by B3 from the dial-0 pass",
        "prediction_error_shift": "largest length of measured minus predicted shift over the rows",
    }
    return columns


COLUMNS: dict[str, str] = _columns()
LATER_COLUMNS = tuple(name for name in COLUMNS if "leak_sink" in name)
COUNTS = ("layer", "head", "rows", "violations", "undecided", *(f"violations_{name}" for name in BOUNDS))


@dataclass(frozen=True, repr=False)
class Records(Displayed):
    """Rows (`COLUMNS`) and manifest of one measurement, and their folder, if any."""

    rows: pd.DataFrame
    manifest: dict[str, Any]
    folder: Path | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of `rows.csv`; figures of these records are stamped with it."""
        return str(self.manifest["rows_csv"]["sha256"])

    @property
    def measured_rows(self) -> int:
        """Attention rows measured, over every layer, head and dial."""
        return int(self.rows["rows"].sum())

    @property
    def violations(self) -> int:
        """Attention rows that violate at least one bound."""
        return int(self.rows["violations"].sum())

    @property
    def undecided(self) -> int:
        """Attention rows with undecided bounds."""
        return int(self.rows["undecided"].sum())

    def card(self) -> Card:
        """What a notebook shows: each layer and head, at every dial measured."""
        lines = self.rows.loc[:, list(_SHOWN)].head(MOST_ROWS).to_numpy(dtype=object).tolist()
        where = [] if self.folder is None else [f"Folder: {self.folder}"]
        return Card(
            f"{self.measured_rows} attention rows measured, {len(self.rows)} lines of layer, head and dial",
            bounds_badge(self.measured_rows, self.violations, self.undecided),
            [*where, f"SHA-256 of the rows: {self.digest}", "Means over a line's rows; entropies in nats."],
            (Table(list(_SHOWN.values()), lines, of=len(self.rows)),),
        )


# Columns of a notebook's table, and their headings.
_SHOWN = {
    **{name: name for name in ("layer", "head", "dial", "rows")},
    **{f"{name}_mean": name for name in ("entropy", "fidelity", "leak")},
    "bound_entropy_margin": "entropy bound",
    "bound_leak_margin": "leak bound",
    **{name: name for name in ("violations", "undecided")},
}


def write_records(folder: Path | str, rows: pd.DataFrame, manifest: dict[str, Any]) -> Records:
    """Write `rows.csv` and `manifest.json` into `folder` and return them as read back.

    `manifest` is plain JSON; `schema`, `rows_csv`, `rows`, `violations` and `undecided` are added here. Floats have
    17 significant digits, so that reading gives the same float64. Raises InputError if the folder cannot be written
    or a column of the schema is missing.
    """
    with records_reserved(folder, len(rows), 1) as write:
        return write(rows, manifest)


@contextmanager
def records_reserved(
    folder: Path | str, lines: int, manifest_bytes: int
) -> Iterator[Callable[[pd.DataFrame, dict[str, Any]], Records]]:
    """Reserve the disk space of records and yield a function that writes rows and manifest into `folder`.

    `lines` is the number of rows of the CSV. Leaves nothing behind if nothing was written. Raises InputError.
    """
    folder = Path(folder)
    size = (1 + lines) * len(COLUMNS) * CELL_BYTES
    with (
        reserved(folder / ROWS_NAME, size) as write_rows,
        reserved(folder / MANIFEST_NAME, MANIFEST_BYTES + manifest_bytes) as write_manifest,
    ):

        def write(rows: pd.DataFrame, manifest: dict[str, Any]) -> Records:
            _check_columns(rows, "the rows to write")
            text = rows.loc[:, list(COLUMNS)].to_csv(index=False, float_format="%.17g", lineterminator="\n")
            complete = {
                "schema": SCHEMA,
                **manifest,
                **_totals(rows),
                "rows_csv": {"name": ROWS_NAME, "sha256": hashlib.sha256(text.encode("utf-8")).hexdigest()},
            }
            stated = json.dumps(complete, indent=2, allow_nan=False) + "\n"
            # If this is interrupted in between, the old manifest's hash does not match the new rows.
            write_rows(text.encode("utf-8"))
            write_manifest(stated.encode("utf-8"))
            return read_records(folder)

        yield write


def drop_partial(folder: Path) -> None:
    """Remove the space that a killed process reserved in `folder`, where no other one is at work."""
    for name in (ROWS_NAME, MANIFEST_NAME):
        for path in folder.glob(f"{name}.*.partial"):
            path.unlink(missing_ok=True)


def read_records(folder: Path | str, *, verify: bool = True) -> Records:
    """Read a record folder and check its hash and columns. Raises InputError.

    Without `verify` the rows are read although they are not those of the manifest.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"no record folder at {folder}. Make one with `localist measure`.")
    manifest_path, rows_path = folder / MANIFEST_NAME, folder / ROWS_NAME
    for path in (manifest_path, rows_path):
        if not path.is_file():
            raise InputError(f"{path} is missing: {folder} is not a record folder")
    manifest = read_json(manifest_path)
    schema = manifest.get("schema")
    if schema not in (FORMER_SCHEMA, SCHEMA):
        raise InputError(f"{manifest_path}: schema is {schema!r}, this version reads {FORMER_SCHEMA} and {SCHEMA}")
    stated = manifest.get("rows_csv")
    stated = stated.get("sha256") if isinstance(stated, dict) else None
    found = sha256_of(rows_path)
    if verify and stated != found:
        raise InputError(f"{rows_path} does not match its manifest: SHA-256 {found[:12]}, stated {str(stated)[:12]}")
    for name in ("kind", "run", "configuration"):
        if not isinstance(manifest.get(name, ""), str):
            raise InputError(f"{manifest_path}: {name} must be text, found {str(manifest[name])[:40]}")
    rows = read_table(rows_path, COLUMNS, COUNTS, optional=LATER_COLUMNS if schema == FORMER_SCHEMA else ())
    _check_columns(rows, str(rows_path))
    for name, total in _totals(rows).items():
        if verify and manifest.get(name) != total:
            raise InputError(
                f"{manifest_path}: {name} is {manifest.get(name)!r}, the rows of {ROWS_NAME} add up to {total}"
            )
    return Records(rows=rows, manifest=manifest, folder=folder)


def _totals(rows: pd.DataFrame) -> dict[str, int]:
    return {name: int(rows[name].sum()) for name in ("rows", "violations", "undecided")}


def _check_columns(rows: pd.DataFrame, where: str) -> None:
    missing = [name for name in COLUMNS if name not in rows.columns]
    if missing:
        raise InputError(f"{where}: {len(missing)} columns are missing, first {missing[0]!r}")
    if rows.empty:
        raise InputError(f"{where}: no rows")
    for name in COLUMNS:
        counts = name in COUNTS
        numbers = pd.api.types.is_integer_dtype if counts else pd.api.types.is_numeric_dtype
        if not numbers(rows[name]):
            raise InputError(f"{where}: column {name!r} must hold {'integers' if counts else 'numbers'}")
