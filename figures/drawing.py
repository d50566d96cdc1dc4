"""Draws figures by name and writes them to disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from figures import dial, layers, leak_and_entropy, schedules, thresholds
from figures.sources import DEFAULT_RECORDS, Material, material, read_all
from figures.stamp import Source, csv_bytes, digest, save
from theory.errors import InputError
from theory.files import write_bytes_atomically

# Modules that draw records of their `KIND`, and modules that make their own rows.
_RECORDED: dict[str, Any] = {module.NAME: module for module in (dial, layers, schedules)}
_MADE: dict[str, Any] = {module.NAME: module for module in (leak_and_entropy, thresholds)}


@dataclass(frozen=True)
class Drawn:
    """A figure on disk: its files, its sources, and the contradictions of the theory in it."""

    name: str
    png: Path
    pdf: Path
    sources: tuple[Source, ...]
    faults: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "png": str(self.png),
            "pdf": str(self.pdf),
            "drawn_from": [{"rows": source.name, "sha256": source.sha256} for source in self.sources],
            "faults": list(self.faults),
        }


@dataclass(frozen=True)
class Drawing:
    """Figures drawn, and the reason for each one left out, by name."""

    drawn: tuple[Drawn, ...]
    left_out: dict[str, str]


def draw_all(
    names: Sequence[str], folders: Sequence[Path] | None, out: Path, seed: int = 0, *, where_possible: bool = False
) -> Drawing:
    """Draw the named figures into `out`; `folders` None means `runs`. Raises InputError, DomainError.

    All records are read and checked before the first figure is drawn. With `where_possible`, figures without records
    in the folders, or with more than they have room for, are left out.
    """
    recorded = [name for name in names if name in _RECORDED]
    if folders is None:
        folders = [DEFAULT_RECORDS] if DEFAULT_RECORDS.is_dir() else []
    records = read_all(folders) if recorded else []
    materials: dict[str, Material] = {}
    left_out: dict[str, str] = {}
    for name in recorded:
        try:
            materials[name] = material(records, _RECORDED[name].KIND, name)
        except InputError as error:
            if not where_possible:
                raise
            left_out[name] = str(error)
    drawn = [
        _draw_recorded(name, materials[name], out) if name in materials else _draw_made(name, out, seed)
        for name in names
        if name not in left_out
    ]
    return Drawing(tuple(drawn), left_out)


def _draw_recorded(name: str, given: Material, out: Path) -> Drawn:
    module = _RECORDED[name]
    figure: Figure = module.draw(given.rows)
    png, pdf = save(figure, name, given.sources, out)
    return Drawn(name, png, pdf, given.sources, tuple(module.faults(given.rows)))


def _draw_made(name: str, out: Path, seed: int) -> Drawn:
    module = _MADE[name]
    rows = module.make_rows(seed)
    data = csv_bytes(rows)
    # The rows are stored beside the picture, so that the stamp can be checked with sha256sum.
    write_bytes_atomically(out / f"{name}.csv", data)
    sources = (Source(f"{name}.csv", digest(data)),)
    png, pdf = save(module.draw(rows), name, sources, out)
    return Drawn(name, png, pdf, sources, tuple(module.faults(rows)))
