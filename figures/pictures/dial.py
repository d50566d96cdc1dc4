"""The dial moved at inference: predictions of B1 and B2 from the dial-0 pass, and measurements of a trained model.

The prediction holds a layer's inputs fixed, so it is exact (up to rounding) only in the first layer; the lowest
panel shows how far deeper layers drift, in the worst row and on average.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.pictures.style import INK, RUNS_SAID, look, note, panels, plain_powers, ramp, title, undecided
from theory.errors import DomainError
from theory.numbers.bounds import dialled_leak

NAME = "dial"
KIND = "dial"
STATEMENTS = ("B1", "B2")
SHOWS = f"""A trained model whose dial is moved without training, layer by layer. The dial divides the odds of attention
off a query's block. Above: fidelity (share of attention on the block) of the median row of each head, mean over a
layer's heads; lines are the closed form B1 at the median of the pass with dial 0, markers are measured. Middle: mean
entropy; dashes are predicted row by row (B2) and averaged, markers are measured. Below: distance between measured and
predicted fidelity, of the worst row (markers) and of a layer's mean (dashes). In the first layer the prediction is
exact but for rounding (strokes: the most that rounding can do); deeper layers see changed inputs, and single rows may
end far from it. One training run per column. {RUNS_SAID}"""

MOST_LEGEND_ENTRIES = 12
# The lowest distance that the logarithmic axis shows.
LEAST_SHOWN = 1e-8
_MARKERS = "osD^v<>Ph*"


def first_layer_error(rows: pd.DataFrame) -> float:
    """Largest distance between measured and predicted fidelity over the rows of the first layer."""
    first = rows[rows["layer"] == rows["layer"].min()]
    return float(first["prediction_error_fidelity"].max(skipna=False))


def faults(rows: pd.DataFrame) -> list[str]:
    """Violated bounds, undecided rows, and a first layer off its prediction, one line each."""
    found = undecided(rows)
    for name, part in rows.groupby("configuration", sort=False):
        violated = int(part["violations"].sum())
        if violated:
            found.append(f"{name}: rows that violate a bound: {violated}")
        first = part[(part["layer"] == part["layer"].min()) & (part["undecided"] == 0)]
        if not (first["prediction_error_fidelity"] <= _allowed(first)).all():
            found.append(f"{name}: the first layer is off its prediction by {first_layer_error(first):.1e}")
    return found


def _allowed(first: pd.DataFrame) -> pd.Series:
    """Bound on the rounding error of the first layer's fidelities against their predictions.

    Every mass has relative error at most rho = tolerance_leak_max (empirical.attention.rounding). This moves the
    measured fidelity by at most rho, and the predicted one by at most rho/2, since the logit of a fidelity has slope
    4 or more and is off by 2 rho. The rest covers second-order terms.
    """
    return 2 * first["tolerance_leak_max"]


def draw(rows: pd.DataFrame) -> Figure:
    """Draw dial records: rows of `empirical.measuring.records`, one column of panels per `configuration`.

    Raises DomainError for rows without predictions.
    """
    if rows.empty or rows["predicted_fidelity"].isna().any():
        raise DomainError("the rows hold no predictions: measure with --dial 0:1:0.1")
    names = list(dict.fromkeys(rows["configuration"]))
    layers = sorted(rows["layer"].unique())
    colours = dict(zip(layers, ramp(len(layers)), strict=True))
    with look():
        figure, axes = panels(3, len(names), height=7.0, ratios=(1, 1, 1))
        for column, name in enumerate(names):
            part = rows[rows["configuration"] == name]
            for layer, of_layer in part.groupby("layer"):
                _layer(axes[:, column], of_layer, _MARKERS[int(layer) % 10], colours[layer])
            errors = axes[2, column]
            _rounding(errors, part[part["layer"] == layers[0]])
            _worst(errors, part)
            errors.set(yscale="log", xlabel="dial of the layer", xlim=(-0.03, 1.03))
            errors.minorticks_off()
            counted = part.groupby(["layer", "head", "dial"])["rows"].sum()
            title(axes[0, column], name, faults(part), f"1 run, {counted.max():,} rows per head")
        axes[0, 0].set(ylabel="fidelity of the median row\n(share on the block)", ylim=(0, 1.04))
        axes[1, 0].set(ylabel="mean entropy (nats)")
        axes[2, 0].set(ylabel="|measured − predicted|\nfidelity (share)", ylim=(LEAST_SHOWN / 50, 3e3))
        axes[2, 0].set_yticks([1e-8, 1e-6, 1e-4, 1e-2, 1])
        plain_powers(axes[2, 0].yaxis)
        _words(axes[:, 0])
        _legend(figure, layers, colours)
    return figure


def predicted_medians(rows: pd.DataFrame, dials: Any) -> Any:
    """B1's fidelity of each head's median row at these dials, mean over heads; None without a pass at dial 0.

    B1 rises with the fidelity before, so it takes the median to the median.
    """
    start = rows[rows["dial"] == 0]
    if start.empty:
        return None
    # 1 is a hard mask, at which a row without mass on its block is undefined.
    below = np.minimum(np.asarray(dials), 1 - 1e-12)
    leaks = dialled_leak(start["leak_q50"].to_numpy()[:, None], below[None, :])
    return np.average(1 - np.asarray(leaks), axis=0, weights=start["rows"])


def _layer(axes: Any, rows: pd.DataFrame, marker: str, colour: Any) -> None:
    mean = _mean_over_heads(rows)
    # Markers are hollow, so that overlapping layers stay visible; nothing joins samples.
    hollow = {"color": colour, "markerfacecolor": "none", "markersize": 4, "markeredgewidth": 0.9, "linestyle": "none"}
    dense = np.linspace(0, 1, 201)
    curve = predicted_medians(rows, dense)
    if curve is not None:
        axes[0].plot(dense, curve, color=colour, linewidth=1.0)
    axes[0].plot(mean["dial"], mean["fidelity_q50"], marker=marker, **hollow)
    flat = {"color": colour, "marker": "_", "markersize": 9, "markeredgewidth": 1.2, "linestyle": "none"}
    axes[1].plot(mean["dial"], mean["predicted_entropy"], **flat)
    axes[1].plot(mean["dial"], mean["entropy_mean"], marker=marker, **hollow)
    # A logarithmic axis cannot show 0.
    axes[2].plot(mean["dial"], mean["worst"].clip(lower=LEAST_SHOWN), marker=marker, **hollow | {"markersize": 4.5})
    axes[2].plot(mean["dial"], mean["of_means"].clip(lower=LEAST_SHOWN), **flat | {"markersize": 6})


def _worst(axis: Any, rows: pd.DataFrame) -> None:
    """Say what the marks are, name the row farthest from its prediction, and count what the axis cuts off."""
    lines = ["markers: worst row; dashes: mean", f"strokes: most by rounding, layer {rows['layer'].min()}"]
    known = rows.dropna(subset=["prediction_error_fidelity"])
    if len(known):
        worst = known.loc[known["prediction_error_fidelity"].idxmax()]
        where = f"layer {worst['layer']:g}, head {worst['head']:g}, dial {worst['dial']:.2g}"
        lines.append(f"worst row off by {worst['prediction_error_fidelity']:.2g} ({where})")
    note(axis, "\n".join(lines), (0.02, 0.98), ha="left", va="top")
    means = [_mean_over_heads(part) for _, part in rows.groupby("layer")]
    below = sum(int((each[name] < LEAST_SHOWN).sum()) for each in means for name in ("worst", "of_means"))
    if below:
        note(axis, f"drawn at {LEAST_SHOWN:g}, but less: {below} marks", (0.99, 0.02))


def _rounding(axis: Any, first: pd.DataFrame) -> None:
    """Mark the rounding bound of the first layer's errors at each dial; none at a dial with undecided rows."""
    allowed = _allowed(first).groupby(first["dial"]).agg(lambda heads: heads.max(skipna=False))
    known = allowed.dropna()
    if len(known):
        axis.plot(known.index, known, "|", markersize=5, color=INK)


