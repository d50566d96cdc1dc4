"""The field's functions on numbers that carry their rounding error, and the target that evaluates statements so."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import sympy
from sympy import Expr

from proofs_check.running_error import (
    LIBRARY,
    TINY,
    UNIT,
    Tracked,
    as_array,
    either,
    exp,
    largest,
    log,
    log1p,
    nearest_float,
    parted,
    sqrt,
)
from theory.functions import BinaryDivergence, BinaryEntropy, Logistic, Logit, LowestEntropy
from theory.lowering import Target, UnknownNode, relation
from theory.stable import best_share

# Half-widths tried for the enclosure of an inverse, from the last digits to useless.
_WIDTHS = tuple(2.0**-power for power in range(50, 0, -4))


def logistic(x: Tracked) -> Tracked:
    """`sigma(x)` with its complement.

    Its logarithm moves by at most `|x' - x|`, and `t/(1 + t)` from `t = e^-|x|` is right to `2 LIBRARY + 2 UNIT`.
    """
    xp = x.xp
    value = as_array(x.value, xp)
    small = xp.exp(-abs(value))
    upper = 1 / (1 + small)
    lower = small * upper
    spread = 2 * LIBRARY + 3 * UNIT
    if not x.exact:
        spread = either(as_array(x.error, xp) <= 1.0, x.error + x.error * x.error + spread, float("inf"), xp)
    inside = Tracked(xp.where(value >= 0, upper, lower), 0.0, xp)
    outside = Tracked(xp.where(value >= 0, lower, upper), 0.0, xp)
    for mass, other in ((inside, outside), (outside, inside)):
        mass.error = (mass.value + TINY) * spread + TINY
        mass.one_minus = other
    return inside


def complement(p: Tracked) -> Tracked:
    """`1 - p`, from the accurate complement where there is one."""
    return 1 - p


def _entropy_term(p: Tracked) -> Tracked:
    term = -(p * log(p))
    if not p.exact:
        return term
    zero = as_array(p.value, p.xp) == 0
    return Tracked(either(zero, 0.0, term.value, p.xp), either(zero, 0.0, term.error, p.xp), p.xp)


def binary_entropy(p: Tracked) -> Tracked:
    """`h(p)`, a sum of two positive terms."""
    q = complement(p)
    return _entropy_term(p) + _entropy_term(Tracked(q.value, q.error, q.xp, one_minus=p))


def logit(p: Tracked) -> Tracked:
    """`log p - log(1 - p)`."""
    q = complement(p)
    return log(p) - log(Tracked(q.value, q.error, q.xp, one_minus=p))


def binary_divergence(p: Tracked, q: Tracked) -> Tracked:
    """`kl(p||q)` as written."""
    other_p, other_q = complement(p), complement(q)
    return p * (log(p) - log(q)) + other_p * (log(other_p) - log(other_q))


def lowest_entropy(n: Tracked, r: Tracked) -> Tracked:
    """A5's finite minimum over the number of upper keys, for an exact number `n` of keys and `r >= 0`.

    The entropy falls and then rises in that number, so the least one sits beside the real minimiser `n share(r)`. The
    share is right to 2^-30 and has slope at most 1/6, so two neighbours below and two above catch it while `n` is
    below 2^24 and `n` times the error of `r` below 1; elsewhere the bound is infinite.
    """
    xp, keys = r.xp, n.value
    if not (n.exact and isinstance(keys, float)):
        raise UnknownNode("the error bound of the lowest entropy needs a number of keys known exactly")
    if keys < 2:
        return Tracked(0.0, 0.0, xp)
    span = as_array(r.value, xp)
    middle = xp.floor(best_share(span, xp) * keys)
    shrink = exp(Tracked(-span, r.error, xp))

    def entropy(shift: float) -> Tracked:
        upper = Tracked(xp.clip(middle + shift, 1.0, keys - 1), 0.0, xp)
        below = Tracked(keys - upper.value, 0.0, xp) / upper * shrink
        return log(upper) + log1p(below) + r * below / (1 + below)

    best = largest(tuple(entropy(shift) for shift in (-1.0, 0.0, 1.0, 2.0)), -1)
    trusted = (keys * as_array(r.error, xp) < 1) & (keys < 2.0**24)
    return Tracked(best.value, either(trusted, best.error, float("inf"), xp), xp)


def lambert_w(x: Tracked, branch: Tracked | None = None) -> Tracked:
    """`W(x)` on `[-1/e, 0)`, branch 0 or -1, enclosed by its own equation rather than by trust in a library.

    With `v = -W`, `v - log v = -log(-x) =: c`, which falls in `v` below 1 and rises above. Newton's method finds `v`;
    the error is the smallest width at whose ends that function, with its rounding error, lies on either side of `c`.
    """
    xp = x.xp
    upper = branch is not None and branch.value == -1
    goal = -log(-x)
    level = xp.clip(as_array(goal.value, xp), 1.0, None)
    root = xp.sqrt(2 * (level - 1))
    v = 1 + root + root * root / 3 if upper else xp.where(root < 1, 1 - root + root * root / 3, xp.exp(-level))
    for _ in range(8):
        step = (v - xp.log(v) - level) * v / (v - 1)
        v = xp.where(abs(step) < abs(v - 1), v - step, v)
    error = 0 * v + float("inf")
    for width in reversed(_WIDTHS):
        ends = (Tracked(v - width * v, 0.0, xp), Tracked(v + width * v, 0.0, xp))
        low, high = (end - log(end) - goal for end in (ends if upper else ends[::-1]))
        held = parted("<=", low, Tracked(0.0, 0.0, xp))[0] & parted(">=", high, Tracked(0.0, 0.0, xp))[0]
        # Both ends on one side of 1: each branch has a root of its own.
        held = held & (ends[0].value >= 1 if upper else ends[1].value <= 1)
        error = xp.where(held, (width + 4 * UNIT) * v + TINY, error)
    return Tracked(-v, error, xp)


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
