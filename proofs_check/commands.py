"""The sub-command that decides statements; what it needs is imported when it runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from proofs_check.gathering import Effort
    from proofs_check.kernel import KernelResult
    from proofs_check.replay import Replayed
    from proofs_check.running import Report, Run
    from proofs_check.verification import Verification


def verify(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Statements; all if none.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Random instances thrown at each statement.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random instances.")] = 0,
    twins: Annotated[bool, typer.Option("--twins", help="Try planted falsehoods on every road instead.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Run every method, and write what each found.")] = False,
    samples: Annotated[float, typer.Option(min=1, help="Rows screened in floats, with --full.")] = 1e6,
    lemma_seconds: Annotated[
        float, typer.Option(min=0.1, help="Interval search for one inequality, with --full.")
    ] = 20,
    evidence: Annotated[Path, typer.Option(help="Folder of the evidence, with --full.")] = Path("evidence"),
    claims: Annotated[Path | None, typer.Option(help="Write the page of claims, with --full.")] = None,
    replay: Annotated[Path | None, typer.Option(help="Replay the certificates in this folder instead.")] = None,
    kernel: Annotated[
        bool, typer.Option("--kernel", help="Have Coq's kernel check the proofs again instead; needs coqc.")
    ] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; all cores if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Decide statements by independent methods, one row a statement, one column a method.

    Symbolic: sympy decided that many of the derivation's steps. Random: that many instances were drawn and each was
    decided in exact arithmetic for every clause. With --full also: rows screened in floats with a derived error bound,
    their speed beside the softmax alone, a search for the row nearest to equality, and certificates for every
    inequality; what is finished is kept, so a run broken off goes on where it stopped. With --twins every method is
    tried on statements, steps and inequalities made false on purpose. Exit status: 0 if every statement is proved or
    sampled clean (with --twins: if no falsehood passes a complete road; with --replay: if every certificate holds),
    1 otherwise, 130 after Ctrl-C.
    """
    from theory.catalogue import CATALOGUE, find

    _check_modes({"--replay": replay is not None, "--kernel": kernel, "--twins": twins, "--full": full}, claims)
    chosen = [find(key).id for key in ids] if ids else [statement.id for statement in CATALOGUE]
    if replay is not None:
        passed = _replay(replay, jobs, as_json)
    elif kernel:
        passed = _kernel(ids, chosen, evidence, jobs, as_json)
    elif twins:
        passed = _twins(chosen, seed, jobs, as_json)
    elif full:
        from proofs_check.gathering import Effort

        passed = _full(chosen, evidence, Effort(rows, samples, lemma_seconds, seed), jobs, as_json)
        if claims is not None:
            _write_claims(claims, evidence)
    else:
        passed = _quick(chosen, rows, seed, jobs, as_json)
    if not passed:
        raise typer.Exit(1)


def _check_modes(asked: Mapping[str, bool], claims: Path | None) -> None:
    """One thing at a time: `InputError` where the rest of what was asked for would be left undone."""
    from theory.errors import InputError

    modes = [name for name, is_asked in asked.items() if is_asked]
    if len(modes) > 1:
        raise InputError(f"{modes[0]} and {modes[1]} must be asked for one at a time")
    if claims is not None and modes != ["--full"]:
        raise InputError(f"--claims {claims} needs --full: the page is written from the evidence of every method")


def _made(folder: Path) -> None:
    """Make the folder of the evidence before time is spent on what goes there."""
    from theory.errors import InputError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from None


def _quick(chosen: Sequence[str], rows: int, seed: int, jobs: int | None, as_json: bool) -> bool:
    from proofs_check.running import each
    from proofs_check.tables import print_quick, printed

    run = each(partial(verify_one, rows=rows, seed=seed), chosen, "verifying", jobs)
    printed(as_json, [result.to_json() for result in run.found], lambda: print_quick(run.found))
    _stop_if_interrupted(run, f"{len(run.found)} of {len(chosen)} statements were verified")
    return all(result.passed for result in run.found)


def verify_one(key: str, report: Report, rows: int, seed: int) -> Verification:
    """The quick methods on one statement."""
    from proofs_check.verification import verify as verify_statement
    from theory.catalogue import find

    return verify_statement(find(key), rows, seed)


def _twins(chosen: Sequence[str], seed: int, jobs: int | None, as_json: bool) -> bool:
    from proofs_check.planted import kill_table
    from proofs_check.running import each
    from proofs_check.tables import print_kill_table, printed

    run = each(partial(kill_table.try_statement, seed=seed), chosen, "planting falsehoods", jobs)
    trials = [trial for tried in run.found for trial in tried]
    printed(as_json, [trial.to_json() for trial in trials], lambda: print_kill_table(trials))
    _stop_if_interrupted(run, f"{len(run.found)} of {len(chosen)} statements were tried")
    return kill_table.holds(trials)


