"""Figures of the records, drawn as SVG and embedded with their captions as long as there is room."""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from figures.catalogue import MODULES
from figures.drawing import gather, picture
from figures.stamp import save
from theory.errors import DomainError, InputError
from theory.pages import listed, text

# The most telling ones first: they are embedded until the page is full.
ORDER = ("layers", "dial", "schedules", "unseen", "frontier", "heads", "measured", "cost")


def figures_of(paths: Sequence[Path], room: int) -> tuple[str, list[str]]:
    """Markup of the figures that the records allow, in at most `room` bytes, and what contradicts the theory in them.

    Raises InputError for records that cannot be read.
    """
    if not paths:
        return "", []
    names = [name for name in ORDER if getattr(MODULES[name], "KIND", None)]
    materials, _ = gather(names, paths, where_possible=True)
    parts, left_out, faults = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            if name not in materials:
                continue
            try:
                made = picture(name, materials[name])
            except (DomainError, InputError) as error:
                left_out.append(f"{name}: {error}")
                continue
            faults += [f"{name}: {fault}" for fault in made.faults]
            files = save(made.figure, name, made.material.sources, Path(folder), made.caption, ("svg",))
            shown = _figure(name, files["svg"].read_bytes(), made.caption.text, made.caption.shows)
            if (size := len(shown.encode())) > room:
                left_out.append(f"{name}: it takes {size:,} bytes; `localist figures {name}` draws it")
                continue
            room -= size
            parts.append(shown)
    if left_out:
        parts.append(f"<p>Not embedded:</p>{listed(left_out)}")
    return "".join(parts), faults


def _figure(name: str, svg: bytes, caption: str, shows: str) -> str:
    said = " ".join(shows.split())
    coded = base64.b64encode(svg).decode("ascii")
    found = re.search(rb'<svg[^>]* width="([0-9.]+)pt"', svg)
    width = float(found[1]) if found else 360.0
    # Points: text below its own size on paper is hard to read, so a narrow screen scrolls.
    size = f"width:{width * 1.8:.0f}px;min-width:{width * 1.33:.0f}px"
    image = f'<img style="{size}" src="data:image/svg+xml;base64,{coded}" alt="{text(f"Figure {name}. {said}")}">'
    more = caption.removeprefix(said).strip()
    statements = f"<details><summary>the statements shown</summary><p>{text(more)}</p></details>" if more else ""
    words = f"<figcaption><b>{text(name)}.</b> {text(said)}{statements}</figcaption>"
    return f'<figure><div class="picture" tabindex="0">{image}</div>{words}</figure>'
