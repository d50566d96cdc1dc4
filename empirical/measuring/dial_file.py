"""Dials read from a file, such as those that `localist calibrate` wrote."""

from __future__ import annotations

from pathlib import Path

from empirical.attention.schedule import LayerDial, check_dials
from theory.errors import DomainError, InputError
from theory.files import read_json


def read_dials(path: Path | str) -> list[LayerDial]:
    """The `dials` of a JSON object: one per layer, each a number, or a list with one per head.

    Raises InputError.
    """
    dials = read_json(Path(path)).get("dials")
    if not isinstance(dials, list) or not dials:
        raise InputError(f"{path}: `dials` must be a list with one dial, or one list of dials, for each layer")
    try:
        each: list[LayerDial] = [
            tuple(map(_number, dial)) if isinstance(dial, list) else _number(dial) for dial in dials
        ]
        check_dials(each, len(each))
    except DomainError as error:
        raise InputError(f"{path}: {error}") from error
    return each


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DomainError(f"dial {value!r} must be a number in [0, 1]")
    return float(value)
