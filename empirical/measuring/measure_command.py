"""`localist measure`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from empirical.options import Block, Blocks, Context, OwnText, Precision, RunOrDecoder
from theory.errors import DomainError

# Fidelity from which a head counts as local.
LOCAL = 0.9
LOCAL_MEANS = (
    f"at dial 0, in 95 % of the rows: fidelity of {LOCAL} or more, and above the block's share of the visible keys"
)


def measure(
    model: RunOrDecoder,
    text: OwnText = None,
    block: Block = None,
    blocks: Blocks = None,
    context: Context = None,
    dial: Annotated[
        str | None,
        typer.Option(help="Move the dial at inference: start:stop:step or a list, such as 0:1:0.1."),
    ] = None,
    dials: Annotated[
        Path | None, typer.Option(help="Dials per layer or head from a JSON file, such as calibrate's.")
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(help="Schedule that spreads a moved dial over the layers (localist: the same on all)."),
    ] = None,
    truncate: Annotated[
        float | None,
        typer.Option(help="Report which heads leak at most this in every row, and what computing them locally moves."),
    ] = None,
    maps: Annotated[
        str | None,
        typer.Option(
            metavar="LAYER.HEAD,...", help="Write the attention maps of these heads on the first sequence, no more."
        ),
    ] = None,
    sequences: Annotated[int | None, typer.Option(help="Sequences of the text to measure (all).")] = None,
    precision: Precision = "float32",
    out: Annotated[Path | None, typer.Option(help="Record folder (measured, dial, truncated, maps in MODEL).")] = None,
    rows: Annotated[
        Path | None, typer.Option(help="Also write every row, with its numbers, bounds and verdict: FILE.parquet.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(help="Of --rows, keep so many rows of each pass, drawn at random with seed 0 (all).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure every attention row against its bounds; exit status 1 if any row violates one or is undecided."""
    if shape is not None and dial is None:
        raise DomainError(f"shape {shape} spreads a moved dial over the layers: give --dial too")
    if sample is not None and rows is None:
        raise DomainError(f"sample {sample} says how many rows a file keeps: name it with --rows")
    if dials is not None and dial is not None:
        raise DomainError(f"dial {dial} and the dials of {dials} were given: give one of them")
    from empirical.measuring.dial_file import blocks_for, read_dials
    from empirical.measuring.measure import dial_values, measure_dial
    from empirical.measuring.measure import measure as measure_model
    from empirical.training.callbacks import is_main

    if dials is not None and text is not None:
        block, blocks = blocks_for(dials, block, blocks)
    options: dict[str, Any] = {
        "text": text,
        "block": block,
        "blocks": blocks,
        "context": context,
        "sequences": sequences,
    }
    options |= {"precision": precision, "out_dir": out}
    if maps is not None:
        unused = {"--dial": dial, "--truncate": truncate, "--sequences": sequences, "--rows": rows}
        for name, value in unused.items():
            if value is not None:
                raise DomainError(f"{name} {value} does not go with --maps, which runs the first sequence once")
        from empirical.measuring.maps import measure_maps, parse_heads

        del options["sequences"]
        stated = measure_maps(model, parse_heads(maps), dials=None if dials is None else read_dials(dials), **options)
        typer.echo(json.dumps(stated) if as_json else f"{len(stated['heads'])} attention maps in {stated['path']}")
        return
    if truncate is not None:
        from empirical.measuring.truncation_command import report_truncation

        if rows is not None:
            raise DomainError(f"rows {rows} holds what --truncate does not measure: leave one of them out")
        values = None if dial is None else dial_values(dial)
        options["dials"] = None if dials is None else read_dials(dials)
        report_truncation(model, truncate, values, shape or "localist", options, as_json)
        return
    options |= {"rows_file": rows, "sample": sample}
    if dial is None:
        records = measure_model(model, dials=None if dials is None else read_dials(dials), **options)
    else:
        records = measure_dial(model, dial_values(dial), shape=shape or "localist", **options)
    shown = {
        "run": str(model),
        "records": str(records.folder),
        "rows": records.measured_rows,
        "violations": records.violations,
        "undecided": records.undecided,
        "seal": records.manifest["seal"],
        "quantiles": records.manifest["quantiles"],
        "perplexity": {str(each["dial_largest"]): each["perplexity"] for each in records.manifest["passes"]},
    }
    shown |= {"local_heads": local_heads(records), "local_means": LOCAL_MEANS}
    if rows is not None:
        shown["rows_file"] = str(rows)
    # Every process of torchrun has read the records; the first one shows them.
    if is_main():
        if as_json:
            typer.echo(json.dumps(shown))
        else:
            _print_layers(records)
    if records.violations or records.undecided:
        raise typer.Exit(1)


