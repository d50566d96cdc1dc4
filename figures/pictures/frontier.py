"""Perplexity against fidelity of every configuration of a sweep: which of them no other beats in both."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from empirical.sweep.summary import interval
from figures.pictures.style import GREY, INK, SCHEDULES_SAID, look, note, panels, schedule_style, with_interval
from theory.errors import DomainError

NAME = "frontier"
KIND = "sweep tasks"
STATEMENTS = ("F3", "F4")
SHOWS = f"""What locality costs: perplexity on held-out text (lower is better) over that of the distributed
configuration, against fidelity, the share of attention on a query's own block (right is more local). One mark per
schedule and largest dial, filled where all have the same largest dial, hollow where they have the same mean dial; bars
are 95 % intervals over seeds, perplexities paired by seed. Rings and the line through them are the frontier:
configurations that no other beats in both means. Intervals that overlap leave their order open. {SCHEDULES_SAID}
Measured after fine-tuning from one base model. A number that a paper's abstract states of another model and text is
marked with its version, and is not measured here."""

BASELINE = "distributed"
# How the marks of each budget are filled.
_FILLS = {"largest": "full", "mean": "none", "promise": "left"}


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory: none can be seen in means over tasks."""
    return []


def points(rows: pd.DataFrame, fidelity: str) -> pd.DataFrame:
    """One row per configuration and largest dial: means and ends of intervals of `x` (fidelity) and `y` (ratio)."""
    baseline = rows[rows["configuration"] == BASELINE].set_index("seed")["loss"]
    if baseline.empty:
        raise DomainError(f"the sweep lacks the configuration {BASELINE!r}, which the others are compared with")
    found = []
    for (name, dial), part in rows.groupby(["configuration", "largest_dial"], sort=False):
        paired = [loss - baseline[seed] for seed, loss in zip(part["seed"], part["loss"], strict=True)]
        x, y = interval(part[fidelity]), interval(paired)
        found.append(
            {"configuration": name, "largest_dial": dial, "seeds": len(part)}
            | {"fill": next(fill for budget, fill in _FILLS.items() if part[f"budget_{budget}"].all())}
            | dict(zip(("x", "x_low", "x_high"), x, strict=True))
            | dict(zip(("y", "y_low", "y_high"), map(math.exp, y), strict=True))
        )
    table = pd.DataFrame(found)
    better = [((table["x"] >= row.x) & (table["y"] <= row.y)).sum() for row in table.itertuples()]
    return table.assign(frontier=[count == 1 for count in better])


def draw(rows: pd.DataFrame) -> Figure:
    """Draw a sweep's tasks (`RecordedSweep.tasks`): fidelity of all layers, and of the last.

    Raises DomainError without the baseline.
    """
    with look():
        figure, axes = panels(1, 2, height=3.4)
        for axis, fidelity, heading in zip(
            axes[0], ("fidelity", "last_layer_fidelity"), ("all layers", "last layer"), strict=True
        ):
            table = points(rows, fidelity)
            _frontier(axis, table)
            for row in table.itertuples():
                _mark(axis, row)
            axis.axhline(1, color=GREY, linestyle=":", linewidth=0.9)
            axis.set_title(f"{heading}; {int(table['seeds'].min())} seeds", loc="left")
            axis.set_xlabel("mean fidelity (share on the block)")
            axis.margins(0.12)
        axes[0, 0].set_ylabel(f"perplexity / {BASELINE}")
        note(axes[0, 1], "better: right and down", (0.02, 0.02), ha="left")
        _stated(axes[0, 0], rows)
        _legend(axes[0, 0], list(dict.fromkeys(rows["configuration"])), rows)
    return figure


def _stated(axis: Any, rows: pd.DataFrame) -> None:
    """Mark what papers state; it needs a fidelity to be a point, and the abstracts state none."""
    if "stated" not in rows:
        return
    words = ["stated of another model, not measured here:"]
    for line in rows.dropna(subset=["stated"]).drop_duplicates("configuration").itertuples():
        words += textwrap.wrap(f"{line.configuration} “{line.stated}”, {line.stated_in}", 46)
    if len(words) > 1:
        note(axis, "\n".join(words), (0.99, 0.87), va="top", color=GREY)


def _frontier(axis: Any, table: pd.DataFrame) -> None:
    best = table[table["frontier"]].sort_values("x")
    # A staircase: what lies right of it or below it is reached by none.
    axis.step(best["x"], best["y"], where="pre", color=INK, linewidth=0.8, zorder=1, label="_frontier")
    axis.plot(
        best["x"],
        best["y"],
        "o",
        color=INK,
        markerfacecolor="none",
        markersize=10,
        markeredgewidth=0.8,
        label="_frontier",
    )


def _mark(axis: Any, row: Any) -> None:
    colour, marker = schedule_style(row.configuration)
    style: Any = {"color": colour, "marker": marker, "fillstyle": row.fill, "markersize": 5}
    name = f"{row.configuration} {row.largest_dial:.2g}"
    with_interval(axis, (row.x, row.y), (row.y_low, row.y_high), f"{name}, perplexity", **style)
    with_interval(axis, (row.x, row.y), (row.x_low, row.x_high), f"{name}, fidelity", across=True, **style)


def _legend(axis: Any, names: list[str], rows: pd.DataFrame) -> None:
    """Explain colours and markers (schedules) and fills (which budget the schedules share)."""
    for name in names:
        colour, marker = schedule_style(name)
        axis.plot([], [], marker, color=colour, markersize=5, label=name)
    dialled = rows[rows["configuration"] != BASELINE]
    said = {"largest": "filled: largest dial {:.2g}", "mean": "hollow: same mean dial", "promise": "half: same promise"}
    for budget, fill in _FILLS.items():
        part = dialled[dialled[f"budget_{budget}"]]
        if len(part):
            label = said[budget].format(part["largest_dial"].iloc[0])
            axis.plot([], [], "o", color=GREY, fillstyle=fill, markersize=5, label=label)
    ring: Any = {"marker": "o", "markerfacecolor": "none", "markersize": 8, "markeredgewidth": 0.8}
    axis.plot([], [], color=INK, linewidth=0.8, label="frontier", **ring)
    axis.legend(loc="lower left")
