"""Draws figures by name and writes them to disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from figures.caption import Caption
from figures.catalogue import MODULES
from figures.names import JOINED, MADE
from figures.sources import DEFAULT_RECORDS, Material, holds_records, material, read_all
from figures.stamp import Source, csv_bytes, digest, save
from figures.values import Series, digest_of, drawn_values, to_json
from theory.errors import InputError
from theory.files import write_bytes_atomically, write_text_atomically


@dataclass(frozen=True)
class Drawn:
    """A figure on disk: its files by suffix, its sources, and the contradictions of the theory in it."""

    name: str
    files: dict[str, Path]
    sources: tuple[Source, ...]
    faults: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            **{suffix: str(path) for suffix, path in self.files.items()},
            "drawn_from": [{"rows": source.name, "sha256": source.sha256} for source in self.sources],
            "faults": list(self.faults),
        }


@dataclass(frozen=True)
class Picture:
    """A figure before it is written, with the values that it shows."""

    name: str
    figure: Figure
    caption: Caption
    material: Material
    faults: tuple[str, ...]

    @property
    def values(self) -> list[Series]:
        """What the figure's panels show."""
        return drawn_values(self.figure)

    def record(self) -> str:
        """The JSON stored beside the picture: caption, sources and every value drawn."""
        values = self.values
        stored = {
            "figure": self.name,
            "caption": self.caption.text,
            "statements": list(self.caption.statements),
            "drawn_from": [{"rows": each.name, "sha256": each.sha256} for each in self.material.sources],
            "values_sha256": digest_of(values),
        }
        # One line per series keeps the differences of two versions readable.
        lines = ",\n".join("  " + json.dumps(each, ensure_ascii=False) for each in to_json(values))
        head = json.dumps(stored, indent=1, ensure_ascii=False).removesuffix("\n}")
        return f'{head},\n "values": [\n{lines}\n ]\n}}\n'


@dataclass(frozen=True)
class Drawing:
    """Figures drawn, and the reason for each one left out, by name."""

    drawn: tuple[Drawn, ...]
    left_out: dict[str, str]


def gather(
    names: Sequence[str], folders: Sequence[Path] | None, *, where_possible: bool = False, verify: bool = True
) -> tuple[dict[str, Material], dict[str, str]]:
    """What the named figures are drawn from, and why some are left out. Raises InputError.

    All records are read and checked before the first figure is drawn; `folders` None means `runs`. With
    `where_possible`, figures without records in the folders, or with more than they have room for, are left out.
    """
    recorded = [name for name in names if name not in MADE or name in JOINED]
    if folders is None:
        # Figures that need no records are drawn although a folder that was not asked for holds none.
        optional = {*recorded} <= {*JOINED} and DEFAULT_RECORDS.is_dir() and not holds_records(DEFAULT_RECORDS)
        folders = [DEFAULT_RECORDS] if DEFAULT_RECORDS.is_dir() and not optional else []
    records = read_all(folders, verify=verify) if recorded else []
    found: dict[str, Material] = {}
    left_out: dict[str, str] = {}
    for name in recorded:
        if name in JOINED and not any(each.kind == MODULES[name].ALSO for each in records):
            continue
        try:
            kind = MODULES[name].ALSO if name in JOINED else MODULES[name].KIND
            found[name] = material(records, kind, name)
        except InputError as error:
            if not where_possible:
                raise
            left_out[name] = str(error)
    return found, left_out


def picture(name: str, given: Material | None, seed: int = 0) -> Picture:
    """Draw one figure; one that makes its own rows joins recorded ones to them, if given. Raises DomainError."""
    module = MODULES[name]
    if name in MADE:
        made = module.make_rows(seed)
        rows = module.joined(made, given.rows) if given else made
        own = Source(f"{name}.csv", digest(csv_bytes(rows)))
        given = Material(rows, (own, *given.sources), given.damage) if given else Material(rows, (own,))
    assert given is not None
    caption = Caption(module.SHOWS, module.STATEMENTS)
    return Picture(name, module.draw(given.rows), caption, given, tuple(module.faults(given.rows)))


def draw_all(
    names: Sequence[str], folders: Sequence[Path] | None, out: Path, seed: int = 0, *, where_possible: bool = False
) -> Drawing:
    """Draw the named figures into `out`; see `gather`. Raises InputError, DomainError."""
    found, left_out = gather(names, folders, where_possible=where_possible)
    drawn = [_write(picture(name, found.get(name), seed), out) for name in names if name not in left_out]
    return Drawing(tuple(drawn), left_out)


def _write(made: Picture, out: Path) -> Drawn:
    name, sources = made.name, made.material.sources
    # Before the footer is added, which states sources and no values.
    record = made.record()
    if name in MADE:
        # The rows are stored beside the picture, so that the stamp can be checked with sha256sum.
        write_bytes_atomically(out / f"{name}.csv", csv_bytes(made.material.rows))
    files = save(made.figure, name, sources, out, made.caption)
    files["json"] = out / f"{name}.json"
    write_text_atomically(files["json"], record)
    return Drawn(name, files, sources, made.faults)
