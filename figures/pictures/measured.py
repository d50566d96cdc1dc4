"""Single measured rows of attention, each against its own bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.pictures.style import ALARM, COLUMN, GREY, INK, RUNS_SAID, look, note, schedule_style
from theory.errors import DomainError

NAME = "measured"
KIND = "sample"
STATEMENTS = ("A2", "A4", "A5")
SHOWS = f"""Single rows of attention of trained models, each against its own bound: one mark per row, drawn at random
from all heads, layers and positions of held-out text (as many as the legend says; one training run and seed per
colour). A row is how one query spreads its attention over the tokens it sees. No mark may lie beyond the diagonal, on
the shaded side. Above: leak, the share of attention off the query's own block, below the largest share that the row's
mean margin allows (how far the mean score in the block exceeds the highest outside); a margin far below 0 says nothing,
and its mark stands at the right end. Middle and below: entropy, how evenly the row spreads, between the largest that
its leak allows and the least that the range of its scores allows. Rows not drawn were compared too, while they were
measured. {RUNS_SAID}"""

# Quantity, bound, its side, words.
PANELS = (
    ("leak", "leak_mean_margin", 1, "largest leak, given the mean margin (A2)"),
    ("entropy", "entropy_fidelity", 1, "largest entropy, given the leak (A4), nats"),
    ("entropy", "entropy_range", -1, "least entropy, given the range (A5), nats"),
)


def beyond(rows: pd.DataFrame, quantity: str, bound: str, side: int) -> pd.Series:
    """Which rows lie beyond their bound by more than the rounding recorded.

    A bound from the leak or from scores is off by less than ten times the rounding error of the row itself: the
    verdict in the record, which derives it, is stricter.
    """
    value = rows[quantity]
    error = 10 * (rows["tolerance_entropy"] if quantity == "entropy" else value * rows["tolerance_leak"])
    inside = side * (value - rows[f"bound_{bound}"]) <= error + 1e-12
    return ~inside & (rows["verdict"] != "undecided")


def faults(rows: pd.DataFrame) -> list[str]:
    """Violated bounds and undecided rows among all rows measured, and drawn rows beyond a bound, one line each."""
    found = []
    totals = rows.drop_duplicates("configuration")
    for column, what in (("undecided", "rows left undecided"), ("violations", "rows that violate a bound")):
        if count := int(totals[column].sum()):
            found.append(f"{what}: {count}")
    if count := int((rows["verdict"] == "violated").sum()):
        found.append(f"drawn rows that violate a bound: {count}")
    for quantity, bound, side, words in PANELS:
        if count := int(beyond(rows, quantity, bound, side).sum()):
            found.append(f"rows beyond the {words.split(',')[0]}: {count}")
    return found


def draw(rows: pd.DataFrame) -> Figure:
    """Draw samples of `localist measure --rows --sample`, one panel per bound. Raises DomainError without rows."""
    if rows.empty:
        raise DomainError("the rows hold no single rows")
    with look():
        figure = Figure(figsize=(COLUMN, 8.0), layout="constrained")
        for axis, (quantity, bound, side, words) in zip(figure.subplots(len(PANELS), 1), PANELS, strict=True):
            drawn = rows[[f"bound_{bound}", quantity]].to_numpy()
            high = 1.0 if quantity == "leak" else 1.05 * float(drawn.max())
            ends = np.array([0.0, high])
            axis.plot(ends, ends, color=INK, linewidth=1.0)
            axis.fill_between(ends, ends, high if side > 0 else 0.0, facecolor=GREY, alpha=0.12, linewidth=0)
            _marks(axis, rows, quantity, bound)
            bad = beyond(rows, quantity, bound, side) | (rows["verdict"] == "violated")
            if bad.any():
                place = rows[f"bound_{bound}"][bad], rows[quantity][bad]
                axis.plot(*place, "X", color=ALARM, markersize=8, label="CONTRADICTS A BOUND")
            least = float((side * (rows[f"bound_{bound}"] - rows[quantity])).min())
            where = ((0.02, 0.97), "left", "top") if side > 0 else ((0.98, 0.03), "right", "bottom")
            rounding = " (rounding)" if least < 0 and not bad.any() else ""
            words_there = f"impossible\nleast distance of a mark: {least:.1e}{rounding}"
            note(axis, words_there, where[0], ha=where[1], va=where[2])
            axis.set(xlim=(0, high * 1.01), ylim=(0, high * 1.01), xlabel=words)
            axis.set_ylabel(f"measured {quantity} {'(nats)' if quantity == 'entropy' else '(share)'}")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        totals = rows.drop_duplicates("configuration")
        heading = f"all {int(totals['all_rows'].sum()):,} rows measured: {int(totals['violations'].sum())} violations"
        figure.legend(handles, labels, loc="outside upper center", ncols=2, markerscale=2, title=heading)
    return figure


def _marks(axis: Any, rows: pd.DataFrame, quantity: str, bound: str) -> None:
    for name, part in rows.groupby("configuration", sort=False):
        colour, marker = schedule_style(str(name))
        label = f"{name}: {len(part):,} rows"
        style = {"color": colour, "markersize": 2.8, "markeredgewidth": 0, "alpha": 0.75, "linestyle": "none"}
        axis.plot(part[f"bound_{bound}"], part[quantity], marker=marker, label=label, **style)
