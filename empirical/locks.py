"""One process per folder, so that the files of two runs, sweeps or measurements never mix.

The operating system holds the lock, so it is released however the process ends.
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

# Another process may remove a folder made here before the lock in it is taken.
_ATTEMPTS = 20


@contextmanager
def alone_in(folder: Path, purpose: str, *, wait: bool = False) -> Iterator[None]:
    """Make `folder` and hold its lock. A process that is refused is shown the `purpose`, such as "training".

    The same thread may hold the lock twice. With `wait`, waits for another process instead of refusing. Folders
    made here that are empty at the end are removed. Raises InputError if another process holds the lock, or if
    the folder or the lock cannot be made.
    """
    path = Path(os.path.abspath(folder)) / LOCK_NAME
    made: list[Path] = []
    try:
        lock = _acquired(path, made, wait)
        try:
            # Shown by a process that is refused.
            with suppress(OSError):
                path.write_text(f"{purpose}, process {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
            yield
        finally:
            if lock.lock_counter == 1:
                # Before the release: a process that has opened this file meanwhile sees that it is gone and retries.
                with suppress(OSError):
                    path.unlink()
            lock.release()
    finally:
        for each in made:
            # Fails for a folder that is not empty, which stays.
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
                f"another process is at work in {folder} ({_holder(path)}). Wait until it ends, or use another folder."
            ) from error
        except OSError as error:
            if attempt == _ATTEMPTS or not isinstance(error, FileNotFoundError):
                raise InputError(f"cannot write {path}: {_why(error)}") from error
    raise AssertionError("the last attempt returns or raises")


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip() or "just started"
    except (OSError, ValueError):
        return "just ended"


def _why(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
