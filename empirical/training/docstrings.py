"""Larger texts that need no download: docstrings of the standard library and of packages, read and never run."""

from __future__ import annotations

import ast
import re
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from theory.errors import InputError

# Parts of the library that are tests, or packages that were installed into it.
_SKIPPED = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
SHORTEST = 40


def library_docstrings(folder: Path | None = None) -> list[str]:
    """One document per module: its docstrings of at least `SHORTEST` characters, each text once over all modules.

    `folder` None is the standard library of the Python that runs; what it holds depends on the version. Files
    that are not Python or not text are passed over.
    """
    root = folder or Path(sysconfig.get_path("stdlib"))
    paths = sorted(root.rglob("*.py"))
    return _documents(path for path in paths if _SKIPPED.isdisjoint(path.relative_to(root).parts))


# A worker of a sweep runs one task after another on the same text.
@lru_cache(maxsize=1)
def package_docstrings(names: tuple[str, ...] = ()) -> tuple[list[str], dict[str, str]]:
    """Documents as `library_docstrings` has them, and the version of each package that they come from.

    Packages are those installed under `names`, all of them where none is given, in the order of their names, and
    their files in that of their paths. Tests and packages without a list of their files are passed over. Raises
    InputError for a package that is not installed, and where there is no docstring at all.
    """
    installed: dict[str, metadata.Distribution] = {}
    for found in metadata.distributions():
        # The first one is the one that would be imported.
        if found.name is not None:
            installed.setdefault(_canonical(found.name), found)
    chosen = sorted({_canonical(name) for name in names} or installed)
    missing = [name for name in chosen if name not in installed]
    if missing:
        raise InputError(f"package {missing[0]} is not installed: its docstrings cannot be read")
    paths, versions = [], {}
    for name in chosen:
        files = sorted(file.as_posix() for file in installed[name].files or () if _is_source(file.parts, file.suffix))
        if files:
            versions[name] = installed[name].version
            paths += [Path(str(installed[name].locate_file(file))) for file in files]
    documents = _documents(paths)
    if not documents:
        raise InputError(f"packages {', '.join(chosen) or 'installed'}: they hold no docstrings")
    return documents, versions


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_source(parts: tuple[str, ...], suffix: str) -> bool:
    # A file beside the packages' folder is a script.
    return suffix == ".py" and ".." not in parts and _SKIPPED.isdisjoint(parts)


def _documents(paths: Iterable[Path]) -> list[str]:
    seen: set[str] = set()
    documents = []
    for path in paths:
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
    # What is nested too deeply is one of the last two.
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text and len(text) >= SHORTEST:
                # An escape such as \\ud800 makes half a character, which no encoding has.
                yield text.encode("utf-8", "ignore").decode("utf-8")
