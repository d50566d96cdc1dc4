"""Stamps figures with the SHA-256 of their rows, in a visible footer and in the file's metadata, beside the caption.

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

from figures.caption import Caption
from figures.pictures.style import GREY, SMALLEST, look
from figures.values import digest_of, drawn_values
from theory.files import write_bytes_atomically, write_text_atomically

SHOWN_DIGITS = 16
FORMATS = ("png", "pdf", "svg")


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


def save(
    figure: Figure,
    name: str,
    sources: tuple[Source, ...],
    folder: Path,
    caption: Caption | None = None,
    formats: tuple[str, ...] = FORMATS,
) -> dict[str, Path]:
    """Stamp the figure and write it in each format, and its caption as `NAME.md`. Raises InputError.

    The metadata hold the caption, the sources, and the SHA-256 of the values drawn.
    """
    values = digest_of(drawn_values(figure))
    _footer(figure, sources)
    drawn_from = "; ".join(str(source) for source in sources)
    said = caption.text if caption else name
    # A date of None keeps matplotlib from writing the current time.
    metadata = {
        "png": {"Title": name, "Description": said, "Source": drawn_from, "Values": values, "Software": "localist"},
        "pdf": {"Title": name, "Subject": said, "Keywords": f"{drawn_from}; values sha256:{values}"}
        | {"Creator": "localist", "CreationDate": None},
        "svg": {"Title": name, "Description": said, "Source": drawn_from, "Identifier": f"sha256:{values}"}
        | {"Creator": "localist", "Date": None},
    }
    written = {}
    for suffix in formats:
        buffer = io.BytesIO()
        with look():
            figure.savefig(buffer, format=suffix, metadata=metadata[suffix])
        path = folder / f"{name}.{suffix}"
        write_bytes_atomically(path, buffer.getvalue())
        written[suffix] = path
    if caption:
        path = folder / f"{name}.md"
        write_text_atomically(path, caption.to_markdown(name, drawn_from))
        written["md"] = path
    return written


def _footer(figure: Figure, sources: tuple[Source, ...]) -> None:
    lines = [f"{source.name}  sha256 {source.sha256[:SHOWN_DIGITS]}" for source in sources]
    with look():
        # A supxlabel, because the layout keeps room for it; a run's name may contain a literal "$".
        figure.supxlabel("\n".join(lines), fontsize=SMALLEST, color=GREY, x=0.01, ha="left", parse_math=False)
