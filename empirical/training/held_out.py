"""Held-out sequences of tokens, stored in the run's folder for measuring."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Int
from safetensors.torch import load_file, save_file
from torch import Tensor

from theory.errors import InputError

HELD_OUT_NAME = "held_out.safetensors"


def save_held_out(
    folder: Path, windows: Int[Tensor, "sequences context"], blocks: Int[Tensor, "sequences context"] | None
) -> None:
    """Write sequences `(sequences, context)` and their block ids, if any. Raises InputError."""
    kept = {"windows": windows.int()} | ({} if blocks is None else {"block_ids": blocks.int()})
    path = folder / HELD_OUT_NAME
    try:
        save_file(kept, path)
    except Exception as error:  # safetensors has its own error for a full disk
        raise InputError(f"cannot write {path}: {error}") from error


def load_held_out(folder: Path) -> tuple[Int[Tensor, "sequences context"], Int[Tensor, "sequences context"] | None]:
    """Sequences `(sequences, context)` and their block ids, None for fixed windows. Raises InputError."""
    path = folder / HELD_OUT_NAME
    try:
        found = load_file(path)
        windows, blocks = found["windows"], found.get("block_ids")
    except Exception as error:  # a missing, truncated or foreign file: each has its own error type
        raise InputError(f"cannot read {path}: {folder} is not a run of `localist train`") from error
    for name, each in found.items():
        if each.dtype.is_floating_point or each.dtype.is_complex or each.ndim != 2 or not each.numel():
            raise InputError(f"{path}: {name} must hold whole numbers (sequences, context), found {_shown(each)}")
    if blocks is not None and blocks.shape != windows.shape:
        raise InputError(f"{path}: block ids {_shown(blocks)} must be one per token of {_shown(windows)}")
    return windows.long(), None if blocks is None else blocks.long()


def _shown(values: Tensor) -> str:
    return f"{str(values.dtype).removeprefix('torch.')} {tuple(values.shape)}"
