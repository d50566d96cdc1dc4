"""The sub-command that decides statements; its dependencies are imported when it runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proofs_check.evidence import Standing
    from proofs_check.findings import Effort
    from proofs_check.inequalities.replay import Replayed
    from proofs_check.kernel import KernelResult
    from proofs_check.methods.running import Report, Run
    from proofs_check.verification import Verification

# The options that each mode takes; the mode "" runs the quick methods.
_TAKES = {
    "--full": {"ids", "rows", "seed", "samples", "lemma_seconds", "evidence", "claims", "strict"},
    "--strict": {"ids", "rows", "seed", "evidence"},
    "--kernel": {"ids", "evidence"},
    "--mutants": {"ids", "seed"},
    "--replay": set(),
    "": {"ids", "rows", "seed"},
}
_OPTIONS = ("ids", "rows", "seed", "samples", "lemma_seconds", "evidence", "claims")


def verify(
    # None when the demo calls this as a function; typer accepts no optional context.
    context: typer.Context = None,  # type: ignore[assignment]
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Statement ids; all if none.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Random instances tried on each statement.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random instances.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on every statement below certified.")] = False,
    mutants: Annotated[bool, typer.Option("--mutants", help="Try mutants on every method instead.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Run every method and write the evidence.")] = False,
    samples: Annotated[float, typer.Option(min=1, help="Rows screened in floats, with --full.")] = 1e6,
    lemma_seconds: Annotated[
        float, typer.Option(min=0.1, help="Seconds of interval search per inequality, with --full.")
    ] = 20,
    evidence: Annotated[Path, typer.Option(help="Folder of the evidence, with --full, --strict or --kernel.")] = Path(
        "evidence"
    ),
    claims: Annotated[Path | None, typer.Option(help="Write the page of claims, with --full.")] = None,
    replay: Annotated[Path | None, typer.Option(help="Replay the certificates in this file or folder instead.")] = None,
    kernel: Annotated[
        bool, typer.Option("--kernel", help="Have Coq's kernel check the proofs again instead; needs coqc.")
    ] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; all cores if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Decide statements by independent methods, one row per statement, one column per method.

    Symbolic: how many of the derivation's steps sympy decided. Random: how many instances were drawn; each was decided
    in exact arithmetic for every clause. --full adds rows screened in floats with a derived error bound, the screen's
    time relative to the softmax alone, a search for the row nearest to equality, and certificates for every inequality;
    finished work is kept, so an interrupted run resumes. --strict takes the statuses from the evidence and replays its
    certificates. --mutants tries every method on statements, steps and inequalities made false on purpose. Exit status:
    0 if every statement is at least sampled (with --strict: certified; with --mutants: if no mutant passes a complete
    method; with --replay: if every certificate holds), 1 otherwise, 130 after Ctrl-C.
    """
    from theory.statements.catalogue import CATALOGUE, find

    modes = {"--replay": replay is not None, "--kernel": kernel, "--mutants": mutants, "--full": full}
    if context is not None:
        _check_options(context, [name for name, asked in modes.items() if asked], strict)
    chosen = [find(key).id for key in ids] if ids else [statement.id for statement in CATALOGUE]
    if replay is not None:
        passed = _replay(replay, jobs, as_json)
    elif kernel:
        passed = _kernel(ids, chosen, evidence, jobs, as_json)
    elif mutants:
        passed = _mutants(chosen, seed, jobs, as_json)
    elif full:
        from proofs_check.findings import Effort

        effort = Effort(samples=samples, seconds_per_lemma=lemma_seconds, seed=seed)
        passed = _full(chosen, evidence, effort, rows, claims, strict, jobs, as_json)
    elif strict:
        passed = _strict(chosen, evidence, rows, seed, jobs, as_json)
    else:
        passed = _quick(chosen, rows, seed, jobs, as_json)
    if not passed:
        raise typer.Exit(1)


