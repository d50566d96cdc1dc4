"""The modes of `localist verify`: what each runs on every statement, prints, and needs to succeed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from proofs_check import kernel as coq
from proofs_check import own_bounds, tables
from proofs_check.claims_page import claims_page
from proofs_check.evidence import ROWS, Standing, on_file, standing
from proofs_check.findings import Effort, path_of
from proofs_check.gathering import gather, keep
from proofs_check.inequalities.replay import Replayed, replay_all
from proofs_check.inequalities.verdict import Verdict
from proofs_check.kernel import KernelResult, build
from proofs_check.methods.running import Report, Run, each
from proofs_check.mutants import kill_table
from proofs_check.verification import verify
from theory.errors import InputError
from theory.files import write_text_atomically
from theory.statements.catalogue import CATALOGUE, find


@dataclass(frozen=True)
class Output:
    """How many processes run, all cores if None, and whether findings are printed as JSON."""

    jobs: int | None
    as_json: bool

    def show(self, run: Run[Any], objects: list[dict[str, Any]], print_tables: Callable[[], None], so_far: str) -> None:
        """Prints the objects or the tables; after Ctrl-C also how far the run came, and raises `KeyboardInterrupt`."""
        if self.as_json:
            print(json.dumps(objects, allow_nan=False, indent=2))
        else:
            print_tables()
        _stop_if_interrupted(run, f"{len(run.found)} of {run.asked} {so_far}")


def _stop_if_interrupted(run: Run[Any], so_far: str) -> None:
    if run.interrupted:
        print(so_far, file=sys.stderr)
        raise KeyboardInterrupt


def on_statement(work: Callable[..., Any], key: str, report: Report, **options: Any) -> Any:
    """The result of `work` on the statement with that id."""
    return work(find(key), **options)


def quick(chosen: Sequence[str], rows: int, seed: int, output: Output) -> bool:
    """Runs the quick methods; whether every statement is at least sampled."""
    run = each(partial(on_statement, verify, rows=rows, random_seed=seed), chosen, "verifying", output.jobs)
    objects = [found.to_json() for found in run.found]
    output.show(run, objects, lambda: tables.print_quick(run.found), "statements were verified")
    return all(found.status.holds for found in run.found)


def own(chosen: Sequence[str], effort: Effort, rows: int, output: Output) -> bool:
    """Runs every method on bounds of the user's files; whether every one is at least sampled."""
    keys = [name for key in chosen for name in own_bounds.names_in(key)]
    run = each(partial(own_bounds.decide_named, effort=effort, rows=rows), keys, "deciding", output.jobs)
    objects = [found.to_json() for found in run.found]
    output.show(run, objects, lambda: tables.print_own(run.found), "bounds were decided")
    return all(found.status.holds for found in run.found)


def strict(chosen: Sequence[str], folder: Path, rows: int, seed: int, output: Output) -> bool:
    """Takes the statuses from the evidence; whether every statement is at least certified."""
    work = partial(on_statement, standing, folder=folder, rows=rows, seed=seed)
    run = each(work, chosen, "verifying", output.jobs)
    objects = [found.to_json() for found in run.found]
    output.show(run, objects, lambda: tables.print_strict(run.found), "statements were verified")
    return all(found.status.strict for found in run.found)


def mutants(chosen: Sequence[str], seed: int, output: Output) -> bool:
    """Tries every method on its mutants; whether no mutant passes a complete method."""
    run = each(partial(kill_table.try_statement, seed=seed), chosen, "planting mutants", output.jobs)
    trials = [trial for tried in run.found for trial in tried]
    objects = [trial.to_json() for trial in trials]
    output.show(run, objects, lambda: tables.print_kill_table(trials), "statements were tried")
    return kill_table.holds(trials)


def full(
    chosen: Sequence[str], folder: Path, effort: Effort, rows: int, strict: bool, claims: Path | None, output: Output
) -> bool:
    """Runs every method, writes the evidence and the page of claims.

    Returns whether every statement is at least sampled, or at least certified with `strict`.
    """
    try:
        # Before any time is spent on what the folder will hold.
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from None
    run = each(partial(gather_one, folder=folder, effort=effort, rows=rows), chosen, "verifying", output.jobs)
    objects = [found.to_json() for found in run.found]
    so_far = f"statements are finished in {folder}; run the same command to resume"
    output.show(run, objects, lambda: tables.print_full(run.found, strict), so_far)
    if claims is not None:
        _write_claims(claims, folder, run.found, output.jobs)
    return all(found.status.strict if strict else found.status.holds for found in run.found)


def gather_one(key: str, report: Report, folder: Path, effort: Effort, rows: int) -> Standing:
    """Runs every method on one statement, writes the evidence and returns the standing."""
    statement = find(key)
    gather(statement, folder, effort, report)
    report("symbolic, random")
    return standing(statement, folder, rows, effort.seed)


def _write_claims(page: Path, folder: Path, found: Sequence[Standing], jobs: int | None) -> None:
    known = {standing.statement.id: standing for standing in found}
    others = [statement.id for statement in CATALOGUE if statement.id not in known]
    run = each(partial(on_statement, standing, folder=folder, rows=ROWS, seed=0), others, "the others", jobs)
    _stop_if_interrupted(run, f"{page} was not written")
    known |= {standing.statement.id: standing for standing in run.found}
    write_text_atomically(page, claims_page(known[statement.id] for statement in CATALOGUE))


def kernel(chosen: Sequence[str], folder: Path, output: Output) -> bool:
    """Has Coq check the proofs, of every statement that has a file of them if none is chosen, and records the results.

    Returns whether it accepts a proof of every clause.
    """
    if build.coq_version() is None:
        raise InputError(coq.NO_COQ)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} must be a folder of evidence")
    chosen = chosen or [statement.id for statement in CATALOGUE if coq.has_proofs(statement)]
    run = each(partial(kernel_one, folder=folder), chosen, "kernel", output.jobs)
    results = [result for result, _ in run.found]
    for unrecorded in filter(None, (reason for _, reason in run.found)):
        print(unrecorded, file=sys.stderr)
    objects = [result.to_json() for result in results]
    output.show(run, objects, lambda: tables.print_kernel(results), "statements were checked")
    return all(result.verdict is Verdict.PROVED for result in results)


def kernel_one(key: str, report: Report, folder: Path) -> tuple[KernelResult, str]:
    """The kernel's check of one statement, and why it was not recorded; empty if it was."""
    result = coq.check(find(key))
    found, stale = on_file(find(key), folder)
    if found is None:
        return result, f"{key} is not recorded: {stale or f'there is no evidence of it in {folder}'}"
    keep(result, found, path_of(key, folder))
    return result, ""


def replay(place: Path, output: Output) -> bool:
    """Replays every certificate in a file or a folder; whether all hold. Raises `InputError` if there is none."""
    paths = sorted(map(str, place.rglob("*.json"))) if place.is_dir() else [str(place)] if place.exists() else []
    # Replaying all of them is quicker than starting a process.
    run = each(replay_one, paths, "replaying", output.jobs or 1)
    found = [certificate for certificates in run.found for certificate in certificates]
    if not found and not run.interrupted:
        raise InputError(f"{place} holds no certificates")
    objects = [
        {"certificate": name, "holds": result.holds, "claim": result.claim, "reason": result.reason}
        for name, result in found
    ]
    output.show(run, objects, lambda: tables.print_replayed(found), "files were replayed")
    return all(result.holds for _, result in found)


def replay_one(path: str, report: Report) -> list[tuple[str, Replayed]]:
    """Name and replay of every certificate in one file."""
    return replay_all(Path(path))
