"""`localist rules simulate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from empirical.options import Block, Blocks, Context, OwnText, RunOrDecoder

# More than a text has sequences.
MOST_VERSIONS = 10_000


def simulate(
    file: Annotated[Path, typer.Argument(metavar="RULES.toml", help="The rules.")],
    model: RunOrDecoder,
    missed: Annotated[
        str,
        typer.Option(
            metavar="Q[,Q...]",
            help="Probability that a due firing is missed; several: versions of the checker, one after the other.",
        ),
    ],
    false_firings: Annotated[
        float, typer.Option(help="Probability of firing at a query that is not due and sees a key of the target.")
    ] = 0.0,
    miss_kind: Annotated[
        str,
        typer.Option(help="independent; or hardest: the due queries whose fidelity without rules is least are missed."),
    ] = "independent",
    seed: Annotated[int, typer.Option(help="Seed of misses and false firings.")] = 0,
    confidence: Annotated[
        float | None,
        typer.Option(help="Confidence of E4's bound from measured misses, for all versions at once (0.95)."),
    ] = None,
    text: OwnText = None,
    block: Block = None,
    blocks: Blocks = None,
    context: Context = None,
    sequences: Annotated[int | None, typer.Option(help="Sequences of the text to run (all).")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the result to this JSON file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Steer a model by rules whose checker misses firings or fires falsely; the mean fidelity is set beside E3 and E4.

    Exit status: 0 every mean reaches its bound, 1 one does not or a promise was broken, 2 bad input.
    """
    from empirical.checkers.simulate import simulate as measured
    from theory.design.value_range import parse_values
    from theory.files import check_writable, write_text_atomically

    if out is not None:
        check_writable(out)
    found = measured(
        file,
        model,
        missed=parse_values(missed, f"missed {missed!r}", MOST_VERSIONS).tolist(),
        false_firings=false_firings,
        kind=miss_kind,
        seed=seed,
        confidence=confidence,
        text=text,
        block=block,
        blocks=blocks,
        context=context,
        sequences=sequences,
    )
    shown = json.dumps(found, allow_nan=False)
    if out is not None:
        write_text_atomically(out, shown + "\n")
    if as_json:
        typer.echo(shown)
    else:
        _print(found)
    if found["holds"] is not True:
        raise typer.Exit(1)


def _print(found: dict[str, Any]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from theory.design.rounded import at_least

    console = Console(highlight=False, soft_wrap=True)
    entries = [*found["rules"], *([found["total"]] if len(found["rules"]) > 1 else [])]
    names = [Text("all promises" if each["name"] is None else each["name"]) for each in entries]

    def count(value: int) -> str:
        return f"{value:,}"

    def share(value: float) -> str:
        return f"{value:.4f}"

    def bound(value: float) -> str:
        return at_least(value, 4)

    tables: dict[str, dict[str, tuple[str, Callable[[Any], str]]]] = {
        "mean fidelity of due rows, and lower bounds": {
            "due_rows": ("rows", count),
            "missed": ("missed", share),
            "broken_rows": ("broken", count),
            "promise": ("promise", "{:.4g}".format),
            "mean": ("mean", share),
            "bound": ("E3", bound),
            "nominal_bound": ("E4", bound),
            "confident_bound": ("E4 measured", bound),
        },
        "E3's identity, and false firings": {
            "fired_mean": ("fired", share),
            "missed_mean": ("missed", share),
            "plain_mean": ("no rules", share),
            "identity": ("identity", share),
            "if_independent": ("if indep.", share),
            "false_rows": ("false rows", count),
            "false_before": ("before", share),
            "false_after": ("after", share),
        },
    }
    for title, columns in tables.items():
        table = Table(title=title, box=SIMPLE)
        table.pad_edge, table.collapse_padding = False, True
        table.add_column("rule", overflow="fold")
        for heading, _ in columns.values():
            table.add_column(heading, justify="right", overflow="fold")
        for name, each in zip(names, entries, strict=True):
            cells = ("" if each[key] is None else shown(each[key]) for key, (_, shown) in columns.items())
            table.add_row(name, *cells)
        console.print(table)
    for line in _lines(found, entries):
        console.print(Text(line))
    said = {True: "[bold green]holds[/]", False: "[bold red]fails[/]", None: "[bold yellow]undecided[/]"}
    console.print(said[found["holds"]])


def _lines(found: dict[str, Any], entries: list[dict[str, Any]]) -> list[str]:
    lines = [
        "row: a layer, head and query where the rule acts; all rows of a query are missed together: E4 counts queries",
        "E3: (1 - missed) promise, a bound on the measured mean",
        "E4: the same from the given probabilities, a bound on the expected mean; a measured one may be less by chance",
    ]
    if found["confidence"] is None:
        lines.append("E4 has no bound from measured misses: these are not drawn independently")
    else:
        lines.append(
            f"E4 measured: the same from each version's measured misses, at confidence {found['confidence']:g} for a "
            "rule's versions at once; in the last line, for all rules at once"
        )
    for each in entries:
        if each["name"] is None:
            continue
        name = f"rule {each['name']!r}"
        if not each["due_rows"]:
            lines.append(f"{name} is due nowhere")
        elif each["broken_rows"]:
            lines.append(
                f"{name}: {each['broken_rows']:,} of its due rows did not keep the promise, so E3 and E4 do not apply"
            )
        elif each["promise"] is None:
            lines.append(f"{name} has a strength and promises nothing")
        elif not each["holds"]:
            lines.append(f"{name}: the mean is below its bound")
        if each["due_rows"] and not each["identity_holds"]:
            lines.append(f"{name}: E3's identity fails: decisions and rows do not fit")
    change = found["loss"] - found["loss_without_rules"]
    lines.append(
        f"loss {found['loss']:.6f} nats per token, {found['loss_without_rules']:.6f} without rules: {change:+.6f}"
    )
    return lines
