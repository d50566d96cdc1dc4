"""Larger texts that need no download: docstrings of the standard library and of packages, parsed but never run."""

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

# Folders of tests and of installed packages inside the library.
_SKIPPED = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
SHORTEST = 40


def library_docstrings(folder: Path | None = None) -> list[str]:
    """One document per module: its docstrings of at least `SHORTEST` characters, without duplicates across modules.

    `folder` None is the standard library of the running Python, whose content depends on the version. Files that
    are not Python or not text are skipped.
    """
    root = folder or Path(sysconfig.get_path("stdlib"))
    paths = sorted(root.rglob("*.py"))
    return _documents(path for path in paths if _SKIPPED.isdisjoint(path.relative_to(root).parts))


# A sweep's worker runs several tasks on the same text.
@lru_cache(maxsize=1)
def package_docstrings(names: tuple[str, ...] = ()) -> tuple[list[str], dict[str, str]]:
    """Documents as in `library_docstrings`, and the version of each package that they come from.

    Reads the installed packages `names`, or all of them, sorted by name, and their files sorted by path. Skips
    tests and packages without a file list. Raises InputError for a package that is not installed, and if there is
    no docstring at all.
    """
    installed: dict[str, metadata.Distribution] = {}
    for found in metadata.distributions():
        # Import would find the first one.
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
        raise InputError(f"packages {', '.join(chosen) or 'installed'}: no docstrings found")
    return documents, versions


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_source(parts: tuple[str, ...], suffix: str) -> bool:
    # A file outside the packages' folder is a script.
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
            # Newer Pythons warn about escapes in old modules.
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    # The last two come from code nested too deeply.
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text and len(text) >= SHORTEST:
                # An escape such as \\ud800 makes a lone surrogate, which UTF-8 cannot encode.
                yield text.encode("utf-8", "ignore").decode("utf-8")
