"""Single rows along the dial: fidelity and entropy in closed form, and computed from the dialled scores (B1, B2)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.special import logsumexp, softmax
from scipy.stats import entropy

from figures.pictures.style import MEASURED, look, panels, ramp
from theory.errors import DomainError
from theory.numbers.bounds import dialled_leak

NAME = "rowdial"
STATEMENTS = ("B1", "B2")
SHOWS = """Four rows of attention as the dial turns them towards their block. Above: fidelity, the share on the block;
lines are the closed form, which needs nothing but the fidelity at dial 0, and rings are computed from the dialled
scores. Below: entropy, how evenly the row spreads. Turning towards the block need not focus a row: where a few keys
outside hold most of the attention, entropy first rises. Computed; no model is measured."""

# Name: scores in the block, scores outside.
ROWS: dict[str, tuple[list[float], list[float]]] = {
    "block preferred": ([3.0, 2.5, 2.0, 2.0], [0.5] * 12),
    "equal scores": ([0.0] * 4, [0.0] * 12),
    "one key outside preferred": ([0.0] * 4, [4.0, *([0.0] * 11)]),
    "three keys outside preferred": ([0.5, 0.0, 0.0, -0.5], [3.0, 3.0, 2.5, *([-1.0] * 9)]),
}
_MARKS = "osD^"
# Relative error allowed between closed form and computation; both round a few times.
_AGREE = 1e-12


def make_rows(seed: int = 0) -> pd.DataFrame:
    """Points: `row`, `dial`, `closed` (B1's fidelity), `fidelity` and `entropy` computed. The seed changes nothing."""
    dials = np.concatenate([np.linspace(0, 0.9, 91), 1 - np.geomspace(0.1, 1e-4, 40)[1:]])
    parts = []
    for name, (block, others) in ROWS.items():
        scores = np.array([*block, *others])
        leak = float(np.exp(logsumexp(others) - logsumexp(scores)))
        # The dial adds log(1 - dial) to the scores outside.
        outside = np.arange(len(scores)) >= len(block)
        weights = softmax(scores + outside * np.log1p(-dials)[:, None], axis=1)
        numbers = {"fidelity": weights[:, ~outside].sum(axis=1), "entropy": entropy(weights, axis=1)}
        closed = 1 - np.asarray(dialled_leak(leak, dials))
        parts.append(pd.DataFrame({"row": name, "dial": dials, "closed": closed, **numbers}))
    return pd.concat(parts, ignore_index=True)


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory, one line: fidelities off the closed form."""
    off = int((~np.isclose(rows["closed"], rows["fidelity"], rtol=_AGREE, atol=_AGREE)).sum())
    return [f"fidelities off the closed form: {off}"] if off else []


def draw(rows: pd.DataFrame) -> Figure:
    """Draw the points of `make_rows`. Raises DomainError without them."""
    if rows.empty:
        raise DomainError("the rows hold no points along the dial")
    names = list(dict.fromkeys(rows["row"]))
    with look():
        figure, axes = panels(2, 1, height=4.8)
        fidelity, entropies = axes[:, 0]
        for name, colour, mark in zip(names, ramp(len(names)), _MARKS, strict=True):
            part = rows[rows["row"] == name]
            some = part[np.isclose(part["dial"] * 10 % 1, 0, atol=1e-9) | (part["dial"] == part["dial"].max())]
            fidelity.plot(part["dial"], part["closed"], color=colour)
            hollow = {"color": MEASURED, "markerfacecolor": "none", "markersize": 4, "linestyle": "none"}
            fidelity.plot(some["dial"], some["fidelity"], marker=mark, **hollow)
            top = part.loc[part["entropy"].idxmax()]
            label = f"{name}: most at dial {top['dial']:.2g}" if top["dial"] > 0 else f"{name}: falls"
            spaced = {"marker": mark, "markersize": 3, "markevery": 20}
            entropies.plot(part["dial"], part["entropy"], color=colour, label=label, **spaced)
        fidelity.set(ylabel="fidelity (share on the block)", ylim=(-0.02, 1.03))
        fidelity.set_title("4 keys in the block, 12 outside", loc="left")
        entropies.set(ylabel="entropy (nats)", xlabel="dial", xlim=(-0.02, 1.02), ylim=(0, None))
        entropies.legend(loc="lower left")
    return figure
