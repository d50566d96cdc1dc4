"""Captions of figures: what a figure shows, and the statements that it illustrates, in the catalogue's words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from theory.statements.catalogue import find


@dataclass(frozen=True)
class Caption:
    """What is drawn, and the ids of the statements shown."""

    shows: str
    statements: tuple[str, ...]

    @property
    def text(self) -> str:
        """The caption as one paragraph of plain text."""
        return " ".join([" ".join(self.shows.split()), *(f"{each}." for each in _titles(self.statements))])

    def to_markdown(self, name: str, drawn_from: str) -> str:
        """A page with the caption, the claims as formulas, and the sources."""
        shows = " ".join(self.shows.split())
        parts = [f"# {name}", f"![{first_sentence(shows)}]({name}.svg)", textwrap.fill(shows, 120)]
        for key, heading in zip(self.statements, _titles(self.statements), strict=True):
            # Asterisks outside the heading: a title holds none.
            parts += [f"**{heading}.**", f"$$\\begin{{gathered}}{find(key).to_latex()}\\end{{gathered}}$$"]
        return "\n\n".join([*parts, f"Drawn from {drawn_from}."]) + "\n"


def first_sentence(caption: str) -> str:
    """What a picture shows in one sentence, as its alternative text."""
    return caption.split(". ")[0].rstrip(".") + "."


def _titles(statements: Sequence[str]) -> list[str]:
    return [f"{each.id} ({each.name}): {each.title}" for each in map(find, statements)]
