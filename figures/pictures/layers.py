"""Measured entropy between its bounds, per layer and head.

A mean entropy is comparable with the mean of its bound over the same rows. Quantiles are not, because each row has its
own bound; so the lower panels show quantiles of the rows' distances from their bounds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.pictures.style import (
    ALARM,
    INK,
    MEASURED,
    PALE,
    SCHEDULES_SAID,
    WHITE,
    look,
    note,
    panels,
    plain_powers,
    title,
    undecided,
)
from theory.errors import DomainError

NAME = "layers"
KIND = "rows"
STATEMENTS = ("A4", "A5")
SHOWS = f"""Entropy of every layer and head of a model on held-out text, between its bounds. Above: the mean over each
head's rows (heads from left to right), with the means of the largest and least entropy that its rows' fidelities and
logit ranges allow. Below: how far single rows stay from their own bounds; a bar spans 5 to 95 % of a head's rows, a
mark is their median, first for all heads below A4, then for all above A5. One training run per column; measured.
{SCHEDULES_SAID}"""
LEAST_SHOWN = 1e-6

UPPER, LOWER = "bound_entropy_fidelity", "bound_entropy_range"
MOST_TICKS = 8


def outside(rows: pd.DataFrame) -> pd.Series:
    """Which rows of the record violate a bound, or have a mean entropy outside its bounds.

    With undecided rows the error of the mean is unbounded, so only violations count.
    """
    # The error of a mean is at most the largest error in it; 1e-12 covers the summation.
    error = rows["tolerance_entropy_max"] + 1e-12 * rows["entropy_mean"].abs()
    inside = (rows["entropy_mean"] <= rows[UPPER] + error) & (rows["entropy_mean"] >= rows[LOWER] - error)
    return (rows["violations"] > 0) | (~inside & (rows["undecided"] == 0))


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory and undecided rows, one line each."""
    found = undecided(rows)
    for name, part in rows.groupby("configuration", sort=False):
        violated = int(part["violations"].sum())
        bad = part[outside(part)]
        if violated:
            found.append(f"{name}: rows that violate a bound: {violated}")
        elif len(bad):
            first = bad.iloc[0]
            where = f"layer {first['layer']:g}, head {first['head']:g}"
            found.append(f"{name}: mean entropy outside its bounds, {where}")
    return found


def draw(rows: pd.DataFrame) -> Figure:
    """Draw records: rows of `empirical.measuring.records`, one column of panels per `configuration`.

    Heads that contradict a bound are red, those with undecided rows hollow. Raises DomainError if there is nothing to
    draw.
    """
    if rows.empty or rows[["entropy_mean", UPPER, LOWER]].isna().any(axis=None):
        raise DomainError("the rows hold no entropies with their bounds: measure a run first")
    names = list(dict.fromkeys(rows["configuration"]))
    with look():
        figure, axes = panels(2, len(names), height=5.0, ratios=(1.1, 1))
        for column, name in enumerate(names):
            part = rows[rows["configuration"] == name]
            _means(axes[0, column], part)
            _distances(axes[1, column], part)
            counts = f"1 run: {int(part['rows'].sum()):,} rows, {int(part['violations'].sum())} violations"
            title(axes[0, column], name, faults(part), counts)
            _ticks(axes[1, column], part)
        axes[0, 0].set(ylabel="mean entropy (nats)")
        axes[1, 0].set(ylabel="distance from\nthe bound (nats)", yscale="log")
        plain_powers(axes[1, 0].yaxis)
        axes[0, 0].set_ylim(0, 1.06 * rows[[UPPER, "entropy_mean"]].max(axis=None))
        axes[1, 0].minorticks_off()
        above, below = (_labelled(row) for row in axes)
        # By columns: the two bounds, the two distances, the measured values.
        shown = above[:2] + below + above[2:]
        labels, handles = zip(*shown, strict=True)
        figure.legend(handles, labels, loc="outside upper left", ncols=2 if len(names) == 1 else 3)
    return figure