def _full(chosen: Sequence[str], folder: Path, effort: Effort, jobs: int | None, as_json: bool) -> bool:
    from proofs_check.evidence import CERTIFICATES, GOOD, status
    from proofs_check.running import each
    from proofs_check.tables import print_full, printed
    from theory.catalogue import find

    _made(folder / CERTIFICATES)
    run = each(partial(gather_one, folder=folder, effort=effort), chosen, "verifying", jobs)
    objects = [{**found, "status": status(found, find(found["id"]), folder)} for found in run.found]
    printed(as_json, objects, lambda: print_full(objects))
    kept = f"{len(run.found)} of {len(chosen)} statements are finished in {folder}"
    _stop_if_interrupted(run, f"{kept}; the same command goes on from there")
    return all(found["status"] in GOOD for found in objects)


def gather_one(key: str, report: Report, folder: Path, effort: Effort) -> dict[str, Any]:
    """Every method on one statement, with its evidence written."""
    from proofs_check import kernel
    from proofs_check.evidence import KERNEL
    from proofs_check.gathering import gather
    from proofs_check.verdict import Verdict
    from theory.catalogue import find

    statement = find(key)
    found = gather(statement, folder, effort, report)
    if kernel.recorded(statement, folder / KERNEL).verdict is not Verdict.PROVED:
        report("kernel")
        kernel.recheck([statement], folder / KERNEL)
    return found


def _kernel(ids: Sequence[str] | None, chosen: Sequence[str], folder: Path, jobs: int | None, as_json: bool) -> bool:
    from proofs_check import kernel
    from proofs_check.evidence import KERNEL
    from proofs_check.kernel.build import coq_version
    from proofs_check.running import each
    from proofs_check.tables import print_kernel, printed
    from proofs_check.verdict import Verdict
    from theory.catalogue import find
    from theory.errors import InputError

    if coq_version() is None:
        raise InputError(kernel.NO_COQ)
    _made(folder / KERNEL)
    wanted = [key for key in chosen if ids or kernel.has_proofs(find(key))]
    run = each(partial(kernel_one, folder=folder), wanted, "kernel", jobs)
    printed(as_json, [found.to_json() for found in run.found], lambda: print_kernel(run.found))
    _stop_if_interrupted(run, f"{len(run.found)} of {len(wanted)} statements were checked")
    return all(found.verdict is Verdict.PROVED for found in run.found)


def kernel_one(key: str, report: Report, folder: Path) -> KernelResult:
    """The kernel's check of one statement, with its record written."""
    from proofs_check import kernel
    from proofs_check.evidence import KERNEL
    from theory.catalogue import find

    report("")
    found = kernel.recheck([find(key)], folder / KERNEL)
    return found[0] if found else kernel.check(find(key))


def _stop_if_interrupted(run: Run[Any], so_far: str) -> None:
    if run.interrupted:
        typer.echo(so_far, err=True)
        raise KeyboardInterrupt


def _write_claims(page: Path, folder: Path) -> None:
    from proofs_check.evidence import claims_page
    from theory.catalogue import CATALOGUE
    from theory.files import write_text_atomically

    write_text_atomically(page, claims_page(CATALOGUE, folder))


def _replay(folder: Path, jobs: int | None, as_json: bool) -> bool:
    from rich.console import Console

    from proofs_check.running import each
    from proofs_check.tables import printed
    from theory.errors import InputError

    paths = sorted(map(str, folder.rglob("*.json"))) if folder.is_dir() else []
    if not paths:
        raise InputError(f"{folder} holds no certificates")
    # All of them take less time than starting a process.
    run = each(replay_one, paths, "replaying", jobs or 1)
    objects = [
        {"certificate": path, "holds": found.holds, "reason": found.reason}
        for path, found in zip(paths, run.found, strict=False)
    ]

    def print_failures() -> None:
        for found in objects:
            if not found["holds"]:
                text = f"{found['certificate']}: {found['reason']}"
                Console().print(text, style="red", markup=False, soft_wrap=True)
        held = sum(bool(found["holds"]) for found in objects)
        Console().print(f"{held} of {len(objects)} certificates hold")

    printed(as_json, objects, print_failures)
    _stop_if_interrupted(run, f"{len(run.found)} of {len(paths)} certificates were replayed")
    return all(found.holds for found in run.found)


def replay_one(path: str, report: Report) -> Replayed:
    """Replay one certificate."""
    from proofs_check.replay import replay

    return replay(Path(path))
