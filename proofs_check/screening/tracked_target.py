"""The functions of the field on numbers that carry their rounding error, as a target of `theory.lowering`."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import sympy
from sympy import Expr

from proofs_check.screening.tracked import (
    UNIT,
    Tracked,
    compare,
    complement,
    exp,
    larger,
    log,
    logistic,
    nearest,
    smaller,
    sqrt,
)
from theory.functions import BinaryDivergence, BinaryEntropy, Logistic, Logit, LowestEntropy
from theory.lowering import Target, UnknownNode, relation
from theory.stable import best_share

# With more keys the float of the best number of upper keys may be off by more than the neighbours that are tried.
_MOST_KEYS = 2.0**24
_NEWTON_STEPS = 6


def _entropy_term(p: Tracked) -> Tracked:
    term = -(p * log(p))
    # 0 log 0 = 0.
    zero = (p.value == 0) & np.equal(p.error, 0.0)
    return Tracked(np.where(zero, 0.0, term.value), np.where(zero, 0.0, term.error))


def binary_entropy(p: Tracked) -> Tracked:
    """`h(p)`, nats: a sum of two positive terms."""
    return _entropy_term(p) + _entropy_term(complement(p))


def logit(p: Tracked) -> Tracked:
    """`log p - log(1 - p)`."""
    return log(p) - log(complement(p))


def binary_divergence(p: Tracked, q: Tracked) -> Tracked:
    """`kl(p||q)`, nats, as written."""
    other_p, other_q = complement(p), complement(q)
    return p * (log(p) - log(q)) + other_p * (log(other_p) - log(other_q))


def lowest_entropy(keys: Tracked, r: Tracked) -> Tracked:
    """A5's finite minimum over the number of upper keys, nats.

    The entropy falls and then rises in that number, so the least one is next to the real minimiser `n share(r)`. The
    share has error 2^-30 and slope at most 1/6, so two neighbours below and two above include it while `n` is below
    2^24 and `n` times the error of `r` below 1; elsewhere the bound is infinite.
    """
    if np.ndim(keys.value):
        raise UnknownNode("the lowest entropy needs a number of keys that is the same on all rows")
    n = np.round(keys.value)
    middle, shrink = np.floor(n * best_share(r.value, np)), exp(-r)

    def entropy(shift: float) -> Tracked:
        upper = Tracked(np.clip(middle + shift, 1.0, np.maximum(n - 1, 1.0)))
        below = (n - upper) / upper * shrink
        return log(upper) + log(1 + below) + r * (below / (1 + below))

    least = reduce(smaller, map(entropy, (-1.0, 0.0, 1.0, 2.0)))
    known = (keys.error < 0.5) & (n < _MOST_KEYS) & (n * r.error < 1)
    one = (keys.error < 0.5) & (n < 2)
    error = np.where(known, least.error, np.inf)
    return Tracked(np.where(one, 0.0, least.value), np.where(one, 0.0, error))


def lambert_w(x: Tracked, branch: Tracked | None = None) -> Tracked:
    """`W(x)` on `[-1/e, 0)`, branch 0 or -1, by Newton's method, bounded through its equation.

    With `v = -W`, `f(v) = v - log v` is `-log(-x) =: c`, falls below 1 and rises above, and `f' = 1 - 1/v`. Within
    `min(v, |v - 1|)/4` of `v` the slope is at least half that at `v`; so if twice `|f(v) - c|/|f'(v)|`, with the errors
    of `f` and `c`, is no larger than that distance, the root lies within it.
    """
    lower_branch = branch is not None and branch.value == -1
    goal = -log(-x)
    point = Tracked(_newton(np.maximum(goal.value, 1.0), lower_branch))
    v, residual = point.value, point - log(point) - goal
    slope = abs(v - 1) / v
    distance = 2 * (abs(residual.value) + residual.error) * (1 + 8 * UNIT) / slope
    found = (4 * distance <= np.minimum(v, abs(v - 1))) & ((v > 1) == lower_branch)
    return Tracked(-v, np.where(found, distance, np.inf))


def _newton(level: Any, above: bool) -> Any:
    """Root of `v - log v = level >= 1` above or below 1. scipy's branch -1 is off by up to 1e-4 near -1/e."""
    root = np.sqrt(2 * (level - 1))
    v = 1 + root + root**2 / 3 if above else np.where(root < 1, 1 - root + root**2 / 3, np.exp(-level))
    for _ in range(_NEWTON_STEPS):
        step = (v - np.log(v) - level) * v / (v - 1)
        v = np.where(abs(step) < abs(v - 1), v - step, v)
    return v


def _choose(branches: list[tuple[Any, Callable[..., Any], Expr]]) -> Tracked:
    *conditional, (last_condition, walk, last) = branches
    if last_condition != sympy.true:
        raise UnknownNode("a Piecewise must end with a branch that always applies")
    chosen = walk(last)
    for condition, walk, branch in reversed(conditional):
        left, sign, right = relation(condition, walk)
        holds, fails = compare(sign, left, right)
        taken = walk(branch)
        error = np.where(holds, taken.error, np.where(fails, chosen.error, np.inf))
        chosen = Tracked(np.where(holds, taken.value, chosen.value), error)
    return chosen


def _constant(value: float) -> Callable[[], Tracked]:
    return lambda: Tracked(value, UNIT * value)


TRACKED = Target(
    "running error analysis",
    nearest,
    {
        sympy.exp: exp,
        sympy.log: log,
        sympy.Abs: abs,
        sympy.Max: lambda *xs: reduce(larger, xs),
        sympy.Min: lambda *xs: reduce(smaller, xs),
        sympy.Pow: sqrt,
        Logistic: logistic,
        Logit: logit,
        BinaryEntropy: binary_entropy,
        BinaryDivergence: binary_divergence,
        LowestEntropy: lowest_entropy,
        sympy.LambertW: lambert_w,
        type(sympy.E): _constant(float(sympy.E)),
        type(sympy.pi): _constant(float(sympy.pi)),
    },
    _choose,
)
"""Target whose numbers are `Tracked`."""
