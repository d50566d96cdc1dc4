"""Measures every row of a run on held-out text against its bounds, with the run's own dials or moved ones.

`measure` runs the model with its own dials. `measure_dial` moves the dial of every layer at inference, without
retraining, and compares measurements with what B1, B2 and B3 predict from the rows of the dial-0 pass. The prediction
holds a layer's inputs fixed: it is exact in the first layer; deeper layers drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from empirical.attention.schedule import layer_dials
from empirical.config import RunConfig, load_config
from empirical.environment import environment
from empirical.locks import alone_in
from empirical.measuring.passes import Batch, Pass, Sink, count_rows, run_dial, run_pass
from empirical.measuring.records import COLUMNS, Records, records_reserved
from empirical.measuring.row_file import RowFile, row_file
from empirical.measuring.summary import SERIES, Judged, LayerSummary
from empirical.memory import enough_memory
from empirical.model import load_model
from empirical.seal import digests_of, read_files, read_seal
from empirical.training.held_out import HELD_OUT_NAME, load_held_out
from empirical.training.train import CONFIG_NAME, is_finished, training_summary
from theory.design.value_range import parse_values
from theory.errors import DomainError, InputError

# Names of the record folders inside a run.
OWN_NAME = "measured"
DIAL_NAME = "dial"

# Each takes a pass over the held-out text.
MOST_DIALS = 10_000

ADVICE = "Measure fewer sequences with --sequences."

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}

WEIGHTS = "model*.safetensors"

# 8-byte numbers stored for quantiles: at most for all series together, but at least this many per series.
SUMMARY_NUMBERS = 1 << 25
LEAST_KEPT = 1 << 12

# Manifest bytes per dial, with a share of the other entries.
PLAN_BYTES = 40


@dataclass(frozen=True)
class _Run:
    """A finished run, opened: its model, its held-out sequences, and the digests of its files."""

    folder: Path
    config: RunConfig
    model: GPT2LMHeadModel
    windows: Tensor
    blocks: Tensor | None
    training: dict[str, Any]
    digests: dict[str, str]
    sealed: bool


def measure(
    run_dir: Path | str,
    *,
    sequences: int | None = None,
    precision: str = "float32",
    out_dir: Path | str | None = None,
    rows_file: Path | str | None = None,
    progress: bool = True,
) -> Records:
    """Measure a finished run with its own dials; records go to `out_dir`, by default `RUN/measured`.

    `sequences` limits the held-out sequences (None: all). `precision` float64 decides rows whose scores are too large
    for float32. `rows_file` receives every row (`row_file`). Raises InputError, DomainError.
    """
    run = _open(run_dir, sequences, precision)
    out = Path(out_dir) if out_dir else run.folder / OWN_NAME
    plans = [run.model.config.localist["dials"]]
    return _measured(run, out, "rows", plans, {}, rows_file, progress)


def measure_dial(
    run_dir: Path | str,
    values: Sequence[float],
    *,
    shape: str = "localist",
    sequences: int | None = None,
    precision: str = "float32",
    out_dir: Path | str | None = None,
    rows_file: Path | str | None = None,
    progress: bool = True,
) -> Records:
    """Move the dial at inference through `values`; records go to `out_dir`, by default `RUN/dial`.

    `shape` is the schedule that spreads each value over the layers: `localist` gives every layer the value, other
    names give it to the last layer. Raises InputError, DomainError.
    """
    if not values:
        raise DomainError("no dial values were given")
    run = _open(run_dir, sequences, precision)
    plans = [layer_dials(shape, run.model.config.n_layer, value) for value in values]
    out = Path(out_dir) if out_dir else run.folder / DIAL_NAME
    return _measured(run, out, "dial", plans, {"shape": shape}, rows_file, progress)


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


def _measured(
    run: _Run,
    out: Path,
    kind: str,
    plans: list[list[float]],
    stated: dict[str, Any],
    rows_file: Path | str | None,
    progress: bool,
) -> Records:
    model, moved = run.model, kind == "dial"
    layers, heads = model.config.n_layer, model.config.n_head
    total = count_rows(model, run.windows, run.blocks)
    kept = kept_numbers(layers, heads, total)
    frames: list[pd.DataFrame] = []
    passes: list[Pass] = []
    error = 0.0
    with (
        alone_in(out, "measuring"),
        records_reserved(out, len(plans) * layers * heads, len(plans) * (layers + 10) * PLAN_BYTES) as write,
        row_file(rows_file, len(plans) * layers * heads * total, moved=moved) as file,
        enough_memory("measuring", ADVICE),
    ):
        # One set of dials at a time: memory grows only by one table row per layer and head.
        for number, plan in enumerate(plans, 1):
            sums = [LayerSummary(layer, heads, plan[layer], total, kept) for layer in range(layers)]
            sink = _sink(sums, max(plan), file)
            options: dict[str, Any] = {"blocks": run.blocks, "progress": progress}
            if moved:
                options["label"] = f"measure, dial {number} of {len(plans)}"
            passes.append((run_dial if moved else run_pass)(model, run.windows, plan, sink, **options))
            lines = [line for layer in sums for line in layer.records(max(plan))]
            frames.append(pd.DataFrame(lines, columns=list(COLUMNS)))
            error = max(layer.quantiles.rank_error for layer in sums)
            # Freed before the next ones are made.
            del sums, sink, lines
        manifest = _manifest(run, kind, passes) | {"quantiles": _quantiles(kept, error)} | stated
        records = write(pd.concat(frames, ignore_index=True), manifest)
        if file is not None:
            file.finish(records)
    return records


def _sink(layers: list[LayerSummary], dial_largest: float, file: RowFile | None) -> Sink:
    def take(batch: Batch) -> None:
        judged = Judged(batch)
        layers[batch.layer].add(judged)
        if file is not None:
            file.add(judged, dial_largest)

    return take


def kept_numbers(layers: int, heads: int, total: int) -> int:
    """Numbers stored of a series of `total`: all of them if they fit.

    >>> kept_numbers(4, 4, 1000), kept_numbers(12, 12, 1_000_000)
    (1000, 11650)
    """
    return min(total, max(LEAST_KEPT, SUMMARY_NUMBERS // (layers * heads * len(SERIES))))


def _quantiles(kept: int, error: float) -> dict[str, Any]:
    if not error:
        return {"method": "exact", "rank_error": 0.0}
    return {"method": "Munro-Paterson sketch", "rank_error": error, "numbers_kept": kept}


def _open(run_dir: Path | str, sequences: int | None, precision: str) -> _Run:
    folder = Path(run_dir)
    if precision not in PRECISIONS:
        raise DomainError(f"precision {precision!r} must be one of {', '.join(PRECISIONS)}")
    if sequences is not None and sequences < 1:
        raise DomainError(f"sequences {sequences} must be at least 1")
    config = load_config(folder / CONFIG_NAME)
    if not is_finished(folder):
        raise InputError(f"the run in {folder} is not finished. Continue it with `localist train {folder} --resume`.")
    training = training_summary(folder)
    windows, blocks = load_held_out(folder)
    model = load_model(folder)
    _check_windows(folder, model, windows, blocks)
    sealed = read_seal(folder)
    model.to(PRECISIONS[precision])  # type: ignore[arg-type]
    device = torch.accelerator.current_accelerator()
    # MPS has no float64, in which rows are compared with their bounds.
    if torch.accelerator.is_available() and device is not None and device.type != "mps":
        model.to(device)  # type: ignore[arg-type]
    return _Run(
        folder,
        config,
        model,
        windows[:sequences],
        None if blocks is None else blocks[:sequences],
        training,
        digests_of(read_files(folder)) if sealed is None else sealed,
        sealed is not None,
    )


def _check_windows(folder: Path, model: GPT2LMHeadModel, windows: Tensor, blocks: Tensor | None) -> None:
    """Raise InputError or DomainError if the model's settings do not fit these sequences."""
    config, path = model.config, folder / HELD_OUT_NAME
    kind, block = config.localist["blocks"], config.localist["block"]
    for token in (int(windows.min()), int(windows.max())):
        if not 0 <= token < config.vocab_size:
            raise InputError(f"{path}: token {token} must lie in [0, {config.vocab_size}), the vocabulary")
    if windows.shape[1] > config.n_positions:
        raise InputError(f"{path}: sequences of {windows.shape[1]} tokens exceed the model's {config.n_positions}")
    if (blocks is None) != (kind == "windows"):
        held = "no" if blocks is None else "its own"
        raise InputError(f"{path} holds {held} block ids: the model has blocks {kind!r}")
    if blocks is None and block >= windows.shape[1]:
        raise DomainError(f"block {block} must be below the context {windows.shape[1]}: no row has keys off its block")


