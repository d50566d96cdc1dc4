"""The catalogue for readers: a list, one statement in full, and the dependency graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from sympy import latex, true

from theory.statement import Statement
from theory.statements.about import ABOUT


def describe(statement: Statement) -> dict[str, Any]:
    """A statement as the object that `--json` prints."""
    from theory.statements.catalogue import CATALOGUE

    return {
        "id": statement.id,
        "name": statement.name,
        "title": statement.title,
        "kind": statement.kind.value,
        "source": statement.source,
        "about": statement.about,
        "of_its_kind": list(ABOUT[statement.about]),
        "assumptions": [
            {
                "name": each.name,
                "sentence": each.sentence,
                "condition": None if each.condition is None else str(each.condition),
                "latex": None if each.condition is None else latex(each.condition),
            }
            for each in statement.assumptions
        ],
        "variables": [
            {"symbol": str(v.symbol), "domain": str(v.domain), "meaning": v.meaning} for v in statement.variables
        ],
        "claim": [
            {
                "name": clause.name,
                "given": None if clause.given == true else str(clause.given),
                "holds": str(clause.holds),
                "latex": latex(clause.holds),
            }
            for clause in statement.claim
        ],
        "sharp_at": [
            {
                "clause": witness.clause,
                "block": [[str(score), str(count)] for score, count in witness.block],
                "complement": [[str(score), str(count)] for score, count in witness.complement],
            }
            for witness in statement.witnesses
        ],
        "derivation": [step.because for step in statement.derive()],
        "uses": list(statement.uses),
        "used_by": [other.id for other in CATALOGUE if statement.id in other.uses],
    }


def print_list(statements: Sequence[Statement]) -> None:
    """Prints every statement's name and title, wrapped and never cut."""
    console = Console()
    for s in statements:
        origin = s.source.removeprefix("known: ").replace(";", ",").split(",")[0]
        uses = f"; uses {', '.join(s.uses)}" if s.uses else ""
        head = Text.assemble((f"{s.id} {s.name}", "bold"), f" ({s.kind.value}; {origin}{uses})")
        console.print(head, highlight=False)
        _print_hanging(console, "   ", s.title)


def _print_hanging(console: Console, lead: str, text: str) -> None:
    """Prints the text after its lead, with further lines indented to its start."""
    line = Table.grid(padding=0)
    line.add_column(no_wrap=True)
    line.add_column(overflow="fold")
    line.add_row(lead, Text(text))
    console.print(line)


def print_statement(statement: Statement) -> None:
    """Prints one statement in full."""
    console = Console()
    described = describe(statement)
    console.print(f"[bold]{statement.id} {statement.name}[/] ({statement.kind.value})", highlight=False)
    console.print(statement.title, markup=False, highlight=False)
    console.print(f"source: {statement.source}", markup=False, highlight=False)
    console.print(f"about: one {statement.about}", markup=False, highlight=False)
    for sentence in described["of_its_kind"]:
        console.print(f"  where {sentence}", markup=False, highlight=False)
    for each in described["assumptions"]:
        condition = f": {each['condition']}" if each["condition"] else ""
        console.print(f"assuming that {each['sentence']}{condition}", markup=False, highlight=False)
    letters = Table(title="letters", title_justify="left", show_header=False, box=None)
    for v in described["variables"]:
        letters.add_row(v["symbol"], v["domain"], v["meaning"])
    console.print(letters)
    for clause in described["claim"]:
        console.print(f"\n[bold]{clause['name']}[/]", highlight=False)
        if clause["given"]:
            _print_hanging(console, "  given  ", clause["given"])
        _print_hanging(console, "  holds  ", clause["holds"])
        console.print(f"  LaTeX  {clause['latex']}", markup=False, highlight=False, soft_wrap=True)
    for witness in described["sharp_at"]:
        groups = [f"{count} at {score}" for score, count in witness["block"]]
        others = [f"{count} at {score}" for score, count in witness["complement"]]
        text = f"\nsharp in {witness['clause']!r}: block keys {', '.join(groups)}; others {', '.join(others)}"
        console.print(text, markup=False, highlight=False)
    console.print("\nderivation")
    for number, because in enumerate(described["derivation"], 1):
        _print_hanging(console, f"  {number}. ", because)
    console.print(f"\nuses: {', '.join(described['uses']) or 'nothing'}", highlight=False)
    console.print(f"used by: {', '.join(described['used_by']) or 'nothing'}", highlight=False)


def foundations(statement: Statement) -> list[Statement]:
    """The statement and all statements that it rests on, in the catalogue's order."""
    from theory.statements.catalogue import CATALOGUE

    by_id = {each.id: each for each in CATALOGUE}
    found: set[str] = set()
    waiting = [statement.id]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting.extend(by_id[key].uses)
    return [each for each in CATALOGUE if each.id in found]


def graphviz(statements: Sequence[Statement]) -> str:
    """The dependency graph as a Graphviz digraph: an arrow leads from a statement to each one that it uses."""
    lines = ["digraph statements {", "  rankdir=BT;"]
    lines += [f'  "{s.id}" [label="{s.id} {s.name}"];' for s in statements]
    lines += [f'  "{s.id}" -> "{used}";' for s in statements for used in s.uses]
    return "\n".join([*lines, "}"])
