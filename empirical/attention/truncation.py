"""Truncation: a head whose rows leak little is computed block by block (theory.md H1).

Dropping the keys off a row's block and normalising the rest moves a head's output by the leak times the mean value in
the block minus that off it, so by no more than the leak times the largest distance of such values. The leak is known
only after a pass over all scores: truncation during a pass changes its output but saves nothing. What a measurement
allows (`empirical.measuring.truncation`) can be dialled to 1 afterwards, which does.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from empirical.attention.attention_call import AttentionCall
from empirical.attention.schedule import of_heads
from theory.errors import DomainError


def check_level(level: float) -> None:
    """Raise DomainError unless the truncation level lies in (0, 1)."""
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        raise DomainError(f"truncate {level!r} must lie in (0, 1): the largest leak of a head that is truncated")


def truncated(call: AttentionCall, level: float) -> AttentionCall:
    """The call with those heads at dial 1 whose rows all leak at most `level`, as measured at their own dials."""
    numbers = call.rows(ranges=False)
    leak = numbers.leak if call.real is None else numbers.leak.masked_fill(~call.real[:, None], 0)
    # A NaN is above every level.
    allowed = (leak <= level).all(-1).all(0).tolist()
    if not any(allowed):
        call.use(numbers.output)
        return call
    biases = of_heads(call.bias, len(allowed))
    return replace(call, bias=tuple(math.inf if each else bias for each, bias in zip(allowed, biases, strict=True)))


def value_distance(call: AttentionCall) -> tuple[Float[Tensor, "batch heads"], Float[Tensor, "batch heads"]]:
    """Upper bound on the distance of any two of a head's values, and the length of the longest; float64.

    The bound is twice the largest distance from the values' mean, and at most twice the distance. A sink is a key with
    value 0.
    """
    value = call.value.double()
    longest = torch.linalg.vector_norm(value, dim=-1).amax(-1)
    distance = 2 * torch.linalg.vector_norm(value - value.mean(2, keepdim=True), dim=-1).amax(-1)
    if call.sinks is not None:
        distance = torch.maximum(distance, longest)
    shared = call.query.shape[1] // call.key.shape[1]
    return distance.repeat_interleave(shared, dim=1), longest.repeat_interleave(shared, dim=1)
