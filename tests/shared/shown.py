"""What a notebook shows, read by a parser that accepts well-formed XML alone."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any


def shown(value: Any) -> str:
    """The text that a value shows, without its tags; fails for elements that are not closed or not escaped."""
    return " ".join(" ".join(ElementTree.fromstring(value._repr_html_()).itertext()).split())


def short(value: Any) -> str:
    """The value's `repr`, which must be one line of at most 200 characters."""
    text = repr(value)
    assert "\n" not in text
    assert len(text) <= 200
    return text
