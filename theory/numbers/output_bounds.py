"""Numeric functions of H2 and H3: moves of the next-token distribution, and of the logits under truncation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from theory.numbers.checked import Array, Number, broadcast, count, real, require, scalar
from theory.numbers.numeric import Answer, exactly, is_exact, numeric

# Below this range the law's terms cancel; a series of five terms then has a relative error below 1e-16.
_SMALL = 0.25


@numeric
def next_token_variation_max(logit_range: Number) -> Answer:
    """Largest total variation between next-token distributions whose logits' moves have this range (H2; attained).

    The range is the largest move less the smallest, in nats.

    >>> from sympy import log
    >>> next_token_variation_max(2 * log(3))
    1/2
    """
    if is_exact(logit_range):
        return exactly("next_token_variation_max", logit_range)
    return scalar(np.tanh(_size("logit range", logit_range) / 4))


@numeric
def next_token_divergence_max(logit_range: Number) -> Answer:
    """Largest divergence, in nats and either way, between those distributions (H2; attained); at most `range^2/8`.

    >>> from sympy import Integer, log
    >>> next_token_divergence_max(Integer(0))
    0
    >>> round(float(next_token_divergence_max(log(3))), 6)
    0.148405
    """
    if is_exact(logit_range):
        return exactly("next_token_divergence_max", logit_range)
    span = _size("logit range", logit_range)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Taken from the exponential's mean, so that large ranges neither overflow nor cancel.
        tilt = span / -np.expm1(-span)
        law = tilt - 1 - np.log(tilt)
    square = span * span
    series = square * (1 / 8 + square * (-1 / 576 + square * (1 / 25920 + square * (-1 / 1075200 + square / 43545600))))
    return scalar(np.where(span < _SMALL, series, law))


def truncation_range_max(
    truncation: ArrayLike,
    lengths: tuple[ArrayLike, ArrayLike],
    norm_gains: tuple[float, float],
    mlp_norm: float,
    unembedding_distance: float,
    width: int,
    stabiliser: float = 1e-5,
) -> float | Array:
    """Largest range of the logits' moves when the last attention layer drops the keys off its blocks (H3).

    `truncation` is the sum over its heads of leak times the largest distance of projected values (H1), `lengths` those
    of the centred residual before and after the MLP, `norm_gains` the largest weights of the two layer norms, and
    `mlp_norm` the product of the MLP's spectral norms and its activation's largest slope (GELU: 1.129). Infinite where
    the truncation may be as long as a residual: the bound then says nothing.

    >>> float(truncation_range_max(0.5, (2.5, 4.5), (1.0, 1.0), 0.0, 2.0, width=4, stabiliser=0.0))
    0.5
    """
    moved, before, after = broadcast(
        truncation=_size("truncation", truncation),
        before=_size("length before", lengths[0]),
        after=_size("length after", lengths[1]),
    )
    keys, added = count("width", width, 1), _size("stabiliser", stabiliser)
    gains = [_size("norm gain", gain) for gain in norm_gains]
    factor, apart = _size("MLP norm", mlp_norm), _size("unembedding distance", unembedding_distance)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        growth = 1 + factor * np.sqrt(keys) * gains[0] / np.hypot(before - moved, np.sqrt(keys * added))
        grown = growth * moved
        found = apart * np.sqrt(keys) * gains[1] / np.hypot(after - grown, np.sqrt(keys * added)) * grown
        return scalar(np.where((moved < before) & (grown < after), found, np.inf))


def _size(name: str, value: Number) -> Array:
    size = real(name, value)
    require(size >= 0, name, size, "be at least 0")
    return size
