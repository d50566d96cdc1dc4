"""Output files that are checked for write access and disk space before the work that fills them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from theory.errors import InputError


class Partial:
    """A file written to a temporary path and moved to its own when complete. Raises InputError if it cannot be written.

    `written` is the path to write to; for a device or a pipe it is the target itself.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made: list[Path] = []
        try:
            # Keeps a symbolic link and replaces the file it points to.
            self._target = Path(os.path.realpath(path))
            if self._target.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if self._target.exists() and not self._target.is_file():
                self.written = self._target
                return
            folder = self._target.parent
            self._made = [each for each in (folder, *folder.parents) if not each.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            self.written = folder / f"{self._target.name}.{os.getpid()}.partial"
            self.written.open("wb").close()
        except (OSError, ValueError) as error:
            self.drop()
            raise refused(path, error) from error

    @property
    def is_device(self) -> bool:
        """Whether the target is a device or a pipe, so that nothing is moved."""
        return self.written == self._target

    def commit(self) -> None:
        """Move the file to its place. Raises OSError."""
        if not self.is_device:
            os.replace(self.written, self._target)

    def drop(self) -> None:
        """Remove an unfinished file and the empty folders made for it."""
        written = getattr(self, "written", None)
        if written is not None and written != self._target:
            with suppress(OSError):
                written.unlink()
        for folder in self._made:
            # Fails for a folder that is no longer empty, which stays.
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def reserved(path: Path, size: int) -> Iterator[Callable[[bytes], None]]:
    """Reserve `size` bytes on disk and yield a function that writes the file into them.

    Leaves nothing behind if nothing was written. Raises InputError at once if the disk has no room.
    """
    partial = Partial(path)
    try:
        if not partial.is_device:
            try:
                with partial.written.open("wb") as stream:
                    _take(stream.fileno(), size)
            except OSError as error:
                raise refused(path, error) from error

        def write(data: bytes) -> None:
            try:
                with partial.written.open("wb" if partial.is_device else "r+b") as stream:
                    stream.write(data)
                    if not partial.is_device:
                        stream.truncate()
                partial.commit()
            except OSError as error:
                raise refused(path, error) from error

        yield write
    finally:
        partial.drop()


def refused(path: Path, error: Exception) -> InputError:
    """InputError for a file that cannot be written, in one line."""
    return InputError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}")


def _take(descriptor: int, size: int) -> None:
    try:
        os.posix_fallocate(descriptor, 0, size)
        return
    except AttributeError:  # not POSIX
        pass
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
    piece = bytes(1 << 20)
    for start in range(0, size, len(piece)):
        os.write(descriptor, piece[: size - start])
