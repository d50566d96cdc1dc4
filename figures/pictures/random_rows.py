"""Random attention rows, and which of them break a bound: the rows of the figures `leak` and `entropy`.

Two-level rows lie on the leak curve (A2) everywhere and on the entropy curve (A4) for separations >= 0; rows in which
one pair of keys sets the separation lie on the entropy curve below 0; rows of least entropy lie on A5's curve.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, log_expit, xlogy

from figures.pictures.style import ALARM, INK, RANDOM, note, schedule_style
from theory.errors import DomainError
from theory.numbers import bounds

Array = NDArray[np.float64]

# Family of measured rows.
TRAINED = "trained"

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
    "Gaussian": (RANDOM, "o"),
    "heavy-tailed": (RANDOM, "^"),
    "tied": (RANDOM, "s"),
    "one key": (RANDOM, "D"),
    "two-level": (INK, "x"),
    "one pair": (INK, "+"),
    "least entropy": (INK, "1"),
}
# What a caption says of them.
FAMILIES_SAID = f"""Random rows are computed, {ROWS_PER_FAMILY} of each grey kind, one seed, no model: scores Gaussian,
heavy-tailed (Student's t), tied (on three levels), or with one key above all others. Crosses are built to lie on a
bound: two-level rows have one score in the block and one outside, and in one-pair rows only two keys differ."""
# Which bounds these rows attain.
AT_EQUALITY = {"two-level": "on A2 and A4", "one pair": "on A4 below 0", "least entropy": "on A5"}


def make_rows(seed: int = 0, per_family: int = ROWS_PER_FAMILY) -> pd.DataFrame:
    """Rows of every family: `family`, `n`, `m`, `separation`, `range`, `leak`, `entropy` (nats)."""
    if per_family < 1:
        raise DomainError(f"per_family={per_family} must be at least 1")
    generator = np.random.default_rng(seed)
    frames = []
    for family, scores in _FAMILIES.items():
        # Rows at equality lie on the curve; too many would hide it.
        drawn = scores(generator, -(-per_family // 5) if family in AT_EQUALITY else per_family)
        frames.append(pd.DataFrame({"family": family, "n": KEYS, "m": BLOCK, **row_numbers(drawn, BLOCK)}))
    return pd.concat(frames, ignore_index=True)


def joined(made: pd.DataFrame, recorded: pd.DataFrame) -> pd.DataFrame:
    """Random rows and those of a sample, with the `run` of the latter and the errors of their `leak` and `entropy`.

    Rows under a hard mask (dial 1) have no separation and are left out.
    """
    columns = {"configuration": "run", "n": "n", "m": "m", "margin": "separation", "logit_range": "range"}
    columns |= {"leak": "leak", "entropy": "entropy"}
    recorded = recorded[np.isfinite(recorded["margin"]) & np.isfinite(recorded["logit_range"])]
    rows = recorded[list(columns)].rename(columns=columns).assign(family=TRAINED)
    # A bound moves with the scores that it is taken at, whose error the row's own covers.
    rows = rows.assign(leak_error=2 * recorded["tolerance_leak"], entropy_error=4 * recorded["tolerance_entropy"])
    return pd.concat([made.assign(run="", leak_error=LEAK_ERROR, entropy_error=ENTROPY_ERROR), rows], ignore_index=True)


def row_numbers(scores: Array, m: int) -> dict[str, Array]:
    """Separation, range, leak and entropy in nats of rows `(rows, n)` whose first `m` keys are the block."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    weights = np.exp(shifted)
    total = weights.sum(axis=1)
    return {
        "separation": scores[:, :m].min(axis=1) - scores[:, m:].max(axis=1),
        "range": -shifted.min(axis=1),
        # From the off-block mass: 1 - fidelity would lose all digits of a small leak.
        "leak": weights[:, m:].sum(axis=1) / total,
        "entropy": np.log(total) - (weights * shifted).sum(axis=1) / total,
    }


def contradictions(rows: pd.DataFrame) -> pd.DataFrame:
    """Which rows break A2's, A4's or A5's bound beyond the rounding derived above: `leak`, `entropy`, `range`."""
    n, m, d, r = (rows[name].to_numpy(dtype=float) for name in ("n", "m", "separation", "range"))
    error = rows["leak_error"].to_numpy() if "leak_error" in rows else LEAK_ERROR
    leak = ~(rows["leak"].to_numpy() <= bounds.leak_max(n, m, d) * (1 + error))
    error = rows["entropy_error"].to_numpy() if "entropy_error" in rows else ENTROPY_ERROR
    entropy = ~(rows["entropy"].to_numpy() <= bounds.entropy_max(n, m, d) + error)
    least = ~(rows["entropy"].to_numpy() >= bounds.entropy_min(n, r) - error)
    return pd.DataFrame({"leak": leak, "entropy": entropy, "range": least}, index=rows.index)


def one_size(rows: pd.DataFrame) -> tuple[int, int]:
    """The keys and the block that all rows share, hence their curves. Raises DomainError if they do not."""
    if rows.empty or rows["n"].nunique() != 1 or rows["m"].nunique() != 1:
        raise DomainError("the rows must not be empty and must all have the same n and m")
    return int(rows["n"].iloc[0]), int(rows["m"].iloc[0])


def scatter(axis: Any, rows: pd.DataFrame, across: str, up: str, hollow: pd.Series | None = None) -> None:
    """Draw each family with its own marker; rows in `hollow` as outlines."""
    for family, part in rows.groupby("family", sort=False):
        colour, marker = LOOKS.get(str(family), (RANDOM, "."))
        lines = marker in "x+1"
        style: dict[str, Any] = {"color": colour, "markersize": 4 if lines else 2.4, "alpha": 0.8, "linestyle": "none"}
        outline = hollow[part.index] if hollow is not None and not lines else pd.Series(False, index=part.index)
        solid = part[~outline]
        style |= {"marker": marker, "markeredgewidth": 0.9 if lines else 0}
        label = f"{family}, {AT_EQUALITY[str(family)]}" if family in AT_EQUALITY else str(family)
        axis.plot(solid[across], solid[up], label=label, **style)
        if outline.any():
            style |= {"markerfacecolor": "none", "markeredgewidth": 0.6}
            axis.plot(part[across][outline], part[up][outline], **style)


def scatter_trained(axis: Any, rows: pd.DataFrame, across: str, up: str) -> None:
    """Draw the rows of each trained run in its schedule's colour."""
    for name, part in rows.groupby("run", sort=False) if len(rows) else ():
        colour, marker = schedule_style(str(name))
        style = {"color": colour, "marker": marker, "markersize": 2.4, "markeredgewidth": 0, "alpha": 0.7}
        axis.plot(part[across], part[up], linestyle="none", label=f"{name}: {len(part)} trained rows", **style)


def alarm(axis: Any, rows: pd.DataFrame, bad: pd.Series, across: str, up: str) -> None:
    """Mark rows that contradict a bound in red, and count them."""
    chosen = rows[bad]
    if chosen.empty:
        return
    label = f"ROWS BEYOND THE BOUND: {len(chosen)}"
    axis.plot(chosen[across], chosen[up], "X", color=ALARM, markersize=8, zorder=5, label=label, clip_on=False)
    note(axis, label, (0.98, 0.95), va="top", color=ALARM, weight="bold")


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


def _least_entropy(generator: np.random.Generator, rows: int) -> Array:
    """Rows of two levels a range apart, with the number of upper keys that has least entropy (A5)."""
    ranges = np.linspace(0, WIDEST, rows)[:, None, None]
    upper = np.arange(1, KEYS)[:, None]
    scores = np.where(np.arange(KEYS) < upper, ranges, 0.0)
    entropies = row_numbers(scores.reshape(-1, KEYS), BLOCK)["entropy"].reshape(rows, -1)
    return np.asarray(scores[np.arange(rows), entropies.argmin(axis=1)])


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
    "least entropy": _least_entropy,
}
