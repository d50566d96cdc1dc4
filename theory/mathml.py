"""Expressions and claims as MathML, which browsers show without a script."""

from __future__ import annotations

import html
import re

from sympy import Basic, Symbol
from sympy.printing.mathml import MathMLPresentationPrinter

# What sympy prints, and what a page has in its place.
_SIGNS = {
    "<mi>logistic</mi>": "<mi>σ</mi>",
    "<mi>binaryentropy</mi>": "<mi>h</mi>",
    "<mi>binarydivergence</mi>": "<mi>D</mi>",
    "<mi>lowestentropy</mi>": "<mi>L</mi>",
    "&ExponentialE;": "e",
    "&InvisibleTimes;": "&#8290;",
    "<mo>-</mo>": "<mo>−</mo>",
    # sympy leaves these two as they are, which no parser of XML takes.
    "<mo><</mo>": "<mo>&lt;</mo>",
    "<mo>></mo>": "<mo>&gt;</mo>",
}
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))


def block(expr: Basic) -> str:
    """An expression or a claim as a `math` element on a line of its own.

    >>> from sympy import Symbol
    >>> block(Symbol("x") < 1)
    '<math display="block"><mrow><mi>x</mi><mo>&lt;</mo><mn>1</mn></mrow></math>'
    """
    return f'<math display="block">{presentation(expr)}</math>'


def inline(expr: Basic) -> str:
    """The same within a line of text."""
    return f"<math>{presentation(expr)}</math>"


def presentation(expr: Basic) -> str:
    """What stands inside a `math` element."""
    # sympy writes names of letters as they are.
    strange = {
        each: Symbol(html.escape(each.name)) for each in expr.atoms(Symbol) if html.escape(each.name) != each.name
    }
    # In this order a positive term comes first: 1 - lambda, not -lambda + 1.
    printed = str(MathMLPresentationPrinter({"order": "rev-lex"}).doprint(expr.xreplace(strange)))
    return _SIGN.sub(lambda found: _SIGNS[found.group()], printed)
