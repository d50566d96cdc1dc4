"""The site's pages of the scripts in `examples/` and of the tutorials; `docs/site_pages.py` writes them.

A tutorial is a script in the percent format of jupytext: cells of Markdown in comments, and cells of code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_INTRODUCTION = (
    "A tutorial is a lesson in steps, shown with what each step prints; an example is one short program. Each is a "
    "script that the tests run: download it and change it. Tutorials open in Jupyter with jupytext."
)
_CELL = re.compile(r"^# %%(.*)$", re.MULTILINE)


def pages(scripts: Sequence[Path], root: Path, outputs: Mapping[str, Sequence[str]] | None = None) -> dict[str, str]:
    """The text of every page by its path below `docs/`: an index, and one page per script.

    `outputs` are those of the tutorials' code cells, by the name of the script.
    """
    known = outputs or {}
    scripted = {path: path.read_text(encoding="utf-8") for path in scripts}
    texts = {f"examples/{path.stem}.md": page(text, path.stem, known.get(path.stem)) for path, text in scripted.items()}
    lines = ["# Tutorials and examples\n", _INTRODUCTION]
    for heading, tutorials in (("Tutorials, in this order", True), ("Examples", False)):
        if chosen := [path for path, text in scripted.items() if bool(_CELL.search(text)) is tutorials]:
            lines += [f"\n## {heading}\n", *(_listed(path, texts[f"examples/{path.stem}.md"]) for path in chosen)]
    for path in scripts:
        place = path.relative_to(root).as_posix()
        texts[f"examples/{path.stem}.md"] += f"\nDownload [`{place}`](../../{place}).\n"
    toctree = ["\n```{toctree}\n:hidden:\n", *(path.stem for path in scripts), "```\n"]
    return {"examples/index.md": "\n".join([*lines, *toctree]), **texts}


def _listed(path: Path, text: str) -> str:
    title, said, *_ = text.removeprefix("# ").split("\n\n")
    return f"- [{title}]({path.stem}.md): {' '.join(said.split())}"


def page(script: str, name: str, outputs: Sequence[str] | None = None) -> str:
    """A script as Markdown: cells of a tutorial in their order, or else the docstring and then the code.

    `outputs` holds one text per code cell, which follows it.
    """
    return "\n".join(_tutorial(script, outputs) if _CELL.search(script) else _plain(script, name))


def _plain(script: str, name: str) -> Iterator[str]:
    said = ast.get_docstring(ast.parse(script)) or ""
    yield f"# {name.replace('_', ' ').capitalize()}\n\n{said}\n"
    yield _code(re.sub(r'\A""".*?"""\s*', "", script, flags=re.DOTALL))


def _tutorial(script: str, outputs: Sequence[str] | None) -> Iterator[str]:
    _, *cells = _CELL.split(script)
    following = iter(outputs or ())
    for kind, text in zip(cells[::2], cells[1::2], strict=True):
        if "[markdown]" in kind:
            yield re.sub(r"^# ?", "", text.strip("\n"), flags=re.MULTILINE) + "\n"
        elif text.strip():
            yield _code(text)
            if outputs is not None:
                yield next(following)


def _code(text: str) -> str:
    return f"```python\n{text.strip()}\n```\n"
