"""The errors a caller can cause, each with the value and the law it breaks."""

from __future__ import annotations


class LocalistError(Exception):
    """What the command line reports as one line and exit status 2."""


class DomainError(LocalistError, ValueError):
    """A value lies outside the domain on which a statement holds."""


class InputError(LocalistError):
    """A file, folder or name the user gave cannot be used."""
