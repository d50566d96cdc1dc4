"""Anchors: how far apart directions can be (D2), and how many copies of one keep leak and entropy (D4)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.pictures.style import COLOURS, COLUMN, GREY, INK, look, note, plain_powers
from theory.errors import DomainError
from theory.numbers import bounds
from theory.numbers.anchor_bounds import coherence_possible, copies_allowed, random_anchor_coherence

NAME = "anchors"
STATEMENTS = ("D2", "D4")
DIMENSION, FAILURE = 64, 0.01
OTHERS, SEPARATION, LEAK, ENTROPY, MOST_COPIES = 1000, 8.0, 0.1, 2.5, 20
SHOWS = f"""Anchors are directions that mark blocks of text. Above: the least coherence (largest inner product of two
directions) that any number of anchors can have in {DIMENSION} dimensions, and the coherence that random directions keep
with probability {1 - FAILURE:g}. Up to {2 * DIMENSION} anchors can be at right angles or wider. Middle and below: a
block of keys that all carry one anchor (its copies), each {SEPARATION:g} nats above {OTHERS:,} other keys; more copies
lower the largest leak (share of attention elsewhere) but from some number on raise the largest entropy. The band holds
the numbers of copies that keep both targets (dotted). Computed from the theory; nothing is measured."""


def make_rows(seed: int = 0) -> pd.DataFrame:
    """Points: `panel`, `x`, `y`, and in `weaker` the coherence of random directions. The seed changes nothing."""
    anchors = np.unique(np.concatenate([np.arange(2.0, 260), np.round(np.geomspace(260, 1e4, 80))]))
    random = np.asarray(random_anchor_coherence(DIMENSION, anchors, FAILURE))
    copies = np.arange(1.0, MOST_COPIES + 1)
    least = np.asarray(coherence_possible(DIMENSION, anchors))
    parts = [
        # An inner product of unit vectors is at most 1, whatever the bound.
        pd.DataFrame({"panel": "coherence", "x": anchors, "y": least, "weaker": np.minimum(random, 1.0)}),
        pd.DataFrame({"panel": "leak", "x": copies, "y": bounds.leak_max(OTHERS + copies, copies, SEPARATION)}),
        pd.DataFrame({"panel": "entropy", "x": copies, "y": bounds.entropy_max(OTHERS + copies, copies, SEPARATION)}),
    ]
    return pd.concat(parts, ignore_index=True)


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory: random directions below the least coherence, copies that break a target."""
    apart = rows[rows["panel"] == "coherence"]
    below = int((apart["weaker"] < apart["y"]).sum())
    found = [f"random directions below the least coherence: {below}"] if below else []
    kept = copies_allowed(OTHERS, SEPARATION, LEAK, ENTROPY).both
    if kept is None:
        return [*found, "no number of copies keeps both targets"]
    inside = rows[rows["x"].between(*kept)]
    limits = (("leak", LEAK), ("entropy", ENTROPY))
    broken = sum(int((inside["y"][inside["panel"] == panel] > limit).sum()) for panel, limit in limits)
    return [*found, f"copies in the interval that break a target: {broken}"] if broken else found


def draw(rows: pd.DataFrame) -> Figure:
    """Draw the points of `make_rows`. Raises DomainError without them."""
    parts = {str(panel): part for panel, part in rows.groupby("panel")}
    if {*parts} != {"coherence", "leak", "entropy"}:
        raise DomainError("the rows must hold the panels coherence, leak and entropy")
    kept = copies_allowed(OTHERS, SEPARATION, LEAK, ENTROPY)
    with look():
        figure = Figure(figsize=(COLUMN, 6.2), layout="constrained")
        top, leak, entropy = figure.subplots(3, 1)
        apart = parts["coherence"]
        top.plot(apart["x"], apart["y"], color=INK, label="least possible (D2)")
        top.plot(apart["x"], apart["weaker"], color=GREY, linestyle="--", label=f"random, {1 - FAILURE:.0%} of draws")
        top.axvline(2 * DIMENSION, color=GREY, linestyle=":", linewidth=0.9)
        note(top, f"{2 * DIMENSION} anchors", (0.49, 0.03), ha="left")
        top.set(xscale="log", xlabel=f"anchors in {DIMENSION} dimensions", ylabel="coherence (inner product)")
        top.minorticks_off()
        plain_powers(top.xaxis)
        top.legend(loc=(0.42, 0.2))
        for axis, name, limit, unit in ((leak, "leak", LEAK, "share"), (entropy, "entropy", ENTROPY, "nats")):
            if kept.both is not None:
                low, high = kept.both
                axis.axvspan(low - 0.5, high + 0.5, color=COLOURS["guaranteed"], linewidth=0)
            axis.plot(parts[name]["x"], parts[name]["y"], "o", color=INK, markersize=3)
            axis.axhline(limit, color=GREY, linestyle=":", linewidth=0.9)
            axis.set(ylabel=f"largest {name} ({unit})", xlim=(0.4, MOST_COPIES + 0.6), ylim=(0, None))
            axis.set_xticks(range(2, MOST_COPIES + 1, 2))
            note(axis, f"target: at most {limit:g}", (0.98, 0.9 if axis is leak else 0.04))
        entropy.set_xlabel(f"copies of the anchor; both targets kept: {kept}")
    return figure
