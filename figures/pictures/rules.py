"""What rules did in the rows in which they fired: the mass on their target before, after, and promised (E1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.pictures.style import ALARM, COLUMN, GREY, INK, MEASURED, look, note, title

NAME = "rules"
KIND = "firings"
STATEMENTS = ("E1", "E2")
SHOWS = """What rules do while a model writes. A rule names tokens (its target) and promises them a share of a query's
attention wherever it fires. A firing is one query in one head; they are sorted by the share that the target had before
steering (hollow); the share after steering (filled) is summed from the weights that made the output. The line is the
promise: no filled mark may lie below it. Where the target had enough, right of the dotted line, the rule changes
little or nothing; other rules that fire in the same row can still move its share. One text of one small model;
measured."""

MOST_RULES = 4
# By how much a kept promise may be missed: the solver's tolerance, and rounding of the sums.
TOLERANCE = 1e-9


def broken(rows: pd.DataFrame) -> pd.Series:
    """Which firings are said to have met their promise and lie below it, or lie outside [0, 1]."""
    below = (rows["status"] == "met") & (rows["after"] < rows["promise"] - TOLERANCE)
    shares = rows[["before", "after"]]
    return below | ~((shares >= 0) & (shares <= 1 + TOLERANCE)).all(axis=1)


def faults(rows: pd.DataFrame) -> list[str]:
    """Firings below a promise that counts as met, and promises that were not met, one line per rule each."""
    found = []
    for rule, part in rows.groupby("rule", sort=False):
        if count := int(broken(part).sum()):
            found.append(f"{rule}: firings below their promise: {count}")
        # A row that cannot keep its promises is no contradiction, and is said all the same.
        for status, count in part["status"][part["status"] != "met"].value_counts().items():
            found.append(f"{rule}: promises not met ({str(status).replace('_', ' ')}): {count}")
    return found


def draw(rows: pd.DataFrame) -> Figure:
    """Draw the firings of one log, one panel per rule, of those that fired most if there are many."""
    names = list(rows["rule"].value_counts().index[:MOST_RULES])
    more = rows["rule"].nunique() - len(names)
    with look():
        figure = Figure(figsize=(COLUMN, 0.5 + 1.8 * len(names)), layout="constrained")
        axes = figure.subplots(len(names), 1, squeeze=False)[:, 0]
        for axis, name in zip(axes, names, strict=True):
            _rule(axis, name, rows[rows["rule"] == name].sort_values("before", kind="stable"))
        axes[-1].set_xlabel("firings, sorted by the share before" + (f"; rules not shown: {more}" if more else ""))
        axes[0].legend(*_once(axes), loc="upper left")
    return figure


def _rule(axis: Any, name: str, rows: pd.DataFrame) -> None:
    place = np.arange(1, len(rows) + 1)
    before, after, promise = (rows[each].to_numpy() for each in ("before", "after", "promise"))
    enough = before >= promise
    style: Any = {"color": MEASURED, "marker": "o", "linestyle": "none", "markersize": 2.6, "markeredgewidth": 0.6}
    if not np.isnan(promise).all():
        # A rule has several promises if its file changed during the run.
        axis.step(place, promise, where="mid", color=INK, linewidth=1.1, label="promised: at least")
    axis.plot(place, before, markerfacecolor="none", label="before", **style)
    axis.plot(place, after, label="after", **style)
    wrong = broken(rows).to_numpy()
    unmet = (rows["status"] != "met").to_numpy()
    if wrong.any():
        axis.plot(place[wrong], after[wrong], "X", color=ALARM, markersize=6, label="BELOW ITS PROMISE")
    if (unmet & ~wrong).any():
        axis.plot(place[unmet & ~wrong], after[unmet & ~wrong], "x", color=GREY, markersize=5, label="not met")
    # Above the marks there is room for a legend.
    axis.set(ylabel="attention on the\ntarget (share)", ylim=(-0.02, 1.5 * float(np.max([after, before]))))
    axis.margins(x=0.02)
    promised = "; promises nothing" if np.isnan(promise).all() else ""
    title(axis, f"rule: {name}", faults(rows), f"{len(rows)} firings{promised}")
    if enough.any():
        note(axis, f"had enough before: {int(enough.sum())}", (0.99, 0.97), va="top")
        # Sorted, so those with enough are the last, unless the promise changed.
        if not np.diff(enough.astype(int)).min(initial=0) < 0:
            axis.axvline(len(rows) - enough.sum() + 0.5, color=GREY, linestyle=":", linewidth=0.9, label="_enough")


def _once(axes: Any) -> tuple[list[Any], list[str]]:
    """Every kind of mark of all panels, once."""
    found: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)
