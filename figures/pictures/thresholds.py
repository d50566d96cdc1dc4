"""Separation needed for a fidelity, fidelity guaranteed at a dial, and entropy lost at a logit range.

Rows are points of the curves, so that this figure too is a function of a table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.pictures.style import COLUMN, GREY, look, plain_powers, ramp
from theory.errors import DomainError
from theory.numbers import bounds

NAME = "thresholds"
STATEMENTS = ("A2", "A3", "A5", "B1")
SHOWS = """How far a query's own block must stand out, and what that buys. Above: the separation (margin over
temperature) that guarantees a fidelity, the share of attention on the block, for a block of 64 keys among ever more.
Middle: the fidelity guaranteed at each setting of the dial, which divides the odds of the attention off the block.
Below: by how much the entropy of a row can fall below that of even attention, log n over n keys, at a given range of
the scores. Dotted lines are simpler, weaker forms of the bounds. Ten times as many keys off the block ask for log 10,
2.3 nats, more. All computed from the theory; nothing is measured."""

BLOCK, KEYS = 64, 1024
FIDELITIES = (0.5, 0.9, 0.99, 0.999)
SEPARATIONS = (0.0, 2.0, 4.0, 6.0)
# Panel: labels of its axes.
PANELS = {
    "context": ("visible keys", "separation that\nguarantees it (nats)"),
    "dial": ("dial", "fidelity guaranteed"),
    "range": ("logit range / temperature (nats)", "entropy below log n (nats)"),
}


def make_rows(seed: int = 0) -> pd.DataFrame:
    """Points of every curve: `panel`, `curve`, `sharp` (or a weaker form), `x`, `y`. The seed changes nothing."""
    keys = np.unique(np.round(BLOCK * np.geomspace(1.05, 2**14, 200)))
    parts = []
    for fidelity in FIDELITIES:
        sharp = bounds.margin_needed(keys, BLOCK, 1 - fidelity)
        parts.append(_curve("context", f"fidelity {fidelity:g}", True, keys, sharp))
        # A2's exponential form solved for the separation.
        weaker = np.log((keys - BLOCK) / (BLOCK * (1 - fidelity)))
        parts.append(_curve("context", f"fidelity {fidelity:g}", False, keys, weaker))
    dials = np.linspace(0, 1, 401)[:-1]
    for separation in SEPARATIONS:
        leak = bounds.leak_max(KEYS, BLOCK, separation)
        kept = 1 - bounds.dialled_leak(leak, dials)
        parts.append(_curve("dial", f"separation {separation:g} nats", True, dials, kept))
    ranges = np.linspace(0, 8, 201)
    for keys_seen in (16, KEYS):
        lost = np.log(keys_seen) - bounds.entropy_min(keys_seen, ranges)
        parts.append(_curve("range", f"at most, {keys_seen:,} keys (A5)", True, ranges, lost))
    parts.append(_curve("range", "range²/8, simpler bound", False, ranges, ranges**2 / 8))
    return pd.concat(parts, ignore_index=True)


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory, one line each: a sharp curve that asks for more than a weaker one."""
    context = rows[rows["panel"] == "context"].pivot_table(index=["curve", "x"], columns="sharp", values="y")
    above = int((~(context[True] <= context[False])).sum()) if len(context) else 0
    return [f"sharp thresholds above the exponential ones: {above}"] if above else []


def draw(rows: pd.DataFrame) -> Figure:
    """Draw the curves of `make_rows`, one panel each. Raises DomainError for rows without them."""
    missing = [panel for panel in PANELS if panel not in set(rows["panel"])]
    if missing:
        raise DomainError(f"the rows hold no curve for the panel {missing[0]!r}")
    with look():
        figure = Figure(figsize=(COLUMN, 6.6), layout="constrained")
        axes = dict(zip(PANELS, figure.subplots(3, 1), strict=True))
        for panel, (across, up) in PANELS.items():
            _curves(axes[panel], rows[rows["panel"] == panel])
            axes[panel].set(xlabel=across, ylabel=up)
        axes["context"].set(xscale="log", ylim=(min(-1.0, rows["y"].min()), 2.1 * rows["y"].max()))
        axes["context"].minorticks_off()
        plain_powers(axes["context"].xaxis)
        axes["dial"].set(xlim=(0, 1), ylim=(0, 1.02))
        axes["range"].set(xlim=(0, None), ylim=(0, 1.05 * rows.loc[rows["panel"] == "range", "y"][rows["sharp"]].max()))
        axes["context"].set_title(f"Block of {BLOCK} keys", loc="left")
        axes["dial"].set_title(f"{KEYS} keys, block of {BLOCK}", loc="left")
        # In each panel's widest gap.
        for panel, place in (("context", "upper left"), ("dial", (0.01, 0.45)), ("range", "upper left")):
            # As the curves lie: the highest first.
            axes[panel].legend(loc=place, reverse=panel != "range", labelspacing=0.3)
    return figure


def _curves(axis: Any, rows: pd.DataFrame) -> None:
    curves = list(dict.fromkeys(rows["curve"][rows["sharp"]]))
    colours = dict(zip(curves, ramp(len(curves)), strict=True))
    gaps = {}
    for curve, part in rows.groupby("curve", sort=False):
        for sharp, points in part.groupby("sharp"):
            if sharp:
                axis.plot(points["x"], points["y"], label=str(curve), color=colours[curve])
            elif curve not in colours:
                axis.plot(points["x"], points["y"], label=str(curve), color=GREY, linestyle=":")
            else:
                gaps[curve] = float((points["y"].to_numpy() - part["y"][part["sharp"]].to_numpy()).max())
    # The other weaker curves would lie on the sharp ones.
    widest = max(gaps, key=lambda curve: gaps[curve], default=None)
    if widest is not None:
        points = rows[(rows["curve"] == widest) & ~rows["sharp"]]
        others = max((gap for curve, gap in gaps.items() if curve != widest), default=0.0)
        label = f"simpler bound, {widest} (for the\nothers at most {others:.2f} nats above)"
        axis.plot(points["x"], points["y"], label=label, color=GREY, linestyle=":")


def _curve(panel: str, curve: str, sharp: bool, x: Any, y: Any) -> pd.DataFrame:
    return pd.DataFrame({"panel": panel, "curve": curve, "sharp": sharp, "x": x, "y": y})
