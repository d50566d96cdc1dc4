"""A statement's witnesses, at which it holds with equality, as columns of scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sympy import Expr, Symbol, lambdify

from theory import symbols as letters
from theory.statement import Statement

_SEPARATIONS = (0.5, 2.0, 6.0, -1.0, 12.0, 0.05)


def witness_scores(statement: Statement, clause: str, block: int, rest: int, temperatures: Any) -> Any:
    """Scores of shape (keys, rows): one row per temperature and witness of those sizes, none without such a witness.

    The witness's letters are the sizes, the temperature and the separation; separations are cycled through.
    """
    columns = []
    for witness in statement.witnesses:
        if witness.clause != clause:
            continue
        for i, temperature in enumerate(temperatures):
            values = {
                letters.m: block,
                letters.k: rest,
                letters.tau: float(temperature),
                letters.d: _SEPARATIONS[i % len(_SEPARATIONS)],
            }
            inside = _levels(witness.block, values)
            outside = _levels(witness.complement, values)
            if len(inside) == block and len(outside) == rest:
                columns.append(inside + outside)
    return np.array(columns, dtype=float).T.reshape(block + rest, len(columns))


def _levels(groups: Sequence[tuple[Expr, Expr]], values: dict[Symbol, float]) -> list[float]:
    scores: list[float] = []
    for score, count in groups:
        scores += [_value(score, values)] * round(_value(count, values))
    return scores


def _value(expr: Expr, values: dict[Symbol, float]) -> float:
    names = sorted(values, key=str)
    return float(lambdify(names, expr, "numpy")(*(values[name] for name in names)))
