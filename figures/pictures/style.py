"""Style of all figures: sizes for a page, and one meaning per colour over all figures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

# Meaning: colour. Okabe and Ito's palette, which colour-blind readers can distinguish; markers, line styles and
# hatches repeat what colours say. Levels of a number (layers, fidelities, heat maps) take `ramp` instead.
COLOURS: dict[str, str] = {
    "text": "#222222",
    "bound": "#222222",
    "weaker bound": "#777777",
    "note": "#777777",
    "between bounds": "#DDDDDD",
    "background": "#FFFFFF",
    "random": "#909090",
    "measured": "#009E73",
    "predicted": "#CC79A7",
    "distributed": "#0072B2",
    "localist": "#E69F00",
    "graded": "#56B4E9",
    "guaranteed": "#9FD3C7",
    "possible": "#F3EBD3",
    "impossible": "#B9B9B9",
    "violation": "#C00000",
}
INK, GREY, PALE, WHITE = (COLOURS[each] for each in ("bound", "note", "between bounds", "background"))
MEASURED, PREDICTED, ALARM = (COLOURS[each] for each in ("measured", "predicted", "violation"))
RANDOM = COLOURS["random"]
# Equally spaced in lightness for colour-blind readers too.
RAMP = "cividis"
# Attention maps, light to dark.
MAP = "Greys"
_MARKERS = {"distributed": "o", "localist": "s", "linear": "^", "quadratic": "v", "cubic": "D", "quartic": "P"}
# Without "X", which marks violations.
SCHEDULE_MARKERS = {**_MARKERS, "quintic": "p", "least-cost": "*"}

# What a caption says of the names of runs.
RUNS_SAID = """Distributed names a model trained with dial 0 in every layer, localist one with the same dial above 0 in
every layer."""
SCHEDULES_SAID = """The dial is 0 in every layer (distributed), the largest in every layer (localist), or rises from 0
in the first layer to the largest in the last, as the layer's number (linear), its cube (cubic) or its fifth power
(quintic)."""

# Inches: one column of a two-column page, and the whole page.
COLUMN, PAGE = 3.5, 7.2
# Points; nothing on a page is smaller.
SMALLEST = 6.0

# Any: newer versions of matplotlib type each key, older ones none.
RC: Any = {
    # Shipped with matplotlib, so that the same rows give the same picture on every machine.
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
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
    "legend.frameon": True,
    "legend.facecolor": WHITE,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "legend.borderpad": 0.2,
    "legend.handlelength": 1.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "hatch.linewidth": 0.4,
    "pdf.fonttype": 42,
    # Equal figures give equal bytes.
    "svg.hashsalt": "localist",
    "savefig.dpi": 300,
    "path.simplify": True,
    "figure.facecolor": WHITE,
}


def look() -> AbstractContextManager[Any]:
    """The style as a context, for drawing and for saving."""
    return matplotlib.rc_context(RC)


def panels(rows: int, columns: int, height: float, ratios: Sequence[float] | None = None) -> tuple[Figure, Any]:
    """A figure of `height` inches and its axes `(rows, columns)`; columns share x, rows share y.

    One column of panels is as wide as a column of text, more are as wide as the page.
    """
    figure = Figure(figsize=(COLUMN if columns == 1 else PAGE, height), layout="constrained")
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


def note(axis: Any, text: str, where: tuple[float, float] = (0.99, 0.02), **style: Any) -> None:
    """Write a remark into a panel, at a place in shares of its width and height."""
    chosen = {"ha": "right", "va": "bottom", "fontsize": 6.5, "color": INK, "zorder": 6}
    chosen |= {"bbox": {"facecolor": WHITE, "edgecolor": "none", "alpha": 0.85, "pad": 0.6}} | style
    axis.text(*where, text, transform=axis.transAxes, **chosen)


def with_interval(
    axis: Any, at: tuple[float, float], ends: tuple[float, float], name: str, *, across: bool = False, **style: Any
) -> None:
    """Draw a mark and its interval, `across` if that lies along x; ends that are not known are left out.

    The interval is drawn between its recorded ends, so a mark outside it is seen. `name` appears in no legend.
    """
    fixed = (at[1], at[1]) if across else (at[0], at[0])
    x, y = (ends, fixed) if across else (fixed, ends)
    axis.plot(
        x, y, "|-" if across else "_-", color=style["color"], linewidth=0.9, markersize=5, label=f"_{name}, interval"
    )
    axis.plot([at[0]], [at[1]], linestyle="none", label=f"_{name}", **style)


def plain_powers(axis: Any) -> None:
    """Write a logarithmic axis' powers in full: exponents would be smaller than `SMALLEST`."""

    def words(value: float, _: int) -> str:
        return f"{value:,.0f}" if value >= 1 else f"{value:g}" if value > 0.005 else f"{value:.0e}".replace("e-0", "e-")

    axis.set_major_formatter(words)
    axis.set_minor_formatter(NullFormatter())


def ramp(levels: int) -> list[Any]:
    """One colour per level of a number, dark to light."""
    # The lightest part of the map is too faint for thin lines on white.
    share = [0.0] if levels == 1 else [0.8 * index / (levels - 1) for index in range(levels)]
    return [matplotlib.colormaps[RAMP](value) for value in share]


def schedule_style(name: str) -> tuple[str, str]:
    """Colour and marker of a schedule: all graded ones share a colour, and each has its own marker."""
    colour = COLOURS[name if name in ("distributed", "localist") else "graded"]
    return colour, SCHEDULE_MARKERS.get(name, "*")


def undecided(rows: pd.DataFrame) -> list[str]:
    """One line per configuration with undecided rows."""
    counts = rows.groupby("configuration", sort=False)["undecided"].sum()
    return [f"{name}: rows left undecided: {count}" for name, count in counts.items() if count]
