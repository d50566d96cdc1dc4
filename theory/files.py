"""Files in and out: written whole or not at all, read with one clear line for whatever is wrong with them."""

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
    """Write a UTF-8 file, line ends as given, so that a reader sees the old or the new one. Raises InputError."""
    write_bytes_atomically(path, text.encode("utf-8"))


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old or the new one, never a part. Raises InputError.

    Folders that are missing are made. Two processes may write the same file: one of them is read, whole.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            # Nothing may stand in place of a device or a pipe.
            path.write_bytes(data)
        else:
            # A link is kept, and what it points to replaced.
            _replace(Path(os.path.realpath(path)), data)
    except (OSError, ValueError) as error:
        raise _refused("write", path, error) from error


def check_writable(path: Path) -> None:
    """Raise InputError now where a file could not be written, rather than after the work whose result it takes.

    Leaves nothing behind.
    """
    probe = path.parent / f"{path.name}.{os.getpid()}.probe"
    made: list[Path] = []
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not path.is_file():
            # A device or a pipe takes what comes.
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
            # Not one that another program has put something into.
            with suppress(OSError):
                folder.rmdir()


def _replace(path: Path, data: bytes) -> None:
    # Not `with_name`, which the root has none of.
    partial = path.parent / f"{path.name}.{os.getpid()}.partial"
    try:
        _make_folder(path.parent)
        partial.write_bytes(data)
        os.replace(partial, path)
    finally:
        # After the move there is none; after an error or an interruption there may be.
        with suppress(OSError):
            partial.unlink()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        # Of a file, or a link that leads nowhere, in place of the folder.
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read in pieces, as hexadecimal digits. Raises InputError."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise _refused("read", path, error) from error


def read_text(path: Path) -> str:
    """A file's text. Raises InputError when it cannot be read or is not UTF-8."""
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise _refused("read", path, error) from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises InputError when it is missing or is not one."""
    text = read_text(path)
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise InputError(f"{path} is not JSON that can be read: nested too deeply") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} must hold one JSON object, found {type(value).__name__}")
    return value


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises InputError when it is missing or is not one."""
    return parse_toml(read_text(path), path)


def parse_toml(text: str, path: Path) -> dict[str, Any]:
    """The tables of a TOML file that has been read; `path` is named in the InputError that it raises."""
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise InputError(f"{path} is not TOML that can be read: nested too deeply") from error
    # A TOMLDecodeError is one, and so is what a number of 10,000 digits raises.
    except ValueError as error:
        raise InputError(f"{path} is not TOML: {error}") from error


def _refused(deed: str, path: Path, error: OSError | ValueError) -> InputError:
    # A name with a NUL byte, which a JSON file can spell, is a ValueError.
    return InputError(f"cannot {deed} {path}: {getattr(error, 'strerror', None) or error}")
