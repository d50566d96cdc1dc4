"""Firings as JSON Lines: one line per rule and row, written and flushed after each pass."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from empirical.steering.steered import SteeredPass
from theory.errors import InputError


@contextmanager
def firing_log(path: Path) -> Iterator[Callable[[SteeredPass], None]]:
    """A function that appends a pass to a new file `path`, for `on_pass` of `ruled`.

    A line has the fields of `Firing`; `status` is met, no_key, impossible or unsolved. Raises InputError if the file
    exists or cannot be written.
    """
    try:
        file = path.open("x", encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error

    def add(done: SteeredPass) -> None:
        lines = (json.dumps(asdict(each) | {"status": each.status.name.lower()}) + "\n" for each in done)
        try:
            file.writelines(lines)
            file.flush()
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}") from error

    with file:
        yield add