def _manifest(run: _Run, kind: str, passes: list[Pass]) -> dict[str, Any]:
    used = run.model.config
    weights = [digest for name, digest in run.digests.items() if fnmatch(name, WEIGHTS)]
    return {
        "kind": kind,
        "run": run.folder.name,
        "configuration": used.localist["schedule"] or run.config.locality.schedule,
        "seed": run.config.seed,
        "perplexity": passes[0].perplexity if kind == "rows" else None,
        "passes": [
            {
                "dial_largest": max(each.dials),
                "dials": list(each.dials),
                "loss": each.loss,
                "perplexity": each.perplexity,
            }
            for each in passes
        ],
        "held_out_windows": run.windows.shape[0],
        "held_out_tokens": run.windows.numel(),
        # Read from the model that ran; `config` is the configuration of its training.
        "model": {
            "layers": used.n_layer,
            "heads": used.n_head,
            "width": used.n_embd,
            "vocabulary": used.vocab_size,
            "positions": used.n_positions,
            "context": run.windows.shape[1],
            **used.localist,
        },
        "config": run.config.model_dump(mode="json"),
        "corpus": run.training.get("corpus"),
        "training": {
            name: run.training.get(name) for name in ("steps", "seconds", "parameters", "final_loss", "device")
        },
        "seal": "intact" if run.sealed else "unsealed",
        "files": run.digests,
        # Weights in several files: the digest of their digests.
        "weights_sha256": weights[0] if len(weights) == 1 else sha256("".join(weights).encode()).hexdigest(),
        "device": str(run.model.device),
        "dtype": str(run.model.dtype).removeprefix("torch."),
        "versions": environment(),
    }
