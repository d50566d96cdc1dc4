"""Finds where an expression has no value: a pole, or a logarithm or root certainly outside its domain.

More precision does not give such an expression a value, so a decision can stop as soon as this is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

import sympy
from sympy import Expr, Piecewise
from sympy.core.relational import Relational

from theory.functions import BinaryEntropy, Logit

# An expression, and the sign that it must have.
Demand = tuple[Expr, str]


@lru_cache(maxsize=4096)
def demands(expr: Expr) -> tuple[Demand, ...]:
    """What must hold for the expression to have a value.

    The branches of a Piecewise are left out, since any of them may not be taken.
    """
    found: dict[Demand, None] = {}
    traversal = sympy.preorder_traversal(expr)
    for node in traversal:
        if isinstance(node, Piecewise):
            traversal.skip()
        else:
            found |= dict.fromkeys(_demands_of(node))
    return tuple(found)


@lru_cache(maxsize=4096)
def cancelled(claim: Relational) -> tuple[Demand, ...]:
    """The demands of a relation's sides that their difference, in which terms cancel, does not make."""
    kept = set(demands(claim.lhs - claim.rhs))
    asked = dict.fromkeys((*demands(claim.lhs), *demands(claim.rhs)))
    return tuple(one for one in asked if one not in kept)


def _demands_of(node: Any) -> Iterator[Demand]:
    if node.is_Pow and node.exp.is_Rational:
        if node.exp.is_Integer:
            yield from [(node.base, "!=")] if node.exp < 0 else []
        else:
            yield node.base, ">" if node.exp < 0 else ">="
    elif isinstance(node, sympy.log):
        yield node.args[0], ">"
    elif isinstance(node, Logit):
        yield from ((node.args[0], ">"), (1 - node.args[0], ">"))
    elif isinstance(node, BinaryEntropy):
        yield from ((node.args[0], ">="), (1 - node.args[0], ">="))
    elif isinstance(node, sympy.acos | sympy.asin):
        yield from ((1 - node.args[0], ">="), (1 + node.args[0], ">="))


def broken(wanted: Iterable[Demand], ball_of: Callable[[Expr], Any], is_zero: Callable[[Expr], bool]) -> bool:
    """Whether one of the demands certainly fails.

    `ball_of` encloses an expression, or is None where it cannot; `is_zero` says whether one that may be 0 certainly is.
    """
    for expr, sign in wanted:
        ball = ball_of(expr)
        if ball is None:
            continue
        if sign != "!=" and (ball < 0 or (sign == ">" and ball <= 0)):
            return True
        if sign != ">=" and (ball.is_zero() or (ball.contains(0) and is_zero(expr))):
            return True
    return False
