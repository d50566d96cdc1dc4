"""`localist sweep`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from theory.errors import DomainError


def sweep(
    plan: Annotated[Path, typer.Argument(metavar="SWEEP.toml", help="What to compare.")],
    out: Annotated[
        Path | None, typer.Argument(help="Folder of the sweep. Default: runs/NAME of the file.", show_default=False)
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Tasks at a time; -1: one per core (1; on a cluster one per worker).")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers run the tasks, such as tcp://host:8786."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fine-tune every configuration from one base model with several seeds, at equal budgets, and compare.

    A second call keeps finished tasks and resumes the rest. Exit status 1 if any row violates a bound or is undecided.
    """
    from empirical.sweep.plan import load_sweep

    if jobs is not None and (jobs == 0 or jobs < -1):
        raise DomainError(f"--jobs {jobs} must be at least 1, or -1 for one per core")
    config = load_sweep(plan)

    from empirical.sweep.sweep import sweep as run_sweep

    folder = out or Path("runs") / plan.stem
    if cluster is None:
        done = run_sweep(config, folder, n_jobs=jobs)
    else:
        from empirical.sweep.cluster import on_cluster

        with on_cluster(cluster) as run_there:
            done = run_sweep(config, folder, n_jobs=jobs, run_there=run_there)
    if as_json:
        typer.echo(json.dumps(_plain(done)))
    else:
        _print_summary(done)
    if done.summary[["violations", "undecided"]].to_numpy().any():
        raise typer.Exit(1)


def _plain(done: Any) -> dict[str, Any]:
    lines = json.loads(done.summary.to_json(orient="records", double_precision=10))
    return {"sweep": str(done.folder), "mean_dial": done.manifest["mean_dial"], "summary": lines}


def _print_summary(done: Any) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    table = Table(title="held-out perplexity and its ratio to the baseline, 95 % intervals over seeds", box=SIMPLE)
    table.pad_edge, table.collapse_padding = False, True
    for name in ("budget", "configuration", "max", "mean", "perplexity", "ratio", "fidelity"):
        table.add_column(name, justify="left" if name in ("budget", "configuration") else "right", no_wrap=True)
    before = None
    for line in done.summary.to_dict("records"):
        if before not in (None, line["budget"]):
            table.add_section()
        before = line["budget"]
        table.add_row(
            line["budget"],
            line["configuration"],
            f"{line['largest_dial']:.2f}",
            f"{line['mean_dial']:.2f}",
            _with_interval(line, "perplexity", 2),
            _with_interval(line, "ratio", 4),
            f"{line['fidelity']:.3f}",
        )
    console = Console()
    console.print(table)
    rows, violations, undecided = (done.summary[name].sum() for name in ("rows", "violations", "undecided"))
    counts = f"{rows:,} rows, {violations} violations, {undecided} undecided"
    console.print(f"{counts}, records in {done.folder}", soft_wrap=True)
    console.print("max, mean: dial over the layers")
    console.print(f"largest: {done.manifest['warning']}", highlight=False)


def _with_interval(line: dict[str, Any], name: str, digits: int) -> str:
    value, low, high = (line[f"{name}{end}"] for end in ("", "_low", "_high"))
    half = max(value - low, high - value)
    # NaN with a single seed, which gives no interval.
    return f"{value:.{digits}f}" + (f" ± {half:.{digits}f}" if half == half else "")
