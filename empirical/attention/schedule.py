"""Progressive schedules as plain numbers, one dial per layer, or one per head of a layer (theory.md F).

A dial lies in [0, 1]; it adds the bias `log(1/(1-lam))`, in nats after the temperature, to the scores of a
query's own block (B1). Dial 1 is the hard block mask, whose bias is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from theory.errors import DomainError
from theory.numbers.schedule_bounds import BUDGET_WARNING, SCHEDULES, largest_for_mean, schedule_dials

__all__ = [
    "BUDGET_WARNING",
    "SCHEDULES",
    "LayerDial",
    "check_dials",
    "dial_bias",
    "largest_dial",
    "largest_for_mean",
    "layer_bias",
    "layer_dials",
    "of_heads",
]

# The dial of a layer: one for all its heads, or one for each.
LayerDial = float | Sequence[float]


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


def layer_bias(dial: LayerDial) -> LayerDial:
    """`dial_bias` of a layer, or of each of its heads.

    >>> layer_bias((0.0, 1.0))
    (0.0, inf)
    """
    return tuple(map(dial_bias, dial)) if isinstance(dial, Sequence) else dial_bias(dial)


def check_dials(dials: Sequence[LayerDial], layers: int) -> None:
    """Raise DomainError unless there is, for each layer, one dial in [0, 1], or one such dial per head."""
    if len(dials) != layers:
        raise DomainError(f"{len(dials)} dials were given for {layers} layers: there must be one each")
    for layer, dial in enumerate(dials):
        each = list(dial) if isinstance(dial, Sequence) else [dial]
        if not each:
            raise DomainError(f"layer {layer} was given an empty list of dials: give one dial, or one per head")
        for value in each:
            _check_dial(value)


def of_heads(dial: LayerDial, heads: int) -> list[float]:
    """The dial of each head of a layer. Raises DomainError if there are not `heads` of them.

    >>> of_heads(0.5, 2), of_heads((0.0, 1.0), 2)
    ([0.5, 0.5], [0.0, 1.0])
    """
    if not isinstance(dial, Sequence):
        return [dial] * heads
    if len(dial) != heads:
        raise DomainError(f"{len(dial)} dials were given for {heads} heads: there must be one each, or one for all")
    return list(dial)


def largest_dial(dials: Sequence[LayerDial]) -> float:
    """The largest dial of any layer and head.

    >>> largest_dial([0.5, (0.25, 0.75)])
    0.75
    """
    return max(max(dial) if isinstance(dial, Sequence) else dial for dial in dials)


def _check_dial(value: float) -> None:
    if not 0 <= value <= 1:
        raise DomainError(f"dial {value} must lie in [0, 1]")
