"""Every row that breaks a promise, a rule or a bound, or that leaves one undecided: all in a file, the worst at hand.

Exceptions come in the order in which they are measured. Up to `INLINE` of them stand in the report itself. Of more, the
report has the count, the SHA-256 of the lines and the worst `WORST` of each kind, and the lines are in a file.
"""

from __future__ import annotations

import gzip
import hashlib
import heapq
import io
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from theory.errors import InputError

INLINE, WORST = 1000, 20
FILE_NAME = "exceptions.jsonl.gz"


class Exceptions:
    """Takes exceptions as JSON objects, each with a `kind`, what it breaks (`what`), and how badly (`by`)."""

    def __init__(self, path: Path) -> None:
        """`path` is a temporary file for all of them. Raises InputError if it cannot be made."""
        self._path, self._digest = path, hashlib.sha256()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._raw = path.open("wb")
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}") from error
        # Without name and time, so that equal exceptions make equal files.
        packed = gzip.GzipFile("", "wb", 6, self._raw, mtime=0)
        self._file = io.TextIOWrapper(packed, encoding="utf-8", newline="\n")
        self._first: list[dict[str, Any]] = []
        self._worst: dict[tuple[str, str], list[tuple[float, int, dict[str, Any]]]] = {}
        self.count = 0
        self.counts: dict[str, int] = {}

    def add(self, entries: Iterable[dict[str, Any]]) -> None:
        """Add exceptions in their order. Raises InputError if they cannot be written."""
        for entry in entries:
            line = json.dumps(entry, allow_nan=False) + "\n"
            self._digest.update(line.encode("utf-8"))
            try:
                self._file.write(line)
            except OSError as error:
                raise InputError(f"cannot write exceptions: {error.strerror or error}") from error
            if self.count < INLINE:
                self._first.append(entry)
            self.counts[entry["kind"]] = self.counts.get(entry["kind"], 0) + 1
            heap = self._worst.setdefault((entry["kind"], entry["what"]), [])
            # Of equal ones, the earlier stays.
            item = (float("inf") if entry["by"] is None else entry["by"], -self.count, entry)
            heapq.heappush(heap, item) if len(heap) < WORST else heapq.heappushpop(heap, item)
            self.count += 1

    def to_json(self) -> dict[str, Any]:
        """What the report says: all of them, or how many, their hash and the worst of each kind."""
        found: dict[str, Any] = {"count": self.count, "counts": dict(sorted(self.counts.items()))}
        found["sha256"] = self._digest.hexdigest()
        if self.count <= INLINE:
            return found | {"rows": self._first, "file": None, "worst": self._listed()}
        return found | {"rows": None, "file": FILE_NAME, "worst": self._listed()}

    def close(self, kept: Path | None = None) -> None:
        """Close the file, and move it to `kept` or delete it. Raises InputError."""
        try:
            if not self._raw.closed:
                self._file.close()
                self._raw.close()
            if kept is not None:
                os.replace(self._path, kept)
        except OSError as error:
            raise InputError(f"cannot write {kept or self._path}: {error.strerror or error}") from error
        finally:
            with suppress(OSError):
                self._path.unlink()

    def _listed(self) -> list[dict[str, Any]]:
        kinds = sorted(self._worst)
        return [entry for kind in kinds for _, _, entry in sorted(self._worst[kind], key=lambda each: each[:2])[::-1]]


@contextmanager
def collected(folder: Path) -> Iterator[Exceptions]:
    """Exceptions with a temporary file in `folder`, which is deleted unless it was moved. Raises InputError."""
    exceptions = Exceptions(folder / f"{FILE_NAME}.{os.getpid()}.partial")
    try:
        yield exceptions
    finally:
        exceptions.close()
