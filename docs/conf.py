"""Sphinx's configuration of the site: `make docs` builds it from `docs/` into `build/docs/`."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed
from pathlib import Path

# The extensions lie beside this file; what they describe is the tree's, not an installed copy's.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

project = "localist"
release = version = installed("localist")
project_copyright = "the localist contributors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "mathml", "site_links", "site_pages"]
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
