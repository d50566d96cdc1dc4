"""The field's functions on numbers that carry their rounding error, and the target that uses them."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import sympy
from sympy import Expr

from proofs_check.screening.comparing import parted
from proofs_check.screening.error_rules import LIBRARY, TINY, UNIT, as_array, either
from proofs_check.screening.running_error import Tracked, nearest_float
from proofs_check.screening.tracked_functions import exp, largest, log, log1p, moved_by, spread_of, sqrt
from theory.functions import BinaryDivergence, BinaryEntropy, Logistic, Logit, LowestEntropy
from theory.lowering import Target, UnknownNode, relation
from theory.stable import best_share

# Relative half-widths tried for the enclosure of an inverse, the narrowest last.
_WIDTHS = tuple(2.0**-power for power in range(2, 50, 4))
_LOOSE_WIDTHS = (2.0**-20,)
_FEW_STEPS, _MANY_STEPS = 4, 8
# Error of the best share, beside the slope times the error of the range.
_SHARE_ERROR = 2.0**-29


def logistic(x: Tracked) -> Tracked:
    """`sigma(x)` with its complement.

    Its logarithm moves by at most `|x' - x|`, and `t/(1 + t)` from `t = e^-|x|` is accurate to `2 LIBRARY + 2 UNIT`.
    """
    xp = x.xp
    value = as_array(x.value, xp)
    small = xp.exp(-abs(value))
    upper = 1 / (1 + small)
    lower = small * upper
    spread = 2 * LIBRARY + 3 * UNIT + spread_of(x)
    positive = value >= 0
    masses = xp.where(positive, upper, lower), xp.where(positive, lower, upper)
    if isinstance(spread, float) and spread < 1:
        absolute = TINY * (1 + spread)
        inside, outside = (Tracked(mass, absolute, xp, relative=spread, loose=x.loose) for mass in masses)
    else:
        inside, outside = (Tracked(mass, (mass + TINY) * spread + TINY, xp, loose=x.loose) for mass in masses)
    inside.one_minus, outside.one_minus = outside, inside
    return inside


def complement(p: Tracked) -> Tracked:
    """`1 - p`, from the accurate complement where there is one, with `p` as its own complement."""
    q = 1 - p
    if q.one_minus is None:
        q.one_minus = p
    return q


def _entropy_term(p: Tracked) -> Tracked:
    term = -(p * log(p))
    if not p.exact or p.extremes[0] > 0:
        return term
    zero = as_array(p.value, p.xp) == 0
    return Tracked(either(zero, 0.0, term.value, p.xp), either(zero, 0.0, term.error, p.xp), p.xp, loose=p.loose)


def binary_entropy(p: Tracked) -> Tracked:
    """`h(p)`, a sum of two positive terms."""
    return _entropy_term(p) + _entropy_term(complement(p))


def logit(p: Tracked) -> Tracked:
    """`log p - log(1 - p)`."""
    return log(p) - log(complement(p))


def binary_divergence(p: Tracked, q: Tracked) -> Tracked:
    """`kl(p||q)` as written."""
    other_p, other_q = complement(p), complement(q)
    return p * (log(p) - log(q)) + other_p * (log(other_p) - log(other_q))


def lowest_entropy(n: Tracked, r: Tracked) -> Tracked:
    """A5's finite minimum over the number of upper keys, for an exact number `n` of keys and `r >= 0`.

    The entropy falls and then rises in that number, so the least one is next to the real minimiser `n share(r)`. The
    share has error 2^-30 and slope at most 1/6, so two neighbours below and two above include it while `n` is below
    2^24 and `n` times the error of `r` below 1; elsewhere the bound is infinite. If loose, only one neighbour on either
    side is tried, and rows whose minimiser is too near a whole number for that are NaN, which no comparison settles.
    """
    xp, keys = r.xp, n.value
    if not n.plain:
        raise UnknownNode("the error bound of the lowest entropy needs a number of keys known exactly")
    if keys < 2:
        return Tracked(0.0, 0.0, xp)
    share, shrink = _share_and_shrink(r)
    best = share * keys
    middle = xp.floor(best)

    def entropy(shift: float) -> Tracked:
        upper = Tracked(xp.clip(middle + shift, 1.0, keys - 1), 0.0, xp, loose=r.loose)
        below = (keys - upper) / upper * shrink
        return log(upper) + log1p(below) + r * (below / (1 + below))

    if not r.loose:
        least = largest(tuple(entropy(shift) for shift in (-1.0, 0.0, 1.0, 2.0)), -1)
        trusted = (keys * as_array(r.error, xp) < 1) & (keys < 2.0**24)
        return Tracked(least.value, either(trusted, least.error, float("inf"), xp), xp)
    least = largest((entropy(0.0), entropy(1.0)), -1)
    margin = keys * (moved_by(r) + _SHARE_ERROR) if keys < 2.0**24 else math.inf
    past = best - middle
    unsure = ((past < margin) & (middle >= 1)) | (past > 1 - margin)
    value = either(unsure, math.nan, least.value, xp)
    return Tracked(value, least.absolute, xp, relative=least.relative, loose=True)


def _share_and_shrink(r: Tracked) -> tuple[Any, Tracked]:
    """The share of upper keys and `e^-r`, computed once for the numbers of keys that share a range."""
    if r.memo is None:
        r.memo = best_share(as_array(r.value, r.xp), r.xp), exp(-r)
    return r.memo


def lambert_w(x: Tracked, branch: Tracked | None = None) -> Tracked:
    """`W(x)` on `[-1/e, 0)`, branch 0 or -1, enclosed by its own equation, without trust in a library.

    With `v = -W`, `f(v) = v - log v = -log(-x) =: c`, which falls in `v` below 1 and rises above. Newton's method finds
    `v`. On `v (1 - w) .. v (1 + w)`, within one branch, `|f'| = |1 - 1/v|` is at least its value at the end nearer 1;
    where `|f(v) - c|` plus its error is at most `w v` times that, the root lies there, no farther than their quotient.
    """
    xp = x.xp
    upper = branch is not None and branch.value == -1
    goal = -log(-x)
    level = xp.clip(as_array(goal.value, xp), 1.0, None)
    v = _newton(level, upper, _FEW_STEPS if x.loose else _MANY_STEPS, xp)
    point = Tracked(v, 0.0, xp)
    residual = point - log(point) - goal
    miss = (abs(residual.value) + residual.error) * (1 + 4 * UNIT)
    error = 0 * v + float("inf")
    for width in _LOOSE_WIDTHS if x.loose else _WIDTHS:
        slope = 1 - 1 / (v * (1 - width)) if upper else 1 / (v * (1 + width)) - 1
        slope = slope - 8 * UNIT * (1 + 1 / v)
        held = (slope > 0) & (miss <= (width * slope) * v)
        error = xp.where(held, miss / slope * (1 + 8 * UNIT) + TINY, error)
    return Tracked(-v, error, xp, loose=x.loose)


def _newton(level: Any, upper: bool, steps: int, xp: Any) -> Any:
    """Root of `v - log v = level >= 1` above or below 1, to the last digits on nearly all rows."""
    root = xp.sqrt(2 * (level - 1))
    v = 1 + root + root * root / 3 if upper else xp.where(root < 1, 1 - root + root * root / 3, xp.exp(-level))
    for _ in range(steps):
        step = (v - xp.log(v) - level) * v / (v - 1)
        v = xp.where(abs(step) < abs(v - 1), v - step, v)
    return v


def error_target(xp: Any) -> Target:
    """Target whose numbers are `Tracked` arrays of the library `xp` (numpy or torch)."""

    def number(value: Fraction) -> Tracked:
        return nearest_float(value, xp)

    def choose(branches: list[tuple[Any, Callable[..., Any], Expr]]) -> Tracked:
        *conditional, (last_condition, walk, last) = branches
        if last_condition != sympy.true:
            raise UnknownNode("a Piecewise must end with a branch that always applies")
        chosen = walk(last)
        for condition, walk, branch in reversed(conditional):
            left, sign, right = relation(condition, walk)
            holds, fails = parted(sign, left, right)
            taken = walk(branch)
            value = either(holds, taken.value, chosen.value, xp)
            error = either(holds, taken.error, either(fails, chosen.error, float("inf"), xp), xp)
            chosen = Tracked(value, error, xp)
        return chosen

    operations: dict[type, Callable[..., Any]] = {
        sympy.exp: exp,
        sympy.log: log,
        sympy.Abs: abs,
        sympy.Max: lambda *xs: largest(xs, 1),
        sympy.Min: lambda *xs: largest(xs, -1),
        sympy.Pow: sqrt,
        Logistic: logistic,
        Logit: logit,
        BinaryEntropy: binary_entropy,
        BinaryDivergence: binary_divergence,
        LowestEntropy: lowest_entropy,
        sympy.LambertW: lambert_w,
        type(sympy.E): lambda: Tracked(float(sympy.E), float(sympy.E) * UNIT, xp),
        type(sympy.pi): lambda: Tracked(float(sympy.pi), float(sympy.pi) * UNIT, xp),
    }
    return Target(f"running error in {xp.__name__}", number, operations, choose)
