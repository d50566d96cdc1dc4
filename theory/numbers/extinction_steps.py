"""Number of steps until a block of weights is zero (C4, C5), and the smallest penalty that suffices in time.

A block has `group_size` weights of Euclidean norm `norm`. Counts are integers, or None if the block is not guaranteed
to become zero for good. A learning rate is a number for an unending run, or the schedule of a planned run, for which
"for good" means until its end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, inf, isfinite, log1p, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from theory.errors import DomainError
from theory.numbers.checked import Array, Number, between, count, positive, real, require, scalar, single_count
from theory.numbers.numeric import Answer, exactly, is_exact, numeric
from theory.stable import less_product

# Steps summed one by one in an unending run; beyond them, c_t is replaced by its limit.
_SUMMED = 1 << 22
_CHUNK = 1 << 18
# Up to this many steps the power of a momentum is an exact rational.
_EXACT = 1 << 12


def extinction_step_sgd(
    norm: float, learning_rates: ArrayLike, penalty: float, gradient_bound: float, momentum: float = 0.0
) -> int | None:
    """First step from which a block is zero under proximal gradient descent (C4; attained), in exact arithmetic.

    `gradient_bound` bounds the block's gradient from now on. With heavy-ball momentum the buffer must be empty now.
    After `t` steps it is within `gradient_bound (1 - momentum^t)/(1 - momentum)`; the penalty must reach the last of
    these bounds.

    >>> extinction_step_sgd(norm=1.0, learning_rates=0.25, penalty=2.0, gradient_bound=1.0)
    4
    >>> extinction_step_sgd(norm=1.0, learning_rates=[0.5, 0.25, 0.25, 0.25], penalty=2.0, gradient_bound=1.0)
    3
    >>> extinction_step_sgd(norm=1.0, learning_rates=0.25, penalty=3.0, gradient_bound=1.0, momentum=0.5)
    3
    >>> extinction_step_sgd(norm=1.0, learning_rates=0.25, penalty=1.75, gradient_bound=1.0, momentum=0.5) is None
    True
    >>> extinction_step_sgd(norm=0.5, learning_rates=[0.5, 0.25], penalty=2.0, gradient_bound=1.0, momentum=0.5)
    1
    """
    start, rates, lam = _number("norm", norm), _rates(learning_rates), _number("penalty", penalty)
    bound, mu = _number("gradient bound", gradient_bound), _momentum(momentum)
    if mu > 0:
        return _first_zero(start, rates, lam, _Heavy(bound, mu))
    left = Fraction(lam) - Fraction(bound)
    if left < 0 or (left == 0 and start > 0):
        return None
    if start == 0:
        return 0
    if rates.ndim == 0:
        return ceil(Fraction(start) / (Fraction(float(rates)) * left))
    # Extended precision, so that rounding in a sum of many steps does not shift the answer.
    reached = np.cumsum(rates, dtype=np.longdouble) * np.longdouble(float(left)) >= start
    return int(reached.argmax()) + 1 if reached.any() else None


def sgd_penalty_needed(norm: float, learning_rates: ArrayLike, gradient_bound: float, momentum: float = 0.0) -> float:
    """Smallest penalty that empties a block by the end of the schedule (C4).

    >>> sgd_penalty_needed(norm=1.0, learning_rates=[0.5, 0.25, 0.25], gradient_bound=1.0)
    2.0
    """
    rates, start = _planned(learning_rates), _number("norm", norm)
    pushes = _Heavy(_number("gradient bound", gradient_bound), _momentum(momentum))

    def reached(penalty: float) -> bool:
        return extinction_step_sgd(start, rates, penalty, gradient_bound, momentum) is not None

    return _least_penalty(start, rates, pushes, reached)


def extinction_step_in_floats(
    norm: float, learning_rate: float, penalty: float, gradient_bound: float, group_size: int, roundoff: float
) -> int | None:
    """`extinction_step_sgd` at a constant rate in floating point of unit roundoff `roundoff` (`2**-24` in float32; C4).

    Each step may lose `4 u |w|` of its progress, and `u (p + 8)` of the shrinkage and of the gradient. So one step more
    than in exact arithmetic is enough only while `N^2 u` is small, and a block whose norm is large compared with
    `learning_rate (penalty - gradient_bound) / u` never moves.

    >>> extinction_step_in_floats(1.0, 0.25, 2.0, 1.0, group_size=4, roundoff=2.0**-24)
    5
    >>> extinction_step_in_floats(1.0, 1e-9, 2.0, 1.0, group_size=4, roundoff=2.0**-24) is None
    True
    """
    start, rate = _number("norm", norm), _number("learning rate", learning_rate)
    slack = _number("roundoff", roundoff) * (single_count("group size", group_size, 1) + 8)
    gain = rate * (_number("penalty", penalty) * (1 - slack) - _number("gradient bound", gradient_bound) * (1 + slack))
    growth = 4 * float(roundoff)
    if gain <= 0 or growth * start >= gain:
        return None
    if growth == 0:
        return ceil(start / gain)
    return ceil(-log1p(-growth * start / gain) / log1p(growth))


@numeric
def adam_update_bound(step: Number, beta1: Number = 0.9, beta2: Number = 0.999) -> Answer:
    """`c_t`: largest magnitude of a coordinate of Adam's bias-corrected update at step `t >= 1`, or its limit (C5).

    It rises from 1; the gradients `g_i ~ (beta2/beta1)^i` attain it at every step. Raises `DomainError` unless
    `0 <= beta1`, `beta1^2 < beta2` and `beta2 < 1`; otherwise no bound holds for all steps.

    >>> from sympy import Integer, Rational, oo
    >>> adam_update_bound(Integer(1), Rational(9, 10), Rational(999, 1000))
    1
    >>> adam_update_bound(Integer(2), Integer(0), Rational(1, 2))
    sqrt(6)/2
    >>> adam_update_bound(oo, Rational(9, 10), Rational(999, 1000))
    sqrt(2590)/7
    """
    if is_exact(step, beta1, beta2):
        return exactly("adam_update_bound", step, beta1, beta2)
    t = np.asarray(step, dtype=np.float64)
    require((t >= 1) & ((t == np.floor(t)) | np.isinf(t)), "step", t, "be an integer of at least 1, or infinite")
    first, second = between("beta1", beta1, 0.0, 1.0), between("beta2", beta2, 0.0, 1.0)
    require(second < 1, "beta2", second, "be below 1")
    first, second = np.broadcast_arrays(first, second)
    lacking = less_product(second, first, first)
    require(lacking > 0, "beta1", first, "have a square below beta2")
    with np.errstate(divide="ignore"):
        log_first, log_second = np.log(first), np.log(second)
        share = lacking / second
        # Near 1 the logarithm of rho follows from 1 - rho, which is known to full accuracy.
        log_rho = np.where(share < 0.5, np.log1p(-np.minimum(share, 0.5)), 2 * log_first - log_second)
    sums = [
        -np.expm1(t * log) / left for log, left in ((log_first, 1 - first), (log_second, 1 - second), (log_rho, share))
    ]
    return scalar(np.sqrt(sums[1]) * np.sqrt(sums[2]) / sums[0])


@numeric
def adam_threshold(group_size: Number, beta1: Number = 0.9, beta2: Number = 0.999, step: Number = np.inf) -> Answer:
    """Penalty that empties a block under proximal AdamW, whatever the loss, and keeps it empty to a step (C5; sharp).

    Dimensionless: the loss's scale does not enter. Above `sqrt(group_size) c_t` the block shrinks at every step.

    >>> from sympy import Integer, Rational
    >>> adam_threshold(Integer(64), Rational(1, 2), Rational(1, 2))
    8
    """
    if is_exact(group_size, beta1, beta2, step):
        return exactly("adam_threshold", group_size, beta1, beta2, step)
    return scalar(np.sqrt(count("group size", group_size, 1)) * adam_update_bound(step, beta1, beta2))


def extinction_step_adam(
    norm: float,
    learning_rates: ArrayLike,
    penalty: float,
    group_size: int,
    beta1: float = 0.9,
    beta2: float = 0.999,
    first_step: int = 1,
) -> int | None:
    """First step from which a block is zero under proximal AdamW, whatever the loss (C5), counted from `first_step`.

    None unless the penalty reaches `adam_threshold` at the last step: a smaller one may empty the block, but
    not for good, because `c_t` rises. Epsilon, AMSGrad and a weight decay with `rate * decay <= 1` change nothing.

    >>> extinction_step_adam(norm=0.9, learning_rates=0.25, penalty=4.0, group_size=4, beta1=0.5, beta2=0.5)
    2
    >>> extinction_step_adam(norm=1.0, learning_rates=0.25, penalty=14.0, group_size=4) is None
    True
    """
    start, rates, lam = _number("norm", norm), _rates(learning_rates), _number("penalty", penalty)
    return _first_zero(start, rates, lam, _Adam(group_size, beta1, beta2, single_count("first step", first_step, 1)))


def adam_penalty_needed(
    norm: float,
    learning_rates: ArrayLike,
    group_size: int,
    beta1: float = 0.9,
    beta2: float = 0.999,
    first_step: int = 1,
) -> float:
    """Smallest penalty that empties a block by the end of the schedule under proximal AdamW, whatever the loss (C5).

    >>> round(adam_penalty_needed(norm=1.0, learning_rates=[0.25, 0.25], group_size=4, beta1=0.5, beta2=0.5), 12)
    4.0
    """
    start, rates = _number("norm", norm), _planned(learning_rates)

    def reached(penalty: float) -> bool:
        return extinction_step_adam(start, rates, penalty, group_size, beta1, beta2, first_step) is not None

    pushes = _Adam(group_size, beta1, beta2, single_count("first step", first_step, 1))
    return _least_penalty(start, rates, pushes, reached)


@dataclass(frozen=True)
class _Adam:
    """Bounds on how far Adam can push a block at each step, over the learning rate (C5)."""

    group_size: int
    beta1: float
    beta2: float
    first_step: int

    def until(self, last: int | None) -> float:
        """Largest push up to step `last`; at any step if it is None."""
        step = inf if last is None else max(self.first_step - 1 + last, 1)
        return float(adam_threshold(self.group_size, self.beta1, self.beta2, step))

    def between(self, start: int, stop: int) -> Any:
        """Pushes at the steps `start < t <= stop`."""
        steps = np.arange(start, stop) + self.first_step
        return sqrt(self.group_size) * adam_update_bound(steps, self.beta1, self.beta2)


def momentum_push(gradient_bound: float, momentum: float, steps: int) -> float:
    """Largest push of heavy-ball momentum on a block within `steps` steps from an empty buffer, rounded up (C4).

    >>> momentum_push(1.0, 0.5, 2)
    1.5
    """
    return _Heavy(_number("gradient bound", gradient_bound), _momentum(momentum)).until(steps)


@dataclass(frozen=True)
class _Heavy:
    """Bounds on the push of heavy-ball momentum at each step from an empty buffer, over the learning rate (C4)."""

    bound: float
    momentum: float

    def until(self, last: int | None) -> float:
        """Largest push up to step `last`, at any step if it is None; rounded up."""
        mu, power = Fraction(self.momentum), Fraction(0)
        if last is not None:
            # Slightly less than the power, so that not too much is subtracted from the limit.
            power = mu**last if last <= _EXACT else Fraction(self.momentum**last * (1 - 2.0**-50))
        exact = Fraction(self.bound) * (1 - power) / (1 - mu)
        near = float(exact)
        return near if Fraction(near) >= exact else float(np.nextafter(near, inf))

    def between(self, start: int, stop: int) -> Any:
        """Pushes at the steps `start < t <= stop`; a sum of positive terms loses no digits."""
        mu, powers = np.longdouble(self.momentum), np.arange(start, stop, dtype=np.longdouble)
        before = (1 - mu**start) / (1 - mu) if start else np.longdouble(0)
        return np.longdouble(self.bound) * (before + np.cumsum(mu**powers))


def _first_zero(start: float, rates: Array, penalty: float, pushes: _Adam | _Heavy) -> int | None:
    """First step at which the penalty's total lead over the pushes is the norm, if it also reaches the last push."""
    least = pushes.until(_last(rates) if rates.ndim else None)
    if penalty < least:
        return None
    if start == 0:
        return 0
    gained, planned = np.longdouble(0), len(rates) if rates.ndim else _SUMMED
    for begin in range(0, planned, _CHUNK):
        end = min(begin + _CHUNK, planned)
        # Extended precision holds the product of any two floats and keeps the digits of a long sum.
        gains = np.multiply(
            rates[begin:end] if rates.ndim else rates, penalty - pushes.between(begin, end), dtype=np.longdouble
        )
        sums = gained + np.cumsum(gains)
        if sums[-1] >= start:
            return begin + int((sums >= start).argmax()) + 1
        gained = sums[-1]
    if rates.ndim or penalty <= least:
        return None
    return planned + ceil((start - float(gained)) / (float(rates) * (penalty - least)))


