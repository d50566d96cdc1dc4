"""Rounding error bounds of a measured row, with which violations are decided.

Forward error analysis in the sense of Higham, with unit roundoff `u` and `gamma_j = j u / (1 - j u)`, for
`n` visible keys, scores that are dot products of `w` entries, the bias counted as one, and
`S = scale |q| max|k| + bias >= |s_j|` (Cauchy-Schwarz):

1. A score, a dot product of width `w` times a rounded scale: `|s^ - s| <= eta = gamma_{w+2} S`. The same holds, in
   units of `log 2`, of a scale that is divided by `log 2` first.
2. A weight `exp(s - max)`: the argument is within `eta + 2 u S` (difference of two scores), the softmax's
   exponential within 20 units in the last place, i.e. `40 u`. In total the logarithm of a weight is within
   `theta = eta + 2 u S + 41 u`.
3. A sum of `n` positive terms adds `gamma_n`; the division by the weights' sum adds `2 u` to each. A mass is a
   quotient of two such sums, so the logarithm of a mass is within `rho = 2 (theta + gamma_n) + 2 u`, except for
   subnormal weights, each of which is off by at most the smallest normal number (`Rows.leak_floor`).
4. Entropy is measured as `log sum_j w_j - sum_j s_j w_j / sum_j w_j`, with one set of computed weights
   `w_j = exp(s_j + e_j)`, `|e_j| <= theta`. Apart from the sums' own rounding this is the entropy of the row that
   `w` defines plus the mean of `e`. That row's entropy is within `theta V` of the true one, since
   `sum_i |dH/ds_i| = E|log a + H| <= sqrt(Var log a) <= V = sqrt(log(n-1)^2 / 4 + 1)` (Reeb and Wolf). Weights are
   relative to the largest score, which is added to the logarithm of their sum and to the mean of the scores relative
   to it, which are at most `2 S`. The sums, their quotient, the logarithm, the products and these additions add at
   most `gamma_n + (2 gamma_n + 2 u) S + 4 u (S + log n + 1) + 43 u`.
5. Margins, ranges and spreads are differences of two scores of step 1, the block's mean adds `gamma_n S`. The bound
   of A8 is a sum of exponentials of such differences, so it holds with each of them enlarged by `2 eta`.

A kernel that reads the keys in tiles (`row_kernel`) rescales its sums to each new largest score by a factor
`exp(old - new)`, at each of the `t` tiles. It computes exponentials as powers of 2, which rounds the argument twice
more. The differences of all tiles add up to at most `2 S`, because the largest score only grows and a row's sums are
0 before its first key. So a weight's logarithm gains `4 u S` for its own argument, `6 u S` for the factors' arguments
and `40 u t` for their exponentials. A term of a sum is rounded within its own tile of `b` keys and twice per later
tile: `gamma_{b + 2t}` replaces `gamma_n`.

Tensor cores multiply half formats exactly and add several products at a time to a float32, aligned to the largest
and truncated, not rounded: the error is `2 u` of the largest for each of them and for the sum (measured by Fasi,
Higham, Mikaitis and Pranesh 2021). The largest is at most `S`, so step 1 has `eta = 4 gamma_{w+2} S` instead.

A soft cap `c tanh(s/c)` widens no score's error, because its slope is at most 1, and `|c tanh(s/c)| <= |s|`. Its own
rounding, with a hyperbolic tangent within 20 units in the last place, adds `44 u S` to step 1.

A sink is a logit `z` merged in float64 after the sums: the logarithm `L` of the other keys' sum, within
`epsilon = theta + gamma_n + 43 u + 4 u (S + log n + 1)` by step 4, is weighed against the exact `z`. The masses are
those of a row whose scores are moved by at most `theta + epsilon`, which replaces `theta` in steps 3 and 4; `S` covers
`|z|`.

Constants are rounded up to cover second-order terms as long as `rho` is below one hundredth; beyond that an infinite
error reports the row as undecided.
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
class Arithmetic:
    """How sums were computed: the format, the keys per tile (None: all), and whether by tensor cores.

    `softcap` and `sink` say whether scores were capped and whether each head has a sink.
    """

    dtype: torch.dtype
    tile: int | None = None
    tensor_cores: bool = False
    softcap: bool = False
    sink: bool = False


@dataclass(frozen=True)
class RowErrors:
    """Error bounds of each row's measured numbers, in nats; `mass` is the error of a mass's logarithm."""

    score: Array
    mean_score: Array
    mass: Array
    entropy: Array


def unit_roundoff(dtype: torch.dtype) -> float:
    """Half the distance from 1 to the next number of the format."""
    return torch.finfo(dtype).eps / 2


def row_errors(size: Array, keys: Array, width: int, arithmetic: Arithmetic) -> RowErrors:
    """Error bounds from each row's score size `S` (nats), visible keys, dot product width and arithmetic."""
    u = unit_roundoff(arithmetic.dtype)

    def gamma(terms: Array | int) -> Array:
        return np.asarray(terms * u / (1 - terms * u), dtype=np.float64)

    exponential = 2 * EXP_ULPS * u
    score = (4 if arithmetic.tensor_cores else 1) * gamma(width + 2) * size
    if arithmetic.softcap:
        score = score + (exponential + 4 * u) * size
    weight = score + 2 * u * size + exponential + u
    terms = keys
    if arithmetic.tile is not None:
        # Tiles need not align with the row: one more than fit.
        tiles = np.ceil(keys / arithmetic.tile) + 1
        weight = weight + 10 * u * size + exponential * tiles
        terms = arithmetic.tile + 2 * tiles
    if arithmetic.sink:
        weight = 2 * weight + gamma(terms) + exponential + 3 * u + 4 * u * (size + np.log(keys) + 1)
    mass = 2 * (weight + gamma(terms)) + 2 * u
    deviation = np.sqrt(np.log(np.maximum(keys - 1, 1)) ** 2 / 4 + 1)
    sums = gamma(terms) + (2 * gamma(terms) + 2 * u) * size + 4 * u * (size + np.log(keys) + 1) + exponential + 3 * u
    decidable = mass < LARGEST_RELATIVE_ERROR
    return RowErrors(
        score=score,
        mean_score=score + gamma(terms) * size,
        mass=np.where(decidable, mass, np.inf),
        entropy=np.where(decidable, (1 + deviation) * weight + sums, np.inf),
    )
