"""An instance that refutes a clause, and how it prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from theory.statement import Clause


@dataclass(frozen=True)
class Counterexample:
    """An instance at which a clause is certainly false."""

    clause: Clause
    instance: Any

    def __str__(self) -> str:
        return f"clause {self.clause.name!r}, {self.clause.holds}, fails at {self.instance}"
