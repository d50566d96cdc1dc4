"""`localist generate`."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from theory.errors import DomainError

if TYPE_CHECKING:
    from empirical.steering.rule_versions import RuleChange


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
    watch_rules: Annotated[
        bool, typer.Option("--watch-rules", help="Take a changed rule file over before the next token.")
    ] = False,
    on_broken: Annotated[
        Literal["mark", "stop"], typer.Option(help="At a broken promise: count it and go on, or end the text.")
    ] = "mark",
    log: Annotated[Path | None, typer.Option(help="New file for each firing of a rule, as JSON Lines.")] = None,
    log_bytes: Annotated[
        int | None, typer.Option(help="Largest file of the log; it goes on in LOG.1, LOG.2 and so on.")
    ] = None,
    replay: Annotated[Path | None, typer.Option(help="Log to run again and compare, instead of generating.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Continue a prompt, with the dial moved or rules at inference; or replay the log of such a run.

    Exit status 1 if a rule's promise was broken, or if the replay differs from the log.
    """
    if replay is not None:
        given = {name: value for name, value in locals().items() if name not in ("model", "replay", "as_json")}
        for name, value in given.items():
            if value != inspect.signature(generate).parameters[name].default:
                option = f"--{name.replace('_', '-')} {'' if value is True else value}".rstrip()
                raise DomainError(f"{option} has no effect on a replay: the log says what was run")
        _replay(model, replay, as_json)
        return
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
        watch_rules=watch_rules,
        on_change=_tell if watch_rules else None,
        on_broken=on_broken,
        log=log,
        log_bytes=log_bytes,
    )
    broken = any(each.broken for each in found)
    if as_json:
        plain = [{"dials": each.dials, "text": each.text, "nats_per_token": each.loss} for each in found]
        if rules is not None:
            counted = ({"firings": each.firings, "broken": each.broken, "stopped": each.stopped} for each in found)
            plain = [each | counts for each, counts in zip(plain, counted, strict=True)]
        typer.echo(json.dumps({"run": str(model), "prompt": prompt, "seed": seed, "continuations": plain}))
        if broken:
            raise typer.Exit(1)
        return
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for each in found:
        named = ", ".join(named_dial(dial) for dial in each.dials)
        loss = "no token" if each.loss is None else f"{each.loss:.2f} nats per token"
        console.print(f"dials {named}, {loss}", style="bold")
        console.print(prompt, style="dim", markup=False, end="")
        console.print(each.text, markup=False)
        if rules is not None:
            console.print(f"rules fired {each.firings:,} times; {each.broken:,} promises broken", style="bold")
        if each.stopped is not None:
            print(f"stopped: {each.stopped}", file=sys.stderr)
    if broken:
        raise typer.Exit(1)


def _tell(change: RuleChange) -> None:
    """Say on stderr what became of a changed rule file."""
    if change.refusal is not None:
        print(f"rules not reloaded after {change.position} tokens: {change.refusal}", file=sys.stderr)
    elif change.position:
        print(f"rules reloaded after {change.position} tokens: {(change.sha256 or '')[:12]}", file=sys.stderr)


def _replay(model: str, log: Path, as_json: bool) -> None:
    from empirical.measuring.generate import replay

    found = replay(model, log)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
    else:
        for line in found.shown:
            print(line)
        if found.differences > len(found.shown):
            print(f"and {found.differences - len(found.shown):,} more differences")
        if found.cut_off:
            print("the log is cut off: replayed up to its last whole pass")
        counts = f"{found.firings:,} firings, {found.passes:,} passes, {found.texts:,} texts"
        print(f"replayed: {counts}; differences: {found.differences:,}")
    if found.differences:
        raise typer.Exit(1)


def named_dial(dial: float | Sequence[float]) -> str:
    """A layer's dial, or those of its heads, in three digits.

    >>> named_dial(0.5), named_dial((0.0, 0.999))
    ('0.5', '(0 0.999)')
    """
    return f"({' '.join(f'{each:.3g}' for each in dial)})" if isinstance(dial, Sequence) else f"{dial:.3g}"
