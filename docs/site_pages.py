"""Sphinx extension: writes the generated pages of the site before each build.

Git ignores them: they lie in `statements/`, `api/`, `examples/` and `_extra/` of `docs/`. `docs/generate.py` writes the
pages that are kept.
"""

from __future__ import annotations

import re
from pathlib import Path

import api_pages
import example_pages
import statement_pages
import tutorial_outputs
from sphinx.application import Sphinx
from sphinx.config import Config

from figures.explorer.page import page as explorer_page
from theory.files import write_text_atomically

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
# In the order in which they are read.
TUTORIALS = tuple(FOLDER / "tutorials" / f"{name}.py" for name in ("first_threshold", "your_model", "your_bound"))
_TUTORIAL = re.compile(r"\]\(tutorials/(\w+)\.py\)")
# What the pages link to on a forge, and what the site has in its place.
FORGE_LINKS = {
    "theory.md": "statements/index.md",
    "../CLAIMS.md": "statements/claims.md",
    "../records/figures": "statements/figures.md",
    "../examples/": "examples/index.md",
}


def pages() -> dict[str, str]:
    """The text of every generated file by its path below `docs/`. Executes the tutorials. Raises ExtensionError."""
    claims = statement_pages.read_claims((ROOT / "CLAIMS.md").read_text(encoding="utf-8"))
    scripts = [*TUTORIALS, *sorted(ROOT.glob("examples/*.py"))]
    outputs = {path.stem: tutorial_outputs.executed(path) for path in TUTORIALS}
    return {
        **statement_pages.pages(claims, ROOT / "records" / "figures"),
        **api_pages.pages(),
        **example_pages.pages(scripts, ROOT, outputs),
        "_extra/explore.html": explorer_page(),
    }


def _write(app: Sphinx, config: Config) -> None:
    texts = pages()
    for folder in {Path(name).parent for name in texts}:
        (FOLDER / folder).mkdir(exist_ok=True)
        for path in (FOLDER / folder).iterdir():
            if path.relative_to(FOLDER).as_posix() not in texts:
                path.unlink()
    for name, text in texts.items():
        path = FOLDER / name
        # Only what has changed is written, and built again.
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text_atomically(path, text)


def _for_site(app: Sphinx, docname: str, source: list[str]) -> None:
    """Leads links that are meant for a forge to the generated pages."""
    if "/" not in docname:
        for link, target in FORGE_LINKS.items():
            source[0] = source[0].replace(f"]({link})", f"]({target})")
        source[0] = _TUTORIAL.sub(r"](examples/\1.md)", source[0])
    if docname == "explorer":
        title, _, rest = source[0].partition("\n")
        source[0] = f'{title}\n\n<p><a href="explore.html">Open the explorer in this site</a></p>\n{rest}'


def setup(app: Sphinx) -> dict[str, bool]:
    """Writes the pages before their files are looked for."""
    app.connect("config-inited", _write)
    app.connect("source-read", _for_site)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
