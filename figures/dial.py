"""The dial moved at inference: predictions of B1 and B2 from the dial-0 pass, and measurements of a trained model.

The prediction holds a layer's inputs fixed, so it is exact (up to rounding) only in the first layer; the lowest
panel shows how far deeper layers drift.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.style import GREY, INK, layer_colours, look, panels, title, undecided
from theory.errors import DomainError

NAME = "dial"
KIND = "dial"

MOST_LEGEND_ENTRIES = 12


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

    Lines are predictions, markers are measurements, both means over heads. Raises DomainError for rows without
    predictions.
    """
    if rows.empty or rows["predicted_fidelity"].isna().any():
        raise DomainError("the rows hold no predictions: measure with --dial 0:1:0.1")
    names = list(dict.fromkeys(rows["configuration"]))
    layers = sorted(rows["layer"].unique())
    colours = dict(zip(layers, layer_colours(len(layers)), strict=True))
    with look():
        figure, axes = panels(3, len(names), height=6.4, ratios=(1, 1, 0.9))
        for column, name in enumerate(names):
            part = rows[rows["configuration"] == name]
            for layer, of_layer in part.groupby("layer"):
                mean = _mean_over_heads(of_layer)
                _curves(axes[:, column], mean, int(layer), colours[layer])
            errors = axes[2, column]
            first = part[part["layer"] == layers[0]]
            _rounding(errors, first)
            errors.set(yscale="log", xlabel="dial of the layer", xlim=(-0.03, 1.03))
            errors.minorticks_off()
            title(axes[0, column], name, faults(part))
        axes[0, 0].set(ylabel="fidelity (share on the block)", ylim=(0, 1.04))
        axes[1, 0].set(ylabel="entropy (nats)")
        axes[2, 0].set(ylabel="|measured − predicted|\nfidelity, largest row", ylim=(1e-8, 3))
        _legend(axes, layers, colours)
    return figure


def _curves(axes: Any, mean: pd.DataFrame, layer: int, colour: Any) -> None:
    marker = "osD^v<>Ph*"[layer % 10]
    # Markers are hollow, so that overlapping layers stay visible.
    hollow = {"color": colour, "markerfacecolor": "none", "markersize": 4, "markeredgewidth": 0.9}
    for axis, quantity in ((axes[0], "fidelity"), (axes[1], "entropy")):
        axis.plot(mean["dial"], mean[f"predicted_{quantity}"], color=colour, linewidth=1.0)
        axis.plot(mean["dial"], mean[f"{quantity}_mean"], marker, **hollow)
    # A logarithmic axis cannot show 0.
    error = mean["prediction_error_fidelity"].clip(lower=1e-8)
    axes[2].plot(mean["dial"], error, marker + "-", linewidth=0.8, **hollow)


def _rounding(axis: Any, first: pd.DataFrame) -> None:
    """Draw the rounding bound of the first layer's errors; none at a dial with undecided rows."""
    allowed = _allowed(first).groupby(first["dial"]).agg(lambda heads: heads.max(skipna=False))
    axis.plot(allowed.index, allowed, color=INK, linestyle=":", linewidth=0.9)
    known = allowed.dropna()
    if len(known):
        axis.annotate(
            f"rounding of layer {first['layer'].iloc[0]}: below",
            (0.5, np.interp(0.5, known.index, known)),
            (0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=6.5,
        )


def _legend(axes: Any, layers: list[int], colours: dict[int, Any]) -> None:
    axis = axes[0, 0]
    axis.plot([], [], color=GREY, linewidth=1.0, label="predicted (B1, B2)")
    axis.plot([], [], "o", color=GREY, markerfacecolor="none", markersize=4, label="measured")
    step = -(-len(layers) // MOST_LEGEND_ENTRIES)
    for layer in layers[::step]:
        marker = "osD^v<>Ph*"[layer % 10]
        axis.plot([], [], marker, color=colours[layer], markersize=4, label=f"layer {layer}")
    axis.legend(loc="upper left", ncols=1 if len(layers) <= 6 else 2)


def _mean_over_heads(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per dial: means weighted by each head's attention rows, and the largest error."""
    weighted = ["fidelity_mean", "predicted_fidelity", "entropy_mean", "predicted_entropy"]
    found = []
    for dial, part in rows.groupby("dial"):
        means = {name: np.average(part[name], weights=part["rows"]) for name in weighted}
        largest = part["prediction_error_fidelity"].max()
        found.append({"dial": dial, **means, "prediction_error_fidelity": largest})
    return pd.DataFrame(found)
