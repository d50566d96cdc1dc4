"""What was measured in every layer and head of a sweep, against its bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.pictures.style import ALARM, GREY, INK, PAGE, look, note, schedule_style
from theory.errors import DomainError

NAME = "measured"
KIND = "sweep layers"
STATEMENTS = ("A2", "A4", "A5")
SHOWS = """Measured means against the means of their bounds: one mark per head, layer, schedule and seed of a sweep. No
mark may lie beyond the diagonal, on the shaded side. Each row of attention was compared with its own bound while it
was measured; the least distance over all rows is written into the panel, and differs from 0 by rounding where the
bound is attained. Bounds from the margin say little about these models, whose margins are negative; bounds from the
fidelity and the range say more. Measured on held-out text."""

# Quantity, bound, its side, words.
PANELS = (
    ("leak", "leak_margin", 1, "largest leak, given the margin (A2)"),
    ("leak", "leak_mean_margin", 1, "largest leak, given the mean margin (A2)"),
    ("entropy", "entropy_fidelity", 1, "largest entropy, given the fidelity (A4), nats"),
    ("entropy", "entropy_range", -1, "least entropy, given the range (A5), nats"),
)


def beyond(rows: pd.DataFrame, quantity: str, bound: str, side: int) -> pd.Series:
    """Which heads' means lie beyond the mean of their bounds by more than the rounding recorded."""
    # The error of a mean is at most the largest error in it; a leak's is relative.
    error = rows["tolerance_entropy_max"] if quantity == "entropy" else rows["tolerance_leak_max"]
    over = side * (rows[f"{quantity}_mean"] - rows[f"bound_{bound}"]) > error + 1e-12
    return over & (rows["undecided"] == 0)


def faults(rows: pd.DataFrame) -> list[str]:
    """Violated bounds and undecided rows, one line each."""
    found = []
    for column, what in (("undecided", "rows left undecided"), ("violations", "rows that violate a bound")):
        if count := int(rows[column].sum()):
            found.append(f"{what}: {count}")
    for quantity, bound, side, words in PANELS:
        if count := int(beyond(rows, quantity, bound, side).sum()):
            found.append(f"means beyond the {words.split(',')[0]}: {count}")
    return found


def draw(rows: pd.DataFrame) -> Figure:
    """Draw a sweep's layers and heads (`rows.parquet`), one panel per bound. Raises DomainError without rows."""
    if rows.empty:
        raise DomainError("the rows hold no layers and heads of a sweep")
    with look():
        figure = Figure(figsize=(PAGE, 6.2), layout="constrained")
        for axis, (quantity, bound, side, words) in zip(figure.subplots(2, 2).flat, PANELS, strict=True):
            drawn = rows[[f"bound_{bound}", f"{quantity}_mean"]].to_numpy()
            high = 1.0 if quantity == "leak" else 1.05 * float(drawn.max())
            ends = np.array([0.0, high])
            axis.plot(ends, ends, color=INK, linewidth=1.0)
            axis.fill_between(ends, ends, high if side > 0 else 0.0, facecolor=GREY, alpha=0.12, linewidth=0)
            _marks(axis, rows, quantity, bound)
            bad = beyond(rows, quantity, bound, side) | (rows[f"violations_{bound}"] > 0)
            if bad.any():
                place = rows[f"bound_{bound}"][bad], rows[f"{quantity}_mean"][bad]
                axis.plot(*place, "X", color=ALARM, markersize=8, label="CONTRADICTS A BOUND")
            least = float(rows[f"slack_{bound}_min"].min())
            corner = ((0.02, 0.97), "left", "top") if side > 0 else ((0.98, 0.03), "right", "bottom")
            remark = f"least distance of any of {int(rows['rows'].sum()):,} rows: {least:.1e}"
            note(axis, remark, corner[0], ha=corner[1], va=corner[2])
            axis.set(xlim=(0, high), ylim=(0, high), xlabel=words)
            axis.set_ylabel(f"measured {quantity}{' (nats)' if quantity == 'entropy' else ' (share)'}, mean of a head")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        heading = f"{rows['seed'].nunique()} seeds"
        figure.legend(handles, labels, loc="outside upper center", ncols=6, markerscale=1.6, title=heading)
    return figure


def _marks(axis: Any, rows: pd.DataFrame, quantity: str, bound: str) -> None:
    for name, part in rows.groupby("configuration", sort=False):
        colour, marker = schedule_style(str(name))
        x, y = part[f"bound_{bound}"], part[f"{quantity}_mean"]
        axis.plot(x, y, marker, color=colour, markersize=2.6, markeredgewidth=0, alpha=0.7, label=str(name))
