"""What measured windows say of windows not yet seen (H5), with the windows that calibrations checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.pictures.style import COLUMN, GREY, INK, MEASURED, PREDICTED, look, ramp
from theory.errors import DomainError
from theory.numbers.unseen import violation_share_max

NAME = "unseen"
KIND = "calibration"
STATEMENTS = ("H5",)
SHOWS = """What windows (stretches of text) that were measured say of windows not yet seen. Above: the largest share of
windows that break a promise, at 95 % confidence, by the number of windows measured and how many of them broke it
(lines); diamonds are this bound for recorded calibrations, circles the share of windows that broke the promise in each,
and those of as many windows stand side by side. A calibration chooses the dials that keep a promise. Below: the windows
that checked each calibration. A promise asks a share of rows (dash) to keep a fidelity; each small mark is one window's
share; the triangle is the share that a new window reaches or exceeds with at least the stated probability. Windows must
be exchangeable; rows need not be. Lines and triangles are computed by H5, the rest is measured."""

BROKEN = (0, 1, 5, 20)


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory: recorded bounds that differ from H5's."""
    lines = rows.drop_duplicates("record")
    bound = np.asarray(violation_share_max(lines["violations"], lines["windows"], float(lines["confidence"].iloc[0])))
    wrong = int((~np.isclose(bound, lines["share_at_most"], rtol=1e-9)).sum())
    return [f"recorded bounds that differ from H5: {wrong}"] if wrong else []


def draw(rows: pd.DataFrame) -> Figure:
    """Draw calibrations, one row per checked window. Raises DomainError for several confidences."""
    if rows.empty or rows["confidence"].nunique() != 1:
        raise DomainError("the rows must hold calibrations of one confidence")
    lines = rows.drop_duplicates("record").reset_index(drop=True)
    confidence = float(lines["confidence"].iloc[0])
    with look():
        figure = Figure(figsize=(COLUMN, 5.6), layout="constrained")
        bound, windows = figure.subplots(2, 1, gridspec_kw={"height_ratios": (1, 1.1)})
        _bounds(bound, lines, confidence)
        _windows(windows, rows, lines)
    return figure


def _bounds(axis: Any, lines: pd.DataFrame, confidence: float) -> None:
    number = np.unique(np.round(np.geomspace(5, 1000, 120)))
    for broken, colour in zip(BROKEN, ramp(len(BROKEN)), strict=True):
        seen = number[number > broken]
        axis.plot(seen, violation_share_max(broken, seen, confidence), color=colour, label=f"{broken} broke it")
    # Beside one another: most calibrations check the same number of windows.
    aside = lines["windows"] * 1.06 ** (np.arange(len(lines)) - (len(lines) - 1) / 2)
    axis.plot(aside, lines["share_at_most"], "D", color=INK, markersize=3.5, label="a calibration's bound")
    style = {"color": MEASURED, "markerfacecolor": "none", "markersize": 4}
    axis.plot(aside, lines["violations"] / lines["windows"], "o", label="share seen in its check", **style)
    axis.set(xscale="log", xlabel="windows measured", ylim=(-0.03, 1))
    axis.set_ylabel(f"share of new windows that break\nthe promise, {confidence:.0%} confidence")
    axis.set_xticks([5, 10, 20, 50, 100, 200, 500, 1000], ["5", "10", "20", "50", "100", "200", "500", "1,000"])
    axis.minorticks_off()
    axis.legend(loc="upper right")


def _windows(axis: Any, rows: pd.DataFrame, lines: pd.DataFrame) -> None:
    for place, line in enumerate(lines.itertuples()):
        shares = rows["share"][rows["record"] == line.record].sort_values().to_numpy()
        spread = np.linspace(-0.25, 0.25, len(shares))
        axis.plot(
            place + spread, shares, ".", color=MEASURED, markersize=2, label=_once("a window", line.record, place)
        )
        dash = {"color": INK, "markersize": 18, "markeredgewidth": 1.2}
        axis.plot([place], [line.promised], "_", label=_once("promised share", line.record, place), **dash)
        label = _once(f"a new window reaches this\nwith probability {line.level:.3g}", line.record, place)
        axis.plot([place + 0.36], [line.least_share], "<", color=PREDICTED, markersize=4, label=label)
    names = [f"{each.model}\n{each.fidelity:g}\n{each.violations} of {each.windows}" for each in lines.itertuples()]
    axis.set_xticks(range(len(lines)), names, fontsize=6.5)
    axis.set(xlabel="model, fidelity, and windows that broke the promise", ylim=(0.2, 1.05))
    axis.set_ylabel("rows that keep the fidelity (share)")
    axis.axhline(1, color=GREY, linewidth=0.5)
    axis.legend(loc="lower left", title="one seed and one text each", title_fontsize=6.5)


def _once(words: str, record: Any, place: int) -> str:
    """The words for the first record; for others a name that appears in no legend."""
    return f"_{record}, {words}" if place else words
