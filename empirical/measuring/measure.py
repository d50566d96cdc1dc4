"""Measures every attention row of a run or of a decoder against its bounds, with its own dials or moved ones.

`measure` runs the model with its own dials. `measure_dial` moves the dial of every layer at inference, without
retraining, and compares measurements with what B1, B2 and B3 predict from the rows of the dial-0 pass. The prediction
holds a layer's inputs fixed: it is exact in the first layer; deeper layers drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd

from empirical.attention.schedule import LayerDial, check_dials, largest_dial, layer_dials
from empirical.locks import alone_in
from empirical.measuring.kept_windows import KeptWindows
from empirical.measuring.passes import Batch, Sink, count_rows, run_windows
from empirical.measuring.records import COLUMNS, Records, drop_partial, read_records, records_reserved
from empirical.measuring.row_file import RowFile, row_file
from empirical.measuring.subject import open_subject, record_folder
from empirical.measuring.summary import SERIES, Judged, LayerSummary
from empirical.measuring.work import ADVICE, Work, begin, results, share
from empirical.memory import enough_memory
from empirical.processes import Team, together
from theory.design.value_range import parse_values
from theory.errors import DomainError

# Names of the record folders inside a run.
OWN_NAME = "measured"
DIAL_NAME = "dial"
DIALLED_NAME = "dialled"

# Each takes a pass over the held-out text.
MOST_DIALS = 10_000

# 8-byte numbers stored for quantiles: at most for all series together, but at least this many per series.
SUMMARY_NUMBERS = 1 << 25
LEAST_KEPT = 1 << 12

# Manifest bytes per dial, with a share of the other entries.
PLAN_BYTES = 40


def measure(
    model: Path | str,
    *,
    text: Path | str | None = None,
    dials: Sequence[LayerDial] | None = None,
    block: int | None = None,
    blocks: str | None = None,
    context: int | None = None,
    sequences: int | None = None,
    precision: str = "float32",
    out_dir: Path | str | None = None,
    rows_file: Path | str | None = None,
    sample: int | None = None,
    progress: bool = True,
) -> Records:
    """Measure every attention row with the model's own dials; records go to `out_dir`, by default `MODEL/measured`.

    `dials` replace the model's own: one per layer, or one per head of it; records then go to `MODEL/dialled`. Without
    `text`, `model` is a finished run, measured on its held-out sequences. With `text`, a file, it is the folder or the
    hub name of any transformers decoder; `block`, `blocks` and `context` are as in `subject.open_decoder`. `sequences`
    limits the sequences (None: all). `precision` float64 decides rows whose scores are too large for float32.
    `rows_file` receives every row (`row_file`), or a random `sample` of so many. A measurement that was killed is
    continued from the journal in `out_dir` (`kept_windows`); the processes of torchrun share the sequences. Raises
    InputError, DomainError.
    """
    with together() as team:
        subject = open_subject(
            model, text, block=block, blocks=blocks, context=context, sequences=sequences, precision=precision
        )
        plan = subject.dials if dials is None else dials
        check_dials(plan, subject.layers)
        name, stated = (OWN_NAME, {}) if dials is None else (DIALLED_NAME, {"dials": list(plan)})
        work = Work(subject, record_folder(subject, out_dir, name), "rows", [plan], stated, rows_file, progress, sample)
        return _measured(work, team)


def measure_dial(
    model: Path | str,
    values: Sequence[float],
    *,
    text: Path | str | None = None,
    block: int | None = None,
    blocks: str | None = None,
    context: int | None = None,
    shape: str = "localist",
    sequences: int | None = None,
    precision: str = "float32",
    out_dir: Path | str | None = None,
    rows_file: Path | str | None = None,
    sample: int | None = None,
    progress: bool = True,
) -> Records:
    """Move the dial at inference through `values`; records go to `out_dir`, by default `MODEL/dial`.

    `model`, `text`, `block`, `blocks` and `context` are as in `measure`. `shape` is the schedule that spreads a value
    over the layers: `localist` gives it to every layer, other names give it to the last layer. Raises InputError,
    DomainError.
    """
    if not values:
        raise DomainError("no dial values were given")
    with together() as team:
        subject = open_subject(
            model, text, block=block, blocks=blocks, context=context, sequences=sequences, precision=precision
        )
        plans = [layer_dials(shape, subject.layers, value) for value in values]
        out = record_folder(subject, out_dir, DIAL_NAME)
        return _measured(Work(subject, out, "dial", plans, {"shape": shape}, rows_file, progress, sample), team)


def dial_values(text: str) -> list[float]:
    """Dials of `start:stop:step`, with `stop` if a step meets it, or of a list `0,0.5,1`.

    Raises DomainError.

    >>> dial_values("0:1:0.25")
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    values = [float(value) for value in parse_values(text, f"dial {text!r}", MOST_DIALS)]
    if ":" in text:
        # Rounded to 12 digits, so that three steps of 0.1 are 0.3 and an end just above 1 is 1.
        values = [round(value, 12) for value in values]
    # Each is measured once.
    values = list(dict.fromkeys(values))
    for value in values:
        if not 0 <= value <= 1:
            raise DomainError(f"dial {value:g} must lie in [0, 1]")
    return values


