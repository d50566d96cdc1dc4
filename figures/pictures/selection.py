"""Penalties at which the other weight blocks of a head vanish and its target block survives (C3, C7)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.pictures.style import COLOURS, COLUMN, INK, look, note
from theory.design.selection import Selection, window
from theory.errors import DomainError

NAME = "selection"
STATEMENTS = ("C3", "C7")
WIDTH, TEMPERATURE = 64, 1.0
# The loss of uniform attention above the loss's lower bound, nats.
UNIFORM = 2.0
HEAD = {
    "start_norms": 2.0,
    "loss_gradient": 0.2,
    "values": 2.0,
    "inputs": 5.0,
    "target_inputs": 4.0,
    "other_inputs": 2.0,
}
MOST_PENALTY = 1.2
SHOWS = f"""A penalty on the norm of every weight block of one attention head, and by how much the loss at the start is
below that of uniform attention (the head with zero weights). Right of the solid line every block but the target's is
zero at each stationary point that training can reach without raising the objective (C3). Left of the dashed line the
head is not zero there: some block is left. Between the two lies the window, in which that is the target block (C7);
below the point where the lines cross there is none. An example with chosen numbers: head
width {WIDTH}, sum of the blocks' norms {HEAD["start_norms"]:g}, uniform attention {UNIFORM:g} nats above the least
loss. Decided from the theory; nothing is measured."""


def make_rows(seed: int = 0) -> pd.DataFrame:
    """Both ends of the window for each gain over uniform attention; the seed changes nothing."""
    found = []
    for gained in np.linspace(0.01, UNIFORM, 80):
        head = Selection(penalty=0.0, loss=UNIFORM - float(gained), loss_least=0.0, loss_uniform=UNIFORM, **HEAD)
        vanish, survive = window(head, WIDTH, TEMPERATURE)
        found.append({"gained": gained, "vanish": vanish, "survive": survive})
    return pd.DataFrame(found)


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory, one line: a larger gain that narrows the window."""
    narrower = bool((np.diff(rows["survive"] - rows["vanish"]) < 0).any())
    return ["a larger gain over uniform attention narrows the window"] if narrower else []


def draw(rows: pd.DataFrame) -> Figure:
    """Draw the ends of `make_rows` and the window between them. Raises DomainError without rows."""
    if rows.empty:
        raise DomainError("the rows hold no ends of a window")
    gained, vanish, survive = (rows[name].to_numpy() for name in ("gained", "vanish", "survive"))
    with look():
        figure = Figure(figsize=(COLUMN, 3.3), layout="constrained")
        axis = figure.subplots()
        axis.set_facecolor(COLOURS["possible"])
        safe: Any = {"facecolor": COLOURS["guaranteed"], "linewidth": 0, "interpolate": True}
        axis.fill_betweenx(gained, vanish, survive, where=survive >= vanish, **safe)
        axis.plot(vanish, gained, color=INK, label="right of it the other blocks are zero (C3)")
        axis.plot(survive, gained, color=INK, linestyle="--", label="left of it some block is left (C7)")
        for text, where, weight in (
            ("window: the target's\nalone is left", (0.5, 0.86), "bold"),
            ("some block is left,\nperhaps not\nthe target's", (0.17, 0.68), "normal"),
            ("the others are zero,\nperhaps the target's too", (0.74, 0.4), "normal"),
            ("nothing\npromised", (0.33, 0.13), "normal"),
        ):
            note(axis, text, where, ha="center", va="center", fontsize=7, weight=weight, bbox=None)
        axis.set(xlim=(0, MOST_PENALTY), ylim=(0, UNIFORM), xlabel="penalty (nats per unit of norm)")
        axis.set_ylabel("loss at the start below\nuniform attention's (nats)")
        axis.set_title("Penalties that select the target block", loc="left")
        axis.grid(visible=False)
        figure.legend(loc="outside upper left")
    return figure
