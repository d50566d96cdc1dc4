"""The sub-command that decides statements; its dependencies are imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

# The options that each mode takes; the mode "" runs the quick methods.
_TAKES = {
    "--full": {"ids", "rows", "seed", "samples", "lemma_seconds", "evidence", "claims", "strict"},
    "--strict": {"ids", "rows", "seed", "evidence"},
    "--kernel": {"ids", "evidence"},
    "--mutants": {"ids", "seed"},
    "--replay": set(),
    "": {"ids", "rows", "seed"},
    "FILE.py": {"ids", "rows", "seed", "samples", "lemma_seconds"},
}
_OPTIONS = ("ids", "rows", "seed", "samples", "lemma_seconds", "evidence", "claims")


def verify(
    # None when the demo calls this as a function; typer accepts no optional context.
    context: typer.Context = None,  # type: ignore[assignment]
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Statement ids, or FILE.py::NAME; all if none.")
    ] = None,
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

    Symbolic: how many of the derivation's steps sympy decided. Random: how many instances were drawn; each was
    decided in exact arithmetic for every clause. --full adds rows screened in floats with a derived error bound, a
    search for the row nearest to equality, and certificates for every inequality; finished work is kept, so an
    interrupted run resumes. --strict takes the statuses from the evidence and replays its certificates. --mutants
    tries every method on statements, steps and inequalities made false on purpose. Exit status: 0 if every
    statement is at least sampled (with --strict: certified; with --mutants: if no mutant passes a complete method;
    with --replay: if every certificate holds), 1 otherwise, 130 after Ctrl-C.

    FILE.py::NAME is a bound of your own, FILE.py all that the file marks; the file is executed, as pytest would. Every
    method runs on it, with mutants and, where NAME.v lies beside the file, Coq's kernel. No evidence is kept.
    """
    asked = {"--replay": replay is not None, "--kernel": kernel, "--mutants": mutants, "--full": full}
    own = [key for key in ids or () if key.partition("::")[0].endswith(".py")]
    if context is not None:
        _check_options(context, [name for name, wanted in asked.items() if wanted], strict, own)

    from proofs_check import modes
    from proofs_check.findings import Effort
    from theory.statements.catalogue import CATALOGUE, find

    output = modes.Output(jobs, as_json)
    effort = Effort(samples=samples, seconds_per_lemma=lemma_seconds, seed=seed)
    if own:
        if not modes.own(own, effort, rows, output):
            raise typer.Exit(1)
        return
    chosen = [find(key).id for key in ids] if ids else [statement.id for statement in CATALOGUE]
    if replay is not None:
        passed = modes.replay(replay, output)
    elif kernel:
        passed = modes.kernel(chosen if ids else [], evidence, output)
    elif mutants:
        passed = modes.mutants(chosen, seed, output)
    elif full:
        passed = modes.full(chosen, evidence, effort, rows, strict, claims, output)
    elif strict:
        passed = modes.strict(chosen, evidence, rows, seed, output)
    else:
        passed = modes.quick(chosen, rows, seed, output)
    if not passed:
        raise typer.Exit(1)


def _check_options(context: typer.Context, modes: Sequence[str], strict: bool, own: Sequence[str]) -> None:
    """Raises `InputError` for two modes at once, or for an option without effect."""
    from theory.errors import InputError

    if own and len(own) < len(context.params["ids"]):
        raise InputError(f"{own[0]} and statements of the catalogue must be asked for one at a time")
    modes = [*modes, *(["FILE.py"] if own else [])]
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
