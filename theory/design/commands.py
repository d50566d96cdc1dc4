"""The sub-commands that use only the theory; their modules are imported when they run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from theory.errors import DomainError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables; a non-finite number is null.")]


def check(
    run: Annotated[Path | None, typer.Argument(metavar="[RUN.toml]", help="A whole run, instead of one row.")] = None,
    keys: Annotated[int | None, typer.Option(help="Keys the query can see.")] = None,
    block: Annotated[
        int | None, typer.Option(help="Keys in its target block, fewer than --keys; with --text, tokens of a block.")
    ] = None,
    margin: Annotated[
        float | None, typer.Option(help="The row's least score in the block minus its largest outside.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Temperature of the softmax, positive; 1 if left out.")
    ] = None,
    penalty: Annotated[float | None, typer.Option(help="Penalty on attention off the block; 0 if left out.")] = None,
    dial: Annotated[
        float | None, typer.Option(help="Locality dial in [0, 1); 0 if left out, or with --model the last layer's own.")
    ] = None,
    logit_range: Annotated[
        float | None, typer.Option(help="Range of the scores over the temperature; gives the lower entropy bound.")
    ] = None,
    target_fidelity: Annotated[float | None, typer.Option(help="Least attention mass on the block, in (0, 1).")] = None,
    target_entropy_bits: Annotated[float | None, typer.Option(help="Largest entropy, in bits.")] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(help="Sweep a number of RUN.toml: NAME=START:STOP:STEP or NAME=A,B,C; repeatable."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Output file of --grid, .csv or .parquet; grid.csv if left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check thresholds and bounds of one attention row, given by options, or of a whole run, given by its file.

    Exit status: 0 guaranteed or no target given, 1 not guaranteed, 2 bad input. A sweep exits with 0 once written.
    """
    row = {
        "--keys": keys, "--block": block, "--margin": margin, "--temperature": temperature, "--penalty": penalty,
        "--dial": dial, "--logit-range": logit_range, "--target-fidelity": target_fidelity,
        "--target-entropy-bits": target_entropy_bits,
    }  # fmt: skip
    if out is not None and not grid:
        raise DomainError(f"--out {out} is the file of a sweep, and needs --grid; it must be left out here")
    if run is not None:
        if given := [name for name, value in row.items() if value is not None]:
            raise DomainError(f"{given[0]} must be given in {run}, not as an option")
        if grid:
            _sweep(run, grid, out or Path("grid.csv"), as_json)
        else:
            _check_run(run, as_json)
        return
    if grid:
        raise DomainError("--grid sweeps the numbers of a RUN.toml; a RUN.toml must be given")
    if keys is None or block is None or margin is None:
        missing = next(name for name in ("--keys", "--block", "--margin") if row[name] is None)
        raise DomainError(f"{missing} must be given, or a RUN.toml instead of the options")
    from theory.design.guarantee import Design, Targets
    from theory.design.row_check import check_row

    answer = check_row(
        Design(
            keys, block, margin,
            1.0 if temperature is None else temperature,
            0.0 if penalty is None else penalty,
            0.0 if dial is None else dial,
        ),
        Targets(target_fidelity, target_entropy_bits),
        logit_range,
    )  # fmt: skip
    if as_json:
        _print_json(answer.to_json())
    else:
        from theory.design.row_table import print_row

        print_row(answer)
    if answer.guaranteed is False:
        raise typer.Exit(1)


def _check_run(path: Path, as_json: bool) -> None:
    from theory.design.run_check import check_run
    from theory.design.run_file import read_run

    answer = check_run(read_run(path))
    if as_json:
        _print_json(answer.to_json())
    else:
        from theory.design.run_table import print_run

        print_run(answer)
    if answer.guaranteed is False:
        raise typer.Exit(1)


def _sweep(path: Path, axes: list[str], out: Path, as_json: bool) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from theory.design.grid import make_grid, parse_axis, write_grid
    from theory.design.run_file import read_values

    grid = make_grid(read_values(path), [parse_axis(text) for text in axes], str(path))
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("sweeping", total=grid.points)
        guaranteed = write_grid(grid, out, lambda rows: progress.advance(task, rows))
    summary = {"file": str(out), "points": grid.points, "guaranteed": guaranteed}
    if as_json:
        _print_json(summary)
    elif guaranteed is None:
        print(f"{grid.points} points, with no target to guarantee; written to {out}")
    else:
        print(f"{guaranteed} of {grid.points} points guaranteed; written to {out}")


def design(
    run: Annotated[Path, typer.Argument(metavar="RUN.toml", help='A run with "solve" for every open setting.')],
    out: Annotated[
        Path | None, typer.Option(help="Write the run with the answers filled in to this TOML file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find the smallest settings that guarantee a run's targets in every row, or the constraint that binds.

    Several open settings are solved in this order, each with the later ones at rest: anchor scale, margin, penalty,
    schedule, dial, optimizer penalty, optimizer steps. A schedule and a dial are solved together.

    Exit status: 0 everything found, 1 something has no answer or the run found is not guaranteed, 2 bad input.
    A file is written only with status 0.
    """
    from theory.design.run_design import design_run
    from theory.design.run_file import read_run

    answer = design_run(read_run(run))
    if as_json:
        _print_json(answer.to_json())
    else:
        from theory.design.run_table import print_design

        print_design(answer)
    if any(solved.name == "locality.schedule" for solved in answer.solved):
        from rich.console import Console

        from theory.numbers.schedule_bounds import BUDGET_WARNING

        Console(stderr=True).print(f"warning: {BUDGET_WARNING}", style="yellow")
    if answer.run is None or answer.unmet:
        if out is not None:
            print(f"warning: {out} is not written: no guaranteed run was found", file=sys.stderr)
        raise typer.Exit(1)
    if out is not None:
        from theory.design.run_file import filled_in
        from theory.files import read_text, write_text_atomically

        write_text_atomically(out, filled_in(read_text(run), answer.run))


def theorems(
    statement: Annotated[str | None, typer.Argument(metavar="[ID]", help="One statement, by id or name.")] = None,
    graph: Annotated[
        bool, typer.Option("--graph", help="Print the statements' dependency graph, or that of [ID], as Graphviz.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the statements as one Markdown page.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the statements, or print one in full: assumptions, claim, where it is sharp, what it uses, LaTeX."""
    from theory.statements.catalogue import CATALOGUE, find
    from theory.statements.listing import describe, foundations, graphviz, print_list, print_statement

    if sum((graph, markdown, as_json)) > 1:
        raise DomainError("--graph, --markdown and --json each choose the output format: only one of them may be given")
    if markdown:
        from theory.statements.markdown import page

        print(page(CATALOGUE if statement is None else [find(statement)]), end="")
    elif graph:
        print(graphviz(CATALOGUE if statement is None else foundations(find(statement))))
    elif statement is None:
        if as_json:
            _print_json([describe(each) for each in CATALOGUE])
        else:
            print_list(CATALOGUE)
    elif as_json:
        _print_json(describe(find(statement)))
    else:
        print_statement(find(statement))


def _print_json(answer: Any) -> None:
    import json

    print(json.dumps(answer, allow_nan=False, indent=2))
