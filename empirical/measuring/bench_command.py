"""`localist bench`."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from theory.errors import DomainError
from theory.files import check_writable, write_text_atomically

_LEGEND = (
    "fused: entropy, fidelity and leak of every row within the pass; all: margins and ranges too; eager: from stored "
    "maps. ratio: time over plain, cpu: CPU time over plain, both medians over rounds. MiB: peak memory above "
    "plain. attention: one layer alone."
)


def bench(
    tokens: Annotated[list[int] | None, typer.Option(help="Lengths (256, 1024, 2048; 4096 too on a GPU).")] = None,
    layers: Annotated[int, typer.Option(help="Transformer layers.")] = 12,
    heads: Annotated[int, typer.Option(help="Attention heads.")] = 12,
    width: Annotated[int, typer.Option(help="Width of the residual stream.")] = 768,
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
    """Time measuring and training against plain GPT-2 (default: GPT-2 small, random weights)."""
    from empirical.measuring.bench import bench as run_bench
    from empirical.measuring.bench_variants import BenchShape

    for name, size in (("layers", layers), ("heads", heads), ("width", width), ("block", block)):
        if size < 1:
            raise DomainError(f"{name} {size} must be at least 1")
    if width % heads:
        raise DomainError(f"width {width} must be a multiple of heads {heads}")
    if out:
        check_writable(out)
    report = run_bench(
        tokens,
        shape=BenchShape(layers=layers, heads=heads, width=width, block=block, dtype=dtype),
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


def _print_bench(report: dict[str, Any]) -> None:
    """Print times and ratios of every variant, then ratios of stored maps to the fused pass, in 80 columns."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"time compared with plain GPT-2, {report['device']}, {report['shape']['dtype']}", box=SIMPLE)
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
