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
from sympy import Expr, Float, Symbol

from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.pool import exact, rational

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
        except (TypeError, ValueError, NameError, OverflowError, ArithmeticError, SyntaxError, KeyError):
            return []
    inner = sizes[1:-1]
    lowest = [k + 1 for k in np.flatnonzero((inner <= sizes[:-2]) & (inner <= sizes[2:])) if np.isfinite(inner[k])]
    found: dict[Expr, None] = {}
    for k in sorted(lowest, key=lambda k: sizes[k])[:_TRIED]:
        try:
            root = sympy.nsolve(expr.diff(letter), letter, float(drawn[k]), prec=_DIGITS + 10)
            near = root.is_Float and abs(expr.evalf(_DIGITS, subs={letter: root})) < Float(10) ** (5 - _DIGITS)
        except (TypeError, ValueError, ArithmeticError, KeyError):
            continue
        if near and side.holds(exact(root)):
            found |= dict.fromkeys(list(_recognised(root))[:1])
    return list(found)


def _drawn(side: Side) -> Any:
    far = np.geomspace(1e-4, 1e4, _DRAWN)
    if side.low is not None and side.high is not None:
        return np.linspace(float(side.low), float(side.high), _DRAWN + 2)[1:-1]
    if side.low is not None:
        return float(side.low) + far
    return np.concatenate([-far, far]) if side.high is None else float(side.high) - far


def _recognised(x: Float) -> Iterator[Expr]:
    """Closed forms of a number: a rational, a root of one, its logarithm, its exponential, a multiple of pi."""
    for n in (1, 2, 3, 4, 5, 6):
        power = _rational(abs(x) ** n)
        if power is not None:
            yield power ** sympy.Rational(1, n) * (1 if x > 0 else -1)
    for n in (1, 2, 3):
        grown = _rational(sympy.exp(n * x)) if abs(x) < _STEEPEST else None
        if grown is not None:
            yield sympy.log(grown) / n
    rate = _rational(sympy.log(abs(x)))
    if rate is not None:
        yield sympy.exp(rate) * (1 if x > 0 else -1)
    turns = _rational(x / sympy.pi.evalf(_DIGITS + 10))
    if turns is not None:
        yield turns * sympy.pi


def _rational(x: Float) -> Expr | None:
    """The number as a simple fraction; None where it is none."""
    if not Float(10) ** -8 < abs(x) < Float(10) ** 8:
        return None
    simple = exact(x).limit_denominator(_LARGEST)
    return rational(simple) if abs(simple - exact(x)) < Fraction(1, 10**30) else None
