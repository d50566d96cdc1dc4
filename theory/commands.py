"""The sub-commands about theory alone; what they need is imported when they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from theory.row_check import RowCheck


def check(
    keys: Annotated[int, typer.Option(help="Keys the query can see.")],
    block: Annotated[int, typer.Option(help="Keys in its target block, fewer than --keys.")],
    margin: Annotated[float, typer.Option(help="Least score in the block minus the largest outside.")],
    temperature: Annotated[float, typer.Option(help="Temperature of the softmax, positive.")] = 1.0,
    penalty: Annotated[float, typer.Option(help="Penalty on attention off the block, at least 0.")] = 0.0,
    dial: Annotated[float, typer.Option(help="Locality dial in [0, 1).")] = 0.0,
    logit_range: Annotated[
        float | None,
        typer.Option(help="Range of the scores over the temperature; gives the lower entropy bound."),
    ] = None,
    target_fidelity: Annotated[float | None, typer.Option(help="Least attention mass on the block, in (0, 1).")] = None,
    target_entropy_bits: Annotated[float | None, typer.Option(help="Largest entropy, in bits.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Check the thresholds and bounds of one attention row.

    Exit status: 0 guaranteed or no target given, 1 not guaranteed, 2 bad input.
    """
    from theory.guarantee import Design, Targets
    from theory.row_check import check_row

    answer = check_row(
        Design(keys, block, margin, temperature, penalty, dial),
        Targets(target_fidelity, target_entropy_bits),
        logit_range,
    )
    if as_json:
        import json

        print(json.dumps(answer.to_json(), allow_nan=False, indent=2))
    else:
        _print(answer)
    if answer.guaranteed is False:
        raise typer.Exit(1)


def _print(answer: RowCheck) -> None:
    import math

    from rich.console import Console
    from rich.table import Table

    from theory.bounds import entropy_max

    design, targets = answer.design, answer.targets
    console = Console()
    bounds = Table(
        title=f"one row: {design.keys} keys, block of {design.block}, separation {answer.separation:.6g} nats"
    )
    for heading in ("quantity", "bound", "value", "statement"):
        bounds.add_column(heading, justify="right" if heading == "value" else "left")
    values = answer.bounds
    bounds.add_row("leak", "at most", f"{values['leak_max']:.6g}", "A2")
    bounds.add_row("fidelity", "at least", f"{values['fidelity_min']:.6g}", "A2")
    for name, bound, statement in (
        ("entropy_max_nats", "at most", "A4"),
        ("entropy_min_nats", "at least", "A5"),
    ):
        value = values[name]
        if value is not None:
            bounds.add_row("entropy", bound, f"{value:.6g} nats ({value / math.log(2):.6g} bits)", statement)
    floor = float(entropy_max(design.keys, design.block, math.inf))
    bounds.add_row("entropy floor log m", "", f"{floor:.6g} nats ({floor / math.log(2):.6g} bits)", "A4")
    console.print(bounds)
    if not targets.any:
        return
    asked = []
    if targets.fidelity is not None:
        asked.append(f"fidelity >= {targets.fidelity:g}")
    if targets.entropy_bits is not None:
        asked.append(f"entropy <= {targets.entropy_bits:g} bits")
    thresholds = Table(title="smallest setting that guarantees " + " and ".join(asked))
    for heading in ("setting", "threshold", "the others"):
        thresholds.add_column(heading, justify="right" if heading == "threshold" else "left")
    others = {
        "margin": "penalty 0, dial 0",
        "penalty": f"margin {design.margin:g}, dial 0",
        "dial": f"margin {design.margin:g}, penalty 0",
    }
    for name, threshold in answer.thresholds.items():
        shown = "none" if threshold.value is None else f"{threshold.value:.10g}"
        thresholds.add_row(name, shown, threshold.reason or others[name])
    console.print(thresholds)
    console.print("[bold green]guaranteed[/]" if answer.guaranteed else "[bold red]not guaranteed[/]")
    if answer.logit_range is not None and answer.logit_range < abs(answer.separation):
        console.print(
            f"note: no row has this separation: a logit range of {answer.logit_range:g} holds none beyond it",
            style="yellow",
        )
