"""Atomic file writes, and reads that report any problem as one clear line."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

from theory.errors import InputError


def write_text_atomically(path: Path, text: str) -> None:
    """Writes a UTF-8 file atomically, with line ends as given. Raises InputError."""
    write_bytes_atomically(path, text.encode("utf-8"))


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Writes a file atomically: a reader sees the old or the new one, never a part. Raises InputError.

    Creates missing folders. If two processes write the same file, one of the two versions remains, whole.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            # A device or a pipe must not be replaced by a file.
            path.write_bytes(data)
        else:
            # Keeps a link and replaces its target.
            _replace(Path(os.path.realpath(path)), data)
    except (OSError, ValueError) as error:
        raise _refused("write", path, error) from error


def check_writable(path: Path) -> None:
    """Raises InputError if a file could not be written, before the work whose result it would hold.

    Leaves nothing behind.
    """
    probe = path.parent / f"{path.name}.{os.getpid()}.probe"
    made: list[Path] = []
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not path.is_file():
            # A device or a pipe is taken to be writable.
            return
        made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
        _make_folder(path.parent)
        probe.write_bytes(b"")
    except (OSError, ValueError) as error:
        raise _refused("write", path, error) from error
    finally:
        with suppress(OSError, ValueError):
            probe.unlink()
        for folder in made:
            # Keeps a folder that another program has used meanwhile.
            with suppress(OSError):
                folder.rmdir()


def _replace(path: Path, data: bytes) -> None:
    # Not `with_name`, which raises for the root.
    partial = path.parent / f"{path.name}.{os.getpid()}.partial"
    try:
        _make_folder(path.parent)
        partial.write_bytes(data)
        os.replace(partial, path)
    finally:
        # Exists only after an error or an interruption.
        with suppress(OSError):
            partial.unlink()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        # The path is a file, or a link that leads nowhere.
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read in pieces, as hexadecimal digits. Raises InputError."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise _refused("read", path, error) from error


def read_text(path: Path) -> str:
    """A file's text. Raises InputError if it cannot be read or is not UTF-8."""
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise _refused("read", path, error) from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises InputError if the file is missing or holds something else."""
    return parse_json(read_text(path), path)


def parse_json(text: str, path: Path) -> dict[str, Any]:
    """The JSON object in the text of a file. Raises InputError, which names `path`."""
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise InputError(f"{path} cannot be read as JSON: nested too deeply") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} must hold one JSON object, found {type(value).__name__}")
    return value


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises InputError if the file is missing or is not TOML."""
    return parse_toml(read_text(path), path)


def parse_toml(text: str, path: Path) -> dict[str, Any]:
    """The tables in the text of a TOML file. Raises InputError, which names `path`."""
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise InputError(f"{path} cannot be read as TOML: nested too deeply") from error
    # Covers TOMLDecodeError, and the error for a number of 10,000 digits.
    except ValueError as error:
        raise InputError(f"{path} is not TOML: {error}") from error


def _refused(deed: str, path: Path, error: OSError | ValueError) -> InputError:
    # A path with a NUL byte, which a JSON file can contain, raises ValueError.
    return InputError(f"cannot {deed} {path}: {getattr(error, 'strerror', None) or error}")
