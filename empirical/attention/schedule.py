"""Progressive schedules as plain numbers, one dial per layer (theory.md F).

A dial lies in [0, 1]; it adds the bias `log(1/(1-lam))`, in nats after the temperature, to the scores of a
query's own block (B1). Dial 1 is the hard block mask, whose bias is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from theory.errors import DomainError
from theory.numbers.schedule_bounds import BUDGET_WARNING, SCHEDULES, largest_for_mean, schedule_dials

__all__ = ["BUDGET_WARNING", "SCHEDULES", "check_dials", "dial_bias", "largest_for_mean", "layer_dials"]


def layer_dials(schedule: str, layers: int, largest: float) -> list[float]:
    """Dials of the layers, first to last; `largest` is the dial of the last one.

    `schedule` is a name of `SCHEDULES`, or an exponent in digits.

    >>> layer_dials("linear", 3, 0.5), layer_dials("2", 3, 0.4)
    ([0.0, 0.25, 0.5], [0.0, 0.1, 0.4])
    """
    try:
        exponent: str | float = float(schedule)
    except ValueError:
        exponent = schedule
    return [float(dial) for dial in schedule_dials(exponent, layers, largest)]


def dial_bias(dial: float) -> float:
    """Bias `log(1/(1-dial))` of the block's scores, in nats; infinite at dial 1 (B1).

    >>> dial_bias(0.0), dial_bias(1.0)
    (0.0, inf)
    """
    _check_dial(dial)
    return math.inf if dial == 1 else -math.log1p(-dial)


def check_dials(dials: Sequence[float], layers: int) -> None:
    """Raise DomainError unless there is one dial in [0, 1] for each layer."""
    if len(dials) != layers:
        raise DomainError(f"{len(dials)} dials were given for {layers} layers: there must be one each")
    for dial in dials:
        _check_dial(dial)


def _check_dial(value: float) -> None:
    if not 0 <= value <= 1:
        raise DomainError(f"dial {value} must lie in [0, 1]")
