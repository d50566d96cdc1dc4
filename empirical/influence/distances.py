"""Largest distances between values, and between tokens, each an upper bound on the true one.

A squared distance is computed as `|a|^2 + |b|^2 - 2 <a, b>`, whose rounding error is at most `4 (p + 8) eps R^2` for
vectors of `p` entries no longer than `R`; that is added before the root. Vectors are taken from their mean first, which
changes no distance and makes `R` small.
"""

from __future__ import annotations

import torch
from jaxtyping import Float64, Int
from torch import Tensor

_EPS = torch.finfo(torch.float64).eps
# Tokens up to which all pairs are compared.
_PAIRS = 8192


def diameter(points: Float64[Tensor, "points width"]) -> tuple[float, bool]:
    """Bound on the largest distance of two points, and whether all pairs were compared.

    Of more than 8,192 points it is twice the largest distance from their mean: at most twice the largest distance.
    """
    points, shift = _from_mean(points)
    if len(points) > _PAIRS:
        longest = torch.linalg.vector_norm(points, dim=-1).max()
        return float(2 * longest * (1 + (points.shape[-1] + 8) * _EPS) + 2 * shift), False
    found = max(float(_squares(part, points).max()) for part in torch.split(points, 1024))
    return found**0.5 * (1 + 4 * _EPS) + 2 * float(shift), True


def farthest_apart(
    values: Float64[Tensor, "heads tokens width"], ids: Int[Tensor, " tokens"]
) -> Float64[Tensor, "heads tokens"]:
    """Bound, per head and query, on the distance of the value of a key in its block to that of a visible key off it.

    `ids` are the tokens' blocks, and a query sees the tokens up to its own. 0 where the query sees its block alone.
    """
    values, shift = _from_mean(values)
    found = values.new_zeros(values.shape[:2])
    for block in ids.unique():  # type: ignore[no-untyped-call]
        members = (ids == block).nonzero().squeeze(1)
        squares = _squares(values[:, members], values).masked_fill(ids == block, 0)
        # Entry (i, j) becomes the largest over keys of the block up to i and keys off it up to j.
        reach = squares.cummax(1).values.cummax(2).values
        found[:, members] = reach[:, torch.arange(len(members), device=ids.device), members]
    apart = found.sqrt() * (1 + 4 * _EPS)
    return torch.where(found > 0, apart + 2 * shift.reshape(-1, 1), 0)


def _from_mean(points: Tensor) -> tuple[Tensor, Tensor]:
    """The points from their mean, and a bound on the rounding error of each."""
    longest = torch.linalg.vector_norm(points, dim=-1).amax(-1)
    # A subtraction rounds once. How exact the mean is does not matter, since it is the same for all.
    return points - points.mean(-2, keepdim=True), 4 * _EPS * longest


def _squares(some: Tensor, points: Tensor) -> Tensor:
    """Bounds on the squared distances of `some` `(..., some, width)` of the points `(..., points, width)` to all."""
    size = points.square().sum(-1)
    slack = 4 * (points.shape[-1] + 8) * _EPS * size.amax(-1)
    squares = some.square().sum(-1).unsqueeze(-1) + size.unsqueeze(-2) - 2 * some @ points.transpose(-1, -2)
    return squares.clamp(min=0) + slack[..., None, None]
