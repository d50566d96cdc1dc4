"""When the penalised weight blocks of a run are surely zero (C4, C5), compared with its planned steps."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from theory.design.needed import Standing
from theory.design.run_file import Optimizer
from theory.numbers import extinction_steps
from theory.numbers.checked import Array


@dataclass(frozen=True)
class GroupCheck:
    """One size of penalised weight block: the penalty that surely extinguishes it, and when it is zero."""

    size: int
    penalty_needed: float
    extinction_step: int | None
    standing: Standing


def learning_rates(optimizer: Optimizer, steps: int) -> Array:
    """The learning rate of every planned step."""
    if optimizer.learning_rate_schedule == "constant":
        return np.full(steps, optimizer.learning_rate)
    return optimizer.learning_rate * (1 - np.arange(steps) / steps)


def check_group(optimizer: Optimizer, size: int) -> GroupCheck:
    """When a penalised block of `size` weights is surely zero (C4, C5), compared with the planned steps."""
    rates = learning_rates(optimizer, int(optimizer.steps))
    if optimizer.kind == "adamw":
        needed = extinction_steps.adam_penalty_needed(optimizer.block_norm, rates, size, *optimizer.betas)
    else:
        needed = extinction_steps.sgd_penalty_needed(optimizer.block_norm, rates, _bound(optimizer), optimizer.momentum)
    step, standing = extinction_step(optimizer, size), Standing.POSSIBLE
    if step is not None:
        standing = Standing.GUARANTEED
    elif optimizer.gradient_least is not None and _leaves_zero(optimizer, optimizer.gradient_least):
        standing = Standing.IMPOSSIBLE
    return GroupCheck(size, float(needed), step, standing)


def extinction_step(optimizer: Optimizer, size: int) -> int | None:
    """Step from which such a block is surely zero until the planned end; None if there is none."""
    rates, penalty = learning_rates(optimizer, int(optimizer.steps)), float(optimizer.penalty)
    if optimizer.kind == "adamw":
        return extinction_steps.extinction_step_adam(optimizer.block_norm, rates, penalty, size, *optimizer.betas)
    bound = _bound(optimizer)
    return extinction_steps.extinction_step_sgd(optimizer.block_norm, rates, penalty, bound, optimizer.momentum)


def steps_within_reach(optimizer: Optimizer, size: int, most: int) -> int:
    """Length of the longest plan, up to `most` steps, whose last push on a block the penalty reaches; 0 if none."""

    def over(steps: int) -> bool:
        if optimizer.kind == "adamw":
            return float(extinction_steps.adam_threshold(size, *optimizer.betas, steps)) > float(optimizer.penalty)
        return extinction_steps.momentum_push(_bound(optimizer), optimizer.momentum, steps) > float(optimizer.penalty)

    return bisect_left(range(1, most + 1), True, key=over)


def _bound(optimizer: Optimizer) -> float:
    return float(optimizer.gradient_bound or 0.0)


def _leaves_zero(optimizer: Optimizer, least: float) -> bool:
    """Whether a zero block cannot stay zero, given the least norm of its gradient.

    To stay zero, all its buffers must lie within the penalty. Then `gradient = buffer - momentum * buffer before` lies
    within `1 + momentum` times the penalty.
    """
    return Fraction(float(optimizer.penalty)) * (1 + Fraction(optimizer.momentum)) < Fraction(least)
