"""An instance that refutes a clause, and how it prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from theory.display import Badge, Card, Displayed, Markup, Tone
from theory.mathml import block
from theory.statement import Clause


@dataclass(frozen=True, repr=False)
class Counterexample(Displayed):
    """An instance at which a clause is certainly false."""

    clause: Clause
    instance: Any

    def card(self) -> Card:
        """What a notebook shows."""
        said = (Markup(block(self.clause.holds)), f"It is false at this instance: {self.instance}.")
        return Card(f"clause {self.clause.name!r}", Badge("refuted", Tone.NO), said)

    def __str__(self) -> str:
        return f"clause {self.clause.name!r}, {self.clause.holds}, fails at {self.instance}"
