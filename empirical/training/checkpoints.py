"""Finds a checkpoint to resume from: complete and byte for byte as written.

Trainer writes a checkpoint file by file; afterwards `seal` adds the SHA-256 of each file. A checkpoint cut short by a
kill has no seal, and a damaged one does not match its seal.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from empirical.seal import SEAL_NAME, damage, digests_of, read_seal, write_seal
from theory.errors import InputError

CHECKPOINTS_NAME = "checkpoints"
_PREFIX = "checkpoint-"


def checkpoint_folder(run: Path, step: int) -> Path:
    """Folder of the checkpoint at this step."""
    return run / CHECKPOINTS_NAME / f"{_PREFIX}{step}"


def seal(checkpoint: Path) -> None:
    """Write the checkpoint's seal, after all its files. Raises InputError if it cannot be written."""
    files = [path for path in sorted(checkpoint.iterdir()) if path.is_file() and path.name != SEAL_NAME]
    write_seal(checkpoint, digests_of(files))


def newest_checkpoint(run: Path) -> Path | None:
    """The newest intact checkpoint of a run, or None; names skipped ones on stderr."""
    folder = run / CHECKPOINTS_NAME
    steps = [path.name.removeprefix(_PREFIX) for path in folder.glob(f"{_PREFIX}*")]
    skipped = []
    chosen = None
    for step in sorted((int(step) for step in steps if step.isdigit()), reverse=True):
        path = checkpoint_folder(run, step)
        why = _damage(path)
        if why is None:
            chosen = path
            break
        skipped.append(f"{path.name} {why}")
    if skipped:
        onward = f"resuming from {chosen.name}" if chosen else "starting again"
        message = f"{run}: {', '.join(skipped)}: {onward}"
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(message)
    return chosen


def _damage(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, or None."""
    try:
        if read_seal(checkpoint) is None:
            return "is incomplete"
        found = damage(checkpoint)
    except InputError:
        return "is incomplete"
    if found is None:
        return None
    path, what = found
    if what == "is missing":
        return f"lacks {path.name}"
    return f"has a damaged {path.name}"
