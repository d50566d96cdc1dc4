"""Leak and entropy of random attention rows under the sharp curves of A2 and A4.

Two-level rows lie on the leak curve everywhere and on the entropy curve for separations >= 0; rows in which one pair
of keys sets the separation lie on the entropy curve below 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import expit, log_expit, xlogy

from figures.style import ALARM, BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILION, look, panels
from theory.errors import DomainError
from theory.numbers import bounds

Array = NDArray[np.float64]

NAME = "leak-and-entropy"

# Few keys, so that the small jump of the entropy curve at separation 0 is visible.
KEYS, BLOCK = 16, 4
ROWS_PER_FAMILY = 150
WIDEST = 14.0

# theory.numbers.bounds promises 1e-12. A row of `make_rows` has n = 16 scores that span R < 100: with unit roundoff
# u = 1.1e-16 its leak is off by less than (2R + 2n + 5) u = 3e-14 of itself, its entropy by less than
# 2 (R + n + 4) R u = 3e-12, and the separation's own rounding, R u, moves either bound by less than that.
LEAK_ERROR = 2e-12
ENTROPY_ERROR = 1e-11

# Family: colour, marker.
LOOKS: dict[str, tuple[str, str]] = {
    "Gaussian": (BLUE, "o"),
    "heavy-tailed": (ORANGE, "^"),
    "tied": (GREEN, "s"),
    "one key": (PURPLE, "D"),
    "two-level": (VERMILION, "x"),
    "one pair": (SKY, "+"),
}
AT_EQUALITY = ("two-level", "one pair")


def make_rows(seed: int = 0, per_family: int = ROWS_PER_FAMILY) -> pd.DataFrame:
    """Rows of every family: `family`, `n`, `m`, `separation`, `leak`, `entropy` (nats)."""
    if per_family < 1:
        raise DomainError(f"per_family={per_family} must be at least 1")
    generator = np.random.default_rng(seed)
    frames = []
    for family, scores in _FAMILIES.items():
        # Rows at equality lie on the curve; too many would hide it.
        drawn = scores(generator, -(-per_family // 5) if family in AT_EQUALITY else per_family)
        frames.append(pd.DataFrame({"family": family, "n": KEYS, "m": BLOCK, **row_numbers(drawn, BLOCK)}))
    return pd.concat(frames, ignore_index=True)


def row_numbers(scores: Array, m: int) -> dict[str, Array]:
    """Separation, leak and entropy in nats of rows `(rows, n)` whose first `m` keys are the block."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    weights = np.exp(shifted)
    total = weights.sum(axis=1)
    return {
        "separation": scores[:, :m].min(axis=1) - scores[:, m:].max(axis=1),
        # From the off-block mass: 1 - fidelity would lose all digits of a small leak.
        "leak": weights[:, m:].sum(axis=1) / total,
        "entropy": np.log(total) - (weights * shifted).sum(axis=1) / total,
    }


