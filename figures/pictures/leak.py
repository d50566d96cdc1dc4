"""Leak and fidelity of random and of trained attention rows against the separation, under the bounds of A2.

Rows see different numbers of keys `n`, of which `m` are in the block. Against the separation plus log(m/(n-m)) the
bounds of all of them are the same curves: the largest leak is sigma(-x), its exponential form exp(-x).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.special import expit

from figures.pictures import random_rows
from figures.pictures.random_rows import FAMILIES_SAID, TRAINED, alarm, contradictions, scatter, scatter_trained
from figures.pictures.style import GREY, INK, RUNS_SAID, look, note, panels, plain_powers
from theory.errors import DomainError

NAME = "leak"
ALSO = "sample"
STATEMENTS = ("A1", "A2")
SHOWS = f"""Leak (the share of attention that falls outside a query's block, logarithmic) and fidelity (the share on it)
of attention rows, against the separation: by how much the lowest score in the block exceeds the highest outside, in
units of the temperature. To it is added the log of block keys over other keys, so that rows of all sizes share one
curve. No row can lie beyond the solid line: above it in leak, below it in fidelity. The dotted line is the simpler
exponential form of the bound. {FAMILIES_SAID} Trained rows, where there are records, are measured on held-out text: a
random sample of all heads, layers and positions of one training run each. {RUNS_SAID} Where the separation is far below
0, the bound says little."""

LOWEST, LEFTMOST = 1e-8, -12.0

make_rows = random_rows.make_rows
joined = random_rows.joined


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory, one line."""
    count = int(contradictions(rows)["leak"].sum())
    return [f"rows above the leak bound: {count}"] if count else []


def draw(rows: pd.DataFrame) -> Figure:
    """Draw rows of `random_rows.make_rows` or `joined` under A2's curves; rows above the bound are red.

    Raises DomainError without rows.
    """
    if rows.empty:
        raise DomainError("the rows must not be empty")
    shifted = rows["separation"] + np.log(rows["m"] / (rows["n"] - rows["m"]))
    rows = rows.assign(fidelity=1 - rows["leak"], shifted=shifted, bad=contradictions(rows)["leak"])
    trained = rows["family"] == TRAINED
    x = np.linspace(max(LEFTMOST, float(shifted.min()) - 0.5), float(shifted.max()) + 0.5, 300)
    shown = [("leak", ~trained), ("leak", trained), ("fidelity", rows.index >= 0)]
    if not trained.any():
        del shown[1]
    with look():
        figure, axes = panels(len(shown), 1, height=2.2 + 1.9 * len(shown))
        for axis, (up, part) in zip(axes[:, 0], shown, strict=True):
            some = rows[part]
            scatter(axis, some[some["family"] != TRAINED], "shifted", up)
            scatter_trained(axis, some[some["family"] == TRAINED], "shifted", up)
            curve, weaker = expit(-x), np.minimum(np.exp(-x), 1.0)
            if up == "fidelity":
                curve, weaker = expit(x), 1 - weaker
            axis.plot(
                x, curve, color=INK, label="most possible (A2)" if up == "leak" else "least possible (A2)", zorder=3
            )
            axis.plot(x, weaker, color=GREY, linestyle=":", label="exponential form", zorder=2.9)
            alarm(axis, some, some["bad"], "shifted", up)
            if up == "leak":
                _leaks(axis, some)
        axes[-1, 0].set(ylabel="fidelity (share on the block)", ylim=(-0.03, 1.03), xlim=(x[0], x[-1]))
        axes[-1, 0].set_xlabel("separation + log(block keys / other keys)  (nats)")
        axes[0, 0].set_title(f"Random rows, {_sizes(rows[~trained])}", loc="left")
        if trained.any():
            axes[1, 0].set_title(f"Trained models, {_sizes(rows[trained])}", loc="left")
            axes[2, 0].set_title("All these rows", loc="left")
        # Beside the panels, where it hides no row.
        found: dict[str, Any] = {}
        for axis in axes[:-1, 0]:
            handles, labels = axis.get_legend_handles_labels()
            found |= dict(zip(labels, handles, strict=True))
        place: Any = {"loc": "outside upper center", "ncols": 2, "markerscale": 1.4, "handletextpad": 0.5}
        figure.legend([*found.values()], [*found], **place)
    return figure


def _sizes(rows: pd.DataFrame) -> str:
    """The numbers of keys of the rows and of their blocks."""
    ends = [sorted({int(rows[name].min()), int(rows[name].max())}) for name in ("n", "m")]
    keys, block = (" to ".join(map(str, each)) for each in ends)
    return f"{keys} keys, block of {block}"


def _leaks(axis: Any, rows: pd.DataFrame) -> None:
    # Trained rows leak much.
    least = LOWEST if (rows["family"] != TRAINED).any() else max(LOWEST, float(rows["leak"].min()))
    lowest = 10 ** np.floor(np.log10(least))
    axis.set(yscale="log", ylabel="leak (share of attention)", ylim=(lowest, 2.5))
    axis.minorticks_off()
    plain_powers(axis.yaxis)
    below, left = int((rows["leak"] < lowest).sum()), int((rows["shifted"] < LEFTMOST).sum())
    notes = [f"rows below the axis: {below}"] if below or not left else []
    notes += [f"rows left of the axis: {left}"] if left else []
    note(axis, "\n".join(notes), (0.02, 0.03), ha="left")
