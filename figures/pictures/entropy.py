"""Entropy of random attention rows against the separation and the logit range, with the bounds A4 and A5."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.pictures import random_rows
from figures.pictures.random_rows import BLOCK, KEYS, ROWS_PER_FAMILY, alarm, contradictions, one_size, scatter
from figures.pictures.style import COLUMN, GREY, INK, look, note
from theory.numbers import bounds

NAME = "entropy"
STATEMENTS = ("A4", "A5")
SHOWS = f"""Entropy (how evenly a query spreads its attention) of random rows over {KEYS} keys. Above, against the
separation of the block of {BLOCK} keys from the rest: no row lies above the solid line, which falls towards log
{BLOCK} but never below it. Rows may lie below log {BLOCK}, since they need not spread evenly over the block; these are
hollow, or crosses. Below, against the logit range (highest minus lowest score, over the temperature): no row lies
below the solid line, and none above log {KEYS}. {ROWS_PER_FAMILY} rows of each random kind, one seed; sampled, not
measured on a model."""

make_rows = random_rows.make_rows


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory, one line each."""
    counts = contradictions(rows)[["entropy", "range"]].sum()
    sides = {"entropy": "above the entropy bound", "range": "below the entropy bound"}
    return [f"rows {sides[str(name)]}: {count}" for name, count in counts.items() if count]


def draw(rows: pd.DataFrame) -> Figure:
    """Draw rows of `random_rows.make_rows` between the curves of their `n` and `m`; rows beyond them are red.

    Raises DomainError unless all rows have the same `n` and `m`, hence the same curves.
    """
    n, m = one_size(rows)
    bad = contradictions(rows)
    low, high = float(rows["separation"].min()) - 0.5, float(rows["separation"].max()) + 0.5
    widest = float(rows["range"].max()) * 1.02
    under = rows["entropy"] < math.log(m)
    with look():
        figure = Figure(figsize=(COLUMN, 5.8), layout="constrained")
        margin, span = figure.subplots(2, 1)
        scatter(margin, rows, "separation", "entropy", under)
        # The bound jumps at 0: its two sides are drawn apart.
        for start, end in ((low, np.nextafter(0, -1)), (0.0, high)):
            d = np.linspace(start, end, 150)
            margin.plot(d, bounds.entropy_max(n, m, d), color=INK, zorder=1.5)
        alarm(margin, rows, bad["entropy"], "separation", "entropy")
        margin.axhline(math.log(m), color=GREY, linestyle=":", linewidth=0.9, zorder=1.2)
        count = f"{int(under.sum())} of {len(rows)} rows lie below (hollow, crosses)"
        note(margin, f"log {m}: the bound falls no lower\n{count}", (0.99, 0.02))
        margin.set(xlabel="separation = margin / temperature (nats)", xlim=(low, high))
        scatter(span, rows, "range", "entropy")
        r = np.linspace(0, widest, 300)
        span.plot(r, bounds.entropy_min(n, r), color=INK, zorder=1.5, label="bound: A4 above, A5 below")
        span.axhline(math.log(n), color=INK, linestyle=":", linewidth=0.9, zorder=1.2, label=f"log {n}: equal scores")
        alarm(span, rows, bad["range"], "range", "entropy")
        span.set(xlabel="logit range / temperature (nats)", xlim=(-0.3, widest))
        for axis in (margin, span):
            axis.set(ylabel="entropy (nats)", ylim=(-0.08, math.log(n) * 1.09))
        margin.set_title(f"Random attention rows, {n} keys, block of {m}", loc="left")
        # Beside the panels, where it hides no row.
        handles, labels = span.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2, markerscale=1.4, handletextpad=0.5)
    return figure