def above_bound(rows: pd.DataFrame) -> pd.DataFrame:
    """Which rows lie above the leak curve, and which above the entropy curve, beyond the rounding derived above."""
    n, m, d = (rows[name].to_numpy(dtype=float) for name in ("n", "m", "separation"))
    leak = ~(rows["leak"].to_numpy() <= bounds.leak_max(n, m, d) * (1 + LEAK_ERROR))
    entropy = ~(rows["entropy"].to_numpy() <= bounds.entropy_max(n, m, d) + ENTROPY_ERROR)
    return pd.DataFrame({"leak": leak, "entropy": entropy}, index=rows.index)


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory, one line each."""
    counts = above_bound(rows).sum()
    return [f"rows above the {name} bound: {count}" for name, count in counts.items() if count]


def draw(rows: pd.DataFrame) -> Figure:
    """Draw rows (as from `make_rows`) under the curves of their `n` and `m`; rows above a curve are red.

    Raises DomainError unless all rows have the same `n` and `m`, hence the same curves.
    """
    if rows.empty or rows["n"].nunique() != 1 or rows["m"].nunique() != 1:
        raise DomainError("the rows must not be empty and must all have the same n and m")
    n, m = int(rows["n"].iloc[0]), int(rows["m"].iloc[0])
    above = above_bound(rows)
    low, high = float(rows["separation"].min()) - 0.5, float(rows["separation"].max()) + 0.5
    # Both sides of 0, where the entropy curve has its jump.
    d = np.unique(np.concatenate([np.linspace(low, high, 600), [np.nextafter(0, -1), 0.0]]))
    with look():
        figure, axes = panels(2, 1, height=5.2, ratios=(1, 1))
        leak, entropy = axes[0, 0], axes[1, 0]
        for axis, quantity in ((leak, "leak"), (entropy, "entropy")):
            for family, part in rows.groupby("family", sort=False):
                colour, marker = LOOKS.get(str(family), (GREY, "."))
                axis.plot(
                    part["separation"],
                    part[quantity],
                    marker,
                    color=colour,
                    markersize=4 if marker in "x+" else 2.2,
                    markeredgewidth=0.9 if marker in "x+" else 0,
                    alpha=0.75,
                    label=str(family),
                )
        leak.plot(d, bounds.leak_max(n, m, d), color=INK, label="sharp bound (A2, A4)", zorder=1.5)
        negative, positive = d[d < 0], d[d >= 0]
        entropy.plot(positive, bounds.entropy_max(n, m, positive), color=INK, zorder=1.5)
        entropy.plot(negative, bounds.entropy_max(n, m, negative), color=INK, zorder=1.5)
        for value, text in ((math.log(n), f"log n = log {n}"), (math.log(m), f"limit of the bound: log m = log {m}")):
            entropy.axhline(value, color=GREY, linestyle=":", linewidth=0.9, zorder=1.2)
            entropy.annotate(text, (high, value), (0, 7), textcoords="offset points", ha="right", fontsize=6.5)
        _alarm(leak, rows, above["leak"], "leak")
        _alarm(entropy, rows, above["entropy"], "entropy")
        leak.set(yscale="log", ylabel="leak (share of attention)", ylim=(1e-8, 2.5))
        leak.minorticks_off()
        leak.set_title(f"Random attention rows, {n} keys, block of {m}", loc="left")
        entropy.set(
            xlabel="separation = margin / temperature (nats)",
            ylabel="entropy (nats)",
            xlim=(low, high),
            ylim=(-0.08, math.log(n) * 1.09),
        )
        leak.legend(loc="lower left", ncols=1, markerscale=1.5, handletextpad=0.5)
    return figure


def _alarm(axis: Any, rows: pd.DataFrame, above: pd.Series, quantity: str) -> None:
    bad = rows[above]
    if bad.empty:
        return
    label = f"ROWS ABOVE THE BOUND: {len(bad)}"
    axis.plot(bad["separation"], bad[quantity], "X", color=ALARM, markersize=8, zorder=5, label=label, clip_on=False)
    axis.text(
        0.98,
        0.95,
        label,
        transform=axis.transAxes,
        ha="right",
        va="top",
        color=ALARM,
        weight="bold",
    )


def _gaussian(generator: np.random.Generator, rows: int) -> Array:
    return _lifted(generator, generator.normal(size=(rows, KEYS)) * generator.uniform(0.2, 3, (rows, 1)))


def _heavy_tailed(generator: np.random.Generator, rows: int) -> Array:
    return _lifted(generator, np.clip(generator.standard_t(2, (rows, KEYS)), -25, 25))


def _tied(generator: np.random.Generator, rows: int) -> Array:
    return _lifted(generator, generator.integers(-1, 2, (rows, KEYS)).astype(float))


def _one_key(generator: np.random.Generator, rows: int) -> Array:
    """One key above all others, inside or outside the block."""
    scores = 0.3 * generator.normal(size=(rows, KEYS))
    scores[np.arange(rows), generator.integers(0, KEYS, rows)] += generator.uniform(0, 12, rows)
    return _lifted(generator, scores)


def _two_level(generator: np.random.Generator, rows: int) -> Array:
    scores = np.zeros((rows, KEYS))
    scores[:, :BLOCK] = np.linspace(-WIDEST / 2, WIDEST, rows)[:, None]
    return scores


def _one_pair(generator: np.random.Generator, rows: int) -> Array:
    """Largest entropy with one pair at gap `d <= 0`: the pair weighs `e^h sigma(+-d)` to every other key's 1 (A4)."""
    d = -np.linspace(0, WIDEST / 2, rows)
    p = expit(d)
    h = -xlogy(p, p) - xlogy(1 - p, 1 - p)
    scores = np.zeros((rows, KEYS))
    scores[:, 0], scores[:, BLOCK] = h + log_expit(d), h + log_expit(-d)
    return scores


def _lifted(generator: np.random.Generator, scores: Array) -> Array:
    """Shift each row's block to a random separation; otherwise margins far from 0 are rare."""
    gap = scores[:, :BLOCK].min(axis=1) - scores[:, BLOCK:].max(axis=1)
    wanted = generator.uniform(-WIDEST / 2, WIDEST, len(scores))
    scores[:, :BLOCK] += (wanted - gap)[:, None]
    return scores


_FAMILIES: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "Gaussian": _gaussian,
    "heavy-tailed": _heavy_tailed,
    "tied": _tied,
    "one key": _one_key,
    "two-level": _two_level,
    "one pair": _one_pair,
}
