"""The answer of `localist check` for one row, as tables for a terminal."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table

from theory.design.needed import Standing, row_standing
from theory.design.rounded import at_least, at_most
from theory.design.row_check import RowCheck
from theory.numbers.bounds import entropy_max

_DECISIONS = {
    Standing.GUARANTEED: "[bold green]guaranteed[/]",
    Standing.POSSIBLE: "[bold red]not guaranteed[/], possible for some rows",
    Standing.IMPOSSIBLE: "[bold red]not guaranteed[/], impossible: no row of that logit range keeps the targets",
}


def print_row(answer: RowCheck) -> None:
    """Prints bounds, thresholds and the decision; without a target, only the bounds."""
    design, targets = answer.design, answer.targets
    console = Console()
    bounds = Table(
        title=f"one row: {design.keys} keys, block of {design.block}, separation {answer.separation:.6g} nats"
    )
    for heading in ("quantity", "bound", "value", "statement"):
        bounds.add_column(heading, justify="right" if heading == "value" else "left")
    values = answer.bounds
    for name, quantity, bound, rounded, statement in (
        ("leak_max", "leak", "at most", at_most, "A2"),
        ("fidelity_min", "fidelity", "at least", at_least, "A2"),
        ("entropy_max_nats", "entropy", "at most", at_most, "A4"),
        ("entropy_min_nats", "entropy", "at least", at_least, "A5"),
    ):
        value = values[name]
        if value is not None:
            bits = f" nats ({rounded(value / math.log(2), 6)} bits)" if quantity == "entropy" else ""
            bounds.add_row(quantity, bound, rounded(value, 6) + bits, statement)
    floor = float(entropy_max(design.keys, design.block, math.inf))
    bounds.add_row("entropy bound's limit", "log m", f"{floor:.6g} nats ({floor / math.log(2):.6g} bits)", "A4")
    console.print(bounds)
    if answer.separation < 0:
        highest = at_most(math.log(design.keys), 6)
        console.print(
            f"note: below 0 the entropy bound holds only for exactly this separation; rows of a larger one can have "
            f"up to {highest} nats",
            style="yellow",
            highlight=False,
        )
    if not targets.any:
        return
    asked = []
    if targets.fidelity is not None:
        asked.append(f"fidelity >= {targets.fidelity!r}")
    if targets.entropy_bits is not None:
        asked.append(f"entropy <= {targets.entropy_bits!r} bits")
    thresholds = Table(title="smallest setting that guarantees " + " and ".join(asked))
    for heading in ("setting", "threshold", "the others"):
        thresholds.add_column(heading, justify="right" if heading == "threshold" else "left")
    others = {
        "margin": "penalty 0, dial 0",
        "penalty": f"margin {design.margin!r}, dial 0",
        "dial": f"margin {design.margin!r}, penalty 0",
    }
    for name, threshold in answer.thresholds.items():
        shown = "none" if threshold.value is None else repr(threshold.value)
        thresholds.add_row(name, shown, threshold.reason or others[name])
    console.print(thresholds)
    console.print(_DECISIONS[row_standing(design, targets, answer.logit_range)])
