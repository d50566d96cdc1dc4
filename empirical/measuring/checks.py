"""Decides whether a measured row obeys its bounds, up to its rounding error, and computes slacks.

A row violates a bound only if no row within its error bounds (`rounding`) could obey it. A count of zero thus means
"nothing contradicts the theorem", and a count above zero is a contradiction, not noise. A row without error bounds
(`Rows.undecided`) neither violates nor obeys, and is counted separately.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from empirical.measuring.rows import Rows
from theory.numbers import bounds

Array = NDArray[np.float64]

# theory.numbers.bounds promises a relative error of 1e-12; ten times that also covers the few operations here.
BOUND_ERROR = 1e-11

# exp(-FARTHEST) is 0 in float64.
FARTHEST = 1e6


@dataclass(frozen=True)
class Check:
    """One bound over rows `(heads, rows)`: its value, the distance from it (`>= 0` if it holds), violations."""

    bound: Array
    slack: Array
    violated: NDArray[np.bool_]


def check_rows(rows: Rows) -> dict[str, Check]:
    """Checks of every bound in `records.BOUNDS` on every row."""
    n, m = rows.keys, rows.block_keys
    error = rows.errors
    margin, mean_margin = limited(rows.margin), limited(rows.mean_margin)
    usable = np.where(mean_margin >= 0, mean_margin, margin)
    usable_error = 2 * np.where(mean_margin >= 0, error.mean_score, error.score)
    checks = {
        "leak_margin": _leak(rows, margin, 2 * error.score),
        "leak_mean_margin": _leak(rows, mean_margin, 2 * error.mean_score),
        "leak_sink": _leak_beside_sink(rows),
        "entropy_fidelity": _above(rows, mixture_entropy(n, m, rows.leak), _largest_mixture(rows)),
        "entropy_margin": _above(
            rows, bounds.entropy_max(n, m, margin), _largest_entropy(n, m, margin, 2 * error.score)
        ),
        "entropy_mean_margin": _above(
            rows, bounds.entropy_max(n, m, usable), _largest_entropy(n, m, usable, usable_error)
        ),
        "entropy_range": _below(rows),
    }
    return {name: replace(check, violated=check.violated & ~rows.undecided) for name, check in checks.items()}


def mixture_entropy(n: Array, m: Array, leak: Array) -> Array:
    """Largest entropy of a row with this leak: `h(eps) + (1-eps) log m + eps log(n-m)`, nats (A4)."""
    eps = np.clip(leak, 0.0, 1.0)
    return _binary_entropy(eps) + (1 - eps) * np.log(m) + eps * np.log(n - m)


def _binary_entropy(p: Array) -> Array:
    from scipy.special import entr

    return np.asarray(entr(p) + entr(1 - p))


def _leak(rows: Rows, separation: Array, error: Array) -> Check:
    n, m = rows.keys, rows.block_keys
    return _leak_below(rows, bounds.leak_max(n, m, separation), bounds.leak_max(n, m, separation - error))


def _leak_beside_sink(rows: Rows) -> Check:
    """A8 with the sink key singled out, and either the whole block counted or its largest score alone.

    Never above A2's bound: the sum over the keys off the block is at most `k` times the largest of its terms. Scores
    are taken relative to the smallest in the block; each difference has twice a score's error.
    """
    has_sink = np.isfinite(rows.sink_margin)
    others = rows.keys - rows.block_keys - has_sink
    alone = rows.block_spread > np.log(rows.block_keys)
    counted, least = np.where(alone, 1.0, rows.block_keys), np.where(alone, rows.block_spread, 0.0)

    def largest(error: Array | float) -> Array:
        singled = np.where(has_sink, error - limited(rows.sink_margin), -np.inf)
        found = bounds.quantile_leak_max(singled, others, error - limited(rows.others_margin), counted, least)
        return np.asarray(found)

    return _leak_below(rows, largest(0.0), largest(limited(2 * rows.errors.score)))


def _leak_below(rows: Rows, bound: Array, largest: Array) -> Check:
    allowed = largest * (1 + BOUND_ERROR) + rows.leak_floor
    least = rows.leak * np.exp(-rows.errors.mass)
    return Check(bound=bound, slack=bound - rows.leak, violated=~(least <= allowed))


def _above(rows: Rows, bound: Array, largest: Array) -> Check:
    least = rows.entropy - rows.errors.entropy
    return Check(bound=bound, slack=bound - rows.entropy, violated=~(least <= largest + BOUND_ERROR))


def _largest_mixture(rows: Rows) -> Array:
    n, m = rows.keys, rows.block_keys
    # Without an error bound any leak is possible, also for a measured 0.
    error = rows.errors.mass
    low = np.clip(rows.leak * np.exp(-error), 0.0, 1.0)
    high = np.where(rows.undecided, 1.0, np.clip(rows.leak * np.exp(np.where(rows.undecided, 0.0, error)), 0.0, 1.0))
    # Concave in the leak with its peak at (n - m)/n, so the clipped peak is the maximum on an interval.
    return mixture_entropy(n, m, np.clip((n - m) / n, low, high))


def _largest_entropy(n: Array, m: Array, separation: Array, error: Array) -> Array:
    low, high = separation - error, separation + error
    # Increases up to separation 0 and decreases after it.
    return np.asarray(bounds.entropy_max(n, m, np.clip(0.0, low, high)))


def _below(rows: Rows) -> Check:
    bound = _entropy_min(rows.keys, rows.logit_range)
    allowed = _entropy_min(rows.keys, rows.logit_range + 2 * rows.errors.score)
    most = rows.entropy + rows.errors.entropy
    return Check(bound=bound, slack=rows.entropy - bound, violated=~(most >= allowed - BOUND_ERROR))


def _entropy_min(n: Array, logit_range: Array) -> Array:
    finite = np.isfinite(logit_range)
    # An infinite range (hard mask) bounds nothing: a one-hot row has entropy 0.
    return np.where(finite, bounds.entropy_min(n, np.where(finite, np.maximum(logit_range, 0.0), 0.0)), 0.0)


def limited(separation: Array) -> Array:
    """The separation clipped to `FARTHEST`, where every bound equals that of the hard mask's infinity."""
    return np.clip(separation, -FARTHEST, FARTHEST)
