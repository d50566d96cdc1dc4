"""Dials that keep one promise on the base model, as `localist calibrate --compare` found them: the third budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from empirical.attention.schedule import check_dials
from empirical.calibration.plans import SHAPES
from theory.design.measured_curves import LEAST_COST
from theory.errors import DomainError, InputError
from theory.files import read_json


def promised_dials(calibration: str) -> dict[str, tuple[float, ...]]:
    """Dials by schedule that keep the calibration's promise; a schedule that cannot keep it is left out.

    Raises InputError for a file without them, such as one made without `--compare`.
    """
    values = read_json(Path(calibration))
    compared = values.get("compare")
    if values.get("kind") != "calibration" or not isinstance(compared, list):
        raise InputError(f"{calibration} must be a calibration.json of `localist calibrate --compare`")
    kept = {SHAPES.get(str(each.get("schedule"))): each.get("dials") for each in compared if _of_promise(each)}
    kept[LEAST_COST] = values.get("dials")
    return {name: _checked(dials, calibration) for name, dials in kept.items() if name and dials is not None}


def promise_of(calibration: str) -> dict[str, Any]:
    """The promise that these dials keep: `fidelity`, in a share `rows` of each window's rows."""
    values = read_json(Path(calibration))
    return {name: values.get(name) for name in ("fidelity", "rows")}


def _of_promise(each: Any) -> bool:
    return isinstance(each, dict) and each.get("equal") == "promise"


def _checked(dials: Any, calibration: str) -> tuple[float, ...]:
    if not isinstance(dials, list) or not all(isinstance(dial, float | int) for dial in dials):
        raise InputError(f"{calibration}: dials must be one number per layer, not {dials!r:.80}")
    try:
        check_dials(dials, len(dials))
    except DomainError as error:
        raise InputError(f"{calibration}: {error}") from error
    return tuple(map(float, dials))
