"""The page as one text: style, generated functions, setting, model and drawing code, and formulas."""

from __future__ import annotations

import html
import importlib.metadata
from pathlib import Path

from figures.explorer.formulas import section
from figures.explorer.quantities import functions

_FOLDER = Path(__file__).parent
SCRIPTS = ("setting.js", "model.js", "words.js", "charts.js", "page.js")


def model() -> str:
    """The code that computes the page's numbers, without the code that draws."""
    return functions() + _text("setting.js") + _text("model.js")


def page() -> str:
    """The whole HTML file; equal versions of the program give equal bytes."""
    parts = {
        "/*STYLE*/": _text("page.css"),
        "/*SCRIPT*/": functions() + "\n".join(map(_text, SCRIPTS)),
        "<!--FORMULAS-->": section(),
        "<!--VERSION-->": html.escape(importlib.metadata.version("localist")),
    }
    text = _text("page.html")
    for place, content in parts.items():
        text = text.replace(place, content)
    return text


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
