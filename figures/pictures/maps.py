"""Attention maps of the same heads on the same text in two runs, with the borders of the blocks."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from figures.pictures.style import ALARM, COLUMN, INK, MAP, RUNS_SAID, look, note
from theory.errors import DomainError

NAME = "maps"
KIND = "maps"
STATEMENTS = ("B1",)
SHOWS = f"""Attention maps: how each token of a held-out text (a line, from top to bottom) spreads its attention over
the tokens up to itself (columns). White is no attention, black is all of it, and the scale is that of the square root,
so that weak attention shows. Staircases mark the blocks: what lies inside is on the query's own block, and its mean
share is written into each map, over the queries past the first block. Each line of maps is one head and each column one
training run on the same text; above it stands its dial, which turns attention towards the block (0: not at all). One
sequence; measured. {RUNS_SAID}"""


def faults(rows: pd.DataFrame) -> list[str]:
    """Queries whose weights cannot be attention, one line."""
    weights = _weights(rows)
    # Each weight is rounded to four decimal places; a sink takes what a row lacks.
    total = np.nansum(weights, axis=1)
    bad = (total > 1 + 5e-5 * weights.shape[1]) | (np.nanmin(weights, axis=1) < 0) | (np.nanmax(weights, axis=1) > 1)
    return [f"queries whose weights are not shares of 1: {int(bad.sum())}"] if bad.any() else []


def draw(rows: pd.DataFrame) -> Figure:
    """Draw records of `localist measure --maps`: a line of maps per head, a column per `configuration`.

    Raises DomainError unless all show the same heads on the same text.
    """
    names = list(dict.fromkeys(rows["configuration"]))
    heads = list(dict.fromkeys(zip(rows["layer"], rows["head"], strict=True)))
    parts = {(name, *head): _part(rows, name, head) for name in names for head in heads}
    first = rows["token"].to_numpy()[: len(next(iter(parts.values()), ()))]
    if not parts or any(not np.array_equal(part["token"], first) for part in parts.values()):
        raise DomainError("the maps must show the same heads on the same text in every run")
    with look():
        height = 1.05 + 1.5 * len(heads)
        figure = Figure(figsize=(COLUMN, height), layout="constrained")
        axes = figure.subplots(len(heads), len(names), sharex=True, sharey=True, squeeze=False)
        for line, head in zip(axes, heads, strict=True):
            for axis, name in zip(line, names, strict=True):
                drawn = _map(axis, parts[name, *head])
            line[0].set_ylabel(f"layer {head[0]}, head {head[1]}\nquery (token)")
        for axis, name in zip(axes[0], names, strict=True):
            dials = rows["dial"][rows["configuration"] == name]
            dial = f"{dials.min():g}" if dials.nunique() == 1 else f"{dials.min():g} to {dials.max():g}"
            bad = faults(rows[rows["configuration"] == name])
            axis.set_title(
                "\n".join([f"{name}, dial {dial}", *bad]), loc="left", color=ALARM if bad else INK, parse_math=False
            )
        for axis in axes[-1]:
            axis.set_xlabel("key (token)")
        label = "attention weight (share; scale: its root)"
        bar = figure.colorbar(
            drawn, ax=list(axes.flat), label=label, location="bottom", shrink=0.8, aspect=30, pad=0.02
        )
        bar.set_ticks([0, 0.05, 0.25, 0.5, 1], labels=["0", "0.05", "0.25", "0.5", "1"])
    return figure


def _part(rows: pd.DataFrame, name: str, head: tuple[int, int]) -> pd.DataFrame:
    chosen = (rows["configuration"] == name) & (rows["layer"] == head[0]) & (rows["head"] == head[1])
    return rows[chosen]


def _weights(rows: pd.DataFrame) -> Any:
    return rows[[name for name in rows.columns if name[0] == "k" and name[1:].isdecimal()]].to_numpy(dtype=float)


def _map(axis: Any, rows: pd.DataFrame) -> Any:
    weights, blocks = _weights(rows), rows["block"].to_numpy()
    count = len(weights)
    drawn = axis.imshow(
        np.ma.masked_invalid(weights[:, :count]),
        cmap=matplotlib.colormaps[MAP],
        norm=PowerNorm(0.5, 0, 1),
        extent=(0, count, count, 0),
        interpolation="nearest",
    )
    for block in dict.fromkeys(blocks.tolist()):
        where = np.flatnonzero(blocks == block)
        low, high = int(where[0]), int(where[-1]) + 1
        # The corner of what the block's queries can see of it.
        axis.plot([low, low, high], [low, high, high], color=INK, linewidth=0.6)
    axis.plot([0, count], [0, count], color=INK, linewidth=0.4)
    own = np.nansum(np.where(blocks[:, None] == blocks[None, :], weights[:, :count], 0), axis=1)
    later = blocks != blocks[0]
    note(axis, f"{own[later].mean():.0%}\non own blocks", (0.98, 0.97), va="top")
    axis.set(xlim=(0, count), ylim=(count, 0))
    axis.set_xticks(range(0, count + 1, max(1, count // 4)))
    axis.set_yticks(range(0, count + 1, max(1, count // 4)))
    axis.grid(visible=False)
    return drawn
