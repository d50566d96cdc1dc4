"""What `localist verify` prints: one row a statement, one column a method."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from proofs_check.evidence import GOOD, screened
from proofs_check.kernel import KernelResult
from proofs_check.planted.kill_table import Trial, cell, survivors
from proofs_check.planted.roads import ROADS, Road
from proofs_check.verdict import Verdict
from proofs_check.verification import Verification


def printed(as_json: bool, objects: list[dict[str, Any]], print_tables: Callable[[], None]) -> None:
    """The objects as JSON, or the tables."""
    if as_json:
        print(json.dumps(objects, allow_nan=False, indent=2))
    else:
        print_tables()


def print_quick(results: Sequence[Verification]) -> None:
    """The table of the quick methods, and what they found against a statement."""
    table = _table("statements by method", ("id", "statement", "symbolic", "random", "status", "s"))
    console = Console()
    for result in results:
        random, steps = result.random, result.symbolic.steps
        proved = sum(step.verdict is Verdict.PROVED for step in steps)
        derived = f"{result.symbolic.verdict.value} {proved}/{len(steps)}" if steps else "cited"
        seen = f"clean {random.rows}" if random.clean else f"{random.verdict.value} {random.rows}"
        status = _coloured(result.status, result.passed)
        table.add_row(result.statement.id, result.statement.name, derived, seen, status, f"{result.seconds:.1f}")
    console.print(table)
    for result in results:
        for step in result.symbolic.steps:
            if step.verdict is not Verdict.PROVED:
                console.print(f"{result.statement.id}: step {step.verdict.value}: {step.step.because} {step.point}")
        if result.random.counterexample is not None:
            console.print(f"{result.statement.id}: {result.random.counterexample}")


_FULL = ("id", "steps", "random", "screened", "rows/s", "softmax", "tightest", "lemmas", "status")


def print_full(objects: Sequence[Mapping[str, Any]]) -> None:
    """The table of the evidence: steps that sympy decided, lemmas that intervals certified.

    Under `softmax`, how many times the softmax alone the screen takes.
    """
    table = _table("statements by method", _FULL)
    for each in objects:
        lemmas, screen = each["interval"], each["screen"]
        ratios = [a["tightness"] for a in each["adversarial"] or [] if a["tightness"] is not None]
        steps = each["symbolic"]["steps"]
        table.add_row(
            each["id"],
            f"{steps - len(each['symbolic']['open_steps'])}/{steps}" if steps else "cited",
            ("" if each["random"]["clean"] else "not clean ") + str(each["random"]["rows"]),
            screened(screen),
            f"{screen['rows_per_second'] / 1000:,.0f}k" if screen else "",
            f"{screen['softmax_ratio']:.2f}x" if screen else "",
            f"{max(ratios):.6f}" if ratios else "",
            f"{sum(lemma['verdict'] == Verdict.PROVED.value for lemma in lemmas)}/{len(lemmas)}" if lemmas else "",
            _coloured(each["status"], each["status"] in GOOD),
        )
    Console().print(table)


def print_kernel(results: Sequence[KernelResult]) -> None:
    """The table of the kernel's checks, and why a clause is open."""
    table = _table("proofs checked by Coq's kernel", ("id", "clauses", "axioms", "verdict", "s"))
    console = Console()
    for result in results:
        good = result.verdict is Verdict.PROVED
        clauses = f"{len(result.proved)}/{len(result.proved) + len(result.open)}"
        cells = (result.statement, clauses, str(len(result.axioms)), _coloured(result.verdict.value, good))
        table.add_row(*cells, f"{result.seconds:.1f}")
    console.print(table)
    for result in results:
        for clause, why in result.open.items():
            console.print(f"{result.statement}, {clause}: {why}", style="red", markup=False, soft_wrap=True)


def print_kill_table(trials: Sequence[Trial], roads: Sequence[Road] = ROADS) -> None:
    """Killed of tried by statement and road, what survived, and how many slips no point shows to be false."""
    headings = ("statement", *(road.name if road.complete else f"{road.name}*" for road in roads))
    table = _table("planted falsehoods: refuted of tried", headings)
    for statement in dict.fromkeys(trial.statement for trial in trials):
        table.add_row(statement, *(_killed(trials, road, statement) for road in roads))
    table.add_section()
    table.add_row("all", *(_killed(trials, road, None) for road in roads))
    table.add_row("equivalent", *(str(cell(trials, road.name).equivalent) for road in roads))
    console = Console()
    console.print(table)
    console.print("* a one-sided search: what it does not find fails nothing", soft_wrap=True)
    console.print("equivalent: slips that no exact point shows to be false; not counted as tried", soft_wrap=True)
    for complete, word in ((True, "SURVIVED"), (False, "not found")):
        for trial in survivors(trials, roads, complete):
            text = f"{word} on {trial.road}: {trial.twin}: {trial.verdict} {trial.counterexample}"
            console.print(text, markup=False, soft_wrap=True, style="red" if complete else None)


def _killed(trials: Sequence[Trial], road: Road, statement: str | None) -> str:
    found = cell(trials, road.name, statement)
    return _coloured(str(found), found.killed == found.tried or not road.complete)


def _coloured(text: str, good: bool) -> str:
    return f"[{'green' if good else 'red'}]{text}[/]"


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in ("s", "rows/s", "softmax") else "left", overflow="fold")
    return table
