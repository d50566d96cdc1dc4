"""The errors a caller can cause, each with the value and the law it breaks, in one line."""

from __future__ import annotations


class LocalistError(Exception):
    """What the command line reports as one line and exit status 2."""


class DomainError(LocalistError, ValueError):
    """A value lies outside the domain on which a statement holds."""


class InputError(LocalistError):
    """A file, folder or name the user gave cannot be used."""


def first_line(error: BaseException) -> str:
    """The first line of what another program's error says; the name of its type where it says nothing.

    >>> first_line(RuntimeError("no such file, sought in several places"))
    'no such file, sought in several places'
    >>> first_line(TimeoutError())
    'TimeoutError'
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
