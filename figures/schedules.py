"""Perplexity and fidelity of a sweep's schedules, at the same largest and at the same mean dial.

At the same largest dial a steep schedule has a smaller total dial (F3), so only the right column compares shapes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.style import ALARM, BLUE, INK, ORANGE, look, panels, title
from theory.errors import DomainError

NAME = "schedules"
KIND = "sweep"

BASELINE = "distributed"
BUDGETS = {"largest": "same largest dial", "mean": "same mean dial"}


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory and undecided rows, one line each."""
    found = []
    for column, what in (("undecided", "rows left undecided"), ("violations", "rows that violate a bound")):
        for _, row in rows[rows[column] > 0].iterrows():
            # Not summed: a task that both budgets share has a line under each.
            where = f"{BUDGETS.get(row['budget'], row['budget'])}: {row['configuration']}"
            found.append(f"{where}: {what}: {int(row[column])}")
    return found


def draw(rows: pd.DataFrame) -> Figure:
    """Draw a sweep's summary (`empirical.sweep.summary.SUMMARY`), one column of panels per budget.

    Raises DomainError unless the rows are the summary of one sweep with its baseline.
    """
    budgets = [budget for budget in BUDGETS if budget in set(rows["budget"])]
    if not budgets or rows.duplicated(["budget", "configuration"]).any():
        raise DomainError("the rows must be the summary of one sweep: name one with --records")
    if not (rows["configuration"] == BASELINE).any():
        raise DomainError(f"the summary lacks the configuration {BASELINE!r}, which the others are compared with")
    with look():
        figure, axes = panels(2, len(budgets), height=4.4, ratios=(1, 1))
        for column, budget in enumerate(budgets):
            part = rows[rows["budget"] == budget]
            _cost(axes[0, column], part)
            _locality(axes[1, column], part)
            shown = part[part["configuration"] != BASELINE]
            label = "largest_dial" if budget == "largest" else "mean_dial"
            dials = f"{label.replace('_', ' ')} {shown[label].iloc[0]:.3g}" if len(shown) else ""
            title(axes[0, column], BUDGETS[budget], faults(part), dials)
        axes[0, 0].set_ylabel(f"perplexity / {BASELINE}")
        axes[1, 0].set(ylabel="mean fidelity (share on the block)", ylim=(0, 1))
        for axis in axes[1]:
            axis.set_xlabel("schedule, and its largest dial below")
        axes[1, 0].legend(loc="upper left")
    return figure


def _cost(axis: Any, rows: pd.DataFrame) -> None:
    axis.axhline(1, color=INK, linestyle=":", linewidth=0.9)
    places = np.arange(len(rows))
    ratio = rows["ratio"].to_numpy(dtype=float)
    low, high = (rows[f"ratio_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
    # A single seed gives no interval.
    spread = np.nan_to_num(np.array([ratio - low, high - ratio]))
    axis.errorbar(places, ratio, yerr=spread, fmt="o", color=BLUE, markersize=4, capsize=3, elinewidth=1.0)
    for place, value, end in zip(places, ratio, ratio + spread[1], strict=True):
        # On white, because the baseline's line runs behind some of them.
        axis.annotate(
            f"{value:.3f}",
            (place, end),
            (0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=6.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.2},
        )
    axis.margins(y=0.3)


def _locality(axis: Any, rows: pd.DataFrame) -> None:
    places = np.arange(len(rows))
    axis.plot(places, rows["fidelity"], "o-", color=BLUE, markersize=4, linewidth=0.8, label="all layers")
    axis.plot(places, rows["last_layer_fidelity"], "D-", color=ORANGE, markersize=4, linewidth=0.8, label="last layer")
    bad = (rows["violations"] > 0).to_numpy()
    if bad.any():
        axis.plot(places[bad], rows["fidelity"][bad], "X", color=ALARM, markersize=8, label="CONTRADICTS A BOUND")
    names = [f"{name}\n{dial:.2g}" for name, dial in zip(rows["configuration"], rows["largest_dial"], strict=True)]
    axis.set_xticks(places, names, fontsize=6)
    axis.margins(x=0.12)
