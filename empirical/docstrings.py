"""A larger text that needs no download: the docstrings of Python's standard library, read and never run."""

from __future__ import annotations

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

# Parts of the library that are tests, or packages that were installed into it.
_SKIPPED = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
SHORTEST = 40


def library_docstrings(folder: Path | None = None) -> list[str]:
    """One document a module: its docstrings of at least `SHORTEST` characters, each text once over all modules.

    `folder` None is the standard library of the Python that runs; what it holds depends on the version. Files
    that are not Python or not text are passed over.
    """
    root = folder or Path(sysconfig.get_path("stdlib"))
    seen: set[str] = set()
    documents = []
    for path in sorted(root.rglob("*.py")):
        if _SKIPPED.isdisjoint(path.relative_to(root).parts):
            new = [text for text in dict.fromkeys(_docstrings(path)) if text not in seen]
            seen.update(new)
            if new:
                documents.append("\n\n".join(new) + "\n\n")
    return documents


def _docstrings(path: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            # Old modules hold escapes that a newer Python warns of.
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text and len(text) >= SHORTEST:
                yield text
