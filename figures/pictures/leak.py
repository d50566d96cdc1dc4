"""Leak and fidelity of random attention rows against the separation, under the sharp and the exponential bound (A2)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.pictures import random_rows
from figures.pictures.random_rows import KEYS, ROWS_PER_FAMILY, alarm, contradictions, one_size, scatter
from figures.pictures.style import GREY, INK, look, note, panels
from theory.numbers import bounds

NAME = "leak"
STATEMENTS = ("A1", "A2")
SHOWS = f"""Leak (the share of attention that falls outside a query's block, logarithmic) and fidelity (the share on
it) of random attention rows over {KEYS} keys, against the separation: by how much the lowest score in the block
exceeds the highest outside, in units of the temperature. No row can lie beyond the solid line, and two-level rows lie
on it. The dotted line is the simpler exponential form of the bound. {ROWS_PER_FAMILY} rows of each random kind, one
seed; sampled, not measured on a model."""

LOWEST = 1e-8

make_rows = random_rows.make_rows


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory, one line."""
    count = int(contradictions(rows)["leak"].sum())
    return [f"rows above the leak bound: {count}"] if count else []


def draw(rows: pd.DataFrame) -> Figure:
    """Draw rows of `random_rows.make_rows` under A2's curves of their `n` and `m`; rows above the bound are red.

    Raises DomainError unless all rows have the same `n` and `m`, hence the same curves.
    """
    n, m = one_size(rows)
    rows = rows.assign(fidelity=1 - rows["leak"])
    d = np.linspace(float(rows["separation"].min()) - 0.5, float(rows["separation"].max()) + 0.5, 300)
    sharp, weaker = bounds.leak_max(n, m, d), np.minimum((n - m) / m * np.exp(-d), 1.0)
    bad = contradictions(rows)["leak"]
    with look():
        figure, axes = panels(2, 1, height=5.4)
        for axis, up, values, other in (
            (axes[0, 0], "leak", sharp, weaker),
            (axes[1, 0], "fidelity", 1 - sharp, 1 - weaker),
        ):
            scatter(axis, rows, "separation", up)
            side = "most" if up == "leak" else "least"
            axis.plot(d, values, color=INK, label=f"{side} possible (A2)", zorder=1.5)
            axis.plot(d, other, color=GREY, linestyle=":", label="exponential form", zorder=1.4)
            alarm(axis, rows, bad, "separation", up)
        leak, fidelity = axes[:, 0]
        leak.set(yscale="log", ylabel="leak (share of attention)", ylim=(LOWEST, 2.5), xlim=(d[0], d[-1]))
        leak.minorticks_off()
        leak.set_title(f"Random attention rows, {n} keys, block of {m}", loc="left")
        fidelity.set(xlabel="separation = margin / temperature (nats)", ylabel="fidelity (share on the block)")
        fidelity.set_ylim(-0.03, 1.03)
        below = int((rows["leak"] < LOWEST).sum())
        note(leak, f"rows below the axis: {below}", (0.99, 0.02))
        # Beside the panels, where it hides no row.
        handles, labels = leak.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2, markerscale=1.4, handletextpad=0.5)
    return figure
