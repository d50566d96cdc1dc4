"""Numeric functions of H2: how far the next-token distribution moves where its logits move."""

from __future__ import annotations

import numpy as np

from theory.numbers.checked import Array, Number, real, require, scalar
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
    return scalar(np.tanh(_range(logit_range) / 4))


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
    span = _range(logit_range)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Taken from the exponential's mean, so that large ranges neither overflow nor cancel.
        tilt = span / -np.expm1(-span)
        law = tilt - 1 - np.log(tilt)
    square = span * span
    series = square * (1 / 8 + square * (-1 / 576 + square * (1 / 25920 + square * (-1 / 1075200 + square / 43545600))))
    return scalar(np.where(span < _SMALL, series, law))


def _range(value: Number) -> Array:
    span = real("logit range", value)
    require(span >= 0, "logit range", span, "be at least 0")
    return span
