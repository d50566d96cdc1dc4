"""Numbers at which a function of one letter may touch 0: roots of its slope, recognised as roots, logarithms or powers.

Nothing here is trusted: the replay decides by its own algebra whether value and slope vanish there.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from mpmath import mp, mpf  # type: ignore[import-untyped]
from sympy import Expr, Symbol

from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.pool import rational

_DIGITS, _LARGEST, _DRAWN, _TRIED = 40, 10**5, 400, 4
_STEEPEST = 50


def meeting_numbers(expr: Expr, letter: Symbol, side: Side) -> list[Expr]:
    """Numbers of a side at which an expression and its slope are close to 0, each in closed form."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = sympy.lambdify(letter, expr, "numpy")
            drawn = np.unique(_drawn(side))
            sizes = np.abs(np.broadcast_to(np.asarray(value(drawn), dtype=float), drawn.shape))
            precise = sympy.lambdify(letter, expr, "mpmath")
            steep = sympy.lambdify(letter, expr.diff(letter), "mpmath")
        except (TypeError, ValueError, NameError, OverflowError, ArithmeticError, SyntaxError, KeyError):
            return []
    inner = sizes[1:-1]
    lowest = [k + 1 for k in np.flatnonzero((inner <= sizes[:-2]) & (inner <= sizes[2:])) if np.isfinite(inner[k])]
    found: dict[Expr, None] = {}
    with mp.workdps(_DIGITS + 10):
        for k in sorted(lowest, key=lambda k: sizes[k])[:_TRIED]:
            try:
                root = mp.findroot(steep, mpf(float(drawn[k])))
                near = isinstance(root, mpf) and abs(precise(root)) < mpf(10) ** -(_DIGITS - 5)
            except (TypeError, ValueError, ArithmeticError, KeyError):
                continue
            if near and _holds(side, root):
                found |= dict.fromkeys(list(_recognised(root))[:1])
    return list(found)


def _drawn(side: Side) -> Any:
    far = np.geomspace(1e-4, 1e4, _DRAWN)
    if side.low is not None and side.high is not None:
        return np.linspace(float(side.low), float(side.high), _DRAWN + 2)[1:-1]
    if side.low is not None:
        return float(side.low) + far
    return np.concatenate([-far, far]) if side.high is None else float(side.high) - far


def _holds(side: Side, x: mpf) -> bool:
    low, high = (None if end is None else mpf(end.numerator) / end.denominator for end in (side.low, side.high))
    return (low is None or low < x) and (high is None or x < high)


def _recognised(x: mpf) -> Iterator[Expr]:
    """Closed forms of a number: a rational, a root of one, its logarithm, its exponential, a multiple of pi."""
    for n in (1, 2, 3, 4, 5, 6):
        power = _rational(abs(x) ** n)
        if power is not None:
            yield rational(power) ** sympy.Rational(1, n) * (1 if x > 0 else -1)
    for n in (1, 2, 3):
        found = _rational(mp.exp(n * x)) if abs(x) < _STEEPEST else None
        if found is not None:
            yield sympy.log(rational(found)) / n
    found = _rational(mp.log(abs(x)))
    if found is not None:
        yield sympy.exp(rational(found)) * (1 if x > 0 else -1)
    turns = _rational(x / mp.pi)
    if turns is not None:
        yield rational(turns) * sympy.pi
    quadratic = abs(x) > mpf(10) ** -8 and mp.findpoly(x, 2, maxcoeff=200, tol=mpf(10) ** -(_DIGITS - 10))
    if quadratic and len(quadratic) == 3:
        a, b, c = (int(k) for k in quadratic)
        ends = [(-b + sign * sympy.sqrt(b * b - 4 * a * c)) / (2 * a) for sign in (1, -1)]
        yield sympy.expand(min(ends, key=lambda end: abs(mpf(str(end.evalf(30))) - x)))


def _rational(x: mpf) -> Fraction | None:
    """The number as a simple fraction; None where it is none."""
    if not mpf(10) ** -8 < abs(x) < mpf(10) ** 8:
        return None
    exact = Fraction(int(mp.nint(x * mpf(2) ** 120)), 2**120)
    simple = exact.limit_denominator(_LARGEST)
    return simple if abs(simple - exact) < Fraction(1, 10**30) else None
