"""Perplexity and fidelity of a sweep's schedules, at the same largest and at the same mean dial.

At the same largest dial a steep schedule has a smaller total dial (F3), so only the right column compares shapes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.pictures.style import ALARM, GREY, INK, SCHEDULES_SAID, look, panels, schedule_style, title, with_interval
from theory.errors import DomainError

NAME = "schedules"
KIND = "sweep"
STATEMENTS = ("F1", "F3")
SHOWS = f"""What each schedule of the dial over the layers costs and gains, after fine-tuning from one base model with
several seeds. Above: perplexity on held-out text (lower is better) over that of the distributed configuration, whose
dial is 0 everywhere. Below: mean fidelity, the share of attention on a query's own block, over all layers and in the
last. Left, every schedule has the same largest dial; right, the same mean dial, at which shapes compare. Bars are 95 %
intervals over seeds, ratios paired by seed. Measured. {SCHEDULES_SAID}"""

BASELINE = "distributed"
BUDGETS = {"largest": "same largest dial", "mean": "same mean dial", "promise": "same promise"}


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory and undecided rows, one line each."""
    found = []
    for column, what in (("undecided", "rows left undecided"), ("violations", "rows that violate a bound")):
        for _, row in rows[rows[column] > 0].iterrows():
            # Not summed: a task that both budgets share has a line under each.
            where = f"{BUDGETS.get(row['budget'], row['budget'])}: {row['configuration']}"
            found.append(f"{where}: {what}: {int(row[column])}")
    outside = (rows["ratio"] < rows["ratio_low"]) | (rows["ratio"] > rows["ratio_high"])
    for _, row in rows[outside].iterrows():
        where = f"{BUDGETS.get(row['budget'], row['budget'])}: {row['configuration']}"
        found.append(f"{where}: ratio outside its interval")
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
        figure, axes = panels(2, len(budgets), height=4.6, ratios=(1, 1))
        for column, budget in enumerate(budgets):
            part = rows[rows["budget"] == budget]
            _cost(axes[0, column], part)
            _locality(axes[1, column], part)
            shown = part[part["configuration"] != BASELINE]
            shared = {"largest": "largest_dial", "mean": "mean_dial"}.get(budget)
            dials = f"{shared.replace('_', ' ')} {shown[shared].iloc[0]:.3g}; " if shared and len(shown) else ""
            seeds = part["seeds"].iloc[0]
            title(axes[0, column], BUDGETS[budget], faults(part), f"{dials}{int(seeds)} seeds")
        axes[0, 0].set_ylabel(f"perplexity / {BASELINE}")
        axes[1, 0].set(ylabel="mean fidelity (share on the block)", ylim=(0, 1))
        for axis in axes[1]:
            axis.set_xlabel("schedule, and its largest dial below")
        # Colours repeat the schedules' names; fills say which layers.
        for name, fill in (("all layers", GREY), ("last layer", "none")):
            axes[1, 0].plot([], [], "o", color=GREY, markerfacecolor=fill, markersize=4, label=name)
        axes[1, 0].legend(loc="upper left")
    return figure


def _cost(axis: Any, rows: pd.DataFrame) -> None:
    axis.axhline(1, color=INK, linestyle=":", linewidth=0.9)
    for place, (_, row) in enumerate(rows.iterrows()):
        top = _interval(axis, place, row, "ratio", filled=True)
        # On white, because the baseline's line runs behind some of them.
        axis.annotate(
            f"{row['ratio']:.3f}",
            (place, top),
            (0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=6.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.2},
        )
    axis.margins(y=0.3)


def _locality(axis: Any, rows: pd.DataFrame) -> None:
    for place, (_, row) in enumerate(rows.iterrows()):
        _interval(axis, place - 0.1, row, "fidelity", filled=True)
        _interval(axis, place + 0.1, row, "last_layer_fidelity", filled=False)
    places = np.arange(len(rows)) - 0.1
    bad = (rows["violations"] > 0).to_numpy()
    if bad.any():
        axis.plot(places[bad], rows["fidelity"][bad], "X", color=ALARM, markersize=8, label="CONTRADICTS A BOUND")
    names = [f"{name}\n{dial:.2g}" for name, dial in zip(rows["configuration"], rows["largest_dial"], strict=True)]
    axis.set_xticks(np.arange(len(rows)), names, fontsize=6.5)
    axis.margins(x=0.12)


def _interval(axis: Any, place: float, row: pd.Series, name: str, *, filled: bool) -> float:
    """Draw a value with its interval, where one is recorded. Returns its upper end."""
    colour, marker = schedule_style(str(row["configuration"]))
    value = float(row[name])
    ends = float(row.get(f"{name}_low", np.nan)), float(row.get(f"{name}_high", np.nan))
    face = colour if filled else "none"
    style: Any = {"color": colour, "marker": marker, "markerfacecolor": face, "markersize": 4.5}
    with_interval(axis, (place, value), ends, f"{row['configuration']}, {name}", **style)
    # A single seed gives no interval.
    return value if np.isnan(ends[1]) else max(value, ends[1])
