"""Fidelity and entropy by layer and head, as a heat map."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.pictures.style import COLUMN, INK, PAGE, RAMP, SCHEDULES_SAID, WHITE, look, title, undecided
from theory.errors import DomainError

NAME = "heads"
KIND = "rows"
STATEMENTS = ("B1", "B2")
SHOWS = f"""Which heads are local: mean fidelity (share of attention on a query's own block) and mean entropy (how
evenly a query spreads its attention, in nats) of each head in each layer, on held-out text. The dial of a layer, which
turns attention towards the block, stands beside its number. One training run per column; measured. {SCHEDULES_SAID}"""

# Numbers are written into the cells of models up to this many layers and heads.
MOST_WRITTEN = 6
MOST_TICKS = 12
QUANTITIES = (("fidelity_mean", "fidelity (share)"), ("entropy_mean", "entropy (nats)"))


def faults(rows: pd.DataFrame) -> list[str]:
    """Violated bounds and undecided rows, one line each."""
    counts = rows.groupby("configuration", sort=False)["violations"].sum()
    return undecided(rows) + [f"{name}: rows that violate a bound: {n}" for name, n in counts.items() if n]


def draw(rows: pd.DataFrame) -> Figure:
    """Draw records: rows of `empirical.measuring.records`, one column of panels per `configuration`.

    Raises DomainError without rows, and for several dials of one layer.
    """
    if rows.empty or rows.duplicated(["configuration", "layer", "head"]).any():
        raise DomainError("the rows must hold each layer and head of a configuration once")
    names = list(dict.fromkeys(rows["configuration"]))
    with look():
        figure = Figure(figsize=(COLUMN if len(names) == 1 else PAGE, 4.6), layout="constrained")
        # Each column has its own dials.
        axes = figure.subplots(2, len(names), squeeze=False)
        for line, (column, label) in zip(axes, QUANTITIES, strict=True):
            low, high = (0.0, 1.0) if column == "fidelity_mean" else (0.0, float(rows[column].max()))
            for axis, name in zip(line, names, strict=True):
                drawn = _map(axis, rows[rows["configuration"] == name], column, low, high)
            figure.colorbar(drawn, ax=list(line), label=label, shrink=0.9, pad=0.02)
            line[0].set_ylabel("layer, and its dial")
        for axis, name in zip(axes[0], names, strict=True):
            part = rows[rows["configuration"] == name]
            title(axis, name, faults(part), f"1 run, {int(part['rows'].sum()):,} rows")
        for axis in axes[-1]:
            axis.set_xlabel("head")
    return figure


def _map(axis: Any, rows: pd.DataFrame, column: str, low: float, high: float) -> Any:
    table = rows.pivot_table(index="layer", columns="head", values=column)
    drawn = axis.pcolormesh(table.to_numpy(), cmap=RAMP, vmin=low, vmax=high, edgecolors=WHITE, linewidth=0.5)
    dials = rows.groupby("layer")["dial"].agg(["min", "max"])
    names = [f"{layer}  ({_between(*dials.loc[layer])})" for layer in table.index]
    _ticks(axis.set_yticks, names)
    _ticks(axis.set_xticks, [str(head) for head in table.columns])
    axis.grid(visible=False)
    if max(table.shape) <= MOST_WRITTEN:
        for (i, j), value in np.ndenumerate(table.to_numpy()):
            # Dark cells are the low values.
            ink = WHITE if value < low + 0.55 * (high - low) else INK
            axis.text(j + 0.5, i + 0.5, f"{value:.2f}", ha="center", va="center", fontsize=6.5, color=ink)
    return drawn


def _between(low: float, high: float) -> str:
    """One dial, or the range of the dials of a layer's heads."""
    return f"{low:.2g}" if low == high else f"{low:.2g} to {high:.2g}"


def _ticks(set_ticks: Any, names: list[str]) -> None:
    """Name the middle of each cell, or of every few cells if there are many."""
    step = -(-len(names) // MOST_TICKS)
    set_ticks(np.arange(len(names))[::step] + 0.5, names[::step])
