"""Schedules of the dial over the layers, and how many layers reach a needed dial (F2)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.pictures.style import COLUMN, INK, SCHEDULES_SAID, look, note, schedule_style
from theory.errors import DomainError
from theory.numbers import bounds
from theory.numbers.schedule_bounds import localised_depth, schedule_dials

NAME = "depth"
STATEMENTS = ("F1", "F2", "B1")
LAYERS, LARGEST = 12, 0.9
BEFORE, AFTER = 0.5, 0.75
SHOWS = f"""How schedules spread the dial over {LAYERS} layers, and how many layers they make local. Above: the dial of
each layer (marks) on its schedule's curve, for a largest dial of {LARGEST}; the dotted line is the dial that lifts a
row's fidelity (share of attention on its block) from {BEFORE} to {AFTER}. Below: the number of layers whose dial
reaches that line, as the largest dial grows. {SCHEDULES_SAID} Computed from the theory; nothing is measured."""

SCHEDULES = ("distributed", "localist", "linear", "cubic", "quintic")
_LINES = {"linear": "-", "cubic": "--", "quintic": "-."}


def make_rows(seed: int = 0) -> pd.DataFrame:
    """Points: `panel`, `schedule`, `x`, `y`, with the dial `needed`. The seed changes nothing."""
    needed = float(bounds.dial_needed(BEFORE, AFTER))
    dense, largest = np.linspace(0, LAYERS - 1, 111), np.linspace(0, 1, 401)
    parts = []
    for name in SCHEDULES:
        # A schedule of more layers has the same curve: every tenth of its layers is one of these.
        curve = schedule_dials(name, 10 * (LAYERS - 1) + 1, LARGEST)
        found = localised_depth(name, LAYERS, largest, needed)
        for panel, x, y in (
            ("curve", dense, curve),
            ("dial", np.arange(LAYERS), schedule_dials(name, LAYERS, LARGEST)),
            ("depth", largest, found),
        ):
            parts.append(pd.DataFrame({"panel": panel, "schedule": name, "x": x, "y": y, "needed": needed}))
    return pd.concat(parts, ignore_index=True)


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory, one line: depths that fall as the largest dial grows."""
    depths = rows[rows["panel"] == "depth"]
    falling = sum(int((np.diff(part["y"]) < 0).sum()) for _, part in depths.groupby("schedule"))
    return [f"depths that fall as the largest dial grows: {falling}"] if falling else []


def draw(rows: pd.DataFrame) -> Figure:
    """Draw the points of `make_rows`. Raises DomainError without them."""
    if rows.empty:
        raise DomainError("the rows hold no schedules")
    needed = float(rows["needed"].iloc[0])
    with look():
        figure = Figure(figsize=(COLUMN, 5.0), layout="constrained")
        dials, depths = figure.subplots(2, 1)
        for name, part in rows.groupby("schedule", sort=False):
            colour, marker = schedule_style(str(name))
            line = {"color": colour, "linestyle": _LINES.get(str(name), "-")}
            points = {panel: part[part["panel"] == panel] for panel in ("curve", "dial", "depth")}
            dials.plot(points["curve"]["x"], points["curve"]["y"], linewidth=0.8, **line)
            dials.plot(points["dial"]["x"], points["dial"]["y"], marker, color=colour, markersize=4)
            every = {"marker": marker, "markersize": 4, "markevery": 50}
            depths.step(points["depth"]["x"], points["depth"]["y"], where="post", label=str(name), **line, **every)
        for axis, draw_line in ((dials, dials.axhline), (depths, depths.axvline)):
            draw_line(needed, color=INK, linestyle=":", linewidth=0.9)
            axis.margins(x=0.03)
        note(dials, f"dial needed: {needed:.3g}", (0.02, needed), ha="left")
        dials.set(xlabel="layer", ylabel=f"dial (largest: {LARGEST})", ylim=(-0.03, 1.0))
        dials.set_xticks(range(0, LAYERS, 1))
        depths.set(xlabel="largest dial", ylabel=f"layers that reach it, of {LAYERS}", ylim=(-0.4, LAYERS + 0.6))
        handles, labels = depths.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure
