"""Numeric functions of H5: what measured windows say of windows not yet seen.

The windows are the units that must be exchangeable; rows of one window are not. A window violates a promise if one of
its rows does. Confidences given as floats are taken as the decimals that they print as.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, comb, log

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainccinv, betaincinv, gammaln, logsumexp

from theory.errors import DomainError
from theory.numbers.checked import Array, as_written, broadcast, count, open_unit, require, scalar, single_count


def conformal_level(windows: int, rank: int) -> float:
    """Probability, at least, that a new window's least margin is no less than the `rank`-th smallest of `windows` (H5).

    >>> conformal_level(99, 5)
    0.95
    """
    number = single_count("windows", windows, at_least=1)
    place = single_count("rank", rank, at_least=1)
    if place > number:
        raise DomainError(f"rank={place} must be at most windows={number}")
    return 1 - place / (number + 1)


def conformal_rank(windows: int, confidence: float | Fraction) -> int:
    """Largest rank whose `conformal_level` reaches the confidence (H5).

    Raises `DomainError` with the number of windows that would do if even the smallest of these does not reach it.

    >>> conformal_rank(99, 0.95)
    5
    """
    number, error = single_count("windows", windows, at_least=1), _error(confidence)
    rank = int(error * (number + 1))
    if rank < 1:
        needed = ceil(1 / error) - 1
        raise DomainError(f"windows={number} must be at least {needed} for a confidence of {confidence}")
    return min(rank, number)


def violation_share_max(violations: ArrayLike, windows: ArrayLike, confidence: float | Fraction) -> float | Array:
    """Largest share of violating windows at this confidence, from `violations` among independent windows (H5).

    The exact binomial bound of Clopper and Pearson 1934, one-sided: 1 if every window violates.

    >>> round(float(violation_share_max(0, 59, 0.95)), 4)
    0.0495
    """
    seen, number = broadcast(violations=count("violations", violations, 0), windows=count("windows", windows, 1))
    require(seen <= number, "violations", seen, "be at most the number of windows")
    # Where every window violates, the second parameter would be 0.
    shape, error = (seen + 1, np.maximum(number - seen, 1)), _error(confidence)
    # From the smaller of the two tails, which float64 holds more exactly.
    found = betaincinv(*shape, float(1 - error)) if error > 0.5 else betainccinv(*shape, float(error))
    return scalar(np.where(seen == number, 1.0, found))


def violation_count_max(violations: int, windows: int, population: int, confidence: float | Fraction) -> int:
    """Most windows of a corpus of `population` that violate, at this confidence, from a draw without replacement (H5).

    The exact hypergeometric bound: the largest number with a chance above `1 - confidence` of as few violations among
    the `windows` drawn. Nothing is assumed but the draw.

    >>> violation_count_max(0, 10, 20, 0.95)
    3
    """
    drawn = single_count("windows", windows, at_least=1)
    seen = single_count("violations", violations, at_least=0)
    total = single_count("population", population, at_least=1)
    if drawn > total:
        raise DomainError(f"windows={drawn} must be at most population={total}")
    if seen > drawn:
        raise DomainError(f"violations={seen} must be at most windows={drawn}")
    error, chances = _error(confidence), comb(total, drawn)

    def likely(violating: int) -> bool:
        return _draws_with(seen, drawn, total, violating) * error.denominator > error.numerator * chances

    # As few violations grow less likely with the number of violating windows. Floating point says about where.
    most = _about(seen, drawn, total, float(error))
    while not likely(most):
        most -= 1
    while most < total - (drawn - seen) and likely(most + 1):
        most += 1
    return most


def _draws_with(most: int, drawn: int, total: int, violating: int) -> int:
    """Of the draws from a total in which so many windows violate, those with at most `most` violating ones."""
    seen = max(0, drawn - (total - violating))
    term = comb(violating, seen) * comb(total - violating, drawn - seen)
    draws = term
    for each in range(seen, min(most, violating, drawn)):
        term = term * (violating - each) * (drawn - each) // ((each + 1) * (total - violating - drawn + each + 1))
        draws += term
    return draws


def _about(most: int, drawn: int, total: int, error: float) -> int:
    """The answer of `violation_count_max` up to the rounding of sums of logarithms."""
    seen = np.arange(most + 1.0)

    def logs(size: int, part: Array) -> Array:
        """Logarithms of the binomial coefficients, -inf where the part is the larger."""
        inside = np.clip(part, 0, size)
        terms: Array = gammaln(size + 1.0) - gammaln(inside + 1.0) - gammaln(size - inside + 1.0)
        return np.where(part > size, -np.inf, terms)

    low, high = most, total - (drawn - most) + 1
    while high - low > 1:
        middle = (low + high) // 2
        chance = logsumexp(logs(middle, seen) + logs(total - middle, drawn - seen)) - logs(total, np.array(drawn))
        low, high = (middle, high) if chance > log(error) else (low, middle)
    return low


def _error(confidence: float | Fraction) -> Fraction:
    open_unit("confidence", float(confidence))
    return 1 - as_written(confidence)
