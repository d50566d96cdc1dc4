"""Statements as Markdown: the whole catalogue on one page, stored as `docs/theory.md`, and the parts of a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sympy import Expr, latex, true

from theory.statement import Statement, Witness
from theory.statements.about import ABOUT

_HEAD = """# The statements

Printed by `localist theorems --markdown` from the statements in `theory/statements/`; a test compares the two.
Entropies and separations are in nats. `CLAIMS.md` says what decided each statement.
"""


def page(statements: Sequence[Statement]) -> str:
    """Every statement in full: what it is about, assumptions, letters, clauses, where it is sharp, derivation."""
    return "\n".join([_HEAD, *(line for statement in statements for line in _section(statement))])


def _section(statement: Statement) -> Iterator[str]:
    yield f"## {statement.id} {statement.name}\n"
    yield f"{statement.title}.\n"
    uses = f" Uses {', '.join(statement.uses)}." if statement.uses else ""
    yield f"Kind: {statement.kind.value}. Source: {statement.source}.{uses}\n"
    yield from assumptions(statement)
    yield from claim(statement)
    yield from sharpness(statement)
    yield "\nDerivation:\n"
    yield from derivation(statement)
    yield ""


def assumptions(statement: Statement) -> Iterator[str]:
    """The kind of instance, what holds for it, and a table of the letters."""
    sentences = [*ABOUT[statement.about], *(each.sentence for each in statement.assumptions)]
    yield f"About one {statement.about}{', where' if sentences else ''}\n"
    yield from (f"- {sentence}" for sentence in sentences)
    yield from ("", "| letter | domain | meaning |", "|---|---|---|")
    yield from (f"| ${latex(v.symbol)}$ | ${latex(v.domain)}$ | {_cell(v.meaning)} |" for v in statement.variables)


def claim(statement: Statement) -> Iterator[str]:
    """Every clause as a formula, after its name and its condition."""
    for clause in statement.claim:
        given = "" if clause.given == true else f", given ${latex(clause.given)}$"
        yield f"\n**{clause.name}**{given}:\n\n$${latex(clause.holds)}$$"


def sharpness(statement: Statement) -> Iterator[str]:
    """The rows at which a clause holds with equality."""
    for witness in statement.witnesses:
        yield f"\n{_sharp(witness)}"


def derivation(statement: Statement) -> Iterator[str]:
    """The steps that symbolic algebra decides, as a numbered list."""
    yield from (f"{number}. {step.because}" for number, step in enumerate(statement.derive(), 1))


def _sharp(witness: Witness) -> str:
    def groups(part: tuple[tuple[Expr, Expr], ...]) -> str:
        return ", ".join(f"${latex(count)}$ keys at ${latex(score)}$" for score, count in part)

    return f"Sharp in *{witness.clause}*: {groups(witness.block)} in the block, {groups(witness.complement)} outside."


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
