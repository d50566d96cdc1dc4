"""`localist report`."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from theory.errors import InputError


def report(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="Folder of a run or of records; or a record of one file, such as a log of rules."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="The file to write (NAME-report.html, of the folder's name)."),
    ] = None,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open the file in a browser.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write one HTML page of what a folder holds: verdicts, tables, a map of layers and heads, figures, commands.

    The page needs no network. A record that was changed since it was written is named and refused.

    Exit status: 0 nothing wrong was found, 1 a promise was broken or a bound violated or undecided, 2 bad input.
    """
    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--out {out} must end in .html")
    from empirical.audit.files import PAGE_NAME, REPORT_NAME
    from figures.report.page import report as written
    from theory.files import write_text_atomically

    path = out or Path(f"{run.resolve().stem if run.is_file() else run.resolve().name}-report.html")
    if path.name == PAGE_NAME and path.with_name(REPORT_NAME).exists():
        raise InputError(f"--out {path} is the page of an audit, which must stay as it is: give another name")
    made = written(run)
    write_text_atomically(path, made.html)
    # No browser is no failure: the file is there.
    opened = show and webbrowser.open(path.resolve().as_uri())
    if as_json:
        verdicts = [{"tone": each.tone or "note", "said": each.said, "why": each.why} for each in made.verdicts]
        shown = {"file": str(path), "bytes": len(made.html.encode()), "opened": opened, "kinds": list(made.kinds)}
        typer.echo(json.dumps(shown | {"verdicts": verdicts}))
    else:
        for each in made.faults:
            typer.echo(each.said)
        typer.echo(str(path))
        if show and not opened:
            typer.echo("no browser was found to open it", err=True)
    if made.faults:
        raise typer.Exit(1)
