"""The bench's result as a table for a terminal of 80 columns."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

_LEGEND = (
    "fused: entropy, fidelity and leak of every row within the pass; all: margins and ranges too; eager: from stored "
    "maps. ratio: time over plain, cpu: CPU time over plain, both medians over rounds. MiB: peak memory above "
    "plain. attention: one layer alone."
)


def print_bench(report: dict[str, Any]) -> None:
    """Print times and ratios of every variant, then ratios of stored maps to the fused pass."""
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
