"""The versions that a measured number depends on."""

from __future__ import annotations

import platform
from importlib import metadata


def environment() -> dict[str, str]:
    """Versions of Python and of the packages that compute the numbers."""
    versions = {"python": platform.python_version()}
    for package in ("torch", "transformers", "tokenizers", "numpy", "pandas", "localist"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions
