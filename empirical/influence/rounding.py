"""Rounding error bounds of what a pass in float64 computes behind its last attention.

The queries, keys and values of the last layer and the residual before it count as exact, as the pass computed them. All
that follows is computed with errors, and each stage passes on those of its input. `Sized` holds a bound on the length
of a vector and one on the length of its error. With the precision `eps`, twice the unit roundoff:

- A product of `k` terms errs by at most `(k + 2) eps |W|_F` times the length of its input, its offset added. It
  stretches an error by at most `|W|_F`.
- A norm takes the mean off `x`, which errs by at most `(p + 4) eps |x|`, and divides by `sqrt(|c|^2/p + stabiliser)`,
  whose relative error is below `(p + 8) eps` besides. It stretches an error as H3 says: by at most
  `sqrt(p)/sqrt((|c| - error)^2 + p stabiliser)`.
- An activation of slope `L`, 0 at 0, stretches by `L` and adds `64 eps` of its input's length: a few roundings, and a
  transcendental function within 20 units in the last place.

The attention's own output errs by at most `2 (mass + (keys + 3) eps)` times its longest value, where `mass` is the
error of a row's masses (`empirical.attention.rounding`); four times that is allowed, since the fused attention of dial
1 may sum in another order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from empirical.influence.tail import Affine, Tail

Array = NDArray[np.float64]
EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class Sized:
    """Bounds on a vector's length and on that of its error, one per row."""

    length: Array
    error: Array


def residual_error(tail: Tail, attended: Sized, residual: Array) -> Array:
    """Error of the residual after the attention, whose heads' outputs together are `attended`; its length is given."""
    return _linear(tail.projection, attended).error + EPS * residual


def end_error(tail: Tail, residual: Sized, centred: Array, end: Array) -> Array:
    """Error of the residual after the MLP, of length `end`; `centred` is the length of the residual from its mean."""
    given = _linear(tail.first, _norm(tail, tail.norm, residual, centred))
    active = Sized(tail.slope * given.length, tail.slope * given.error + 64 * EPS * given.length)
    return residual.error + _linear(tail.second, active).error + EPS * end


def logit_error(tail: Tail, end: Sized, centred: Array) -> Array:
    """Largest error of a logit; `centred` is the length of the last residual from its mean."""
    normed = _norm(tail, tail.last_norm, end, centred)
    longest = float(torch.linalg.vector_norm(tail.unembedding.weight, dim=0).max())
    offset = float(tail.unembedding.offset.abs().max())
    return longest * normed.error + (tail.width + 2) * EPS * (longest * normed.length + offset)


def length_error(width: int, length: Array) -> Array:
    """Rounding error of the centred length of a vector of this length."""
    return 2 * (width + 4) * EPS * length


def _linear(part: Affine, given: Sized) -> Sized:
    size, offset = float(part.weight.norm()), float(part.offset.norm())
    length = size * given.length + offset
    return Sized(length, size * given.error + (len(part.weight) + 2) * EPS * length)


def _norm(tail: Tail, norm: Affine, given: Sized, centred: Array) -> Sized:
    gain, offset = _largest(norm.weight), float(norm.offset.norm())
    root = tail.width**0.5
    least = np.maximum(centred - given.error - length_error(tail.width, given.length), 0)
    stretch = root / np.hypot(least, (tail.width * tail.stabiliser) ** 0.5)
    length = gain * root + offset
    own = stretch * (tail.width + 4) * EPS * given.length
    return Sized(
        np.full_like(centred, length), gain * (stretch * given.error + own) + (tail.width + 8) * EPS * 2 * length
    )


def _largest(values: Tensor) -> float:
    return float(values.abs().max())
