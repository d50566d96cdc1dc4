"""What the figures of layers and heads say where a record decides neither for a bound nor against it."""

from __future__ import annotations

import pandas as pd


def undecided(rows: pd.DataFrame) -> list[str]:
    """A line for each configuration with rows whose bounds could not be decided."""
    counts = rows.groupby("configuration", sort=False)["undecided"].sum()
    return [f"{name}: rows left undecided: {count}" for name, count in counts.items() if count]
