"""The answers of `localist check RUN.toml` and `localist design`, as tables for a terminal."""

from __future__ import annotations

import math
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from theory.design.needed import Standing
from theory.design.rounded import at_least, at_most
from theory.design.run_check import RunCheck
from theory.design.run_design import RunDesign
from theory.design.run_layers import LEAST_SCALE, layer_promise
from theory.design.run_rules import RulesCheck

# Number of a certificate's weights that are printed; --json has all.
_SHOWN = 12
_COLOURS = {Standing.GUARANTEED: "green", Standing.POSSIBLE: "yellow", Standing.IMPOSSIBLE: "red"}


def print_run(answer: RunCheck) -> None:
    """Prints layers, weight blocks, anchors, rules, warnings and the decision."""
    console = Console()
    console.print(Text(_rows(answer)))
    console.print(_layers(answer))
    schedule = answer.schedule
    kept = f"; layers guaranteed: {schedule['localised_layers']:.0f}, required: {schedule['required_layers']:.0f}"
    console.print(
        f"budget {schedule['budget']:.4g} (mean dial {schedule['mean_dial']:.4g})"
        + (kept if layer_promise(answer.run).any else ""),
        highlight=False,
    )
    if answer.groups:
        console.print(_groups(answer))
    if answer.selection is not None:
        least = answer.selection.product_least
        kept = "" if least is None else f"; there |W_Q| |W_K| >= {at_least(least, 4)}"
        console.print(Text(f"selection: {answer.selection.window_text()}{kept}"))
    if answer.anchors is not None:
        console.print(
            f"anchors: {answer.anchors['number']} in {answer.anchors['dimension']} dimensions, coherence at least "
            f"{at_least(answer.anchors['least_coherence'], 4)} (D2); margin {at_least(answer.margin, 6)} (D1); "
            + _scales(answer.anchors),
            highlight=False,
        )
    if answer.sparse is not None:
        console.print(
            f"sparse attention: a group penalty of {at_most(answer.sparse['penalty_needed'], 6)} empties the rest of "
            f"every row (B5): {answer.sparse['standing']}",
            highlight=False,
        )
    if answer.rules is not None:
        possible = (
            "possible together" if answer.rules.possible else f"impossible together at query {answer.rules.query}"
        )
        beside = "" if answer.run.targets.fidelity is None else " beside the fidelity"
        shared = at_least(answer.rules.shared, 6)
        said = f"rules: all may be promised up to {shared} each{beside}; these promises are {possible}"
        # A Text is printed as it is: the name of a rule may look like markup.
        console.print(Text(said + _certificate(answer.rules)))
    _print_unmet(console, answer.unmet)
    for warning in answer.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"))
    if answer.guaranteed is not None:
        console.print("[bold green]guaranteed[/]" if answer.guaranteed else "[bold red]not guaranteed[/]")


def _print_unmet(console: Console, unmet: tuple[str, ...]) -> None:
    for reason in unmet:
        console.print(Text(f"unmet: {reason}", style="red"))


def _certificate(rules: RulesCheck) -> str:
    if rules.certificate is None:
        return ""
    weights = [f"{name} {weight:.4g}" for name, weight in rules.certificate.items() if weight]
    own = [f"own block {rules.own_block:.4g}"] if rules.own_block else []
    shown = weights[:_SHOWN] + ([f"and {len(weights) - _SHOWN} more"] if len(weights) > _SHOWN else []) + own
    return " (E2; weights " + ", ".join(shown) + ")"


def _scales(anchors: dict[str, Any]) -> str:
    if not anchors["feasible"]:
        return "no scale is enough"
    if anchors["scale_most"] is not None:
        return f"scale needed at most {at_least(anchors['scale_most'], 6)}"
    needed = anchors["scale_needed"]
    return "no scale needed" if needed is None or needed <= LEAST_SCALE else f"scale needed {at_most(needed, 6)}"


def _rows(answer: RunCheck) -> str:
    """Text on the rows that the answer covers and those that bind it."""
    run, binding = answer.run, answer.binding
    least, most = run.locality.sizes
    blocks = f"blocks of {most}" if least == most else f"blocks of {least} to {most}"
    own = f" with at least {run.targets.own_keys} own keys" if run.targets.own_keys > 1 else ""
    said = [f"every row of {run.model.context} keys in {blocks}{own}, margin {answer.margin:.6g}"]
    rows = {"fidelity": binding.fidelity, "entropy": binding.entropy}
    for name, row in rows.items():
        said.append(f"{name} binds at query {row.query}: {row.keys} keys, {row.own} of its own block")
    if binding.separation_needed is not None and math.isfinite(binding.separation_needed):
        said.append(
            f"separation needed {at_most(binding.separation_needed, 4)} nats, layer {binding.layer} has "
            f"{at_least(binding.separation, 4)}"
        )
    if binding.share is not None:
        said.append(f"share of rows kept in layer {binding.layer}: {at_least(100 * binding.share, 4)} %")
    return "\n".join(said)


def _layers(answer: RunCheck) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    headings = (
        "layer",
        "dial",
        "needed",
        "leak\n<=",
        "fidelity\n>=",
        "entropy\n<= nats",
        "entropy\n>= nats",
        "targets",
    )
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "targets" else "right", no_wrap=True)
    asked = layer_promise(answer.run).any
    for layer in answer.layers:
        lowest = layer.entropy_min_nats
        colour = _COLOURS[layer.standing]
        table.add_row(
            str(layer.layer),
            f"{layer.dial:.4g}",
            "none" if layer.dial_needed is None else at_most(layer.dial_needed, 4),
            at_most(layer.leak_max, 3),
            at_least(layer.fidelity_min, 4),
            at_most(layer.entropy_max_nats, 4),
            "" if lowest is None else at_least(lowest, 4),
            f"[{colour}]{layer.standing.value}[/]" if asked else "",
        )
    return table


def _groups(answer: RunCheck) -> Table:
    optimizer = answer.run.optimizer
    planned = "" if optimizer is None else f": {optimizer.kind}, {optimizer.steps} steps planned"
    table = Table(title=f"penalised weight blocks{planned}")
    for heading in ("weights", "penalty needed", "surely zero from step", "standing"):
        table.add_column(heading, justify="left" if heading == "standing" else "right")
    for group in answer.groups:
        step = "never" if group.extinction_step is None else str(group.extinction_step)
        colour = _COLOURS[group.standing]
        needed = at_most(group.penalty_needed, 6) if math.isfinite(group.penalty_needed) else "none"
        table.add_row(str(group.size), needed, step, f"[{colour}]{group.standing.value}[/]")
    return table


def print_design(answer: RunDesign) -> None:
    """Prints every open setting with its answer or the constraint that binds, and what the solved run lacks."""
    console = Console()
    table = Table(title="smallest settings that guarantee the targets")
    for heading in ("setting", "value", "reason"):
        table.add_column(heading)
    for solved in answer.solved:
        shown = "none" if solved.value is None else str(solved.value)
        table.add_row(solved.name, shown, solved.reason)
    console.print(table)
    _print_unmet(console, answer.unmet)
