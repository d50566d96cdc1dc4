"""Mutants tried on every method, which the method must refute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Planted:
    """A mutant: its name, the statement, step or lemma to decide, and an exact point at which it is false.

    `false_at` is empty if no such point was found: the mutant may then be as true as the original.
    """

    name: str
    asked: Any
    false_at: str
