"""A report on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from empirical.audit import wording
from empirical.audit.files import PAGE_NAME, REPORT_NAME

_COLOURS = {"guaranteed": "green", "kept": "yellow", "broken": "red", "undecided": "yellow"}
# Exceptions shown of each kind.
_WORST = 3
# Columns of the layers that fit into 80 characters, with short names; the page and the JSON have all.
_SHOWN = {
    "layer": "layer",
    "dial": "dial",
    "weights: fidelity": "weights",
    "measured: fidelity": "least",
    "mean": "mean",
    "A2 mean": "≥ A2",
    "entropy mean": "entropy",
    "A4 mean": "≤ A4",
    "violated": "bad",
    "undecided": "open",
}


def show(about: dict[str, Any], folder: Path) -> None:
    """Print a report that was written into `folder`. Texts are printed as they are, not read as markup."""
    console = Console(highlight=False, soft_wrap=True)
    made = about["manifest"]
    console.print(Text(f"audit of {made['model']['name']}: {wording.headline(about)}", style="bold"))
    for each in about["promises"]:
        console.print(Text(f"\n{each['promise']}: {wording.verdict(each)}", style=_COLOURS[each["verdict"]]))
        for method, line in wording.promise_lines(each, about):
            console.print(Text(f"  {method:<9}{line}"))
    for each in about["rules"]["rules"] if about["rules"] else ():
        style = {"kept": "yellow", "broken": "red"}.get(each["verdict"], "")
        console.print(Text(f"\nrule {each['name']}: {each['verdict']}", style=style))
        for method, line in wording.rule_lines(each, about):
            console.print(Text(f"  {method:<9}{line}"))
    if about["rules"]:
        console.print(Text(wording.check_line(about["rules"]["check"])))
    table = Table(title="layers, with the worst of their heads (nats)", box=SIMPLE)
    table.pad_edge, table.collapse_padding = False, True
    for name in _SHOWN.values():
        table.add_column(name, justify="right", overflow="fold")
    for cells in wording.layer_rows(about):
        table.add_row(*(cells[wording.LAYER_COLUMNS.index(name)] for name in _SHOWN))
    console.print(table)
    console.print(
        "weights, least: least fidelity of any head for every text, and measured; bad, open: rows that violate a bound "
        "or leave it undecided"
    )
    for line in wording.bound_lines(about):
        console.print(Text(line, style="yellow" if "NOT" in line else ""))
    console.print(Text(f"exceptions: {wording.more_exceptions(about)}"))
    if about["exceptions"]["count"]:
        worst = Table(box=SIMPLE)
        worst.pad_edge, worst.collapse_padding = False, True
        for name in wording.EXCEPTION_COLUMNS:
            worst.add_column(name, overflow="fold")
        rows = wording.exception_rows(about)
        for what in dict.fromkeys(row[0] for row in rows):
            for row in [each for each in rows if each[0] == what][:_WORST]:
                worst.add_row(*map(Text, row))
        console.print(worst)
    for method, sentence in about["methods"].items():
        console.print(Text(f"{method}: {sentence}", style="dim"))
    console.print(Text(f"written to {folder / REPORT_NAME} and {folder / PAGE_NAME}"))
