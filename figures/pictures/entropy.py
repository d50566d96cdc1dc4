"""Entropy of random and of trained attention rows against the separation and the logit range, with A4 and A5."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.pictures import random_rows
from figures.pictures.random_rows import (
    BLOCK,
    FAMILIES_SAID,
    KEYS,
    TRAINED,
    alarm,
    contradictions,
    one_size,
    scatter,
    scatter_trained,
)
from figures.pictures.style import COLUMN, GREY, INK, RUNS_SAID, look, note
from theory.numbers import bounds

NAME = "entropy"
ALSO = "sample"
STATEMENTS = ("A4", "A5")
SHOWS = f"""Entropy (how evenly a query spreads its attention) of random rows over {KEYS} keys. Above, against the
separation of the block of {BLOCK} keys from the rest: no row lies above the solid line, which falls towards log {BLOCK}
but never below it. Rows may lie below log {BLOCK}, since they need not spread evenly over the block; these are hollow,
or crosses. Below, against the logit range (highest minus lowest score, over the temperature): no row lies below the
solid line, and none above log {KEYS}. {FAMILIES_SAID} Third, where there are records, trained rows: by how much their
entropy falls short of an even spread over all keys, against the logit range. However many keys a row sees, it cannot
lie above the line. Measured on held-out text, a random sample of all heads, layers and positions of one training run
each. {RUNS_SAID}"""

make_rows = random_rows.make_rows
joined = random_rows.joined


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory, one line each."""
    counts = contradictions(rows)[["entropy", "range"]].sum()
    sides = {"entropy": "above the entropy bound", "range": "below the entropy bound"}
    return [f"rows {sides[str(name)]}: {count}" for name, count in counts.items() if count]


def draw(rows: pd.DataFrame) -> Figure:
    """Draw rows of `random_rows.make_rows` between the curves of their `n` and `m`; rows beyond them are red.

    Trained rows have a panel of their own. Raises DomainError unless all others have the same `n` and `m`, hence the
    same curves.
    """
    everything, judged = rows, contradictions(rows)
    rows = everything[everything["family"] != TRAINED]
    trained = everything[everything["family"] == TRAINED]
    n, m = one_size(rows)
    bad = judged.loc[rows.index]
    low, high = float(rows["separation"].min()) - 0.5, float(rows["separation"].max()) + 0.5
    widest = float(rows["range"].max()) * 1.02
    under = rows["entropy"] < math.log(m)
    with look():
        panels = 2 + bool(len(trained))
        figure = Figure(figsize=(COLUMN, 1.2 + 2.3 * panels), layout="constrained")
        axes = figure.subplots(panels, 1)
        margin, span = axes[:2]
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
        if len(trained):
            _deficits(axes[2], trained, judged.loc[trained.index].any(axis=1))
            more = axes[2].get_legend_handles_labels()
            handles, labels = handles + more[0], labels + more[1]
        figure.legend(handles, labels, loc="outside upper center", ncols=2, markerscale=1.4, handletextpad=0.5)
    return figure


def _deficits(axis: Any, rows: pd.DataFrame, bad: pd.Series) -> None:
    """Draw how far rows of any number of keys fall short of log n, under A5's bound for every n."""
    rows = rows.assign(deficit=np.log(rows["n"]) - rows["entropy"])
    scatter_trained(axis, rows, "range", "deficit")
    widest = float(rows["range"].max()) * 1.02
    axis.plot(np.linspace(0, widest, 300), deficit_max(np.linspace(0, widest, 300)), color=INK, label="_A5, any n")
    alarm(axis, rows, bad, "range", "deficit")
    axis.set(xlim=(-0.3, widest), ylim=(-0.08, 1.08 * float(rows["deficit"].max())))
    axis.set(xlabel="logit range / temperature (nats)", ylabel="log(keys) \N{MINUS SIGN} entropy (nats)")
    keys = f"{int(rows['n'].min())} to {int(rows['n'].max())} keys"
    axis.set_title(f"Rows of trained models, {keys}", loc="left")


def deficit_max(logit_range: Any) -> Any:
    """A5's `z - 1 - log z` with `z = r / (1 - e^-r)`: the most that entropy falls short of log n, nats."""
    r = np.maximum(np.asarray(logit_range, dtype=float), 1e-300)
    z = r / -np.expm1(-r)
    return z - 1 - np.log(z)
