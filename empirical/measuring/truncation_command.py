"""What `localist measure --truncate` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from empirical.measuring.truncation import measure_truncation


def report_truncation(
    model: str, level: float, values: Sequence[float] | None, shape: str, options: dict[str, Any], as_json: bool
) -> None:
    """Measure and print the report; exit status 1 if any row moves farther than its bound or is undecided."""
    report = measure_truncation(model, level, values=values, shape=shape, **options)
    if as_json:
        typer.echo(json.dumps(report))
    else:
        _print(report)
    if any(head["violations"] or head["undecided"] for head in report["heads"]):
        raise typer.Exit(1)


def _print(report: dict[str, Any]) -> None:
    table = Table(title=f"truncation of {report['run']} at a leak of {report['level']:g}", box=SIMPLE)
    table.pad_edge, table.collapse_padding = False, True
    for name in ("layer", "dials", "allowed", "largest leak", "moved", "≤ H1", "violated"):
        table.add_column(name, justify="right", overflow="fold")
    for (_, layer), group in groupby(report["heads"], lambda head: (head["dial_largest"], head["layer"])):
        heads = list(group)
        allowed = sum(head["allowed"] for head in heads)
        largest = [f"{max(head[name] for head in heads):.2e}" for name in ("leak_max", "shift_max", "bound_max")]
        violated = sum(head["violations"] for head in heads)
        dials = " ".join(dict.fromkeys(_shown_dial(head["dial"]) for head in heads))
        cells = [f"{layer}", dials, f"{allowed}/{len(heads)} heads", *largest, f"{violated}"]
        table.add_row(*cells)
    console = Console()
    console.print(table)
    console.print(
        "moved: largest change of a head's output without the keys off its block; H1: the leak times an upper bound on "
        "the distance of the head's values",
        highlight=False,
    )
    for each in report["passes"]:
        dials = ", ".join(map(_shown_dials, each["truncated_dials"]))
        console.print(
            f"loss {each['loss']:.6f} nats per token; {each['truncated_loss']:.6f} with dials {dials}", highlight=False
        )
    undecided = sum(head["undecided"] for head in report["heads"])
    console.print(f"{undecided} undecided, report in {report['path']}", soft_wrap=True, highlight=False)


def _shown_dials(dials: float | Sequence[float]) -> str:
    return f"({' '.join(map(_shown_dial, dials))})" if isinstance(dials, Sequence) else _shown_dial(dials)


def _shown_dial(dial: float) -> str:
    # Dials at which rows leak little are so near 1 that three digits would not tell them from it.
    return f"{dial:.3g}" if dial < 0.999 or dial == 1 else f"1-{1 - dial:.1g}"
