"""Style of all figures: sizes for a text column, colours that colour-blind readers can distinguish."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

# Okabe and Ito's palette, in an order that keeps neighbours apart in luminance too.
BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
)
INK, GREY, PALE = "#222222", "#777777", "#DDDDDD"
# Reserved for contradictions; nothing else is drawn in it.
ALARM = "#C00000"

# Inches. One column of a two-column page; further panels beside it have no axis labels and need less.
COLUMN = 3.5
FURTHER = 2.3

# Any: newer versions of matplotlib type each key, older ones none.
RC: Any = {
    # Shipped with matplotlib, so that the same rows give the same picture on every machine.
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "axes.titlesize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": PALE,
    "grid.linewidth": 0.4,
    "lines.linewidth": 1.3,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
    "path.simplify": True,
    "figure.facecolor": "white",
}


def look() -> AbstractContextManager[Any]:
    """The style as a context, for drawing and for saving."""
    return matplotlib.rc_context(RC)


def panels(rows: int, columns: int, height: float, ratios: Sequence[float] | None = None) -> tuple[Figure, Any]:
    """A figure of `height` inches and its axes `(rows, columns)`; columns share x, rows share y."""
    figure = Figure(figsize=(COLUMN + FURTHER * (columns - 1), height), layout="constrained")
    axes = figure.subplots(
        rows,
        columns,
        sharex="col",
        sharey="row",
        squeeze=False,
        gridspec_kw={"height_ratios": ratios} if ratios else None,
    )
    return figure, axes


def title(axis: Any, name: str, faults: Sequence[str], otherwise: str = "") -> None:
    """Set a column's title: its name, and below it its faults in red, or `otherwise`."""
    lines = [line.removeprefix(f"{name}: ") for line in faults] or [otherwise]
    # As wide as the narrowest panel.
    wrapped = [part for line in lines for part in textwrap.wrap(line, 34)]
    # A run's name may contain a literal "$".
    axis.set_title("\n".join([name, *wrapped]), loc="left", color=ALARM if faults else INK, parse_math=False)


def layer_colours(layers: int) -> list[Any]:
    """One colour per layer, dark to light, equally spaced for colour-blind readers too."""
    # The lightest tenth of the map is too faint for thin lines on white.
    share = [0.0] if layers == 1 else [0.88 * index / (layers - 1) for index in range(layers)]
    return [matplotlib.colormaps["viridis"](value) for value in share]


def undecided(rows: pd.DataFrame) -> list[str]:
    """One line per configuration with undecided rows."""
    counts = rows.groupby("configuration", sort=False)["undecided"].sum()
    return [f"{name}: rows left undecided: {count}" for name, count in counts.items() if count]
