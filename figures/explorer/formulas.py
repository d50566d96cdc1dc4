"""Formulas of statements as MathML, with the meaning of each letter in words."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from sympy import Symbol, exp, true

from theory.functions import LowestEntropy
from theory.mathml import block, inline, presentation
from theory.statement import Statement
from theory.statements.catalogue import find
from theory.symbols import VOCABULARY, r

# Statement: the clauses that the page shows.
SHOWN: dict[str, tuple[str, ...]] = {
    "A2": ("margin", "exponential"),
    "A7": ("binding query", "iff"),
    "A4": ("given separation",),
    "A5": ("finite",),
    "B1": ("leak", "odds"),
    "B4": ("threshold",),
}


def section() -> str:
    """Every formula of the page, each with its statement's title and the meaning of its letters."""
    return "\n".join(part for key, clauses in SHOWN.items() for part in _formula(find(key), clauses))


def _formula(statement: Statement, clauses: Sequence[str]) -> Iterator[str]:
    yield f'<div class="formula"><h3>{statement.id} · {html.escape(statement.title)}</h3>'
    letters: set[Symbol] = set()
    for name in clauses:
        clause = statement.clause(name)
        letters |= clause.holds.free_symbols | clause.given.free_symbols
        given = "" if clause.given == true else f"<span>where {inline(clause.given)}:</span>"
        yield f'<div class="scroll">{given}{block(clause.holds)}</div>'
    if statement.id == "A5":
        yield f'<div class="scroll">{_lowest_entropy()}</div>'
    yield "<details><summary>The letters</summary><ul>"
    for symbol, variable in VOCABULARY.items():
        if symbol in letters:
            yield f"<li>{inline(symbol)}: {html.escape(variable.meaning)}</li>"
    yield "</ul></details></div>"


def _lowest_entropy() -> str:
    """The definition of `L(n, r)`, least over the number of keys at the upper level."""
    n, top = Symbol("n", positive=True), Symbol("j", positive=True)
    over = "<munder><mi>min</mi><mrow><mn>1</mn><mo>≤</mo><mi>j</mi><mo>&lt;</mo><mi>n</mi></mrow></munder>"
    left, right = LowestEntropy(n, r), LowestEntropy.with_top(top, n, r, exp(r))
    braced = f"<mrow><mo>[</mo>{presentation(right)}<mo>]</mo></mrow>"
    return f'<math display="block"><mrow>{presentation(left)}<mo>=</mo>{over}{braced}</mrow></math>'