def _check_options(context: typer.Context, modes: Sequence[str], strict: bool) -> None:
    """Raises `InputError` for two modes at once, or for an option without effect."""
    from theory.errors import InputError

    if len(modes) > 1:
        raise InputError(f"{modes[0]} and {modes[1]} must be asked for one at a time")
    mode = modes[0] if modes else "--strict" if strict else ""
    given = [name for name in _OPTIONS if str(context.get_parameter_source(name)).endswith("COMMANDLINE")]
    if strict and mode != "--strict":
        given.append("strict")
    for name in given:
        if name not in _TAKES[mode]:
            option = "an id" if name == "ids" else f"--{name.replace('_', '-')}"
            others = " or ".join(other for other, takes in _TAKES.items() if name in takes)
            needs = "" if name in _TAKES[""] else f"{option} needs {others}"
            clash = f"{option} has no effect with {mode}" if mode else ""
            raise InputError(": ".join(filter(None, (clash, needs))))


def _made(folder: Path) -> None:
    """Creates the folder of the evidence before any time is spent on its content."""
    from theory.errors import InputError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from None


def _quick(chosen: Sequence[str], rows: int, seed: int, jobs: int | None, as_json: bool) -> bool:
    from proofs_check.methods.running import each
    from proofs_check.tables import print_quick, printed

    run = each(partial(verify_one, rows=rows, seed=seed), chosen, "verifying", jobs)
    printed(as_json, [result.to_json() for result in run.found], lambda: print_quick(run.found))
    _stop_if_interrupted(run, f"{len(run.found)} of {len(chosen)} statements were verified")
    return all(result.status.holds for result in run.found)


def verify_one(key: str, report: Report, rows: int, seed: int) -> Verification:
    """The result of the quick methods on one statement."""
    from proofs_check.verification import verify as verify_statement
    from theory.statements.catalogue import find

    return verify_statement(find(key), rows, seed)


def _strict(chosen: Sequence[str], folder: Path, rows: int, seed: int, jobs: int | None, as_json: bool) -> bool:
    from proofs_check.methods.running import each
    from proofs_check.tables import print_below_certified, print_quick, printed

    run = each(partial(stand_one, folder=folder, rows=rows, seed=seed), chosen, "verifying", jobs)

    def tables() -> None:
        print_quick([found.quick for found in run.found], run.found)
        print_below_certified(run.found)

    printed(as_json, [found.to_json() for found in run.found], tables)
    _stop_if_interrupted(run, f"{len(run.found)} of {len(chosen)} statements were verified")
    return all(found.status.strict for found in run.found)


def stand_one(key: str, report: Report, folder: Path, rows: int, seed: int) -> Standing:
    """The standing of one statement, given the evidence in the folder."""
    from proofs_check.evidence import standing
    from theory.statements.catalogue import find

    return standing(find(key), folder, rows, seed)


def _mutants(chosen: Sequence[str], seed: int, jobs: int | None, as_json: bool) -> bool:
    from proofs_check.methods.running import each
    from proofs_check.mutants import kill_table
    from proofs_check.tables import print_kill_table, printed

    run = each(partial(kill_table.try_statement, seed=seed), chosen, "planting mutants", jobs)
    trials = [trial for tried in run.found for trial in tried]
    printed(as_json, [trial.to_json() for trial in trials], lambda: print_kill_table(trials))
    _stop_if_interrupted(run, f"{len(run.found)} of {len(chosen)} statements were tried")
    return kill_table.holds(trials)


def _full(
    chosen: Sequence[str],
    folder: Path,
    effort: Effort,
    rows: int,
    claims: Path | None,
    strict: bool,
    jobs: int | None,
    as_json: bool,
) -> bool:
    from proofs_check.methods.running import each
    from proofs_check.tables import print_below_certified, print_full, printed

    _made(folder)
    run = each(partial(gather_one, folder=folder, effort=effort, rows=rows), chosen, "verifying", jobs)

    def tables() -> None:
        print_full(run.found)
        if strict:
            print_below_certified(run.found)

    printed(as_json, [found.to_json() for found in run.found], tables)
    kept = f"{len(run.found)} of {len(chosen)} statements are finished in {folder}"
    _stop_if_interrupted(run, f"{kept}; run the same command to resume")
    if claims is not None:
        _write_claims(claims, folder, {found.statement.id: found for found in run.found}, jobs)
    return all(found.status.strict if strict else found.status.holds for found in run.found)


