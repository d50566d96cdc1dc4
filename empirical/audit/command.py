"""`localist audit`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from empirical.options import Block, Blocks, Context, OwnText
from theory.errors import DomainError


def audit(
    model: Annotated[
        str | None,
        typer.Argument(help="Folder of a finished run; with --text, folder or hub name of a decoder."),
    ] = None,
    text: OwnText = None,
    promise: Annotated[
        list[str] | None,
        typer.Option(
            help="fidelity>=0.9 or entropy<=1.2 (nats), then in layers 8-11, in heads 0,3, in 95 % of rows; repeatable."
        ),
    ] = None,
    rules: Annotated[Path | None, typer.Option(help="Also steer by these rules and report what they did.")] = None,
    block: Block = None,
    blocks: Blocks = None,
    context: Context = None,
    sequences: Annotated[int | None, typer.Option(help="Windows of the text, drawn at random (all).")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of that draw (0).")] = None,
    confidence: Annotated[
        float | None, typer.Option(help="Confidence of what is said of unseen windows (0.95).")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, or float64, which decides rows whose scores are too large for float32.")
    ] = None,
    verify: Annotated[
        Path | None, typer.Option(help="Repeat the audit of this report.json and list every difference.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the report (MODEL/audited).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Report what bounds a model's attention, what its weights guarantee, what was measured and what follows of that.

    With --verify, MODEL, --text and --rules say where the files are, and every other option is the report's.

    Exit status: 0 every promise and rule was kept in every measured row and no bound was violated or undecided, 1 not
    so, 2 bad input. With --verify: 0 nothing differs, 1 something does, 2 bad input.
    """
    given: dict[str, Any] = {"block": block, "blocks": blocks, "context": context, "sequences": sequences, "seed": seed}
    given |= {"confidence": confidence, "precision": precision, "promises": tuple(promise) if promise else None}
    chosen = {name: value for name, value in given.items() if value is not None}
    if verify is not None:
        _verify(verify, model, text, rules, [*chosen, *(["out"] if out else [])], as_json)
        return
    if model is None:
        raise DomainError("MODEL must be given, or a report with --verify")
    from empirical.audit.files import write_audit
    from empirical.audit.manifest import Options
    from empirical.settings import checked

    if seed is not None and sequences is None:
        raise DomainError(f"seed {seed} is of a draw of windows: give --sequences too")
    options = checked(Options, chosen, "audit", typed={name: f"--{name}" for name in chosen})
    about, folder = write_audit(model, text=text, rules=rules, options=options, out=out)
    if as_json:
        typer.echo(json.dumps(about | {"folder": str(folder)}, allow_nan=False))
    else:
        from empirical.audit.terminal import show

        show(about, folder)
    if not about["kept"]:
        raise typer.Exit(1)


def _verify(
    report: Path, model: str | None, text: Path | None, rules: Path | None, given: list[str], as_json: bool
) -> None:
    from empirical.audit.verify import verify_report

    if given:
        name = "promise" if given[0] == "promises" else given[0]
        raise DomainError(f"--{name} must be left out: it is that of {report}")
    answer = verify_report(report, model=model, text=text, rules=rules)
    if as_json:
        typer.echo(json.dumps(answer.to_json(report.name), allow_nan=False))
    else:
        for line in answer.lines(report):
            typer.echo(line)
    if not answer.same:
        raise typer.Exit(1)