def _words(axes: Any) -> None:
    """Say in each panel what its marks are."""
    note(axes[0], "lines: predicted (B1)\nmarkers: measured", (0.02, 0.97), ha="left", va="top")
    note(axes[1], "dashes: predicted (B2)\nmarkers: measured", (0.02, 0.03), ha="left")


def _legend(figure: Figure, layers: list[int], colours: dict[int, Any]) -> None:
    """Name the layers once, above the panels, where it hides no mark."""
    ring: Any = {"markerfacecolor": "none", "markersize": 4, "linewidth": 1.0}
    handles = [
        Line2D([], [], color=colours[layer], label=f"layer {layer}", marker=_MARKERS[layer % 10], **ring)
        for layer in layers[:: -(-len(layers) // MOST_LEGEND_ENTRIES)]
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=4, columnspacing=1.0)


def _mean_over_heads(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per dial: means weighted by each head's attention rows, the worst row, the distance of the means."""
    weighted = ["fidelity_q50", "fidelity_mean", "predicted_fidelity", "entropy_mean", "predicted_entropy"]
    found = []
    for dial, part in rows.groupby("dial"):
        means = {name: np.average(part[name], weights=part["rows"]) for name in weighted}
        apart = abs(means["fidelity_mean"] - means["predicted_fidelity"])
        found.append({"dial": dial, **means, "worst": part["prediction_error_fidelity"].max(), "of_means": apart})
    return pd.DataFrame(found)
