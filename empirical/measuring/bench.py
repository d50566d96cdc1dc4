"""`localist bench`: times measuring and localist training against plain GPT-2, side by side in one process.

Every round runs each variant once, in turn, so that changes of the machine's load affect all of them. A ratio is the
median over rounds of the variant's time over that of the plain pass in the same round. Peak memory is measured in a
separate process on a CPU, and by the allocator on a GPU. Trials on short sequences tell beforehand how long it takes.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from empirical.environment import environment
from empirical.measuring.bench_plan import Case, Clock, estimated, fitting, foreseen, shown_seconds
from empirical.seal import sealed
from theory.errors import DomainError
from theory.files import check_writable, write_text_atomically

if TYPE_CHECKING:
    from empirical.measuring.bench_variants import BenchShape

LENGTHS = (256, 1024, 2048)

# Block sizes for timing one layer's training: the cost must not grow with the number of blocks.
GATE_BLOCKS = (64, 8)

# Beyond this length a round takes long, so fewer are run.
LONG = 1024
FEWEST_ROUNDS = 3

# Resolution of a peak; smaller values count as this much in a ratio.
RESOLUTION_MIB = 1.0

ADVICE = "Try fewer --tokens or --training-tokens, or a smaller shape."

_LEGEND = (
    "fused: entropy, fidelity and leak of every row within the pass; all: margins and ranges too; local: dial 1 in "
    "every second layer; eager: from stored maps. ratio: time over plain, cpu: CPU time over plain, both medians over "
    "rounds. MiB: peak memory above plain. attention: one layer alone."
)


def bench(
    tokens: Annotated[list[int] | None, typer.Option(help="Lengths (256, 1024, 2048; 4096 too on a GPU).")] = None,
    layers: Annotated[int, typer.Option(help="Transformer layers.")] = 12,
    heads: Annotated[int, typer.Option(help="Attention heads.")] = 12,
    width: Annotated[int, typer.Option(help="Width of the residual stream.")] = 768,
    key_heads: Annotated[
        int | None, typer.Option(help="Key heads of a Llama, instead of GPT-2; they must divide the heads.")
    ] = None,
    block: Annotated[int, typer.Option(help="Block length in tokens.")] = 64,
    dtype: Annotated[Literal["float32", "bfloat16"], typer.Option(help="Number format.")] = "float32",
    rounds: Annotated[int, typer.Option(help="Runs of each variant; fewer beyond 1,024 tokens.")] = 5,
    training_tokens: Annotated[int, typer.Option(help="Length of the training step.")] = 1024,
    memory: Annotated[bool, typer.Option(help="Measure peak memory too, on a CPU in a separate process.")] = True,
    training_attention: Annotated[
        list[int] | None,
        typer.Option(help="Lengths for one layer's training, with blocks of 64 and 8, instead of measuring."),
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="Skip what does not fit into so many seconds, by an estimate (none).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file for the result.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Time measuring, local layers and training against the plain model (default: GPT-2 small, random weights)."""
    from empirical.measuring.bench_variants import BenchShape

    for name, size in (("layers", layers), ("heads", heads), ("width", width), ("block", block)):
        if size < 1:
            raise DomainError(f"{name} {size} must be at least 1")
    if width % heads:
        raise DomainError(f"width {width} must be a multiple of heads {heads}")
    if key_heads is not None and (key_heads < 1 or heads % key_heads):
        raise DomainError(f"key_heads {key_heads} must be a divisor of heads {heads}")
    if out:
        check_writable(out)
    report = run_bench(
        tokens,
        shape=BenchShape(layers=layers, heads=heads, width=width, block=block, dtype=dtype, key_heads=key_heads),
        rounds=rounds,
        training_length=training_tokens,
        memory=memory,
        gate_lengths=training_attention or (),
        max_seconds=max_seconds,
    )
    report = sealed(report)
    text = json.dumps(report, indent=2)
    if out:
        write_text_atomically(out, text + "\n")
    if as_json:
        typer.echo(text)
    else:
        _print_bench(report)


