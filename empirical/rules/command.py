"""`localist rules check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from empirical.rules.check import RulesCheck


def check(
    file: Annotated[Path, typer.Argument(metavar="RULES.toml", help="The rules.")],
    run: Annotated[
        Path | None, typer.Option(metavar="RUN.toml", help="Check beside the fidelity and the rules of this run.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check which rules can fire together, and whether each such set can keep its promises in every row.

    A conflict is printed with its certificate and with the least total reduction of promises that ends it.

    Exit status: 0 possible, 1 a conflict or undecided, 2 bad input.
    """
    from empirical.rules.check import check_rules
    from theory.design.run_file import read_run

    answer = check_rules(file, None if run is None else read_run(run))
    if as_json:
        print(json.dumps(answer.to_json(), allow_nan=False, indent=2))
    else:
        _print(answer)
    if answer.possible is not True:
        raise typer.Exit(1)


def _print(answer: RulesCheck) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from empirical.rules.check import LIMITS, change_in_words, decimal, in_words
    from theory.design.rounded import at_least, at_most

    console, names = Console(highlight=False, soft_wrap=True), [rule.name for rule in answer.rules]
    table = Table(title="rules that can fire together", box=SIMPLE)
    for heading, side in (("rules", "left"), ("each up to", "right"), ("asked of 1", "right"), ("promises", "left")):
        table.add_column(heading, justify="right" if side == "right" else "left", overflow="fold")
    for each in answer.sets:
        # Texts are printed as they are: the name of a rule may look like markup.
        shown, verdict = Text(", ".join(names[index] for index in each.rules)), each.verdict
        if verdict is None:
            table.add_row(shown, "", "", "none")
        else:
            standing = Text("possible", style="green") if verdict.possible else Text("conflict", style="red")
            # Rounded away from 1, which decides.
            asked = decimal(verdict.asked, at_least if verdict.possible else at_most)
            table.add_row(shown, decimal(verdict.shared, at_least), asked, standing)
    console.print(table)
    for each in answer.conflicts:
        if each.verdict is not None:
            console.print(Text(f"conflict: {in_words(each.verdict, names)}", style="red"))
    if answer.conflicts:
        console.print(Text(change_in_words(answer)))
    if not answer.complete:
        console.print(Text(f"not every set was found: the limits are {LIMITS}", style="yellow"))
    for line in answer.assumes:
        console.print(Text(f"assumed: {line}"))
    said = {True: "[bold green]possible[/]", False: "[bold red]conflict[/]", None: "[bold yellow]undecided[/]"}
    console.print(said[answer.possible])
