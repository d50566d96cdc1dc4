"""A journal of finished work: what a killed process had finished is read back by the next one.

The file begins with a line that names the format and a fingerprint of all that determines its entries. Each entry is
its length, the SHA-256 of its content, and the content: one line of JSON and the bytes of arrays. An entry counts once
its content matches its SHA-256; the first that does not ends the journal and is overwritten. Entries reach the
operating system at once, and the disk every `SYNC_SECONDS`: a killed process loses none, a machine without power those
of the last seconds.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from empirical.memory import shown_bytes
from empirical.reserve import refused
from theory.errors import InputError

Array = NDArray[Any]

FORMAT = "localist journal 1"
SYNC_SECONDS = 1.0

_LENGTH, _DIGEST = 8, hashlib.sha256().digest_size
# Kinds of numpy's types that are plain numbers.
_NUMBERS = "biuf"
_HALVES = {np.dtype(np.float64): np.float32, np.dtype(np.int64): np.int32}
_FEW = 1024


def fingerprint_of(stated: Any) -> str:
    """SHA-256 of plain JSON."""
    return hashlib.sha256(json.dumps(stated, sort_keys=True).encode("utf-8")).hexdigest()


@dataclass(frozen=True)
class Entry:
    """A finished entry of the journal at `path`: `about` is plain JSON, `arrays` reads its arrays."""

    about: dict[str, Any]
    path: Path
    _start: int

    def arrays(self) -> dict[str, Array]:
        """The arrays by name, equal to those appended, in type and every bit. Raises InputError."""
        found = {}
        try:
            with self.path.open("rb") as stream:
                stream.seek(self._start)
                for name, dtype, shape, kept, places in json.loads(stream.readline())["arrays"]:
                    content = stream.read(np.dtype(kept).itemsize * math.prod(places))
                    part = np.frombuffer(content, kept).reshape(places)
                    found[name] = np.broadcast_to(part.astype(dtype), shape)
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {self.path}: it was changed while in use") from error
        return found


class Journal:
    """The journal at `path`, opened to append entries that `fingerprint` determines.

    `entries` are those found with the same fingerprint, and those appended. A journal with another one is replaced, and
    `replaced` is true. `advice` ends the line about a full disk. Raises InputError if the file cannot be read or
    written.
    """

    def __init__(self, path: Path, fingerprint: str, advice: str = "") -> None:
        self.path, self._advice = path, advice
        self._synced = time.monotonic()
        try:
            # Unbuffered: an entry that does not fit the disk fails when it is appended.
            self._stream = path.open("r+b" if path.exists() else "w+b", buffering=0)
        except OSError as error:
            raise refused(path, error) from error
        try:
            self._begun = self._begin(_header(fingerprint))
        except OSError as error:
            self.close()
            if not path.stat().st_size:
                path.unlink()
            raise refused(path, error) from error

    @property
    def appended(self) -> int:
        """Bytes appended since it was opened."""
        return self._end - self._begun

    def append(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Append an entry of plain JSON and arrays of numbers. Raises InputError if the disk is full."""
        stated, parts = [], []
        for name, values in arrays.items():
            part = _smallest(values)
            stated.append((name, values.dtype.str, values.shape, part.dtype.str, part.shape))
            parts.append(part.tobytes())
        line = json.dumps({"about": about, "arrays": stated}).encode("utf-8") + b"\n"
        content = b"".join([line, *parts])
        start = self._end + _LENGTH + _DIGEST
        try:
            self._write(len(content).to_bytes(_LENGTH, "little") + hashlib.sha256(content).digest() + content)
            if time.monotonic() - self._synced >= SYNC_SECONDS:
                os.fsync(self._stream.fileno())
                self._synced = time.monotonic()
        except OSError as error:
            with suppress(OSError):
                self._stream.truncate(self._end)
            raise InputError(f"{refused(self.path, error)}. {self._advice}".strip()) from error
        self.entries.append(Entry(dict(about), self.path, start))

    def require(self, needed: float) -> None:
        """Raise InputError if the disk has no room for that many more bytes."""
        free = shutil.disk_usage(self.path.parent).free
        if needed > free:
            raise InputError(
                f"cannot write {self.path}: the remaining entries take about {shown_bytes(int(needed))}, "
                f"the disk has {shown_bytes(free)}. {self._advice}".strip()
            )

    def close(self) -> None:
        """Close the file; it stays."""
        self._stream.close()

    def _begin(self, header: bytes) -> int:
        """Read what is there, and cut it back to its last finished entry, where the next one is written."""
        first = _first_line(self.path)
        # A part of the header is left by a process killed while writing it.
        self.replaced = not header.startswith(first)
        found = list(_scan(self.path)) if first == header else []
        self.entries = [entry for entry, _ in found]
        self._end = found[-1][1] if found else len(header) * (first == header)
        self._stream.truncate(self._end)
        if not self._end:
            self._write(header)
        return self._end

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        self._stream.seek(self._end)
        while rest:
            rest = rest[self._stream.write(rest) :]
        self._end += len(data)


def read_entries(path: Path, fingerprint: str) -> list[Entry]:
    """Finished entries of the journal at `path`, none for one with another fingerprint. Raises InputError."""
    try:
        return [entry for entry, _ in _scan(path)] if is_journal_of(path, fingerprint) else []
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def is_journal_of(path: Path, fingerprint: str) -> bool:
    """Whether the file at `path` is a journal with this fingerprint. Raises OSError."""
    return _first_line(path) == _header(fingerprint)


def _header(fingerprint: str) -> bytes:
    return f"{FORMAT} {fingerprint}\n".encode()


def _first_line(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.readline(1000)


def _scan(path: Path) -> Iterator[tuple[Entry, int]]:
    """Each finished entry and where it ends."""
    with path.open("rb") as stream:
        stream.readline(1000)
        while (content := _next(stream)) is not None:
            stated = json.loads(content[: content.index(b"\n")])
            yield Entry(stated["about"], path, stream.tell() - len(content)), stream.tell()


def _next(stream: BinaryIO) -> bytes | None:
    """The next entry's content, None at the end and for an entry that is not finished."""
    length, digest = stream.read(_LENGTH), stream.read(_DIGEST)
    size = int.from_bytes(length, "little")
    # An unfinished length may be larger than memory.
    if size > os.fstat(stream.fileno()).st_size - stream.tell():
        return None
    content = stream.read(size)
    return content if content and hashlib.sha256(content).digest() == digest else None


def _smallest(values: Array) -> Array:
    """The same numbers in less space: repetitions along an axis once, and half the bytes where that is exact."""
    if values.dtype.kind not in _NUMBERS:
        raise TypeError(f"a journal keeps numbers, not {values.dtype}")
    part = values
    if not values.flags.c_contiguous:
        # An axis of stride 0 repeats its first place.
        strides = zip(values.strides, values.shape, strict=True)
        part = values[tuple(slice(0, 1) if not stride and size else slice(None) for stride, size in strides)]
    half = _HALVES.get(part.dtype)
    # The comparison takes longer than it saves on few numbers.
    if half is None or part.size < _FEW:
        return part
    with np.errstate(over="ignore"):
        narrow = part.astype(half)
    return narrow if np.array_equal(narrow, part, equal_nan=True) else part
