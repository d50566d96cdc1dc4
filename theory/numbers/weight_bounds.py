"""Numeric functions of B5, C2, C3, C6 and C7: thresholds on weights.

Bounds broadcast over numpy arrays, work in float64 and are accurate to a relative error of 1e-12; sympy numbers
give exact answers instead. Those of C4 and C5, which count steps, are in `theory.numbers.extinction_steps`.

Symbols: `loss_gradient` is the Frobenius norm of the loss's gradient with respect to a head's output; `values`, `keys`
and `inputs` are spectral norms, `width` is `d_k`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from theory.numbers.checked import Array, Number, count, positive, real, require, scalar
from theory.numbers.numeric import Answer, exactly, is_exact, numeric
from theory.stable import less_product

# A difference smaller than this share of its terms has lost more digits than the promised error allows.
_CANCELLED = 1e-2
_LARGE = 1e250


def water_level(block_scores: ArrayLike, temperature: ArrayLike = 1.0) -> float | Array:
    """`nu`: the level above which the block's scores alone hold all mass (B5), over the last axis.

    The largest over `j` of the mean of the `j` largest scores, less `temperature / j`. Accurate to the rounding of the
    largest score, as is anything measured from it.

    >>> float(water_level([3.0, 1.0, 2.5], temperature=1.0))
    2.25
    """
    scores = np.atleast_1d(real("block score", block_scores))
    tau = np.asarray(positive("temperature", temperature))
    ordered = -np.sort(-scores, axis=-1)
    counted = np.arange(1, scores.shape[-1] + 1)
    # Each mean as a distance below the largest score, which no common offset of the scores disturbs.
    depth = np.cumsum(ordered - ordered[..., :1], axis=-1)
    return scalar(ordered[..., 0] + np.max((depth - tau[..., None]) / counted, axis=-1))


def sparse_penalty_exact(
    block_scores: ArrayLike, group_scores: ArrayLike, temperature: ArrayLike = 1.0
) -> float | Array:
    """Smallest penalty at which a group has no mass, given its own scores (B5; necessary and sufficient).

    The whole complement is empty exactly if every group's penalty is at least this.

    >>> float(sparse_penalty_exact([3.0, 1.0, 2.5], [5.25, 6.25], temperature=1.0))
    5.0
    """
    scores = np.atleast_1d(real("group score", group_scores))
    level = np.asarray(water_level(block_scores, temperature))
    return scalar(np.linalg.norm(np.maximum(scores - level[..., None], 0.0), axis=-1))


@numeric
def sparse_penalty_needed(m: Number, group_size: Number, margin: Number, temperature: Number = 1.0) -> Answer:
    """Smallest penalty on a group of this size that empties it in every row of this margin (B5; attained).

    `margin` may also be the mean margin. The penalty is 0 from a margin of `temperature / m` on.

    >>> from sympy import Integer, Rational
    >>> sparse_penalty_needed(m=Integer(2), group_size=9, margin=Rational(1, 6))
    1
    >>> sparse_penalty_needed(m=Integer(2), group_size=9, margin=Rational(1, 2))
    0
    """
    if is_exact(m, group_size, margin, temperature):
        return exactly("sparse_penalty_needed", m, group_size, margin, temperature)
    block, size = count("m", m, 1), count("group size", group_size, 1)
    tau, delta = positive("temperature", temperature), real("margin", margin)
    # A power of 2 that keeps the product of the largest floats within float64, and changes no digit.
    unit = np.where(np.maximum(tau, np.abs(delta)) > _LARGE, 2.0**200, 1.0)
    lacking = less_product(tau / unit, block, delta / unit) / block
    # Infinite if float64 cannot hold so large a penalty.
    with np.errstate(over="ignore"):
        return scalar(np.sqrt(size) * np.maximum(0.0, lacking) * unit)


@numeric
def gradient_bound(
    loss_gradient: Number, values: Number, keys: Number, inputs: Number, width: Number, temperature: Number = 1.0
) -> Answer:
    """Largest Frobenius norm of the loss's gradient in one block of `W_Q` (C2; attained); queries for keys bound `W_K`.

    `inputs` is the spectral norm of the block's own features.

    >>> from sympy import Integer
    >>> gradient_bound(Integer(2), values=3, keys=4, inputs=5, width=4)
    30
    """
    if is_exact(loss_gradient, values, keys, inputs, width, temperature):
        return exactly("gradient_bound", loss_gradient, values, keys, inputs, width, temperature)
    return scalar(_per_key(loss_gradient, values, inputs, width, temperature) * _size("keys", keys))


@numeric
def group_threshold(
    loss_gradient: Number,
    values: Number,
    group_inputs: Number,
    inputs: Number,
    width: Number,
    loss_drop: Number,
    start_norms: Number,
    temperature: Number = 1.0,
) -> Answer:
    """Uniform penalty above which every stationary point below the start has this block zero (C3; best constant).

    `loss_drop` is the loss at the start less its lower bound, `start_norms` the sum of the norms of all blocks there.
    Does not hold with query-key normalisation, nor for Adam (C5).

    >>> from sympy import Integer
    >>> group_threshold(Integer(2), values=1, group_inputs=1, inputs=4, width=1, loss_drop=6, start_norms=2)
    6
    """
    if is_exact(loss_gradient, values, group_inputs, inputs, width, loss_drop, start_norms, temperature):
        return exactly(
            "group_threshold", loss_gradient, values, group_inputs, inputs, width, loss_drop, start_norms, temperature
        )
    slope = _per_key(loss_gradient, values, group_inputs, width, temperature) * _size("inputs", inputs) / 2
    linear = slope * _size("sum of norms", start_norms)
    return scalar((linear + np.hypot(linear, 2 * np.sqrt(slope * _size("loss drop", loss_drop)))) / 2)


@numeric
def collapse_radius(
    penalty: Number, loss_gradient: Number, values: Number, inputs: Number, width: Number, temperature: Number = 1.0
) -> Answer:
    """Radius in which `W_Q = W_K = 0` is the strict minimum: a norm of either of them, whatever the other (C3).

    >>> from sympy import Integer
    >>> collapse_radius(Integer(3), loss_gradient=2, values=1, inputs=2, width=4)
    3/2
    """
    if is_exact(penalty, loss_gradient, values, inputs, width, temperature):
        return exactly("collapse_radius", penalty, loss_gradient, values, inputs, width, temperature)
    total = _per_key(loss_gradient, values, inputs, width, temperature) * _size("inputs", inputs)
    with np.errstate(divide="ignore"):
        return scalar(positive("penalty", penalty) / total)


@numeric
def surviving_product(
    loss_gain: Number, loss_gradient: Number, values: Number, inputs: Number, width: Number, temperature: Number = 1.0
) -> Answer:
    """Least `|W_Q| |W_K|` of the target block where the objective is `loss_gain` below uniform attention's loss (C7).

    `inputs` is the spectral norm of the target block's features; every other block is zero (C3).

    >>> from sympy import Integer
    >>> surviving_product(Integer(3), loss_gradient=2, values=1, inputs=2, width=4)
    3/2
    """
    if is_exact(loss_gain, loss_gradient, values, inputs, width, temperature):
        return exactly("surviving_product", loss_gain, loss_gradient, values, inputs, width, temperature)
    slope = _per_key(loss_gradient, values, inputs, width, temperature) * _size("inputs", inputs)
    gain = _size("loss gain", loss_gain)
    require(slope > 0, "loss gradient, values and inputs", slope, "have a product above 0")
    return scalar(gain / slope)


@numeric
def survival_penalty(loss_gain: Number, norms: Number) -> Answer:
    """Penalty below which the target block survives: the loss gained over uniform attention per norm of weight (C7).

    `loss_gain` is uniform attention's loss less that of a head with zero blocks off target, `norms` the sum of the
    norms of its target blocks. Any point whose objective is at most that head's has a target block that is not zero.
    Together with `group_threshold` of the other blocks it gives the window of penalties.

    >>> from sympy import Integer
    >>> survival_penalty(Integer(3), norms=2)
    3/2
    """
    if is_exact(loss_gain, norms):
        return exactly("survival_penalty", loss_gain, norms)
    return scalar(_size("loss gain", loss_gain) / positive("norms", norms))


@numeric
def margin_from_weights(block_score: Number, off_target: Number, pull: Number, width: Number) -> Answer:
    """Smallest margin of a row when one feature block survives (C6).

    `block_score` is the least target score, `off_target` the largest norm of an off-target key's features in that
    block and `pull` the norm of `W_K q` there: all three are measured.

    >>> from sympy import Integer
    >>> margin_from_weights(Integer(5), off_target=3, pull=2, width=4)
    2
    """
    if is_exact(block_score, off_target, pull, width):
        return exactly("margin_from_weights", block_score, off_target, pull, width)
    score, reach, pulled = real("block score", block_score), _size("off-target norm", off_target), _size("pull", pull)
    keys = count("width", width, 1)
    score, reach, pulled, keys = (np.array(x) for x in np.broadcast_arrays(score, reach, pulled, keys))
    margin = np.asarray(score - reach * pulled / np.sqrt(keys))
    for index in zip(*np.nonzero(np.atleast_1d(np.abs(margin) < _CANCELLED * np.abs(score))), strict=True):
        at = index if margin.ndim else ()
        margin[at] = _margin_in_arb(score[at], reach[at], pulled[at], keys[at])
    return scalar(margin)


def _margin_in_arb(score: float, reach: float, pulled: float, keys: float) -> float:
    from flint import arb, ctx

    with ctx.workprec(256):
        return float(arb(score) - arb(reach) * arb(pulled) / arb(keys).sqrt())


def _per_key(loss_gradient: Number, values: Number, inputs: Number, width: Number, temperature: Number) -> Array:
    product = _size("loss gradient", loss_gradient) * _size("values", values) * _size("inputs", inputs)
    return product / (2 * positive("temperature", temperature) * np.sqrt(count("width", width, 1)))


def _size(name: str, value: Number) -> Array:
    array = real(name, value)
    require(array >= 0, name, array, "be at least 0")
    return array
