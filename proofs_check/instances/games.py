"""The value of a small matrix game, found by trying every basis in exact rationals."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

Matrix = tuple[tuple[Fraction, ...], ...]


def solve_exactly(matrix: Sequence[Sequence[Fraction]], right: Sequence[Fraction]) -> list[Fraction] | None:
    """Solution of a square system, or None where it is singular."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    size = len(rows)
    for column in range(size):
        pivot = next((i for i in range(column, size) if rows[i][column]), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [x / rows[column][column] for x in rows[column]]
        for i in range(size):
            if i != column and rows[i][column]:
                factor = rows[i][column]
                rows[i] = [x - factor * y for x, y in zip(rows[i], rows[column], strict=True)]
    return [row[-1] for row in rows]


@lru_cache(maxsize=4096)
def highest_floor(payoff: Matrix) -> Fraction:
    """`max over p in the simplex of min_r sum_j payoff[r][j] p_j`: some basis of supports and tight rows attains it."""
    rows = tuple(dict.fromkeys(payoff))
    columns = tuple(dict.fromkeys(zip(*rows, strict=True)))
    best: Fraction | None = None
    for size in range(1, min(len(rows), len(columns)) + 1):
        for support in combinations(columns, size):
            for tight in combinations(range(len(rows)), size):
                system = [[column[r] for column in support] + [Fraction(-1)] for r in tight]
                system.append([Fraction(1)] * size + [Fraction(0)])
                found = solve_exactly(system, [Fraction(0)] * size + [Fraction(1)])
                if found is None or min(found[:size]) < 0:
                    continue
                floor = min(
                    sum((p * column[r] for p, column in zip(found[:size], support, strict=True)), Fraction(0))
                    for r in range(len(rows))
                )
                best = floor if best is None else max(best, floor)
    if best is None:
        raise ArithmeticError("a matrix game always has a basis that attains its value")
    return best


def lowest_ceiling(payoff: Matrix) -> Fraction:
    """`min over y in the simplex of max_j sum_r y_r payoff[r][j]`."""
    return -highest_floor(tuple(tuple(-x for x in column) for column in zip(*payoff, strict=True)))
