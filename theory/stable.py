"""Forms that keep full relative accuracy where the textbook ones cancel, for any array library with `expit`.

`xp` and `special` are the library and its special functions: `(numpy, scipy.special)` or `(torch, torch.special)`.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

# Beyond this many nats exp(-x) underflows to 0 in float64, so a larger argument changes no result.
_SATURATED = 2000.0
# Below this range the closed form of the best share cancels; there the series is exact to 1e-12.
_SERIES = 0.1
# 2^27 + 1 cuts a float64 into two halves whose products are exact (Dekker).
_SPLITTER = 134217729.0


def binary_entropy_of_logit(x: Any, xp: Any, special: Any) -> Any:
    """`h(sigma(x))` in nats: even in x, a sum of positive terms, accurate down to the smallest normal number."""
    size = xp.clip(abs(x), 0.0, _SATURATED)
    return xp.log1p(xp.exp(-size)) + size * special.expit(-size)


def mixture_entropy_of_logit(x: Any, upper: Any, lower: Any, xp: Any, special: Any) -> Any:
    """Entropy in nats of a row with mass `sigma(x)` spread evenly over `upper` keys and the rest over `lower`."""
    inside, outside = special.expit(x), special.expit(-x)
    return binary_entropy_of_logit(x, xp, special) + inside * xp.log(upper) + outside * xp.log(lower)


def lowest_entropy(n: Any, r: Any, xp: Any, special: Any) -> Any:
    """Smallest entropy in nats of a row of `n` keys whose logits span `r` nats (A5), 0 for a single key.

    The minimum over the number of keys at the upper level sits at floor or ceiling of `n(z-1)/(e^r - 1)`,
    `z = r/(1 - e^-r)`; one neighbour on either side is tried as well, since that number is rounded.
    """
    middle = xp.floor(best_share(r, xp) * n)
    candidates = []
    for shift in (-1.0, 0.0, 1.0, 2.0):
        top = middle + shift
        top = xp.where(top > n - 1, n - 1 + 0 * top, top)
        top = xp.where(top < 1, 0 * top + 1, top)
        others = xp.where(n - top < 1, 0 * top + 1, n - top)
        entropy = mixture_entropy_of_logit(r + xp.log(top / others), top, others, xp, special)
        candidates.append(entropy)
    best = reduce(xp.minimum, candidates)
    return xp.where(n + 0 * best < 2, 0 * best, best)


def best_share(r: Any, xp: Any) -> Any:
    """Share of keys at the upper level in the large row of smallest entropy: `(z - 1)/(e^r - 1)` (A5)."""
    small = xp.clip(r, 0.0, _SERIES)
    series = 0.5 - small / 6 + small**3 / 180 - small**5 / 5040
    large = xp.clip(r, _SERIES, None)
    shrink = -xp.expm1(-large)
    closed = (large / shrink - 1) * xp.exp(-large) / shrink
    return xp.where(r < _SERIES, series, closed)


def less_product(total: Any, a: Any, b: Any) -> Any:
    """`total - a b`, accurate to a few roundings of the result even if the two nearly cancel."""
    product = a * b
    (high_a, low_a), (high_b, low_b) = _halves(a), _halves(b)
    rest = ((high_a * high_b - product) + high_a * low_b + low_a * high_b) + low_a * low_b
    return (total - product) - rest


def _halves(x: Any) -> tuple[Any, Any]:
    high = _SPLITTER * x - (_SPLITTER * x - x)
    return high, x - high
