"""`localist calibrate`."""

from __future__ import annotations

import json
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from empirical.options import Block, Blocks, Context, OwnText, Precision, RunOrDecoder

if TYPE_CHECKING:
    from empirical.calibration.calibrate import Calibration


def calibrate(
    model: RunOrDecoder,
    text: OwnText = None,
    fidelity: Annotated[float, typer.Option(help="Fidelity that rows must reach.")] = 0.9,
    rows: Annotated[
        float, typer.Option(help="Share of a window's rows that must reach it, of those with a key off their block.")
    ] = 0.95,
    max_loss: Annotated[
        float, typer.Option(help="Rise of the loss, in nats per token, up to which the answer is yes.")
    ] = 0.02,
    per_head: Annotated[bool, typer.Option("--per-head", help="A dial for each head, not for each layer.")] = False,
    fit: Annotated[int | None, typer.Option(help="Windows that choose the dials (8, or a quarter).")] = None,
    check: Annotated[int | None, typer.Option(help="Other windows that check them (64, or the rest).")] = None,
    confidence: Annotated[float, typer.Option(help="Confidence of what is said of unseen windows.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of the draw of windows.")] = 0,
    compare: Annotated[
        bool, typer.Option("--compare", help="Also measure schedules at equal mean dial and equal promise.")
    ] = False,
    precision: Precision = "float32",
    block: Block = None,
    blocks: Blocks = None,
    context: Context = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the result (MODEL/calibrated).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find dials that keep a fidelity at little loss; exit status 1 if the windows that check them do not keep it."""
    from empirical.calibration.calibrate import calibrate as find_dials

    found = find_dials(
        model,
        text=text,
        fidelity=fidelity,
        rows=rows,
        max_loss=max_loss,
        per_head=per_head,
        fit=fit,
        check=check,
        confidence=confidence,
        seed=seed,
        compare=compare,
        precision=precision,
        block=block,
        blocks=blocks,
        context=context,
        out_dir=out,
    )
    if as_json:
        typer.echo(json.dumps(found.about | {"file": str(found.path)}))
    else:
        _print(found)
    if not found.reached:
        raise typer.Exit(1)


def _print(found: Calibration) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    console, about = Console(highlight=False, soft_wrap=True), found.about
    table = Table(title=f"dials of {about['run']} for fidelity >= {about['fidelity']:g}", box=SIMPLE)
    for name in ("layer", "dials", "rows kept at 0", "at dial", "rise of loss (nats)"):
        table.add_column(name, justify="right", overflow="fold")
    for layer, dial in enumerate(found.dials):
        of_layer = [each for each in about["curves"] if each["layer"] == layer]
        dials = list(dial) if isinstance(dial, tuple) else [dial] * len(of_layer)
        at = [about["levels"].index(value) for value in dials[: len(of_layer)]]
        count = sum(each["rows"] for each in of_layer)
        table.add_row(
            f"{layer}",
            " ".join(f"{value:g}" for value in dials),
            *(_share(of_layer, levels, count) for levels in ([0] * len(at), at)),
            f"{sum(each['losses'][i] for each, i in zip(of_layer, at, strict=True)):+.4f}",
        )
    console.print(table)
    for line in sentences(about):
        console.print(line)
    for each in about.get("compare", ()):
        console.print(compared(each))
    console.print(f"dials in {found.path}")


def _share(items: list[dict[str, Any]], levels: list[int], rows: int) -> str:
    met = sum(each["met"][level] for each, level in zip(items, levels, strict=True))
    return _down(met / rows) if rows else ""


def sentences(about: dict[str, Any]) -> list[str]:
    """How the dials were chosen, what the checked windows keep, and what follows for unseen ones."""
    choice, check, unseen = about["choice"], about["check"], about["unseen"]
    promise = f"{about['rows']:g} of the rows with a key off their block"
    predicted = "" if choice["predicted"] is None else f", {choice['predicted']:+.4f} by the sum of the curves"
    empty = check["windows_without_rows"]
    lines = [
        f"chosen by the {choice['from']} on {len(choice['windows'])} windows: {choice['measured']:+.4f} nats per token "
        f"from dial 0{predicted}; the binding window {choice['least_window']} keeps "
        f"{_down(choice['least_share'])} of its rows",
        f"{'kept' if about['reached'] else 'not kept'} on {len(check['windows'])} other windows ({promise}, at most "
        f"{about['max_loss']:g} nats): {_down(check['share'])} of the rows ({_down(check['share_before'])} with the "
        f"model's own dials), loss {check['rise']:+.4f}, perplexity {check['perplexity_before']:.2f} -> "
        f"{check['perplexity_after']:.2f}" + (f"; {empty} of them have no such row" if empty else ""),
        f"{unseen['violations']} of these windows keep less; at confidence {unseen['confidence']!r}, at most "
        f"{unseen['of_this_text']} of the text's {unseen['population']} windows that did not choose the dials, these "
        "among them, do (assumes the random draw alone), and of a source of independent windows at most a share of "
        f"{_up(unseen['share_at_most'])}",
    ]
    if (new := unseen["new_window"]) is not None:
        lines.append(
            f"a new, exchangeable window keeps at least {_down(new['share'])} of its rows with probability "
            f">= {_down(new['probability'])}"
        )
    else:
        lines.append(f"nothing is said of one new window: {unseen['no_new_window']}")
    return lines


def compared(each: dict[str, Any]) -> str:
    """What one schedule costs and keeps beside the choice."""
    named = f"{each['schedule']} at equal {each['equal']}: "
    if each["dials"] is None:
        return f"{named}not possible, {each['why']}"
    return (
        named + f"largest dial {max(each['dials']):.5g}, {_down(each['share'])} of the rows, loss {each['rise']:+.4f}"
    )


def _down(value: float) -> str:
    """Three decimals, rounded down, so that what is said to be kept is.

    >>> _down(0.9999), _up(0.09501)
    ('0.999', '0.096')
    """
    return str(Decimal(value).quantize(Decimal("0.001"), ROUND_FLOOR))


def _up(value: float) -> str:
    return str(Decimal(value).quantize(Decimal("0.001"), ROUND_CEILING))
