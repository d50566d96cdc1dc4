"""`localist figures`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from figures.names import JOINED, MADE, NAMES, RANDOM
from theory.errors import DomainError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

DRAWN = Path("runs") / "figures"
COMMITTED = Path("records")
COMMITTED_FIGURES = COMMITTED / "figures"
# What `--check` prints of one figure; `--json` gives all.
MOST_LINES = 5


def figures(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help=f"{', '.join(NAMES)}. Default: all that have records."),
    ] = None,
    records: Annotated[
        list[Path] | None,
        typer.Option(
            "--records",
            metavar="DIR...",
            help="Folders of records, runs or sweeps, or folders that contain these.  "
            "[default: runs; records with --all or --check]",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the pictures; with --check, of the committed ones.  [default: runs/figures]"),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the random rows in leak and entropy (0).")] = None,
    every: Annotated[bool, typer.Option("--all", help="Draw every figure that `records` has records for.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Draw nothing; compare committed figures with the values of `records`.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Draw figures as PNG, PDF and SVG with captions, stamped with the SHA-256 of the rows they were drawn from.

    Exit status: 0 drawn, 1 drawn but some rows contradict a bound (marked in red) or are undecided, 2 bad input. With
    --check: 0 every committed figure shows the values recorded, 1 some figure is stale.
    """
    wanted, folders = _split(names or [], records)
    if every and wanted:
        raise DomainError(f"--all draws every figure: leave out the name {wanted[0]!r}")
    if check:
        _check(wanted, folders, out, seed, as_json)
        return
    from figures.drawing import draw_all

    _refuse_idle(wanted, records, seed)
    chosen = [COMMITTED] if every and folders is None else folders
    found = draw_all(wanted or NAMES, chosen, out or DRAWN, seed or 0, where_possible=not wanted)
    if as_json:
        shown = {each.name: each.to_json() for each in found.drawn}
        typer.echo(json.dumps({"figures": shown, "left_out": found.left_out}, indent=2))
    else:
        _print(found.drawn, found.left_out)
    if any(each.faults for each in found.drawn):
        raise typer.Exit(1)


def _check(
    wanted: Sequence[str], folders: Sequence[Path] | None, out: Path | None, seed: int | None, as_json: bool
) -> None:
    """Print what is stale; exit with status 1 if anything is."""
    from figures.checking import check_all

    if seed is not None:
        raise DomainError(f"--seed {seed}: committed figures are drawn with seed 0; leave the option out")
    stale, absent = check_all(wanted or NAMES, folders or [COMMITTED], out or COMMITTED_FIGURES)
    if as_json:
        typer.echo(
            json.dumps({"stale": {k: v for k, v in stale.items() if v}, "checked": list(stale), "absent": absent})
        )
    else:
        for name, lines in stale.items():
            more = [f"and {len(lines) - MOST_LINES} more differences"] if len(lines) > MOST_LINES else []
            for line in [*lines[:MOST_LINES], *more] or ["current"]:
                typer.echo(f"{name}: {line}")
        for name in absent:
            typer.echo(f"{name}: not committed, and no records to draw it from")
    if any(stale.values()):
        raise typer.Exit(1)


def _split(names: Sequence[str], records: list[Path] | None) -> tuple[list[str], list[Path] | None]:
    """Names of figures, and folders. With `--records runs/*` the shell puts further folders among the names."""
    wanted = list(dict.fromkeys(name for name in names if name in NAMES))
    others = [name for name in names if name not in NAMES]
    if records is None:
        if others:
            raise DomainError(f"figure {others[0]!r} must be one of {', '.join(NAMES)}")
        return wanted, None
    for name in others:
        if not Path(name).is_dir():
            raise InputError(f"{name!r} is neither a figure ({', '.join(NAMES)}) nor a folder of records")
    return wanted, [*records, *(Path(name) for name in others)]


def _refuse_idle(wanted: Sequence[str], records: list[Path] | None, seed: int | None) -> None:
    """Raise DomainError for an option that none of the requested figures uses."""
    drawn = ", ".join(wanted)
    if wanted and records and not {*wanted} - ({*MADE} - {*JOINED}):
        raise DomainError(f"--records {records[0]}: {drawn} is drawn without records; leave the option out")
    if wanted and seed is not None and not {*RANDOM} & {*wanted}:
        raise DomainError(
            f"--seed {seed}: only {' and '.join(RANDOM)} draw rows at random, not {drawn}; leave the option out"
        )


def _print(results: Sequence[Any], left_out: dict[str, str]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title="figures")
    for heading in ("figure", "drawn from", "SHA-256"):
        table.add_column(heading)
    for each in results:
        for index, source in enumerate(each.sources):
            table.add_row("" if index else each.name, source.name, source.sha256[:16])
    console.print(table)
    for each in results:
        for path in (each.files[suffix] for suffix in ("png", "pdf", "svg")):
            console.print(str(path), soft_wrap=True, highlight=False, markup=False)
        for fault in each.faults:
            console.print(f"{each.name}: {fault}", style="bold red", soft_wrap=True, markup=False)
    for reason in left_out.values():
        console.print(f"not drawn: {reason}", soft_wrap=True, highlight=False, markup=False)
