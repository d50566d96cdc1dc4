"""`localist generate`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from theory.errors import DomainError


def generate(
    model: Annotated[str, typer.Argument(help="Folder of a finished run; or folder or hub name of a decoder.")],
    prompt: Annotated[str, typer.Option(help="Text to continue; empty: a new text.")] = "",
    dial: Annotated[
        str | None,
        typer.Option(help="Dials at inference: start:stop:step or a list, such as 0,0.9,1. Default: the run's own."),
    ] = None,
    dials: Annotated[
        Path | None, typer.Option(help="Dials per layer or head from a JSON file, such as calibrate's.")
    ] = None,
    block: Annotated[
        int | None, typer.Option(help="Blocks of so many tokens (the model's own blocks, else 64 tokens).")
    ] = None,
    shape: Annotated[
        str | None, typer.Option(help="Schedule that spreads a dial over the layers (localist: the same on all).")
    ] = None,
    tokens: Annotated[int, typer.Option(help="Tokens to add.")] = 60,
    temperature: Annotated[float, typer.Option(help="Sampling temperature; 0: the likeliest token.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Sampling seed, the same for every dial.")] = 0,
    rules: Annotated[Path | None, typer.Option(help="Rule file; broken promises are counted.")] = None,
    log: Annotated[Path | None, typer.Option(help="New file for each firing of a rule, as JSON Lines.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Continue a prompt, with the dial moved or rules at inference; exit status 1 if a rule's promise was broken."""
    if shape is not None and dial is None:
        raise DomainError(f"shape {shape} spreads a dial over the layers: give --dial too")
    if dials is not None and dial is not None:
        raise DomainError(f"dial {dial} and the dials of {dials} were given: give one of them")
    from empirical.measuring.dial_file import blocks_for, read_dials
    from empirical.measuring.generate import generate as continue_prompt
    from empirical.measuring.measure import dial_values

    values = None if dial is None else dial_values(dial)
    if dials is not None:
        block, kind = blocks_for(dials, block, None)
        if kind is not None:
            print(
                f"note: the dials of {dials} were chosen for {kind}; the model's own blocks are used", file=sys.stderr
            )
    found = continue_prompt(
        model,
        prompt,
        dials=values,
        plan=None if dials is None else read_dials(dials),
        block=block,
        shape=shape or "localist",
        tokens=tokens,
        temperature=temperature,
        seed=seed,
        rules=rules,
        log=log,
    )
    broken = any(each.broken for each in found)
    if as_json:
        plain = [{"dials": each.dials, "text": each.text, "nats_per_token": each.loss} for each in found]
        if rules is not None:
            counted = ({"firings": each.firings, "broken": each.broken} for each in found)
            plain = [each | counts for each, counts in zip(plain, counted, strict=True)]
        typer.echo(json.dumps({"run": str(model), "prompt": prompt, "seed": seed, "continuations": plain}))
        if broken:
            raise typer.Exit(1)
        return
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for each in found:
        named = ", ".join(named_dial(dial) for dial in each.dials)
        console.print(f"dials {named}, {each.loss:.2f} nats per token", style="bold")
        console.print(prompt, style="dim", markup=False, end="")
        console.print(each.text, markup=False)
        if rules is not None:
            console.print(f"rules fired {each.firings:,} times; {each.broken:,} promises broken", style="bold")
    if broken:
        raise typer.Exit(1)


def named_dial(dial: float | Sequence[float]) -> str:
    """A layer's dial, or those of its heads, in three digits.

    >>> named_dial(0.5), named_dial((0.0, 0.999))
    ('0.5', '(0 0.999)')
    """
    return f"({' '.join(f'{each:.3g}' for each in dial)})" if isinstance(dial, Sequence) else f"{dial:.3g}"
