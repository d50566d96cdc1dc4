"""Matrix games in exact rationals, by the simplex method: E2's linear programs with their certificates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np
from numpy.typing import ArrayLike

from theory.numbers.checked import Array

# Above this many columns, floating point first selects those likely to matter.
_FEW = 40
_NEAR = 1e-7

Column = tuple[Fraction, ...]


@dataclass(frozen=True)
class GameValue:
    """`value = max over p of min_r sum_j payoff[r][j] p_j`, attained at `masses`; `weights` prove its optimality."""

    value: Fraction
    masses: tuple[Fraction, ...]
    weights: tuple[Fraction, ...]


def solve_game(payoff: Sequence[Sequence[Fraction]]) -> GameValue:
    """Optimal masses over the columns and weights over the rows of a matrix with at least one row and one column.

    Exact whatever floating point proposes: a left-out column on which the weights exceed the value is added.
    """
    columns = [tuple(column) for column in zip(*payoff, strict=True)]
    every = list(dict.fromkeys(columns))
    chosen = every if len(every) <= _FEW else _likely(every)
    while True:
        value, masses, weights = _solve(chosen)
        over = [c for c in every if sum((y * x for y, x in zip(weights, c, strict=True)), Fraction(0)) > value]
        if not over:
            break
        chosen += over[:_FEW]
    mass_of = dict(zip(chosen, masses, strict=True))
    return GameValue(value, tuple(mass_of.pop(column, Fraction(0)) for column in columns), tuple(weights))


def float_game(payoff: ArrayLike) -> tuple[Array, Array] | None:
    """Optimal masses and weights in floating point, nonnegative, each summing to 1 up to rounding; None on failure."""
    from scipy.optimize import linprog

    matrix = np.asarray(payoff, dtype=np.float64).T
    columns, rows = matrix.shape
    found = linprog(
        c=[0.0] * rows + [1.0],
        A_ub=np.hstack([matrix, -np.ones((columns, 1))]),
        b_ub=np.zeros(columns),
        A_eq=[[1.0] * rows + [0.0]],
        b_eq=[1.0],
        bounds=[(0, None)] * rows + [(None, None)],
    )
    if found.status != 0:
        return None
    masses, weights = np.maximum(-found.ineqlin.marginals, 0.0), np.maximum(found.x[:-1], 0.0)
    return (masses, weights) if masses.sum() > 0 and weights.sum() > 0 else None


def _likely(columns: list[Column]) -> list[Column]:
    """The columns that bind the weights at the optimum, as far as floating point can tell."""
    found = float_game(np.array(columns, dtype=np.float64).T)
    if found is None:
        return columns[:_FEW]
    sums = np.array(columns, dtype=np.float64) @ found[1]
    gaps = sums.max() - sums
    return [column for column, gap in zip(columns, gaps, strict=True) if gap <= _NEAR] or columns[:_FEW]


def _solve(columns: list[Column]) -> tuple[Fraction, list[Fraction], list[Fraction]]:
    """Value, masses and weights of the game on these columns."""
    shift = 1 - min(min(column) for column in columns)
    scale = lcm(*(x.denominator for column in columns for x in column), shift.denominator)
    # Largest sum of u with sum_r u_r scale (payoff + shift) <= 1 at every column: all entries are positive, so 0 is
    # feasible, and the value is the inverse of that sum over the scale, less the shift.
    table = [[int((x + shift) * scale) for x in column] + [1] for column in columns]
    table.append([-1] * len(columns[0]) + [0])
    solution, prices = simplex(table)
    total = sum(solution, Fraction(0))
    return 1 / (scale * total) - shift, [x / total for x in prices], [x / total for x in solution]


def simplex(table: list[list[int]]) -> tuple[list[Fraction], list[Fraction]]:
    """Optimum and dual prices of a condensed tableau: constraints over the objective's row, right-hand sides last.

    All entries are integers and the right-hand sides at least 0; the objective's row holds the costs, negated.

    Bland's rule, smallest label first for entering and leaving, so that no basis recurs. The entries stay integers over
    one denominator, the last pivot (Edmonds 1967), which is faster than one rational per entry.
    """
    constraints, variables = len(table) - 1, len(table[0]) - 1
    entering = list(range(variables))
    basic = list(range(variables, variables + constraints))
    denominator = 1
    while any(cost < 0 for cost in table[-1][:-1]):
        column = min((j for j in range(variables) if table[-1][j] < 0), key=lambda j: entering[j])
        row = min(
            (i for i in range(constraints) if table[i][column] > 0),
            key=lambda i: (Fraction(table[i][-1], table[i][column]), basic[i]),
        )
        pivot, top = table[row][column], table[row]
        for i, line in enumerate(table):
            if i != row:
                factor = line[column]
                table[i] = [(x * pivot - factor * y) // denominator for x, y in zip(line, top, strict=True)]
                table[i][column] = -factor
        top[column], denominator = denominator, pivot
        entering[column], basic[row] = basic[row], entering[column]
    solution = [Fraction(0)] * variables
    prices = [Fraction(0)] * constraints
    for i, label in enumerate(basic):
        if label < variables:
            solution[label] = Fraction(table[i][-1], denominator)
    for j, label in enumerate(entering):
        if label >= variables:
            prices[label - variables] = Fraction(table[-1][j], denominator)
    return solution, prices
