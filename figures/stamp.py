"""Stamps figures with the SHA-256 of their rows, in a visible footer and in the file's metadata.

Files do not depend on the time or place of writing, so equal rows give equal bytes (with the same versions of
matplotlib and its libraries).
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from figures.style import GREY, look
from theory.files import write_bytes_atomically

SHOWN_DIGITS = 16


@dataclass(frozen=True)
class Source:
    """Source of a figure: a readable name and the SHA-256 of the CSV bytes."""

    name: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.name} sha256:{self.sha256}"


def csv_bytes(rows: pd.DataFrame) -> bytes:
    """The rows as CSV with 17 digits, which read back as the same float64."""
    text: str = rows.to_csv(index=False, float_format="%.17g", lineterminator="\n")
    return text.encode("utf-8")


def digest(data: bytes) -> str:
    """SHA-256 as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def save(figure: Figure, name: str, sources: tuple[Source, ...], folder: Path) -> tuple[Path, Path]:
    """Stamp the figure and write `NAME.png` and `NAME.pdf` into `folder`. Raises InputError."""
    _footer(figure, sources)
    drawn_from = "; ".join(str(source) for source in sources)
    png = {"Title": name, "Source": drawn_from, "Software": "localist"}
    # CreationDate None keeps matplotlib from writing the current time.
    pdf = {"Title": name, "Subject": drawn_from, "Creator": "localist", "CreationDate": None}
    written = []
    for suffix, metadata in (("png", png), ("pdf", pdf)):
        buffer = io.BytesIO()
        with look():
            figure.savefig(buffer, format=suffix, metadata=metadata)
        path = folder / f"{name}.{suffix}"
        write_bytes_atomically(path, buffer.getvalue())
        written.append(path)
    return written[0], written[1]


def _footer(figure: Figure, sources: tuple[Source, ...]) -> None:
    lines = [f"{source.name}  sha256 {source.sha256[:SHOWN_DIGITS]}" for source in sources]
    with look():
        # A supxlabel, because the layout keeps room for it; a run's name may contain a literal "$".
        figure.supxlabel("\n".join(lines), fontsize=5, color=GREY, x=0.01, ha="left", parse_math=False)