def gather_one(key: str, report: Report, folder: Path, effort: Effort, rows: int) -> Standing:
    """Runs every method on one statement, writes the evidence and returns the standing."""
    from proofs_check.evidence import standing
    from proofs_check.gathering import gather
    from theory.statements.catalogue import find

    statement = find(key)
    gather(statement, folder, effort, report)
    report("symbolic, random")
    return standing(statement, folder, rows, effort.seed)


def _write_claims(page: Path, folder: Path, known: dict[str, Standing], jobs: int | None) -> None:
    from proofs_check.claims_page import claims_page
    from proofs_check.evidence import ROWS
    from proofs_check.methods.running import each
    from theory.files import write_text_atomically
    from theory.statements.catalogue import CATALOGUE

    others = [statement.id for statement in CATALOGUE if statement.id not in known]
    run = each(partial(stand_one, folder=folder, rows=ROWS, seed=0), others, "the others", jobs)
    _stop_if_interrupted(run, f"{page} was not written")
    known = known | {found.statement.id: found for found in run.found}
    write_text_atomically(page, claims_page(known[statement.id] for statement in CATALOGUE))


def _kernel(ids: Sequence[str] | None, chosen: Sequence[str], folder: Path, jobs: int | None, as_json: bool) -> bool:
    from proofs_check import kernel
    from proofs_check.inequalities.verdict import Verdict
    from proofs_check.kernel.build import coq_version
    from proofs_check.methods.running import each
    from proofs_check.tables import print_kernel, printed
    from theory.errors import InputError
    from theory.statements.catalogue import find

    if coq_version() is None:
        raise InputError(kernel.NO_COQ)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} must be a folder of evidence")
    wanted = [key for key in chosen if ids or kernel.has_proofs(find(key))]
    run = each(partial(kernel_one, folder=folder), wanted, "kernel", jobs)
    results = [result for result, _ in run.found]
    printed(as_json, [result.to_json() for result in results], lambda: print_kernel(results))
    for _, unrecorded in run.found:
        if unrecorded:
            typer.echo(unrecorded, err=True)
    _stop_if_interrupted(run, f"{len(run.found)} of {len(wanted)} statements were checked")
    return all(found.verdict is Verdict.PROVED for found in results)


def kernel_one(key: str, report: Report, folder: Path) -> tuple[KernelResult, str]:
    """The kernel's check of one statement, and why it was not recorded; empty if it was."""
    from proofs_check import kernel
    from proofs_check.evidence import on_file
    from proofs_check.findings import path_of
    from proofs_check.gathering import keep
    from theory.statements.catalogue import find

    report("")
    statement = find(key)
    result = kernel.check(statement)
    found, stale = on_file(statement, folder)
    if found is None:
        return result, f"{statement.id} is not recorded: {stale or f'there is no evidence of it in {folder}'}"
    keep(result, found, path_of(statement.id, folder))
    return result, ""


def _stop_if_interrupted(run: Run[Any], so_far: str) -> None:
    if run.interrupted:
        typer.echo(so_far, err=True)
        raise KeyboardInterrupt


def _replay(place: Path, jobs: int | None, as_json: bool) -> bool:
    from proofs_check.methods.running import each
    from proofs_check.tables import print_replayed, printed
    from theory.errors import InputError

    paths = sorted(map(str, place.rglob("*.json"))) if place.is_dir() else [str(place)] if place.exists() else []
    # Replaying all of them is quicker than starting a process.
    run = each(replay_one, paths, "replaying", jobs or 1)
    found = [one for several in run.found for one in several]
    if not found and not run.interrupted:
        raise InputError(f"{place} holds no certificates")
    objects = [
        {"certificate": name, "holds": each.holds, "claim": each.claim, "reason": each.reason} for name, each in found
    ]
    printed(as_json, objects, lambda: print_replayed(found))
    _stop_if_interrupted(run, f"{len(run.found)} of {len(paths)} files were replayed")
    return all(result.holds for _, result in found)


def replay_one(path: str, report: Report) -> list[tuple[str, Replayed]]:
    """Name and replay of every certificate in one file."""
    from proofs_check.inequalities.replay import replay_all

    return replay_all(Path(path))