def _labelled(axes: Iterable[Any]) -> list[tuple[str, Any]]:
    """Each label of a row of panels once; some appear in only one panel."""
    found: dict[str, Any] = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        found |= {label: handle for label, handle in zip(labels, handles, strict=True) if label not in found}
    return list(found.items())


def _means(axis: Any, rows: pd.DataFrame) -> None:
    x, width = _places(rows)
    half, size = 0.42 * width, _marker_size(rows)
    axis.bar(x, rows[UPPER] - rows[LOWER], width=2 * half, bottom=rows[LOWER], color=PALE)
    axis.hlines(rows[UPPER], x - half, x + half, color=INK, linewidth=1.2, label="A4: largest, given fidelity")
    dotted = {"color": INK, "linewidth": 1.2, "linestyle": (0, (0.8, 0.8))}
    axis.hlines(rows[LOWER], x - half, x + half, label="A5: least, given range", **dotted)
    axis.plot(x, rows["entropy_mean"], "o", color=MEASURED, markersize=size, label="measured, mean of a head")
    left = (rows["undecided"] > 0).to_numpy()
    if left.any():
        # Hollow: their position neither confirms nor refutes the bounds.
        hollow = {"color": MEASURED, "markersize": size, "markerfacecolor": WHITE}
        axis.plot(x[left], rows["entropy_mean"][left], "o", **hollow, label="measured, some rows undecided")
    bad = outside(rows).to_numpy()
    if bad.any():
        axis.plot(x[bad], rows["entropy_mean"][bad], "X", color=ALARM, markersize=8, label="CONTRADICTS A BOUND")


def _distances(axis: Any, rows: pd.DataFrame) -> None:
    """Draw each layer's heads twice: on the left their distances below A4, on the right those above A5."""
    x, _ = _places(rows)
    size = 0.7 * _marker_size(rows)
    clipped = 0
    for side, bound, marker, label in (
        (-1, "entropy_fidelity", "v", "below A4: 5, 50, 95 % of rows"),
        (1, "entropy_range", "^", "above A5: 5, 50, 95 % of rows"),
    ):
        places = rows["layer"] + (x - rows["layer"]) / 2 + side * 0.21
        low, middle, high = (rows[f"slack_{bound}_{part}"].to_numpy() for part in ("q05", "q50", "q95"))
        # A logarithmic axis cannot show 0: rows at equality have distance 0, or a rounding error below.
        clipped += int((low < LEAST_SHOWN).sum())
        low, middle, high = (np.maximum(values, LEAST_SHOWN) for values in (low, middle, high))
        axis.vlines(places, low, high, color=MEASURED, linewidth=0.3 * size)
        axis.plot(places, middle, marker, color=MEASURED, markersize=size + 1, label=label)
    if clipped:
        note(axis, f"bars cut off below {LEAST_SHOWN:g}: {clipped}")


def _places(rows: pd.DataFrame) -> tuple[np.ndarray, float]:
    """Position of each head, and the spacing; a layer's heads are centred on its number."""
    heads = int(rows["head"].max()) + 1
    width = 0.8 / heads
    places = rows["layer"] + (rows["head"] - (heads - 1) / 2) * width
    return places.to_numpy(dtype=float), width


def _marker_size(rows: pd.DataFrame) -> float:
    """Marker size in points, such that neighbouring heads do not hide each other."""
    return float(np.clip(90 / len(rows), 0.9, 3.2))


def _ticks(axis: Any, rows: pd.DataFrame) -> None:
    dials = rows.groupby("layer")["dial"].first()
    shown = dials.iloc[:: -(-len(dials) // MOST_TICKS)]
    axis.set_xticks(list(shown.index), [f"{layer}\n{dial:.2g}" for layer, dial in shown.items()])
    axis.set_xlabel("layer, and its dial below")
