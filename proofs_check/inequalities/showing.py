"""What the verdict on a user's claim shows in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from sympy import Basic

from theory.display import Badge, Card, Markup, Table
from theory.mathml import block

# Characters of a claim in a title; the formula shows all of it.
_LONGEST = 80


def point_table(point: Mapping[Any, Fraction]) -> Table:
    """The letters of a point with their exact values."""
    return Table(("letter", "exactly", "about"), [[str(name), str(x), _about(x)] for name, x in point.items()])


def claim_card(claim: Any, badge: Badge, *said: str, table: Table | None = None) -> Card:
    """What the verdict on a user's claim shows."""
    title = "claim" if claim is None else str(claim)
    shown = [Markup(block(claim))] if isinstance(claim, Basic) else []
    return Card(
        title if len(title) <= _LONGEST else f"{title[:_LONGEST]}...",
        badge,
        [*shown, *said],
        () if table is None else (table,),
    )


def _about(value: Fraction) -> str:
    try:
        return f"{float(value):.6g}"
    except OverflowError:
        return "beyond float64"
