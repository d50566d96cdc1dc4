"""Sphinx's configuration of the site: `make docs` builds it from `docs/` into `build/docs/`."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
sys.path[:0] = [str(FOLDER), str(ROOT)]

import api_pages
import example_pages
import statement_pages
from sphinx.application import Sphinx
from sphinx.config import Config

from figures.explorer.page import page as explorer_page
from theory.files import write_text_atomically

project = "localist"
release = version = installed("localist")
project_copyright = "the localist contributors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "mathml", "site_links"]
exclude_patterns = ["_static", "_extra"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
# Options such as --json keep their two hyphens.
smartquotes = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries_show_parents = "hide"
maximum_signature_line_length = 88

html_theme = "furo"
html_title = "localist"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_extra"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}
# `make docs-links` asks the network for these; a hash of the page's place is no anchor there.
linkcheck_anchors = False
linkcheck_timeout = 20

TUTORIALS = ("examples/tutorials/*.py", "tutorials/*.py", "docs/tutorials/*.py", "examples/*.py")


def _generated() -> dict[str, str]:
    claims = statement_pages.read_claims((ROOT / "CLAIMS.md").read_text(encoding="utf-8"))
    scripts = [path for pattern in TUTORIALS for path in sorted(ROOT.glob(pattern))]
    return {
        **statement_pages.pages(claims, ROOT / "records" / "figures"),
        **api_pages.pages(),
        **example_pages.pages(scripts, ROOT),
        "_extra/explore.html": explorer_page(),
    }


def _write(app: Sphinx, config: Config) -> None:
    for name, text in _generated().items():
        path = FOLDER / name
        path.parent.mkdir(exist_ok=True)
        # Only what has changed is written, and built again.
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text_atomically(path, text)


def _explorer_link(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname == "explorer":
        title, _, rest = source[0].partition("\n")
        source[0] = f'{title}\n\n<p><a href="explore.html">Open the explorer in this site</a></p>\n{rest}'


def setup(app: Sphinx) -> None:
    """Writes the generated pages before the files are looked for."""
    app.connect("config-inited", _write)
    app.connect("source-read", _explorer_link)
