"""Progressive schedules: one locality dial per layer (theory.md F).

A dial lies in [0, 1]; it adds the bias `log(1/(1-lam))`, in nats after the temperature, to the scores of a
query's own block (B1). Dial 1 is the hard block mask, whose bias is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from theory.errors import DomainError

# Exponent beta of lam_l = lam_max (l/(L-1))^beta; None is the schedule that is 0 everywhere.
SCHEDULES: dict[str, int | None] = {
    "distributed": None,
    "localist": 0,
    "linear": 1,
    "quadratic": 2,
    "cubic": 3,
    "quartic": 4,
    "quintic": 5,
}


def layer_dials(schedule: str, layers: int, largest: float) -> list[float]:
    """Dial of each layer, first to last; `largest` is the dial of the last one.

    >>> layer_dials("linear", 3, 0.5)
    [0.0, 0.25, 0.5]
    >>> layer_dials("distributed", 2, 0.5)
    [0.0, 0.0]
    """
    exponent = _exponent(schedule)
    _check_dial("largest dial", largest)
    if layers < 1:
        raise DomainError(f"layers={layers} must satisfy layers >= 1")
    if exponent is None:
        return [0.0] * layers
    if layers == 1:
        return [largest]
    return [largest * (layer / (layers - 1)) ** exponent for layer in range(layers)]


def largest_for_mean(schedule: str, layers: int, mean: float) -> float:
    """Largest dial for which the schedule's mean dial is `mean` (equal budgets, F1).

    >>> largest_for_mean("linear", 5, 0.25)
    0.5
    """
    _check_dial("mean dial", mean)
    share = sum(layer_dials(schedule, layers, 1.0)) / layers
    if mean == 0:
        return 0.0
    if share == 0 or mean / share > 1:
        raise DomainError(
            f"mean dial {mean} needs a largest dial above 1 on the {schedule} schedule of {layers} layers"
        )
    return mean / share


def dial_bias(dial: float) -> float:
    """Bias `log(1/(1-dial))` of the block's scores, nats; infinite at dial 1 (B1).

    >>> dial_bias(0.0), dial_bias(1.0)
    (0.0, inf)
    """
    _check_dial("dial", dial)
    return math.inf if dial == 1 else -math.log1p(-dial)


def check_dials(dials: Sequence[float], layers: int) -> None:
    """Raise DomainError unless there is one dial in [0, 1] for each layer."""
    if len(dials) != layers:
        raise DomainError(f"{len(dials)} dials were given for {layers} layers: there must be one each")
    for dial in dials:
        _check_dial("dial", dial)


def _exponent(schedule: str) -> int | None:
    if schedule not in SCHEDULES:
        raise DomainError(f"schedule {schedule!r} must be one of {', '.join(SCHEDULES)}")
    return SCHEDULES[schedule]


def _check_dial(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise DomainError(f"{name} {value} must lie in [0, 1]")
