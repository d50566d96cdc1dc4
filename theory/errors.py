"""Errors that a caller can cause; each message is one line with the value and the law it breaks."""

from __future__ import annotations


class LocalistError(Exception):
    """An error that the command line reports as one line, with exit status 2."""


class DomainError(LocalistError, ValueError):
    """A value lies outside the domain on which a statement holds."""


class InputError(LocalistError):
    """A file, folder or name the user gave cannot be used."""


def first_line(error: BaseException) -> str:
    """First line of an error's message, or the name of its type if the message is empty.

    >>> first_line(RuntimeError("no such file, sought in several places"))
    'no such file, sought in several places'
    >>> first_line(TimeoutError())
    'TimeoutError'
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