def run_bench(
    lengths: Sequence[int] | None = None,
    *,
    shape: BenchShape | None = None,
    rounds: int = 5,
    training_length: int = 1024,
    dropouts: Sequence[float] = (0.0, 0.1),
    memory: bool = True,
    gate_lengths: Sequence[int] = (),
    max_seconds: float | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Time measuring at each length and a training step at each dropout; returns a plain JSON object.

    `lengths` None: 256, 1024, 2048, and 4096 on a GPU. `gate_lengths` are lengths at which one layer's forward and
    backward pass is timed, for each of `GATE_BLOCKS`; then `lengths` defaults to none.

    `results` has one entry per task, length and variant. `eager_over_fused` has one per task and length: the time of
    stored maps over that of the fused pass, and the same ratio of memory above the plain pass. `estimated_seconds` says
    how long the cases were expected to take. Variants not expected to end within `max_seconds` are `skipped`. Raises
    DomainError, LocalistError (memory).
    """
    # These load torch, which a list of the commands does without.
    from empirical.measuring import bench_variants
    from empirical.memory import check_memory, enough_memory
    from empirical.model import quiet

    shape = shape or bench_variants.BenchShape()
    device = bench_variants.bench_device()
    if not lengths:
        usual = LENGTHS if device.type == "cpu" else (*LENGTHS, 4096)
        lengths = () if gate_lengths else usual
    for tokens in (*lengths, *gate_lengths, training_length):
        if tokens <= shape.block:
            raise DomainError(f"length {tokens} must exceed the block of {shape.block}")
    if rounds < 1:
        raise DomainError(f"rounds {rounds} must be at least 1")
    longest = max(*lengths, *gate_lengths, training_length, 0)
    what = f"timing {shape.layers} layers of width {shape.width} at {longest} tokens"
    check_memory(bench_variants.bench_bytes(shape, lengths, training_length), what, ADVICE, device)
    if max_seconds is not None and not (math.isfinite(max_seconds) and max_seconds > 0):
        raise DomainError(f"max_seconds {max_seconds} must be finite and above 0")
    clock = Clock(math.inf if max_seconds is None else max_seconds)
    cases = _cases(shape, lengths, gate_lengths, training_length, dropouts, rounds, memory, device)
    results: list[dict[str, Any]] = []
    compared: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    console = Console(stderr=True)
    with quiet(), enough_memory(what, ADVICE), Progress(console=console, disable=not progress) as bars:
        bar = bars.add_task("bench", total=2 * len(cases))
        costs = estimated(
            cases, shape.block, bench_variants.timed, lambda kind: bars.update(bar, advance=1, description=kind), clock
        )
        expected, unfit = foreseen(cases, costs, clock.left)
        if progress:
            _announce(console, expected, unfit)
        for case, cost in zip(cases, costs, strict=True):
            bars.update(bar, description=f"{case.task}, {case.tokens} tokens")
            chosen = fitting(cost, clock.left)
            skipped += [case.skipped(name, seconds) for name, seconds in cost.items() if name not in chosen]
            bars.advance(bar)
            if not chosen:
                continue
            variants = {name: run for name, run in case.make(case.tokens).items() if name in chosen}
            wall, used = bench_variants.timed(variants, case.turns)
            found = _entries(case, wall, used)
            results += found
            both = "eager" in wall and "fused" in wall
            if both:
                time = _ratio(wall["eager"], wall["fused"])
                compared.append({"task": case.task, "tokens": case.tokens, "time": time})
            if case.memory:
                peaks = bench_variants.peak_memory(shape, case.tokens, device, chosen)
                extra = _add_memory(found, peaks)
                if both:
                    compared[-1]["memory"] = extra
    if not results:
        least = shown_seconds(min(cost["plain"] for cost in costs))
        raise DomainError(
            f"max_seconds {max_seconds:g} leaves no time after the trials: the shortest case takes about {least}"
        )
    return {
        "shape": asdict(shape),
        "device": bench_variants.device_name(device),
        "threads": bench_variants.threads(),
        "versions": environment(),
        "estimated_seconds": expected,
        "max_seconds": max_seconds,
        "results": results,
        "eager_over_fused": compared,
        "skipped": skipped,
    }


def _cases(
    shape: BenchShape,
    lengths: Sequence[int],
    gate_lengths: Sequence[int],
    training_length: int,
    dropouts: Sequence[float],
    rounds: int,
    memory: bool,
    device: Any,
) -> list[Case]:
    """What is timed, in order."""
    from empirical.measuring import bench_variants as made

    def turns(tokens: int) -> int:
        return rounds if tokens <= LONG else min(rounds, max(FEWEST_ROUNDS, rounds * LONG // tokens))

    def of(make: Any, shape: BenchShape, *given: Any) -> Any:
        return lambda tokens: make(shape, tokens, *given, device)

    found = []
    for tokens in lengths:
        found.append(Case("attention", tokens, turns(tokens), of(made.attention_variants, shape)))
        found.append(Case("measuring", tokens, turns(tokens), of(made.measuring_variants, shape), memory=memory))
    for tokens in gate_lengths:
        for block in GATE_BLOCKS:
            task, make = f"gate, blocks of {block}", of(made.gate_variants, replace(shape, block=block))
            found.append(Case(task, tokens, turns(tokens), make))
    for dropout in dropouts:
        make = of(made.training_variants, shape, dropout)
        found.append(Case("training", training_length, turns(training_length), make, dropout))
    return found


def _entries(case: Case, wall: dict[str, list[float]], used: dict[str, list[float]]) -> list[dict[str, Any]]:
    return [
        {
            "task": case.task,
            "tokens": case.tokens,
            "dropout": case.dropout,
            "variant": name,
            "rounds": case.turns,
            "seconds": statistics.median(wall[name]),
            "ratio": _ratio(wall[name], wall["plain"]),
            # CPU time: the ratio if no other program ran.
            "processor_ratio": _ratio(used[name], used["plain"]),
        }
        for name in wall
    ]


def _ratio(times: list[float], others: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(times, others, strict=True))


def _add_memory(found: list[dict[str, Any]], peaks: dict[str, float]) -> float | None:
    """Add peaks to `found`; returns stored maps' extra memory over the fused pass's, None without one of them."""
    for each in found:
        each["peak_mib"] = peaks.get(each["variant"])
        each["extra_mib"] = peaks[each["variant"]] - peaks["plain"] if peaks else None
    extra = {each["variant"]: each["extra_mib"] for each in found}
    if not peaks or not {"eager", "fused"} <= set(extra):
        return None
    ratio: float = extra["eager"] / max(extra["fused"], RESOLUTION_MIB)
    return ratio


def _announce(console: Console, expected: float, skipped: list[dict[str, Any]]) -> None:
    console.print(f"this takes about {shown_seconds(expected)}", highlight=False)
    for each in skipped:
        console.print(f"to be skipped: {_skipped(each)}", highlight=False)


def _skipped(each: dict[str, Any]) -> str:
    named = f"{each['task']} {each['tokens']} tokens, {each['variant']}"
    seconds = each["estimated_seconds"]
    return f"{named}: {'no time for a trial' if seconds is None else f'about {shown_seconds(seconds)}'}"


def _print_bench(report: dict[str, Any]) -> None:
    """Print times and ratios of every variant, then ratios of stored maps to the fused pass, in 80 columns."""
    named = "plain GPT-2" if report["shape"]["key_heads"] is None else "a plain Llama"
    table = Table(title=f"time compared with {named}, {report['device']}, {report['shape']['dtype']}", box=SIMPLE)
    table.pad_edge, table.collapse_padding = False, True
    for name in ("task", "tokens", "variant", "seconds", "ratio", "cpu", "MiB"):
        table.add_column(name, justify="left" if name in ("task", "variant") else "right", no_wrap=True)
    for _, group in groupby(report["results"], lambda each: (each["task"], each["tokens"], each["dropout"])):
        for index, each in enumerate(group):
            task = each["task"] + (f", dropout {each['dropout']:g}" if each["task"] == "training" else "")
            extra = each.get("extra_mib")
            table.add_row(
                "" if index else task,
                "" if index else f"{each['tokens']}",
                each["variant"],
                f"{each['seconds']:.4g}",
                f"{each['ratio']:.3f}",
                f"{each['processor_ratio']:.3f}",
                "" if extra is None else f"{extra:.0f}",
            )
        table.add_section()
    console = Console()
    console.print(table)
    for each in report["eager_over_fused"]:
        memory = each.get("memory")
        more = "" if memory is None else f", extra memory {memory:.0f}x"
        line = f"eager over fused, {each['task']} {each['tokens']} tokens: time {each['time']:.2f}x{more}"
        console.print(line, highlight=False)
    for each in report["skipped"]:
        console.print(f"skipped: {_skipped(each)}", highlight=False)
    console.print(_LEGEND, highlight=False)
