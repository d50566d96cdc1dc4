"""`localist explore`."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from theory.errors import InputError


def explore(
    out: Annotated[Path, typer.Option(metavar="FILE.html", help="The file to write.")] = Path("explorer.html"),
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open the file in a browser.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write one HTML page with sliders for a setting, its live curves and its verdict, and open it in a browser.

    The page needs no network and holds the commands that reproduce its verdict.

    Exit status: 0 written, 2 bad input.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--out {out} must end in .html")
    from figures.explorer.page import page
    from theory.files import write_text_atomically

    text = page()
    write_text_atomically(out, text)
    # No browser is no failure: the file is there.
    opened = show and webbrowser.open(out.resolve().as_uri())
    if as_json:
        typer.echo(json.dumps({"file": str(out), "bytes": len(text.encode()), "opened": opened}))
        return
    typer.echo(str(out))
    if show and not opened:
        typer.echo("no browser was found to open it", err=True)
