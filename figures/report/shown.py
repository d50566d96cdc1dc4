"""What the report says of one record: verdicts, sections, heads, files and commands."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from empirical.seal import check_content
from theory.files import sha256_of
from theory.pages import Cell

# Tones from the worst to the best, with the word that says the same as their colour.
TONES = {"bad": "Problem", "open": "Undecided", "warn": "Caution", "good": "In order", "": "Note"}
# Those for which the answer is no.
FAULTS = ("bad", "open")


@dataclass(frozen=True)
class Verdict:
    """One sentence of the page's top, with its tone and what it rests on."""

    tone: str
    said: str
    why: str = ""


@dataclass(frozen=True)
class File:
    """A file of the record, its SHA-256, and what that was compared with."""

    name: str
    sha256: str
    checked: str


@dataclass(frozen=True)
class Row:
    """One recorded attention row of a head: its cells under `ROW_COLUMNS`."""

    cells: tuple[Cell, ...]


ROW_COLUMNS = ("why it is listed", "sequence", "position", "token", "fidelity", "entropy", "keys", "in the block")


@dataclass(frozen=True)
class Head:
    """The numbers of one head; None where the record has none."""

    layer: int
    head: int
    dial: float
    rows: int
    fidelity: float | None
    fidelity_least: float | None
    fidelity_bound: float | None
    entropy: float | None
    entropy_largest: float | None
    entropy_bound: float | None
    violations: int
    undecided: int
    worst: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Map:
    """Heads drawn as one map, and what it shows."""

    title: str
    heads: Sequence[Head]
    rows_from: str


@dataclass(frozen=True)
class Shown:
    """Everything that the page says of one record."""

    title: str
    verdicts: Sequence[Verdict]
    body: Sequence[str] = ()
    maps: Sequence[Map] = ()
    files: Sequence[File] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    commands: Sequence[str] = ()
    # Files that figures are drawn from.
    drawn_from: Sequence[Path] = ()
    # SHA-256 of the model's files that the record was made from, by name.
    made_from: dict[str, str] = field(default_factory=dict)


def sealed_file(path: Path, about: dict[str, Any]) -> tuple[File, list[Verdict]]:
    """A report's file, and a note if it has no seal. Raises InputError if its content does not match its seal."""
    if check_content(path, about):
        return File(path.name, sha256_of(path), "its content matches the hash in it"), []
    said = f"{path.name} is not sealed."
    why = "It holds no hash of its content, as written before reports were sealed: changes cannot be noticed."
    return File(path.name, sha256_of(path), "not sealed: shown as found"), [Verdict("", said, why)]


def count(value: int) -> Cell:
    """A whole number of a table."""
    return f"{value:,}", int(value)


def ident(value: int) -> Cell:
    """A number that names something."""
    return str(int(value)), int(value)


def number(value: Any, digits: int = 4) -> Cell:
    """A number of a table; empty if undefined."""
    if value is None or math.isnan(value):
        return ""
    return f"{value:.{digits}g}", float(value)


def prose(sentences: Iterable[str]) -> str:
    """Sentences as one paragraph.

    >>> prose(["kept", "nothing follows."])
    'Kept. Nothing follows.'
    """
    return " ".join(f"{each[:1].upper()}{each[1:].removesuffix('.')}." for each in sentences if each)


def optional(value: Any) -> float | None:
    """A float, or None for one that is undefined.

    >>> optional(float("nan")), optional(1)
    (None, 1.0)
    """
    return None if value is None or math.isnan(value) else float(value)
