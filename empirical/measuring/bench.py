"""`localist bench`: times measuring and localist training against plain GPT-2, side by side in one process.

Every round runs each variant once, in turn, so that changes of the machine's load affect all of them. A ratio is the
median over rounds of the variant's time over that of the plain pass in the same round. Peak memory is measured in a
separate process on a CPU, and by the allocator on a GPU.
"""

from __future__ import annotations

import json
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
from theory.errors import DomainError
from theory.files import check_writable, write_text_atomically

if TYPE_CHECKING:
    from empirical.measuring.bench_variants import BenchShape, Variants

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
    )
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
    progress: bool = True,
) -> dict[str, Any]:
    """Time measuring at each length and a training step at each dropout; returns a plain JSON object.

    `lengths` None: 256, 1024, 2048, and 4096 on a GPU. `gate_lengths` are lengths at which one layer's forward and
    backward pass is timed, for each of `GATE_BLOCKS`; then `lengths` defaults to none.

    `results` has one entry per task, length and variant. `eager_over_fused` has one per task and length: the time of
    stored maps over that of the fused pass, and the same ratio of memory above the plain pass. Raises DomainError,
    LocalistError (memory).
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
    results: list[dict[str, Any]] = []
    compared: list[dict[str, Any]] = []
    with (
        quiet(),
        enough_memory(what, ADVICE),
        Progress(console=Console(stderr=True), disable=not progress) as bars,
    ):
        bar = bars.add_task(
            "bench", total=(2 + memory) * len(lengths) + len(dropouts) + len(GATE_BLOCKS) * len(gate_lengths)
        )

        def take(task: str, tokens: int, dropout: float, variants: Variants) -> list[dict[str, Any]]:
            bars.update(bar, description=f"{task}, {tokens} tokens")
            turns = rounds if tokens <= LONG else min(rounds, max(FEWEST_ROUNDS, rounds * LONG // tokens))
            wall, used = bench_variants.timed(variants, turns)
            if "eager" in variants:
                compared.append({"task": task, "tokens": tokens, "time": _ratio(wall["eager"], wall["fused"])})
            found = [
                {
                    "task": task,
                    "tokens": tokens,
                    "dropout": dropout,
                    "variant": name,
                    "rounds": turns,
                    "seconds": statistics.median(wall[name]),
                    "ratio": _ratio(wall[name], wall["plain"]),
                    # CPU time: the ratio if no other program ran.
                    "processor_ratio": _ratio(used[name], used["plain"]),
                }
                for name in variants
            ]
            results.extend(found)
            bars.advance(bar)
            return found

        for tokens in lengths:
            take("attention", tokens, 0.0, bench_variants.attention_variants(shape, tokens, device))
            found = take("measuring", tokens, 0.0, bench_variants.measuring_variants(shape, tokens, device))
            if memory:
                bars.update(bar, description=f"memory, {tokens} tokens")
                compared[-1]["memory"] = _add_memory(found, bench_variants.peak_memory(shape, tokens, device))
                bars.advance(bar)
        for tokens in gate_lengths:
            for block in GATE_BLOCKS:
                task = f"gate, blocks of {block}"
                take(task, tokens, 0.0, bench_variants.gate_variants(replace(shape, block=block), tokens, device))
        for dropout in dropouts:
            steps = bench_variants.training_variants(shape, training_length, dropout, device)
            take("training", training_length, dropout, steps)
    return {
        "shape": asdict(shape),
        "device": bench_variants.device_name(device),
        "threads": bench_variants.threads(),
        "versions": environment(),
        "results": results,
        "eager_over_fused": compared,
    }


def _ratio(times: list[float], others: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(times, others, strict=True))


def _add_memory(found: list[dict[str, Any]], peaks: dict[str, float]) -> float | None:
    """Add peaks to `found`; returns stored maps' extra memory over the fused pass's, None if unknown."""
    for each in found:
        each["peak_mib"] = peaks.get(each["variant"])
        each["extra_mib"] = peaks[each["variant"]] - peaks["plain"] if peaks else None
    extra = {each["variant"]: each["extra_mib"] for each in found}
    return extra["eager"] / max(extra["fused"], RESOLUTION_MIB) if peaks else None


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
    console.print(_LEGEND, highlight=False)
