"""What `localist verify` prints: one row per statement, one column per method."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from proofs_check.claims_page import screened, steps, tightest
from proofs_check.evidence import Standing
from proofs_check.inequalities.replay import Replayed
from proofs_check.inequalities.verdict import Verdict
from proofs_check.kernel import KernelResult
from proofs_check.mutants.kill_table import Trial, cell, survivors
from proofs_check.mutants.tested_methods import METHODS, Method
from proofs_check.own_bounds import Decided
from proofs_check.verification import Verification


def print_quick(results: Sequence[Verification], standings: Sequence[Standing] = ()) -> None:
    """Prints the table of the quick methods, then open steps and counterexamples.

    With `standings`, the statuses and their reasons come from there.
    """
    table = _table("statements by method", ("id", "statement", "symbolic", "random", "status", "s"))
    console = Console()
    statuses = [each.status for each in standings or results]
    for result, status in zip(results, statuses, strict=True):
        random, steps = result.random, result.symbolic.steps
        proved = sum(step.verdict is Verdict.PROVED for step in steps)
        derived = f"{result.symbolic.verdict.value} {proved}/{len(steps)}" if steps else "cited"
        seen = f"clean {random.rows}" if random.clean else f"{random.verdict.value} {random.rows}"
        shown = _coloured(status.value, status.holds)
        table.add_row(result.statement.id, result.statement.name, derived, seen, shown, f"{result.seconds:.1f}")
    console.print(table)
    for result in results:
        for step in result.symbolic.steps:
            if step.verdict is not Verdict.PROVED:
                console.print(f"{result.statement.id}: step {step.verdict.value}: {step.step.because} {step.point}")
        if result.random.counterexample is not None:
            console.print(f"{result.statement.id}: {result.random.counterexample}")
    _print_reasons(standings)


_FULL = ("id", "steps", "random", "screened", "rows/s", "tightest", "lemmas", "status")


def print_full(standings: Sequence[Standing], strict: bool = False) -> None:
    """Prints the table of all methods: steps decided by sympy, lemmas with a replayed certificate, recorded results."""
    table = _table("statements by method", _FULL)
    for each in standings:
        random, screen = each.quick.random, None if each.found is None else each.found.screen
        table.add_row(
            each.statement.id,
            steps(each).removesuffix(" steps"),
            ("" if random.clean else "not clean ") + str(random.rows),
            "" if each.found is None else screened(each.found),
            f"{screen.rows_per_second / 1000:,.0f}k" if screen else "",
            "" if each.found is None else tightest(each.found, 6),
            f"{each.certified}/{each.lemmas}" if each.lemmas else "",
            _coloured(each.status.value, each.status.holds),
        )
    Console().print(table)
    _print_reasons(standings)
    if strict:
        _print_below_certified(standings)


def print_strict(standings: Sequence[Standing]) -> None:
    """Prints the table of the quick methods with the statuses by the evidence, and which are below certified."""
    print_quick([each.quick for each in standings], standings)
    _print_below_certified(standings)


def _print_reasons(standings: Sequence[Standing]) -> None:
    for each in standings:
        for reason in each.reasons:
            _line(f"{each.statement.id}, {each.status.value}: {reason}", each.status.holds)


def _print_below_certified(standings: Sequence[Standing]) -> None:
    below = [f"{each.statement.id} ({each.status.value})" for each in standings if not each.status.strict]
    if below:
        _line(f"below certified: {', '.join(below)}", good=False)


def _line(text: str, good: bool) -> None:
    Console().print(text, style=None if good else "red", markup=False, soft_wrap=True)


def print_own(bounds: Sequence[Decided]) -> None:
    """Prints what each method found of a user's bounds: a block per bound, its status last."""
    for bound in bounds:
        table = _table(f"{bound.id}: {escape(bound.title)}", ("method", "found"))
        for method, found in bound.findings:
            table.add_row(method, escape(found))
        for tried in bound.mutants:
            seen = "refuted" if tried.verdict is Verdict.REFUTED else f"not refuted ({tried.verdict.value})"
            table.add_row("mutant", _coloured(escape(f"{tried.clause}, {tried.mutation}: {seen}"), tried.as_wanted))
        for clause, proposition in bound.coq.items():
            table.add_row("in Coq", escape(f"{clause}: {proposition}"))
        Console().print(table)
        _line(f"{bound.id}: {bound.status.value}", bound.status.holds)
        for reason in bound.reasons:
            _line(f"  {reason}", bound.status.holds)


def print_replayed(found: Sequence[tuple[str, Replayed]]) -> None:
    """Prints the claim of each certificate that holds, why each other one fails, and how many hold."""
    for name, each in found:
        _line(f"{name}: {each.claim if each.holds else f'FAILS: {each.reason}'}", each.holds)
    Console().print(f"{sum(each.holds for _, each in found)} of {len(found)} certificates hold")


def print_kernel(results: Sequence[KernelResult]) -> None:
    """Prints the table of the kernel's checks, and why clauses are open."""
    table = _table("proofs checked by Coq's kernel", ("id", "clauses", "axioms", "verdict", "s"))
    for result in results:
        good = result.verdict is Verdict.PROVED
        clauses = f"{len(result.proved)}/{len(result.proved) + len(result.open)}"
        cells = (result.id, clauses, str(len(result.axioms)), _coloured(result.verdict.value, good))
        table.add_row(*cells, f"{result.seconds:.1f}")
    Console().print(table)
    for result in results:
        for clause, why in result.open.items():
            _line(f"{result.id}, {clause}: {why}", good=False)


def print_kill_table(trials: Sequence[Trial], methods: Sequence[Method] = METHODS) -> None:
    """Prints mutants refuted of tried by statement and method, survivors, and mutations not shown to be false."""
    headings = ("statement", *(method.name if method.complete else f"{method.name}*" for method in methods))
    table = _table("mutants: refuted of tried", headings)
    for statement in dict.fromkeys(trial.statement for trial in trials):
        table.add_row(statement, *(_killed(trials, method, statement) for method in methods))
    table.add_section()
    table.add_row("all", *(_killed(trials, method, None) for method in methods))
    table.add_row("equivalent", *(str(cell(trials, method.name).equivalent) for method in methods))
    console = Console()
    console.print(table)
    console.print("* a one-sided search: missing a mutant is not a failure", soft_wrap=True)
    console.print("equivalent: mutations that no exact point shows to be false; not counted as tried", soft_wrap=True)
    for complete, word in ((True, "SURVIVED"), (False, "not found")):
        for trial in survivors(trials, methods, complete):
            _line(f"{word} on {trial.method}: {trial.mutant}: {trial.verdict} {trial.counterexample}", not complete)


def _killed(trials: Sequence[Trial], method: Method, statement: str | None) -> str:
    found = cell(trials, method.name, statement)
    return _coloured(str(found), found.killed == found.tried or not method.complete)


def _coloured(text: str, good: bool) -> str:
    return f"[{'green' if good else 'red'}]{text}[/]"


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in ("s", "rows/s") else "left", overflow="fold")
    return table
