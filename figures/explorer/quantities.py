"""The page's numbers: each is an expression of the statements, which `theory.javascript` turns into a function."""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Expr, Max, Piecewise, Symbol, exp, log

from theory.functions import Logistic, Logit
from theory.javascript import RUNTIME, function
from theory.statements.context import LARGEST_RATIO
from theory.statements.dial import DIAL_BIAS
from theory.statements.entropy import TWO_LEVEL
from theory.statements.leak import LEAK_MAX
from theory.statements.penalty import SEPARATION
from theory.statements.range_deficit import ENTROPY_MIN
from theory.symbols import (
    F,
    F_target,
    d,
    d_T,
    delta,
    k,
    lam,
    least_own,
    m,
    pen,
    r,
    ratio_T,
    tau,
    tokens,
    window,
)

_BIAS = DIAL_BIAS / tau


@dataclass(frozen=True)
class Quantity:
    """One number of the page: its function's name, the statements it comes from, its expression and letters."""

    name: str
    statements: tuple[str, ...]
    expr: Expr
    letters: tuple[Symbol, ...]


QUANTITIES: tuple[Quantity, ...] = (
    Quantity("largestRatio", ("A7",), LARGEST_RATIO, (tokens, window, least_own)),
    Quantity("separationOf", ("B4", "B1"), SEPARATION + _BIAS, (delta, pen, tau, lam)),
    # A7's threshold, in terms of the fidelity.
    Quantity("separationNeeded", ("A3", "A7"), log(ratio_T) + Logit(F_target), (ratio_T, F_target)),
    Quantity("leakMax", ("A2",), LEAK_MAX, (m, k, d)),
    Quantity("leakExponential", ("A2",), k / m * exp(-d), (m, k, d)),
    Quantity("fidelityMin", ("A2",), 1 - LEAK_MAX, (m, k, d)),
    # A row whose separation is only known from below may have equal scores.
    Quantity("entropyMax", ("A4",), Piecewise((TWO_LEVEL, d >= 0), (log(m + k), True)), (m, k, d)),
    Quantity("rangeSeen", ("B4", "B1"), r + pen / tau + _BIAS, (r, pen, tau, lam)),
    Quantity("entropyMin", ("A5",), ENTROPY_MIN, (m, k, r)),
    Quantity("dialledFidelity", ("B1",), Logistic(Logit(F) + _BIAS).subs(F, 1 - LEAK_MAX), (m, k, d, lam)),
    Quantity("marginNeeded", ("A3", "B4", "B1"), tau * (d_T - _BIAS) - pen, (d_T, tau, pen, lam)),
    Quantity("penaltyNeeded", ("B4", "B1"), Max(0, tau * (d_T - _BIAS) - delta), (d_T, tau, delta, lam)),
    # B1's dial, where the odds of the fidelity fall short by the factor e^(d - d_T).
    Quantity("dialNeeded", ("B1",), Max(0, 1 - exp(d - d_T)), (d, d_T)),
)


def functions() -> str:
    """The helpers and one function per quantity, as JavaScript."""
    written = (
        f"// {', '.join(each.statements)}.\n{function(each.name, each.expr, each.letters)}" for each in QUANTITIES
    )
    return "\n\n".join([RUNTIME.rstrip(), *written]) + "\n"
