"""The sub-commands that decide statements; what they need is imported when they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proofs_check.verification import TwinTrial, Verification


def verify(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Statements; all if none.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Random instances thrown at each statement.")] = 60,
    seed: Annotated[int, typer.Option(help="Seed of the random instances.")] = 0,
    twins: Annotated[bool, typer.Option("--twins", help="Try the planted-false twins instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Decide statements by independent methods, one row a statement, one column a method.

    Symbolic: sympy decided that many of the derivation's steps. Random: that many instances were drawn and each was
    decided in exact arithmetic for every clause. Exit status: 0 if every statement is proved or sampled clean (with
    --twins: if every twin is refuted), 1 otherwise.
    """
    from proofs_check.twins import twins_of
    from proofs_check.verification import try_twin
    from proofs_check.verification import verify as verify_statement
    from theory.catalogue import CATALOGUE, find

    statements = [find(key) for key in ids] if ids else list(CATALOGUE)
    if twins:
        trials = _with_progress(
            "twins",
            [twin for s in statements for twin in twins_of(s)],
            lambda twin: try_twin(twin, rows * 10, seed),
        )
        passed = bool(trials) and all(trial.killed for trial in trials)
        _print(as_json, [_twin_json(trial) for trial in trials], lambda: _print_twins(trials))
    else:
        results = _with_progress("verifying", statements, lambda s: verify_statement(s, rows, seed))
        passed = all(result.passed for result in results)
        _print(as_json, [result.to_json() for result in results], lambda: _print_table(results))
    if not passed:
        raise typer.Exit(1)


def _with_progress(title: str, items: Sequence[Any], work: Callable[[Any], Any]) -> list[Any]:
    from rich.console import Console
    from rich.progress import track

    return [work(item) for item in track(items, title, console=Console(stderr=True), transient=True)]


def _print(as_json: bool, objects: list[dict[str, Any]], print_tables: Callable[[], None]) -> None:
    if as_json:
        import json

        print(json.dumps(objects, allow_nan=False, indent=2))
    else:
        print_tables()


def _print_table(results: list[Verification]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from proofs_check.verdict import Verdict

    table = Table(title="statements by method", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("id", "statement", "symbolic", "random", "status", "s"):
        table.add_column(heading, justify="right" if heading == "s" else "left", no_wrap=True)
    console = Console()
    for result in results:
        random, steps = result.random, result.symbolic.steps
        proved = sum(step.verdict is Verdict.PROVED for step in steps)
        derived = f"{result.symbolic.verdict.value} {proved}/{len(steps)}" if steps else "cited"
        seen = f"clean {random.rows}" if random.clean else f"{random.verdict.value} {random.rows}"
        colour = "green" if result.passed else "red"
        table.add_row(
            result.statement.id,
            result.statement.name,
            derived,
            seen,
            f"[{colour}]{result.status}[/]",
            f"{result.seconds:.1f}",
        )
    console.print(table)
    for result in results:
        for step in result.symbolic.steps:
            if step.verdict is not Verdict.PROVED:
                console.print(f"{result.statement.id}: step {step.verdict.value}: {step.step.because} {step.point}")
        if result.random.counterexample is not None:
            console.print(f"{result.statement.id}: {result.random.counterexample}")


def _twin_json(trial: TwinTrial) -> dict[str, Any]:
    return {
        "twin": trial.twin.name,
        "killed": trial.killed,
        "rows": trial.random.rows,
        "counterexample": None if trial.random.counterexample is None else str(trial.random.counterexample),
    }


def _print_twins(trials: list[TwinTrial]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="planted-false twins: every one must be refuted", show_lines=True)
    for heading in ("false statement", "random", "counterexample"):
        table.add_column(heading)
    for trial in trials:
        seen = "[green]refuted[/]" if trial.killed else "[red]NOT REFUTED[/]"
        table.add_row(trial.twin.name, seen, str(trial.random.counterexample or ""))
    console = Console()
    console.print(table)
    console.print(f"{sum(trial.killed for trial in trials)} of {len(trials)} refuted")
