"""Firings as JSON Lines: every pass with its tokens, every firing, every version of the rules, flushed after each pass.

The log is `PATH`, then `PATH.1`, `PATH.2` and so on: the highest number is the newest. No file is ever overwritten.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from empirical.attention.schedule import LayerDial
from empirical.steering.log_lines import SCHEMA
from empirical.steering.rule_versions import RuleChange
from empirical.steering.steered import SteeredPass
from theory.errors import DomainError, InputError


class FiringLog:
    """Appends lines to a log: call it with each pass (`on_pass`), and `change` with each version (`on_change`).

    A file grows to at most `largest` bytes, unless a single line is longer; None: one file. Raises InputError for a
    file that exists or cannot be written.
    """

    def __init__(self, path: Path, largest: int | None = None) -> None:
        if largest is not None and largest < 1:
            raise DomainError(f"log_bytes {largest} must be at least 1")
        self._path, self._largest, self._number, self._size = path, largest, 0, 0
        # A part of an older log would be read as the continuation of this one.
        if older := part_numbers(path):
            raise InputError(f"cannot write {path}: {part(path, older[0])} exists")
        self._file = self._opened(path)

    def text(self, dials: Sequence[LayerDial]) -> None:
        """A text begins."""
        self._write({"event": "text", "dials": dials})

    def change(self, change: RuleChange) -> None:
        """A version of the rule file took effect or was refused."""
        where = {"position": change.position, "sha256": change.sha256}
        if change.refusal is None:
            taken = {"anchors": dict(change.anchors)} if change.anchors else {}
            self._write({"event": "rules", **where, "text": change.text, **taken})
        else:
            self._write({"event": "refused", **where, "reason": change.refusal})

    def __call__(self, done: SteeredPass) -> None:
        """A pass has come to its end."""
        firings = [{"event": "firing", **vars(each), "status": each.status.name.lower()} for each in done]
        counts = {"firings": len(firings), "broken": done.broken}
        tokens = [] if done.tokens is None else done.tokens.tolist()
        self._write(
            {"event": "pass", "position": done.start, "tokens": tokens, "rules": done.version, **counts}, *firings
        )

    def end(self, passes: int, last: int | None, stopped: str | None = None) -> None:
        """A text has ended."""
        self._write({"event": "end", "passes": passes, "last": last, "stopped": stopped})

    def close(self) -> None:
        """Close the file; every line has been flushed."""
        # Fails again where a flush did.
        with suppress(OSError):
            self._file.close()

    def _write(self, *lines: Mapping[str, Any]) -> None:
        for line in lines:
            data = (json.dumps(line) + "\n").encode()
            if self._largest is not None and self._size and self._size + len(data) > self._largest:
                self._rotate()
            self._guarded(self._file.write, data)
            self._size += len(data)
        self._guarded(self._file.flush)

    def _rotate(self) -> None:
        self._guarded(self._file.close)
        self._number, self._size = self._number + 1, 0
        self._file = self._opened(part(self._path, self._number))

    def _opened(self, path: Path) -> Any:
        return self._guarded(path.open, "xb", path=path)

    def _guarded(self, deed: Any, *args: Any, path: Path | None = None) -> Any:
        try:
            return deed(*args)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"cannot write {path or self._file.name}: {reason}") from error


@contextmanager
def firing_log(path: Path, largest: int | None = None, **about: Any) -> Iterator[FiringLog]:
    """A new log; `about` are fields of its first line (`LogLine`), which a replay needs. Raises InputError."""
    log = FiringLog(path, largest)
    try:
        versions = {"localist": importlib.metadata.version("localist"), "torch": torch.__version__}
        log._write({"event": "log", "schema": SCHEMA, **versions, **about})
        yield log
    finally:
        log.close()


def part(path: Path, number: int) -> Path:
    """The file of a log with this number; 0 is the oldest."""
    return path.with_name(f"{path.name}.{number}") if number else path


def part_numbers(path: Path) -> list[int]:
    """The numbers of the files that follow a log's first one, as they stand in its folder."""
    found: list[int] = []
    # A folder that is missing is found when the file is opened.
    with suppress(OSError, ValueError):
        names = (re.fullmatch(re.escape(path.name) + r"\.([1-9][0-9]*)", each.name) for each in path.parent.iterdir())
        found = sorted(int(each[1]) for each in names if each)
    return found
