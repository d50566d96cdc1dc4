"""Record folders like those of a measurement, made without a model; their numbers obey the bounds."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd

from empirical.measuring.records import COLUMNS, COUNTS, write_records
from empirical.sweep.summary import COUNTS as COUNTED
from empirical.sweep.summary import SUMMARY

# The recorded sweep in the repository.
REFERENCE = Path(__file__).parents[2] / "records" / "reference"

UPPER, LOWER = 4.0, 2.0


def recorded_rows(layers=3, heads=2, dials=(None,)):
    """Rows of the schema; `dials`, unless None, are those of a moved dial."""
    rows = []
    for dial in dials:
        for layer in range(layers):
            for head in range(heads):
                row = dict.fromkeys(COLUMNS, 0.5) | dict.fromkeys(COUNTS, 0)
                own = 0.9 * layer / max(layers - 1, 1) if dial is None else dial
                row |= {"layer": layer, "head": head, "rows": 60_000, "dial": own, "dial_largest": dial or 0.9}
                row |= {"entropy_mean": 3.0 + 0.1 * head, "tolerance_entropy_max": 1e-4}
                row |= {"bound_entropy_fidelity": UPPER, "bound_entropy_range": LOWER}
                row |= {"tolerance_leak_max": 1e-4}
                if dial is None:
                    row |= {name: np.nan for name in COLUMNS if name.startswith("predict")}
                else:
                    error = 1e-7 if layer == 0 else 1e-2
                    row |= {"prediction_error_fidelity": error, "prediction_error_entropy": error}
                rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def recorded(folder, rows=None, kind="rows", **manifest):
    """Writes a record folder."""
    if rows is None:
        rows = recorded_rows(dials=(0.0, 0.5, 1.0) if kind == "dial" else (None,))
    stated = {"kind": kind, "run": folder.parent.name, "configuration": "quintic", "seed": 0, "perplexity": 50.0}
    return write_records(folder, rows, stated | {"training": {"steps": 7}} | manifest)


def summarised(folder, rows=2):
    """Writes a sweep's folder as `write_summary` does, with empty rows of its tasks; returns the folder."""
    row = dict.fromkeys(SUMMARY, 0.5) | dict.fromkeys(COUNTED, 3) | {"budget": "largest"}
    # One seed gives no interval.
    row |= {"ratio_low": np.nan, "ratio_high": np.nan, "violations": 0, "undecided": 0}
    lines = [row | {"configuration": name} for name in ("distributed", "quintic")[:rows]]
    table = pd.DataFrame(lines, columns=list(SUMMARY)).to_csv(index=False).encode()
    folder.mkdir(parents=True)
    (folder / "summary.csv").write_bytes(table)
    manifest = {"kind": "sweep", "summary_csv": {"name": "summary.csv", "sha256": hashlib.sha256(table).hexdigest()}}
    if rows:
        (folder / "rows.parquet").write_bytes(b"rows")
        manifest["rows_parquet"] = {"name": "rows.parquet", "sha256": hashlib.sha256(b"rows").hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
