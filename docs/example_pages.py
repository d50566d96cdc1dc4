"""The site's pages of the scripts in `examples/` and of the tutorials; `docs/site_pages.py` writes them.

A tutorial is a script in the percent format of jupytext: cells of Markdown in comments, and cells of code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

_CELL = re.compile(r"^# %%(.*)$", re.MULTILINE)


def pages(scripts: Sequence[Path], root: Path) -> dict[str, str]:
    """The text of every page by its path below `docs/`: an index, and one page per script."""
    texts = {f"examples/{path.stem}.md": page(path.read_text(encoding="utf-8"), path.stem) for path in scripts}
    lines = ["# Tutorials and examples\n", "Each page is a script that the tests run; download it and change it.\n"]
    for path in scripts:
        title, said, *_ = texts[f"examples/{path.stem}.md"].removeprefix("# ").split("\n\n")
        # A tutorial's title says enough; its first paragraph is part of the lesson.
        tutorial = _CELL.search(path.read_text(encoding="utf-8"))
        lines.append(f"- [{title}]({path.stem}.md)" + ("" if tutorial else f": {' '.join(said.split())}"))
        place = path.relative_to(root).as_posix()
        texts[f"examples/{path.stem}.md"] += f"\nDownload [`{place}`](../../{place}).\n"
    toctree = ["\n```{toctree}\n:hidden:\n", *(path.stem for path in scripts), "```\n"]
    return {"examples/index.md": "\n".join([*lines, *toctree]), **texts}


def page(script: str, name: str) -> str:
    """A script as Markdown: cells of a tutorial in their order, or else the docstring and then the code."""
    return "\n".join(_tutorial(script) if _CELL.search(script) else _plain(script, name))


def _plain(script: str, name: str) -> Iterator[str]:
    said = ast.get_docstring(ast.parse(script)) or ""
    yield f"# {name.replace('_', ' ').capitalize()}\n\n{said}\n"
    yield _code(re.sub(r'\A""".*?"""\s*', "", script, flags=re.DOTALL))


def _tutorial(script: str) -> Iterator[str]:
    _, *cells = _CELL.split(script)
    for kind, text in zip(cells[::2], cells[1::2], strict=True):
        if "[markdown]" in kind:
            yield re.sub(r"^# ?", "", text.strip("\n"), flags=re.MULTILINE) + "\n"
        elif text.strip():
            yield _code(text)


def _code(text: str) -> str:
    return f"```python\n{text.strip()}\n```\n"
