"""The schedule "least-cost": dials of a given mean from the loss curves that `localist calibrate` measured (F4)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from theory.errors import DomainError, InputError
from theory.files import read_json
from theory.numbers.dial_costs import least_cost_at_mean

LEAST_COST = "least-cost"


@lru_cache(maxsize=256)
def least_cost_schedule(calibration: str, mean: float) -> tuple[float, ...]:
    """Dials with this mean, one per layer, of least summed loss on the curves in a `calibration.json`.

    The curves are those of single layers, at dial 0 in the others: what several dials cost together is not their sum.
    A file is read once per process. Raises `InputError` for a file without one curve per layer, and for a mean above
    0.99.
    """
    values = read_json(Path(calibration))
    levels, curves = values.get("levels"), values.get("curves")
    if values.get("kind") != "calibration" or not isinstance(levels, list) or not isinstance(curves, list):
        raise InputError(f"{calibration} must be a calibration.json of `localist calibrate`")
    of_layer = [each if isinstance(each, dict) else {} for each in curves]
    if any(each.get("head") is not None for each in of_layer):
        raise InputError(f"{calibration} has curves of heads: a schedule needs those of layers, without --per-head")
    if [each.get("layer") for each in of_layer] != list(range(len(curves))):
        raise InputError(f"{calibration} must have one curve for each layer, in their order")
    try:
        return tuple(least_cost_at_mean(levels, _numbers([each.get("losses") for each in of_layer]), mean).tolist())
    except DomainError as error:
        raise InputError(f"{calibration}: {error}") from error


def _numbers(losses: list[Any]) -> Any:
    try:
        return np.asarray(losses, dtype=np.float64)
    except (TypeError, ValueError):
        raise DomainError("the losses of a curve must be one number for each level") from None
