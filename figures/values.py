"""The values that a figure shows, read off what matplotlib draws, and how they differ from recorded ones."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

# Relative error within which two values agree: other processors and libraries round otherwise.
AGREE = 1e-8
_DIGITS = 12


@dataclass(frozen=True)
class Series:
    """One drawn thing: the panel it is in, its kind and label, and its numbers or words in drawing order."""

    panel: str
    name: str
    values: tuple[float | str | None, ...]

    def to_json(self) -> dict[str, Any]:
        """The object stored in a figure's record."""
        return {"panel": self.panel, "series": self.name, "values": list(self.values)}


def drawn_values(figure: Figure) -> list[Series]:
    """Every line, marker, area, picture and text of the figure's panels, each panel in drawing order.

    Numbers are in the panel's units, or shares of the panel for what is placed by shares.
    """
    found = []
    for number, axis in enumerate(figure.axes, 1):
        # Panels that share an axis have no label of their own.
        title = axis.get_title(loc="left").split("\n")[0]
        panel = f"panel {number} ({' '.join((axis.get_ylabel() or title or axis.get_xlabel()).split())})"
        found += [Series(panel, name, values) for name, values in _of_panel(axis)]
    words = tuple(text.get_text() for legend in figure.legends for text in legend.get_texts())
    if words:
        found.append(Series("figure", "legend", words))
    return found


def to_json(series: Sequence[Series]) -> list[dict[str, Any]]:
    """Objects for a file."""
    return [each.to_json() for each in series]


def digest_of(series: Sequence[Series]) -> str:
    """SHA-256 of the values as JSON."""
    return hashlib.sha256(json.dumps(to_json(series), separators=(",", ":")).encode()).hexdigest()


def differences(recorded: Sequence[dict[str, Any]], series: Sequence[Series]) -> list[str]:
    """Where the recorded values differ from those drawn, one line per panel and series; empty if they agree."""
    found = []
    for old, new in zip(recorded, series, strict=False):
        where = f"{new.panel}, {new.name}"
        if (old.get("panel"), old.get("series")) != (new.panel, new.name):
            found.append(f"{old.get('panel')}, {old.get('series')}: recorded where {where} is drawn")
            break
        found += _difference(where, old.get("values", []), new.values)
    if len(recorded) != len(series):
        found.append(f"recorded series: {len(recorded)}, drawn: {len(series)}")
    return found


def _difference(where: str, old: Sequence[Any], new: Sequence[Any]) -> list[str]:
    if len(old) != len(new):
        return [f"{where}: {len(old)} values are recorded, {len(new)} are drawn"]
    bad = [index for index, (one, other) in enumerate(zip(old, new, strict=True)) if not _agree(one, other)]
    if not bad:
        return []
    first, more = bad[0], f", and {len(bad) - 1} more" if len(bad) > 1 else ""
    return [
        f"{where}, value {first + 1} of {len(new)}: recorded {_shown(old[first])}, drawn {_shown(new[first])}{more}"
    ]


def _shown(value: Any) -> str:
    """A number, or words on one line."""
    return json.dumps(value, ensure_ascii=False)


def _agree(one: Any, other: Any) -> bool:
    if isinstance(one, float | int) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=AGREE, abs_tol=1e-12)
    return bool(one == other)


def _of_panel(axis: Any) -> Iterator[tuple[str, tuple[float | str | None, ...]]]:
    for line in axis.lines:
        yield f"line{_label(line)}", _numbers(np.column_stack([line.get_xdata(), line.get_ydata()]))
    for each in axis.collections:
        array = each.get_array()
        if array is not None:
            yield f"colours{_label(each)}", _numbers(np.ma.filled(np.ma.asarray(array, dtype=float), np.nan))
        offsets: Any = np.ma.filled(np.ma.asarray(each.get_offsets(), dtype=float), np.nan)
        if np.any(offsets):
            yield f"markers{_label(each)}", _numbers(offsets)
        elif array is None:
            paths = [path.vertices for path in each.get_paths() if len(path.vertices)]
            yield f"area{_label(each)}", _numbers(np.concatenate(paths)) if paths else ()
    for patch in axis.patches:
        # Its corners: versions of matplotlib order the other points differently.
        corners = patch.get_path().transformed(patch.get_patch_transform()).get_extents()
        yield f"shape{_label(patch)}", _numbers(corners.get_points())
    for image in axis.images:
        pixels: Any = np.ma.filled(np.ma.asarray(image.get_array(), dtype=float), np.nan)
        yield "picture", (*_numbers(np.asarray(image.get_extent(), dtype=float)), *_numbers(pixels))
    words = [axis.get_title(loc="left"), *(text.get_text() for text in axis.texts)]
    legend = axis.get_legend()
    words += [text.get_text() for text in legend.get_texts()] if legend else []
    if any(words):
        yield "text", tuple(words)


def _label(artist: Any) -> str:
    label = str(artist.get_label())
    # matplotlib's own names begin with "_child"; other labels with an underscore appear in no legend.
    return "" if not label or label.startswith(("_child", "_nolegend_")) else f" {label.removeprefix('_')!r}"


def _numbers(values: Any) -> tuple[float | None, ...]:
    """Numbers as they are stored: so many digits, None for what is not drawn."""
    flat = np.asarray(values, dtype=float).ravel()
    return tuple(float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None for value in flat.tolist())
