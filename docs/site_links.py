"""Sphinx extension: the forge's notation as links of the site.

Ids of statements and names of files under `docs/` become links, docstrings are read as Markdown's backticks mean them,
and a mermaid graph becomes a list of its arrows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from theory.statements.catalogue import CATALOGUE

_IDS = re.compile(rf"\b({'|'.join(each.id for each in CATALOGUE)})\b")
_PAGE = re.compile(r"docs/([\w-]+)\.md")
_SCRIPT = re.compile(r"(?:docs/tutorials|examples)/(\w+)\.py")
_PLAIN = (nodes.reference, addnodes.pending_xref, nodes.literal, nodes.literal_block, nodes.title, nodes.raw)
_FORMULAS = (nodes.math, nodes.math_block, nodes.comment, addnodes.desc_signature, nodes.doctest_block)
_ARROW = re.compile(r"^\s*(\w+)(?:\[(.*?)\])? --> (\w+)(?:\[(.*?)\])?\s*$", re.MULTILINE)


class Linked(SphinxTransform):
    """Links ids of statements and names of pages, wherever they stand in running text."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Replaces the nodes in place."""
        for text in list(self.document.findall(nodes.Text)):
            if not _inside(text) and _IDS.search(text):
                text.parent.replace(text, list(self._split(text)))
        for literal in list(self.document.findall(nodes.literal)):
            page = _page(literal.astext())
            if page in self.env.found_docs and not _inside(literal.parent):
                literal.parent.replace(literal, _link(page, literal.astext(), self.env.docname))
        for block in list(self.document.findall(nodes.literal_block)):
            if block.get("language") == "mermaid":
                block.parent.replace(block, _arrows(block.astext()))

    def _split(self, text: nodes.Text) -> Iterator[nodes.Node]:
        here = self.env.docname
        for number, part in enumerate(_IDS.split(text)):
            if number % 2 and here != f"statements/{part}":
                yield _link(f"statements/{part}", part, here)
            elif part:
                yield nodes.Text(part)


def _page(file: str) -> str:
    """The page of the site that a file of the tree became, or nothing."""
    if page := _PAGE.fullmatch(file):
        return page[1]
    script = _SCRIPT.fullmatch(file)
    return f"examples/{script[1]}" if script else ""


def _inside(node: nodes.Node | None) -> bool:
    while node is not None:
        if isinstance(node, (*_PLAIN, *_FORMULAS)):
            return True
        node = node.parent
    return False


def _link(target: str, text: str, here: str) -> nodes.Node:
    options = {"refdomain": "std", "reftype": "doc", "refdoc": here, "refexplicit": True, "refwarn": True}
    return addnodes.pending_xref("", nodes.inline(text, text), reftarget=f"/{target}", **options)


def _arrows(graph: str) -> nodes.Node:
    """A list with a line per node that has arrows: what it imports."""
    names: dict[str, str] = {}
    arrows: dict[str, list[str]] = {}
    for source, name, target, other in _ARROW.findall(graph):
        names |= {key: label for key, label in ((source, name), (target, other)) if label}
        arrows.setdefault(source, []).append(target)
    items = nodes.bullet_list()
    for source, targets in arrows.items():
        listed = ", ".join(names.get(target, target) for target in targets)
        line = nodes.paragraph("", "", nodes.strong("", names.get(source, source)), nodes.Text(f" imports {listed}"))
        items += nodes.list_item("", line)
    return items


def to_rst(lines: list[str]) -> list[str]:
    """The lines of a docstring with Markdown's backticks and lists as reStructuredText; doctests stay as they are."""
    done: list[str] = []
    code = listed = False
    for line in lines:
        code = line.lstrip().startswith(">>>") or (code and bool(line.strip()))
        item = line.startswith("- ") and not code
        if done and done[-1].strip() and item != listed and not (listed and line.startswith("  ")):
            done.append("")
        listed = item or (listed and line.startswith("  "))
        done.append(line if code else "".join(_marked(line)))
    return done


def _marked(line: str) -> Iterator[str]:
    for number, part in enumerate(line.split("`")):
        # Letters such as s_ and |p| are text, not reStructuredText's references.
        yield f"``{part}``" if number % 2 else re.sub(r"([\\*|]|_\b)", r"\\\1", part)


def _docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = to_rst(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the transform and the reading of docstrings."""
    app.add_transform(Linked)
    app.connect("autodoc-process-docstring", _docstring)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