def _measured(work: Work, team: Team) -> Records:
    with enough_memory("measuring", ADVICE):
        if team.first:
            with alone_in(work.out, "measuring"):
                return _recorded(work, team)
        # The first process has locked the folder.
        team.meet()
        with closing(work.kept(team)) as kept:
            share(work, kept, team)
        team.meet()
        # The records are written.
        team.meet()
        return read_records(work.out)


def _recorded(work: Work, team: Team) -> Records:
    """Measure, or replay what is measured already, and write the records."""
    subject = work.subject
    total = count_rows(subject.model, subject.windows, subject.blocks, subject.block)
    if getattr(subject.model.config, "localist", None) is None:
        # At most: layers with sinks have more rows, layers with sliding windows fewer.
        total = subject.windows.numel()
    if work.sample is not None:
        _check_sample(work, work.sample, subject.layers * subject.heads * total)
    lines = len(work.plans) * subject.layers * subject.heads
    drop_partial(work.out)
    with (
        records_reserved(work.out, lines, len(work.plans) * (subject.layers + 10) * PLAN_BYTES) as write,
        row_file(work.rows_file, lines * total, moved=work.moved, sample=work.sample) as file,
        closing(work.kept(team)) as kept,
    ):
        begin(work, kept, file)
        team.meet()
        try:
            if team.count > 1:
                share(work, kept, team)
                team.meet()
                kept.reread()
            rows, manifest = _summary(work, kept, total, file)
        except DomainError:
            # It would come again: the numbers themselves are refused.
            kept.drop()
            raise
        records = write(rows, manifest)
        if file is not None:
            file.finish(records)
        kept.drop()
    team.meet()
    return records


def _check_sample(work: Work, sample: int, most: int) -> None:
    """Raise DomainError unless the sample has room in a pass of `most` rows, and a file."""
    if work.rows_file is None:
        raise DomainError(f"sample {sample} says how many rows a file keeps: name it with --rows")
    if not 1 <= sample <= most:
        raise DomainError(f"sample {sample} must lie between 1 and the {most} rows of a pass")


def _summary(work: Work, kept: KeptWindows, total: int, file: RowFile | None) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows and manifest of the records."""
    subject, frames, passes, error = work.subject, [], [], 0.0
    capacity = kept_numbers(subject.layers, subject.heads, total)
    # One set of dials at a time: memory grows only by one table row per layer and head.
    for number, plan in enumerate(work.plans):
        sums: dict[int, LayerSummary] = {}
        sink = _sink(sums, plan, total, capacity, file)
        measure = kept.keeping(number, work.measure(number))
        passes.append(run_windows(measure, len(subject.windows), plan, sink, work.label(number), work.progress))
        if not sums:
            raise DomainError("no row has keys off its block: the blocks are as long as what a query sees")
        lines = [line for _, layer in sorted(sums.items()) for line in layer.records(largest_dial(plan))]
        frames.append(pd.DataFrame(lines, columns=list(COLUMNS)))
        error = max(layer.quantiles.rank_error for layer in sums.values())
        # Freed before the next ones are made.
        del sums, sink, lines
    manifest = work.stated() | results(work.kind, passes) | {"quantiles": _quantiles(capacity, error)}
    return pd.concat(frames, ignore_index=True), manifest


def _sink(
    sums: dict[int, LayerSummary], plan: Sequence[LayerDial], total: int, kept: int, file: RowFile | None
) -> Sink:
    def take(batch: Batch) -> None:
        if not batch.rows.leak.shape[1]:
            return
        # Made on the first call: some models have layers without attention, or with other numbers of heads.
        if batch.layer not in sums:
            sums[batch.layer] = LayerSummary(batch.layer, batch.dials, total, kept)
        judged = Judged(batch)
        sums[batch.layer].add(judged)
        if file is not None:
            file.add(judged, largest_dial(plan))

    return take


def kept_numbers(layers: int, heads: int, total: int) -> int:
    """Numbers stored of a series of `total`: all of them if they fit.

    >>> kept_numbers(4, 4, 1000), kept_numbers(12, 12, 1_000_000)
    (1000, 10591)
    """
    return min(total, max(LEAST_KEPT, SUMMARY_NUMBERS // (layers * heads * len(SERIES))))


def _quantiles(kept: int, error: float) -> dict[str, Any]:
    if not error:
        return {"method": "exact", "rank_error": 0.0}
    return {"method": "Munro-Paterson sketch", "rank_error": error, "numbers_kept": kept}
