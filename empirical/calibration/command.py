"""`localist calibrate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from empirical.calibration.calibrate import Calibration


def calibrate(
    model: Annotated[
        str, typer.Argument(help="Folder of a finished run; with --text, folder or hub name of a decoder.")
    ],
    text: Annotated[Path | None, typer.Option(help="Text file to calibrate a decoder on, instead of a run.")] = None,
    fidelity: Annotated[float, typer.Option(help="Fidelity that rows must reach.")] = 0.9,
    rows: Annotated[float, typer.Option(help="Share of a window's rows that must reach it.")] = 0.95,
    max_loss: Annotated[
        float, typer.Option(help="Rise of the loss, in nats per token, up to which the answer is yes.")
    ] = 0.02,
    per_head: Annotated[bool, typer.Option("--per-head", help="A dial for each head, not for each layer.")] = False,
    fit: Annotated[int | None, typer.Option(help="Windows that choose the dials (8, or a quarter).")] = None,
    check: Annotated[int | None, typer.Option(help="Other windows that check them (64, or the rest).")] = None,
    confidence: Annotated[float, typer.Option(help="Confidence of what is said of unseen windows.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of the draw of windows.")] = 0,
    compare: Annotated[
        bool, typer.Option("--compare", help="Also measure schedules at equal mean dial and equal fidelity.")
    ] = False,
    block: Annotated[
        int | None, typer.Option(help="With --text: length of a block in tokens (the model's own, else 64).")
    ] = None,
    blocks: Annotated[
        str | None, typer.Option(help="With --text: blocks that follow the text instead, as in measure.")
    ] = None,
    context: Annotated[
        int | None, typer.Option(help="With --text: tokens per window (1024, or what the model has room for).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the result (MODEL/calibrated).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find the dials that keep a fidelity at the least loss; exit status 1 if the checked windows do not keep it."""
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
    for line in _lines(about):
        console.print(line)
    for each in about.get("compare", ()):
        console.print(_compared(each))
    console.print(f"dials in {found.path}")


def _share(items: list[dict[str, Any]], levels: list[int], rows: int) -> str:
    met = sum(each["met"][level] for each, level in zip(items, levels, strict=True))
    return f"{met / rows:.3f}" if rows else ""


def _lines(about: dict[str, Any]) -> list[str]:
    choice, check, unseen = about["choice"], about["check"], about["unseen"]
    kept = "kept" if about["reached"] else "not kept"
    limit = f"at least {about['rows']:g} of the rows, at most {about['max_loss']:g} nats"
    sum_of_curves = "" if choice["predicted"] is None else f", {choice['predicted']:+.4f} by the sum of the curves"
    lines = [
        f"chosen on {len(choice['windows'])} windows: {choice['measured']:+.4f} nats per token{sum_of_curves}; "
        f"the binding window {choice['least_window']} keeps {choice['least_share']:.3f} of its rows",
        f"{kept} on {len(check['windows'])} other windows ({limit}): {check['share']:.3f} of the rows "
        f"({check['share_before']:.3f} before), loss {check['rise']:+.4f}, "
        f"perplexity {check['perplexity_before']:.2f} -> {check['perplexity_after']:.2f}",
        f"{unseen['violations']} of these windows keep less than {about['rows']:g} of their rows; "
        f"at confidence {unseen['confidence']:g}, at most {unseen['of_this_text']} of the text's other "
        f"{unseen['population']} do (assumes the random draw alone), and of a source of independent windows "
        f"at most a share of {unseen['share_at_most']:.3f}",
    ]
    if (new := unseen["new_window"]) is not None:
        lines.append(
            f"a new, exchangeable window keeps at least {new['share']:.3f} of its rows with probability "
            f">= {new['probability']:.3f}"
        )
    else:
        lines.append(f"nothing is said of one new window: {unseen['no_new_window']}")
    return lines


def _compared(each: dict[str, Any]) -> str:
    named = f"{each['schedule']} at equal {each['equal']}: "
    if each["dials"] is None:
        return named + "not possible"
    return named + f"largest dial {max(each['dials']):.4g}, {each['share']:.3f} of the rows, loss {each['rise']:+.4f}"
