"""Dials read from a file, such as those that `localist calibrate` wrote."""

from __future__ import annotations

import sys
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
    try:
        return float(value)
    except OverflowError as error:
        raise DomainError("a dial of hundreds of digits must lie in [0, 1]") from error


def blocks_for(path: Path | str, block: int | None, blocks: str | None) -> tuple[int | None, str | None]:
    """The block length and the kind of blocks to use with a file's dials: those given, else what the file says.

    Says on stderr if those given differ from those of the calibration. Raises InputError.
    """
    model = read_json(Path(path)).get("model")
    stated = model if isinstance(model, dict) else {}
    own_block, own_kind = stated.get("block"), stated.get("blocks")
    own = own_block if own_kind == "windows" else own_kind
    if block is None and blocks is None:
        if own_kind == "windows" and isinstance(own_block, int):
            return own_block, None
        return None, own_kind if isinstance(own_kind, str) and own_kind not in ("windows", "segments", "file") else None
    if own is not None and own != (block if blocks is None else blocks):
        used = f"blocks of {block} tokens" if blocks is None else blocks
        meant = f"blocks of {own} tokens" if own_kind == "windows" else own
        print(f"note: the dials of {path} were chosen for {meant}, not for {used}", file=sys.stderr)
    return block, blocks
