"""How far rounding can move a measured row: the error bounds with which violations are decided.

Forward error analysis in the sense of Higham, with unit roundoff `u` and `gamma_j = j u / (1 - j u)`, for
`n` visible keys, scores that are dot products of `w` entries, the bias counted as one, and
`S = scale |q| max|k| + bias >= |s_j|` (Cauchy-Schwarz):

1. A score, a dot product of width `w` times a rounded scale: `|s^ - s| <= eta = gamma_{w+2} S`.
2. A weight `exp(s - max)`: the argument is within `eta + 2 u S` (difference of two scores), the softmax's
   exponential within 20 units in the last place, i.e. `40 u`. In all the logarithm of a weight is within
   `theta = eta + 2 u S + 41 u`.
3. A sum of `n` positive terms adds `gamma_n`, the division by the weights' sum `2 u` to each. A mass is a
   quotient of two such sums, so the logarithm of a mass is within `rho = 2 (theta + gamma_n) + 2 u`.
4. Entropy is measured as `log sum_j w_j - sum_j s_j w_j / sum_j w_j`, with one set of computed weights
   `w_j = exp(s_j + e_j)`, `|e_j| <= theta`. But for the sums' own rounding this is the entropy of the row that
   `w` defines plus the mean of `e`. That row's entropy is within `theta V` of the true one, since
   `sum_i |dH/ds_i| = E|log a + H| <= sqrt(Var log a) <= V = sqrt(log(n-1)^2 / 4 + 1)` (Reeb and Wolf). The
   logarithm of the sum is the largest score less the logarithm of the largest normalised weight, which is
   within `41 u + gamma_n + 2 u` of 1 over the sum. With the mean score's two sums and the last subtractions that
   adds `gamma_n + (2 gamma_n + 2 u) S + 4 u (S + log n + 1) + 43 u`.
5. Margins and ranges are differences of two scores of step 1, the block's mean adds `gamma_n S`.

Constants are rounded up to cover terms of second order as long as `rho` is below one hundredth; beyond that
a row is reported as undecidable, by an infinite error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]

EXP_ULPS = 20
LARGEST_RELATIVE_ERROR = 1e-2


@dataclass(frozen=True)
class RowErrors:
    """Error bounds of each row's measured numbers, in nats; `mass` is relative: an error of the logarithm."""

    score: Array
    mean_score: Array
    mass: Array
    entropy: Array


def unit_roundoff(dtype: torch.dtype) -> float:
    """Half the distance from 1 to the next number of the format."""
    return torch.finfo(dtype).eps / 2


def row_errors(size: Array, keys: Array, width: int, dtype: torch.dtype) -> RowErrors:
    """Error bounds from each row's score size `S` (nats), visible keys, dot product width and format."""
    u = unit_roundoff(dtype)

    def gamma(terms: Array | int) -> Array:
        return np.asarray(terms * u / (1 - terms * u), dtype=np.float64)

    score = gamma(width + 2) * size
    weight = score + 2 * u * size + (2 * EXP_ULPS + 1) * u
    mass = 2 * (weight + gamma(keys)) + 2 * u
    deviation = np.sqrt(np.log(np.maximum(keys - 1, 1)) ** 2 / 4 + 1)
    sums = gamma(keys) + (2 * gamma(keys) + 2 * u) * size + 4 * u * (size + np.log(keys) + 1) + (2 * EXP_ULPS + 3) * u
    decidable = mass < LARGEST_RELATIVE_ERROR
    return RowErrors(
        score=score,
        mean_score=score + gamma(keys) * size,
        mass=np.where(decidable, mass, np.inf),
        entropy=np.where(decidable, (1 + deviation) * weight + sums, np.inf),
    )
