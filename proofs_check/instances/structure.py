"""Checks on an instance of the assumptions that no relation of letters says."""

from __future__ import annotations

from typing import Any


def built_in(instance: Any) -> bool:
    """The check of an assumption that the instance's type has no room to break."""
    return True
