"""Sphinx extension: formulas as MathML, converted at build time, so that pages need neither script nor network."""

from __future__ import annotations

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.writers.html5 import HTML5Translator


def mathml(tex: str, block: bool = False) -> str:
    """A formula as a `math` element. Raises ExtensionError for LaTeX that docutils does not convert."""
    # A subscript of several letters is a word, not a product of letters.
    worded = re.sub(r"_\{([A-Za-z]{2,})\}", r"_{\\mathrm{\1}}", tex)
    try:
        return tex2mathml(worded, as_block=block)
    except MathError as error:
        raise ExtensionError(f"the formula {tex!r} cannot be converted to MathML: {error}") from error


def _inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _block(self: HTML5Translator, node: nodes.math_block) -> None:
    # Wide formulas scroll in their own box: the page does not move sideways on a phone.
    self.body.append(f'<div class="formula" tabindex="0">{mathml(node.astext(), block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the renderer `mathml`."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