def _least_penalty(start: float, rates: Array, pushes: _Adam | _Heavy, reached: Callable[[float], bool]) -> float:
    """Smallest penalty with which a block is zero at the end of the schedule."""
    least, total = pushes.until(_last(rates)), rates.sum(dtype=np.longdouble)
    if total == 0:
        return inf if start else least
    pushed = np.multiply(rates, pushes.between(0, len(rates)), dtype=np.longdouble).sum()
    return _enough(reached, max(least, float((start + pushed) / total)))


def _enough(holds: Callable[[float], bool], value: float) -> float:
    """The value, raised by the few roundings that it may fall short."""
    for _ in range(64):
        if not isfinite(value) or holds(value):
            return value
        value = float(np.nextafter(value, inf))
    return value


def _momentum(momentum: float) -> float:
    mu = _number("momentum", momentum)
    if mu >= 1:
        raise DomainError(f"momentum={mu:g} must lie in [0, 1)")
    return mu


def _number(name: str, value: float) -> float:
    array = real(name, value)
    if array.ndim:
        raise DomainError(f"{name}={value!r} must be a single number")
    require(array >= 0, name, array, "be at least 0")
    return float(array)


def _rates(learning_rates: ArrayLike) -> Array:
    rates = real("learning rate", learning_rates)
    if rates.ndim == 0:
        return positive("learning rate", rates)
    if rates.ndim != 1 or not rates.size:
        raise DomainError(f"learning rates of shape {rates.shape} must be a number or a schedule of one axis")
    require(rates >= 0, "learning rate", rates, "be at least 0")
    return rates


def _planned(learning_rates: ArrayLike) -> Array:
    rates = _rates(learning_rates)
    if rates.ndim == 0:
        raise DomainError("learning rates must be a schedule: an unending run has no last step")
    return rates


def _last(rates: Array) -> int:
    """Number of steps until the learning rate is 0 for good."""
    moving = np.flatnonzero(rates)
    return int(moving[-1]) + 1 if moving.size else 0