def local_heads(records: Any) -> list[str] | None:
    """Heads that stay on the block at dial 0 (`LOCAL_MEANS`), as "layer.head"; None if no layer has dial 0.

    Of several passes the one with the least dial counts, since the dials of other layers move a layer's inputs.
    """
    rows = records.rows[records.rows["dial"] == 0].sort_values("dial_largest", kind="stable")
    if rows.empty:
        return None
    rows = rows.drop_duplicates(["layer", "head"])
    # The soft margin is 0 where attention on the block is the block's share of the visible keys. It is infinite, and
    # has no quantiles, if some leak is 0; a mean margin above 0 implies a soft margin above 0.
    above = (rows["soft_margin_q05"] > 0) | (rows["soft_margin_q05"].isna() & (rows["mean_margin_q05"] > 0))
    found = rows[(rows["fidelity_q05"] >= LOCAL) & above]
    return [f"{layer}.{head}" for layer, head in zip(found["layer"], found["head"], strict=True)]


def _print_layers(records: Any) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"attention rows of {records.manifest['run']} (nats, means)", box=SIMPLE)
    table.pad_edge, table.collapse_padding = False, True
    moved = records.manifest["kind"] == "dial"
    names = ["layer", "dial", "rows", "violated", "entropy", "≤ A4", "fidelity", "≥ A2", "≥ A8", "slack"]
    if moved:
        names = ["layer", "dial", "violated", "entropy", "B2", "fidelity", "B1", "shift", "B3"]
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    slacks = [column for column in records.rows.columns if column.startswith("slack_") and column.endswith("_min")]
    for (_, layer), group in records.rows.groupby(["dial_largest", "layer"], sort=False):
        mean = group.mean(numeric_only=True)
        violated = f"{group['violations'].sum()}"
        cells = [f"{layer}", f"{mean['dial']:.3g}"]
        if moved:
            columns = ["entropy_mean", "predicted_entropy", "fidelity_mean", "predicted_fidelity"]
            cells += [violated, *(f"{mean[name]:.3f}" for name in (*columns, "shift_mean", "predicted_shift"))]
        else:
            columns = ["entropy_mean", "bound_entropy_fidelity", "fidelity_mean", "bound_fidelity_margin"]
            cells += [f"{group['rows'].sum()}", violated, *(f"{mean[name]:.3f}" for name in columns)]
            cells.append(f"{1 - mean['bound_leak_sink']:.3f}")
            cells.append(f"{group[slacks].min(axis=None):.0e}")
        table.add_row(*cells)
    console = Console()
    console.print(table)
    if moved:
        console.print("B2, B1, B3: entropy, fidelity and shift of the output, predicted from the rows at dial 0")
    local = local_heads(records)
    found = "not known, no layer has dial 0" if local is None else ", ".join(local) or "none"
    console.print(f"local by nature, layer.head: {found} ({LOCAL_MEANS})", soft_wrap=True)
    for each in records.manifest["passes"]:
        console.print(f"perplexity {each['perplexity']:.2f} at largest dial {each['dial_largest']:g}")
    console.print(
        f"{records.measured_rows:,} rows, {records.violations} violations, {records.undecided} undecided, "
        f"records in {records.folder}",
        soft_wrap=True,
    )
    if error := records.manifest["quantiles"]["rank_error"]:
        console.print(f"quantiles: from a sketch, each rank within {error:.2g} of the rows")
    if records.manifest["seal"] == "unsealed":
        console.print("unsealed: the run has no sha256.json, so changes to its files cannot be detected")
    if records.undecided:
        console.print(
            f"undecided: scores are too large for {records.manifest['dtype']}. Measure with --precision float64.",
            soft_wrap=True,
        )
