"""Numeric functions of F1-F3, on schedules of the dial.

A schedule is a name in `SCHEDULES` or an exponent `beta >= 0`; layer `l` of `L` has the dial
`largest * (l/(L-1))^beta`, and a single layer has `largest`. Dials lie in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory.errors import DomainError
from theory.numbers.checked import Array, Number, between, real, require, scalar, single_count
from theory.numbers.numeric import Answer, exactly, is_exact, numeric

if TYPE_CHECKING:
    from sympy import Expr

# Exponent of each configuration; None is a dial of 0 in every layer.
SCHEDULES: dict[str, int | None] = {
    "distributed": None,
    "localist": 0,
    "linear": 1,
    "quadratic": 2,
    "cubic": 3,
    "quartic": 4,
    "quintic": 5,
}

BUDGET_WARNING = (
    "these schedules spend different mean dials, and a smaller one costs less whatever its shape (F3): "
    "compare them at equal mean dial too, where the steeper one costs more if every layer leaks alike"
)

# F1's closed forms of the sum of (l/(L-1))^beta, exact in the number of layers.
_BUDGETS: dict[int, Callable[[int], Fraction]] = {
    0: lambda L: Fraction(L),
    1: lambda L: Fraction(L, 2),
    2: lambda L: Fraction(L * (2 * L - 1), 6 * (L - 1)),
    3: lambda L: Fraction(L**2, 4 * (L - 1)),
    4: lambda L: Fraction(L * (2 * L - 1) * (3 * L**2 - 3 * L - 1), 30 * (L - 1) ** 3),
    5: lambda L: Fraction(L**2 * (2 * L**2 - 2 * L - 1), 12 * (L - 1) ** 3),
}


def schedule_dials(schedule: str | float, layers: int, largest: ArrayLike) -> Array:
    """Dial of each layer along the last axis, first to last (F; one row per `largest`).

    >>> schedule_dials("quadratic", 3, 0.5).tolist()
    [0.0, 0.125, 0.5]
    >>> schedule_dials("distributed", 3, 0.5).tolist()
    [0.0, 0.0, 0.0]
    """
    top = between("largest dial", largest, 0, 1)
    dials: Array = top[..., np.newaxis] * _shares(schedule, layers)
    return dials


def schedule_budget(schedule: str | float, layers: int | Expr) -> float | Expr:
    """Sum over the layers of `(l/(L-1))^beta`: the sum of the dials over the largest (F1).

    Exact for whole exponents up to 5, and a sympy number of layers gives a sympy number.

    >>> from sympy import Integer
    >>> schedule_budget("quintic", Integer(12))
    3156/1331
    >>> schedule_budget("linear", 12)
    6.0
    """
    exponent = _exponent(schedule)
    number = single_count("layers", layers, at_least=1)
    if exponent is None or number == 1:
        exact = Fraction(0 if exponent is None else 1)
    elif exponent in _BUDGETS:
        exact = _BUDGETS[int(exponent)](number)
    else:
        return float(np.sum(_shares(schedule, number)))
    if is_exact(layers):
        from sympy import Rational

        return Rational(exact.numerator, exact.denominator)
    return float(exact)


def largest_for_mean(schedule: str | float, layers: int, mean: float) -> float:
    """Largest dial of the schedule whose mean dial is `mean`; F3 compares schedules at equal mean dials.

    >>> largest_for_mean("linear", 5, 0.25)
    0.5
    """
    wanted = float(between("mean dial", mean, 0, 1))
    budget = schedule_budget(schedule, layers)
    if wanted == 0:
        return 0.0
    if budget == 0 or wanted * layers > budget:
        most = budget / layers
        raise DomainError(
            f"mean dial={wanted:g} must be at most {most:g} on the {schedule} schedule of {layers} layers"
        )
    return min(1.0, wanted * layers / budget)


def localised_depth(
    schedule: str | float, layers: int, largest: ArrayLike, needed: ArrayLike
) -> np.intp | NDArray[np.intp]:
    """Number of layers with a dial of at least `needed` (F2), counted by comparing the dials.

    The closed form `L - ceil((L-1)(needed/largest)^(1/beta))` can misround if `needed` is the dial of a layer.

    >>> int(localised_depth("quintic", 12, 0.9, 0.5))
    2
    """
    threshold = real("needed dial", needed)
    require((threshold > 0) & (threshold <= 1), "needed dial", threshold, "lie in (0, 1]")
    dials = schedule_dials(schedule, layers, largest)
    return np.count_nonzero(dials >= threshold[..., np.newaxis], axis=-1)


@numeric
def dial_gain(leak: Number, dial: Number) -> Answer:
    """Fidelity that a dial adds to a row of this leak; equal to the total variation that it costs (B3, F3).

    >>> from sympy import Rational
    >>> dial_gain(leak=Rational(1, 2), dial=Rational(2, 3))
    1/4
    """
    if is_exact(leak, dial):
        return exactly("dial_gain", leak, dial)
    eps, lam = between("leak", leak, 0, 1), between("dial", dial, 0, 1)
    require((eps < 1) | (lam < 1), "leak", eps, "be below 1 where the dial is 1, a hard mask")
    # 1 - lam*eps, written as a sum of positive terms.
    return scalar(lam * eps * (1 - eps) / ((1 - lam) + lam * (1 - eps)))


def schedule_cost(
    schedule: str | float, layers: int, largest: ArrayLike, leak: ArrayLike, weights: ArrayLike = 1.0
) -> float | Array:
    """Weighted sum over the layers of the total variation that the dial costs (F3), each layer's leak held fixed.

    `leak` and `weights` hold one number for all layers, or one per layer along the last axis.

    >>> round(float(schedule_cost("localist", 12, 0.15, 0.6)), 3)
    0.475
    >>> round(float(schedule_cost("quintic", 12, largest_for_mean("quintic", 12, 0.15), 0.6)), 3)
    0.647
    """
    dials = schedule_dials(schedule, layers, largest)
    leaks, factors = real("leak", leak), _weights(weights)
    for name, array in (("leak", leaks), ("weights", factors)):
        if array.ndim and array.shape[-1] not in (1, dials.shape[-1]):
            raise DomainError(f"{name} has {array.shape[-1]} entries and must have one for each of {layers} layers")
    return scalar(np.sum(factors * dial_gain(leaks, dials), axis=-1))


def _weights(weights: ArrayLike) -> Array:
    """Weights of layers, checked to be nonnegative."""
    factors = real("weight", weights)
    require(factors >= 0, "weight", factors, "be at least 0")
    return factors


def _exponent(schedule: str | float) -> float | None:
    if isinstance(schedule, str):
        if schedule not in SCHEDULES:
            raise DomainError(f"schedule={schedule!r} must be one of {', '.join(SCHEDULES)}, or an exponent")
        return SCHEDULES[schedule]
    exponent = real("exponent", schedule)
    require(exponent >= 0, "exponent", exponent, "be at least 0")
    return float(exponent)


def _shares(schedule: str | float, layers: int) -> Array:
    exponent = _exponent(schedule)
    number = single_count("layers", layers, at_least=1)
    if exponent is None:
        return np.zeros(number)
    if number == 1:
        return np.ones(1)
    shares: Array = (np.arange(number) / (number - 1)) ** exponent
    return shares
