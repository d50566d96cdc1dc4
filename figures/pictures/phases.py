"""Margin and penalty at which every row of a context keeps a fidelity, some may, or none can (A7, B4)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.pictures.style import COLOURS, COLUMN, GREY, INK, look, note
from theory.design.causal_rows import CausalRows
from theory.design.guarantee import Targets, smallest_float
from theory.design.promise import Promise, Setting
from theory.errors import DomainError
from theory.numbers import bounds

NAME = "phases"
CONTEXT, BLOCK, RANGE = 1024, 64, 6.0
# The first is drawn as areas, all as lines.
FIDELITIES = (0.9, 0.5, 0.99)
MOST_PENALTY = 12.0
# Penalty at which the lines are labelled.
_LABELS = 10.6
STATEMENTS = ("A7", "A2", "B4")
SHOWS = f"""What a margin (by how much the lowest score in a query's block exceeds the highest outside) and a penalty on
attention off the block promise together, at temperature 1. Guaranteed: every row of a context of {CONTEXT:,} tokens in
windows of {BLOCK} keeps a fidelity of {FIDELITIES[0]}, the share of attention on its block. Impossible: some row misses
it, whatever the scores, if they span at most {RANGE:g} nats. Possible: neither. Thin lines are the edges for other
fidelities: a nat of penalty replaces a nat of margin. The dotted line is where a row with a whole block would be safe;
rows early in a block, which see few keys of it, need more. Decided from the theory; nothing is measured."""


def make_rows(seed: int = 0) -> pd.DataFrame:
    """Edges per fidelity and penalty: the least margins that promise it, and whether no scores can keep it.

    `margin` is for every row, `whole` for the row with a whole block, `impossible` says that some row misses the
    fidelity at any margin that the range allows. The seed changes nothing.
    """
    rows = CausalRows(CONTEXT, BLOCK, BLOCK)
    found = []
    for fidelity in FIDELITIES:
        promise = Promise(rows, Targets(fidelity))

        def kept(penalty: float, promise: Promise = promise) -> bool:
            return not bool(promise.missed(Setting(RANGE, penalty=penalty), np.zeros(1), RANGE)[0])

        edge = smallest_float(kept, 0.0, 1e3)
        for penalty in np.unique([*np.linspace(0, MOST_PENALTY, 13), min(edge, MOST_PENALTY)]):
            found.append(
                {
                    "fidelity": fidelity,
                    "penalty": penalty,
                    "margin": promise.smallest_margin(Setting(0.0, penalty=float(penalty))),
                    "whole": float(bounds.margin_needed(CONTEXT, BLOCK, 1 - fidelity)) - penalty,
                    "impossible": not kept(float(penalty)),
                    "edge": edge,
                }
            )
    return pd.DataFrame(found)


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory, one line: settings both guaranteed and impossible."""
    both = int((rows["impossible"] & (rows["margin"] <= RANGE)).sum())
    return [f"settings both guaranteed and impossible: {both}"] if both else []


def draw(rows: pd.DataFrame) -> Figure:
    """Draw the edges of `make_rows` and the areas of the first fidelity. Raises DomainError without edges."""
    if rows.empty:
        raise DomainError("the rows hold no edges of the phases")
    shown = rows["fidelity"].iloc[0]
    main = rows[rows["fidelity"] == shown]
    low = -6.0
    with look():
        figure = Figure(figsize=(COLUMN, 3.4), layout="constrained")
        axis = figure.subplots()
        y, margin = main["penalty"].to_numpy(), main["margin"].to_numpy()
        edge = float(main["edge"].iloc[0])
        hatched: Any = {"hatch": "////", "edgecolor": GREY}
        axis.fill_betweenx(y, low, RANGE, facecolor=COLOURS["possible"], linewidth=0)
        axis.fill_between([low, RANGE], 0, edge, facecolor=COLOURS["impossible"], linewidth=0, **hatched)
        axis.fill_betweenx(y, np.clip(margin, low, RANGE), RANGE, facecolor=COLOURS["guaranteed"], linewidth=0)
        others = f"edges for {' and '.join(f'{each:g}' for each in rows['fidelity'].unique()[1:])}"
        for index, (fidelity, part) in enumerate(rows.groupby("fidelity", sort=False)):
            style: Any = {"color": INK, "linewidth": 1.4 if index == 0 else 0.7}
            label = others if index == 1 else None
            axis.plot(part["margin"], part["penalty"], label=label, **style)
            # Beside the line, inside the panel.
            at = float(np.interp(_LABELS, part["penalty"], part["margin"]))
            axis.annotate(f"{fidelity:g}", (at, _LABELS), (3, 0), textcoords="offset points", fontsize=7)
        axis.plot(main["whole"], main["penalty"], color=GREY, linestyle=":", label=f"edge for {shown:g}, whole block")
        for text, where in (
            ("guaranteed", (0.80, 0.72)),
            ("possible", (0.28, 0.50)),
            ("impossible", (0.28, 0.10)),
        ):
            note(axis, text, where, ha="center", va="center", fontsize=8, weight="bold")
        axis.set(xlim=(low, RANGE), ylim=(0, MOST_PENALTY), ylabel="penalty off the block (nats)")
        axis.set_xlabel(f"margin (nats); the scores span at most {RANGE:g}")
        axis.set_title(f"Fidelity {shown:g} in every row: context {CONTEXT:,}, windows of {BLOCK}", loc="left")
        axis.grid(visible=False)
        axis.legend(loc="lower right")
    return figure
