"""One process to a folder: what a run, a sweep or a measurement writes is never mixed with another one's.

The lock is the operating system's, so that it ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from theory.errors import InputError

LOCK_NAME = "lock"

# A folder made here may be removed by another process, before the lock in it is taken.
_ATTEMPTS = 20


@contextmanager
def alone_in(folder: Path, deed: str, *, wait: bool = False) -> Iterator[None]:
    """Make `folder` and hold its lock; `deed`, such as "training", is what another process is told of it.

    The same thread may hold it twice. With `wait`, another process is waited for. Folders that were made here and
    hold nothing at the end are removed again. Raises InputError where another process holds the lock, and where
    the folder or the lock cannot be made.
    """
    path = Path(os.path.abspath(folder)) / LOCK_NAME
    made: list[Path] = []
    try:
        lock = _acquired(path, made, wait)
        try:
            # What a process that is refused tells.
            with suppress(OSError):
                path.write_text(f"{deed}, process {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
            yield
        finally:
            if lock.lock_counter == 1:
                # While it is held: whoever opened this file meanwhile sees that it is gone, and makes a new one.
                with suppress(OSError):
                    path.unlink()
            lock.release()
    finally:
        for each in made:
            # Not one that something was written into.
            with suppress(OSError):
                each.rmdir()


def _acquired(path: Path, made: list[Path], wait: bool) -> BaseFileLock:
    folder = path.parent
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            made += [each for each in (folder, *folder.parents) if each not in made and not each.exists()]
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            raise InputError(f"cannot make the folder {folder}: {_why(error)}") from error
        try:
            lock: BaseFileLock = FileLock(path, is_singleton=True)
            lock.acquire(timeout=-1 if wait else 0)
            return lock
        except Timeout as error:
            raise InputError(
                f"another process is at work in {folder} ({_holder(path)}). Wait for its end, or choose another folder."
            ) from error
        except OSError as error:
            if attempt == _ATTEMPTS or not isinstance(error, FileNotFoundError):
                raise InputError(f"cannot write {path}: {_why(error)}") from error
    raise AssertionError("the last attempt returns or raises")


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip() or "just begun"
    except (OSError, ValueError):
        return "just ended"


def _why(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
