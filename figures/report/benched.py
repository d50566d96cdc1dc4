"""A bench: how long each variant takes beside the plain pass, and what was left out."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from empirical.measuring.bench_plan import PLAIN
from empirical.settings import Settings, checked
from figures.report.found import Part
from figures.report.shown import Shown, Verdict, count, number, sealed_file
from theory.errors import DomainError, InputError
from theory.files import read_json
from theory.pages import Cell, table, text

Whole = Annotated[int, Field(ge=1, lt=2**53)]
Positive = Annotated[float, Field(gt=0)]
COLUMNS = (
    "task",
    "tokens",
    "dropout",
    "variant",
    "rounds",
    "seconds",
    "time / plain",
    "CPU time / plain",
    "MiB beyond plain",
)
# Variants of a whole pass, in words.
VARIANTS = {
    "fused": "entropy and fidelity of every row",
    "fused, all": "margins and ranges too",
    "local": "every second layer local, nothing measured",
    "eager": "stored attention maps",
    "localist": "a step of localist training",
}
FEW = 5
_SAID = (
    "Each variant was timed beside the plain pass of the same model, in turn. A ratio is the median over the rounds; "
    "1 is the plain pass. CPU time is what the ratio would be if no other program ran. Memory is the peak beyond that "
    "of the plain pass, where it was measured."
)


class _Shape(Settings):
    layers: Whole
    heads: Whole
    width: Whole
    vocabulary: Whole
    block: Whole
    dtype: str
    key_heads: Whole | None = None


class _Case(Settings):
    task: str
    tokens: Whole
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    variant: str


class _Result(_Case):
    rounds: Whole
    seconds: Positive
    ratio: Positive
    processor_ratio: Annotated[float, Field(ge=0)]
    peak_mib: float | None = None
    extra_mib: float | None = None


class _Skipped(_Case):
    estimated_seconds: float | None


class _Compared(Settings):
    task: str
    tokens: Whole
    time: Positive
    memory: float | None = None


class Bench(Settings):
    """A report of `localist bench`."""

    shape: _Shape
    device: str
    threads: Whole
    versions: dict[str, str | None]
    estimated_seconds: float | None = None
    max_seconds: Positive | None = None
    results: Annotated[tuple[_Result, ...], Field(min_length=1)]
    eager_over_fused: tuple[_Compared, ...] = ()
    skipped: tuple[_Skipped, ...] = ()
    sha256: str | None = None


def show(part: Part) -> Shown:
    """Ratios, times and what was skipped. Raises InputError."""
    about = read_json(part.path)
    file, unsealed = sealed_file(part.path, about)
    try:
        bench = checked(Bench, about, str(part.path), recorded=True)
    except DomainError as error:
        raise InputError(str(error)) from error
    _check_plain(part, bench.results)
    lines: list[list[Cell]] = [
        [
            *(each.task, count(each.tokens), number(each.dropout), each.variant, count(each.rounds)),
            *(number(each.seconds), number(each.ratio), number(each.processor_ratio), number(each.extra_mib)),
        ]
        for each in bench.results
    ]
    attributes = {"data-table": "bench", "aria-label": "Times of the bench"}
    facts = {name: value for name, value in bench.shape if value is not None}
    facts |= {"device": bench.device, "threads": bench.threads, "max_seconds": bench.max_seconds}
    facts |= {f"versions: {name}": value for name, value in bench.versions.items()}
    return Shown(
        title=f"{part.name}: times of {'GPT-2' if bench.shape.key_heads is None else 'a Llama'} on {bench.device}",
        verdicts=[*_verdicts(bench), *unsealed],
        body=[f"<p>{text(_SAID)}</p>", table(COLUMNS, lines, "sortable", attributes=attributes)],
        files=[file],
        facts=facts,
        commands=[bench_command(bench)],
        drawn_from=[part.path],
    )


def _check_plain(part: Part, results: Iterable[_Result]) -> None:
    """Raise InputError unless each case has one plain pass, of ratio 1, and each of its variants once."""
    cases: dict[tuple[str, int, float], dict[str, float]] = {}
    for each in results:
        case = cases.setdefault((each.task, each.tokens, each.dropout), {})
        if each.variant in case:
            raise InputError(f"{part.path}: {each.task!r} at {each.tokens} tokens has {each.variant!r} twice")
        case[each.variant] = each.ratio
    for (task, tokens, _), ratios in cases.items():
        if (found := ratios.get(PLAIN)) != 1:
            raise InputError(f"{part.path}: {task!r} at {tokens} tokens: the plain pass has ratio {found}, not 1")


def _verdicts(bench: Bench) -> list[Verdict]:
    found = []
    for task in dict.fromkeys(each.task for each in bench.results):
        of_task = [each for each in bench.results if each.task == task and each.variant != PLAIN]
        said = [
            f"{VARIANTS.get(name, name)} {_ranged(each.ratio for each in of_task if each.variant == name)}"
            for name in dict.fromkeys(each.variant for each in of_task)
        ]
        if said:
            tokens = sorted({each.tokens for each in of_task})
            lengths = f"{tokens[0]:,}" + (f" to {tokens[-1]:,}" if len(tokens) > 1 else "")
            why = (
                f"Times of a plain pass, median of {_ranged((r.rounds for r in of_task), ',')} rounds, on one machine "
            )
            why += f"({bench.device}, {bench.threads} threads, {bench.shape.dtype}): another has other ratios."
            found.append(Verdict("", f"Time for {task} at {lengths} tokens: {'; '.join(said)}.", why))
    if bench.skipped:
        named = ", ".join(f"{each.task} {each.tokens} tokens {each.variant}" for each in bench.skipped)
        within = "" if bench.max_seconds is None else f" They did not fit into {bench.max_seconds:g} seconds."
        counted = f"Variants that were not timed: {len(bench.skipped)}."
        found.append(Verdict("warn", counted, f"Left out: {named}.{within}"))
    fewest = min(each.rounds for each in bench.results)
    if fewest < FEW:
        few = f"Some medians are of {fewest} rounds only."
        found.append(Verdict("warn", few, "Their spread was not recorded: repeat the bench with more --rounds."))
    return found


def _ranged(values: Iterable[float], form: str = ".3g") -> str:
    """Least and largest of some values.

    >>> _ranged([1.25, 1.5]), _ranged([5, 5], ",")
    ('1.25 to 1.5', '5')
    """
    known = sorted(values)
    return " to ".join(dict.fromkeys(f"{each:{form}}" for each in (known[0], known[-1])))


def bench_command(bench: Bench) -> str:
    """`localist bench` as it made this report."""
    shape, cases = bench.shape, [*bench.results, *bench.skipped]
    words = ["localist", "bench"]
    for option, task in (("--tokens", "attention"), ("--training-attention", "gate, blocks of ")):
        for tokens in sorted({each.tokens for each in cases if each.task.startswith(task)}):
            words += [option, str(tokens)]
    for name in ("layers", "heads", "width", "block", "dtype"):
        words += [f"--{name}", str(getattr(shape, name))]
    words += [] if shape.key_heads is None else ["--key-heads", str(shape.key_heads)]
    words += ["--rounds", str(max(each.rounds for each in bench.results))]
    for tokens in sorted({each.tokens for each in cases if each.task == "training"}):
        words += ["--training-tokens", str(tokens)]
    timed = [each for each in bench.results if each.task == "measuring"]
    words += ["--no-memory"] if timed and all(each.extra_mib is None for each in timed) else []
    words += [] if bench.max_seconds is None else ["--max-seconds", f"{bench.max_seconds:g}"]
    return shlex.join([*words, "--out", "BENCH.json"])
