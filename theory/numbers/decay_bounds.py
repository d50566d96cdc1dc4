"""Numeric functions of A9: the leak off the nearest keys where scores fall with distance, and the slope needed."""

from __future__ import annotations

import numpy as np
from scipy import special
from scipy.special import expit

from theory.errors import DomainError
from theory.numbers.checked import (
    Array,
    Number,
    broadcast,
    count,
    number,
    open_unit,
    positive,
    real,
    require,
    scalar,
    shown,
)
from theory.numbers.numeric import Answer, exactly, is_exact, numeric

# Below this many nats per token, factors of distance are level over any number of keys that float64 counts.
_LEVEL = 1e-290


@numeric
def decay_leak_max(n: Number, m: Number, slope: Number, content_range: Number, temperature: Number = 1.0) -> Answer:
    """Largest leak off the `m` nearest of `n` keys whose scores lose `slope` per token of distance (A9; attained).

    `content_range` is the range of the scores without that loss. An infinite `n` gives the leak that no context
    reaches. The relative error is that of the odds' logarithm, `(content_range - slope m)/temperature`: an ulp of the
    larger term.

    >>> from sympy import Integer, log, oo
    >>> decay_leak_max(n=2, m=1, slope=log(3), content_range=Integer(0))
    1/4
    >>> decay_leak_max(n=oo, m=1, slope=log(3), content_range=Integer(0))
    1/3
    """
    if is_exact(n, m, slope, content_range, temperature):
        return exactly("decay_leak_max", n, m, slope, content_range, temperature)
    keys, block = number("n", n), count("m", m, 1)
    require((keys == np.floor(keys)) & (keys >= 2), "n", keys, "be an integer of at least 2, or infinite")
    tau, span = positive("temperature", temperature), _content_range(content_range)
    keys, block, loss, span, tau = broadcast(n=keys, m=block, slope=positive("slope", slope), range=span, tau=tau)
    if not np.all(outside := block < keys):
        raise DomainError(
            f"block size m={shown(block[~outside].flat[0])} must be below n={shown(keys[~outside].flat[0])}"
        )
    with np.errstate(over="ignore", under="ignore"):
        each = np.maximum(loss / tau, _LEVEL)
        # Both sums of factors of distance, over that of one key.
        sums = np.log(special.expm1(-each * (keys - block)) / special.expm1(-each * block))
        odds = (span - loss * block) / tau + sums
    return scalar(expit(odds))


@numeric
def decay_slope_needed(m: Number, leak: Number, content_range: Number, temperature: Number = 1.0) -> Answer:
    """Least slope at which no context, however long, leaks more than `leak` off the `m` nearest keys (A9; sharp).

    In score per token of distance; see `decay_leak_max`.

    >>> from sympy import Integer, Rational
    >>> decay_slope_needed(m=2, leak=Rational(1, 4), content_range=Integer(0))
    log(2)
    """
    if is_exact(m, leak, content_range, temperature):
        return exactly("decay_slope_needed", m, leak, content_range, temperature)
    block, eps, tau = count("m", m, 1), open_unit("leak", leak), positive("temperature", temperature)
    block, eps, span, tau = broadcast(m=block, leak=eps, range=_content_range(content_range), tau=tau)
    return scalar(tau / block * np.logaddexp(0.0, span / tau - special.logit(eps)))


def _content_range(value: Number) -> Array:
    span = real("content range", value)
    require(span >= 0, "content range", span, "be at least 0")
    return span
