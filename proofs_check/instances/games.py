"""The value of a small matrix game, found by trying every basis in exact rationals."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from itertools import combinations

from flint import fmpq, fmpq_mat

Matrix = tuple[tuple[Fraction, ...], ...]


@lru_cache(maxsize=4096)
def highest_floor(payoff: Matrix) -> Fraction:
    """`max over p in the simplex of min_r sum_j payoff[r][j] p_j`: some basis of supports and tight rows attains it."""
    rows = tuple(dict.fromkeys(payoff))
    columns = tuple(dict.fromkeys(zip(*rows, strict=True)))
    floors = []
    for size in range(1, min(len(rows), len(columns)) + 1):
        for support in combinations(columns, size):
            for tight in combinations(range(len(rows)), size):
                shares = _shares(support, tight)
                if shares is not None and min(shares) >= 0:
                    mixed = (zip(shares, (column[r] for column in support), strict=True) for r in range(len(rows)))
                    floors.append(min(sum((p * x for p, x in pairs), Fraction(0)) for pairs in mixed))
    return max(floors)


def _shares(support: tuple[tuple[Fraction, ...], ...], tight: tuple[int, ...]) -> list[Fraction] | None:
    """The mix of the columns with equal payoff in the tight rows, None if there is not just one."""
    size = len(tight)
    system = [[*(column[r] for column in support), Fraction(-1)] for r in tight]
    entries = [fmpq(x.numerator, x.denominator) for row in system for x in row] + [1] * size + [0]
    try:
        found = fmpq_mat(size + 1, size + 1, entries).solve(fmpq_mat(size + 1, 1, [0] * size + [1]))
    except ZeroDivisionError:
        return None
    return [Fraction(int(found[i, 0].p), int(found[i, 0].q)) for i in range(size)]


def lowest_ceiling(payoff: Matrix) -> Fraction:
    """`min over y in the simplex of max_j sum_r y_r payoff[r][j]`."""
    return -highest_floor(tuple(tuple(-x for x in column) for column in zip(*payoff, strict=True)))
