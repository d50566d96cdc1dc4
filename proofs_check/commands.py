"""The sub-commands that decide statements; what they need is imported when they run."""

from __future__ import annotations

from pathlib import Path
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
    full: Annotated[bool, typer.Option("--full", help="Run every method, and write what each found.")] = False,
    samples: Annotated[float, typer.Option(min=1, help="Rows screened in floats, with --full.")] = 2e5,
    lemma_seconds: Annotated[
        float, typer.Option(min=0.1, help="Interval search for one inequality, with --full.")
    ] = 20,
    evidence: Annotated[Path, typer.Option(help="Folder of the evidence, with --full.")] = Path("evidence"),
    claims: Annotated[Path | None, typer.Option(help="Write the page of claims, with --full.")] = None,
    replay: Annotated[Path | None, typer.Option(help="Replay the certificates in this folder instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Decide statements by independent methods, one row a statement, one column a method.

    Symbolic: sympy decided that many of the derivation's steps. Random: that many instances were drawn and each was
    decided in exact arithmetic for every clause. With --full also: rows screened in floats with a derived error bound,
    a search for the row nearest to equality, and certificates for every inequality; what is finished is kept, so a run
    broken off goes on where it stopped. Exit status: 0 if every statement is proved or sampled clean (with --twins: if
    every twin is refuted; with --replay: if every certificate holds), 1 otherwise.
    """
    from proofs_check.verification import try_twin
    from proofs_check.verification import verify as verify_statement
    from theory.catalogue import CATALOGUE, find

    if replay is not None:
        passed = _replay(replay, as_json)
    elif twins:
        from proofs_check.twins import twins_of

        chosen = [find(key) for key in ids] if ids else list(CATALOGUE)
        planted = [twin for statement in chosen for twin in twins_of(statement)]
        trials = _with_progress("twins", planted, lambda twin: try_twin(twin, rows * 10, seed))
        passed = bool(trials) and all(trial.killed for trial in trials)
        _print(as_json, [_twin_json(trial) for trial in trials], lambda: _print_twins(trials))
    else:
        statements = [find(key) for key in ids] if ids else list(CATALOGUE)
        if full:
            passed = _full(statements, evidence, rows, samples, lemma_seconds, seed, as_json)
            if claims is not None:
                _write_claims(claims, evidence)
        else:
            results = _with_progress("verifying", statements, lambda s: verify_statement(s, rows, seed))
            passed = all(result.passed for result in results)
            _print(as_json, [result.to_json() for result in results], lambda: _print_table(results))
    if not passed:
        raise typer.Exit(1)


def _full(
    statements: list[Any], folder: Path, rows: int, samples: float, seconds: float, seed: int, as_json: bool
) -> bool:
    from proofs_check.evidence import gather, status

    found = _with_progress("verifying", statements, lambda s: gather(s, folder, rows, samples, seconds, seed))
    standing = [status(each, statement) for each, statement in zip(found, statements, strict=True)]
    objects = [{**each, "status": word} for each, word in zip(found, standing, strict=True)]
    _print(as_json, objects, lambda: _print_evidence(objects))
    return all(word in ("certified", "derived", "sampled") for word in standing)


def _print_evidence(objects: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from proofs_check.evidence import screened

    table = Table(title="statements by method", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("id", "symbolic", "random", "screen", "tightest", "intervals", "status"):
        table.add_column(heading, no_wrap=True)
    for each in objects:
        lemmas = each["interval"]
        ratios = [a["tightness"] for a in each["adversarial"] or [] if a["tightness"] is not None]
        steps = each["symbolic"]["steps"]
        good = each["status"] in ("certified", "derived", "sampled")
        table.add_row(
            each["id"],
            f"{steps - len(each['symbolic']['open_steps'])}/{steps}" if steps else "cited",
            ("clean " if each["random"]["clean"] else "not clean ") + str(each["random"]["rows"]),
            screened(each["screen"]),
            f"{max(ratios):.6f}" if ratios else "",
            f"{sum(lemma['verdict'] == 'proved' for lemma in lemmas)}/{len(lemmas)}" if lemmas else "",
            f"[{'green' if good else 'red'}]{each['status']}[/]",
        )
    Console().print(table)


def _write_claims(page: Path, folder: Path) -> None:
    from proofs_check.evidence import claims_page
    from theory.catalogue import CATALOGUE
    from theory.errors import InputError

    try:
        page.write_text(claims_page(CATALOGUE, folder), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {page}: {error.strerror}") from None


def _replay(folder: Path, as_json: bool) -> bool:
    from rich.console import Console

    from proofs_check.replay import replay
    from theory.errors import InputError

    paths = sorted(folder.rglob("*.json")) if folder.is_dir() else []
    if not paths:
        raise InputError(f"{folder} holds no certificates")
    found = _with_progress("replaying", paths, replay)
    objects = [
        {"certificate": str(path), "holds": each.holds, "reason": each.reason}
        for path, each in zip(paths, found, strict=True)
    ]

    def print_failures() -> None:
        for each in objects:
            if not each["holds"]:
                Console().print(f"{each['certificate']}: {each['reason']}", style="red", markup=False, soft_wrap=True)
        held = sum(bool(each["holds"]) for each in objects)
        Console().print(f"{held} of {len(objects)} certificates hold")

    _print(as_json, objects, print_failures)
    return all(each["holds"] for each in objects)


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
