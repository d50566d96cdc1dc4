"""The extremal row of most bounds: `m` keys at one score and `k` at another, worked out by sympy."""

from __future__ import annotations

from sympy import Expr, exp, expand_log, log, simplify

from theory.symbols import d, k, m


def two_level_masses(upper: Expr = m, lower: Expr = k, gap: Expr = d) -> tuple[Expr, Expr]:
    """Softmax masses of the upper and lower group, for `upper` keys standing `gap` nats above `lower` keys."""
    weight = upper + lower * exp(-gap)
    return upper / weight, lower * exp(-gap) / weight


def two_level_entropy(upper: Expr = m, lower: Expr = k, gap: Expr = d) -> Expr:
    """Entropy of that row from its definition: minus the sum of `a log a` over single keys, in nats."""
    mass_up, mass_down = two_level_masses(upper, lower, gap)
    surprise_up = -expand_log(log(mass_up / upper), force=True)
    surprise_down = -expand_log(log(mass_down / lower), force=True)
    return simplify(mass_up * surprise_up + mass_down * surprise_down)
