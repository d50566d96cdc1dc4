"""Measuring a run: every row of every layer and head on held-out text, beside its bounds; and the dial moved.

`measure` runs the model with its own dials. `measure_dial` moves the dial of every layer at inference,
without retraining, and puts what B1, B2 and B3 predict from the rows of the dial-0 pass beside what is measured.
The prediction holds a layer's inputs fixed: it is exact in the first layer, deeper ones drift.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from empirical.checks import check_rows, limited
from empirical.config import RunConfig, load_config
from empirical.held_out import load_held_out
from empirical.locks import alone_in
from empirical.memory import enough_memory
from empirical.model import load_model
from empirical.passes import Pass, run_dial, run_pass
from empirical.records import (
    BOUNDS,
    COLUMNS,
    FEW_QUANTILES,
    QUANTILES,
    QUANTITIES,
    ROWS_NAME,
    Records,
    environment,
    write_records,
)
from empirical.rows import Rows
from empirical.schedule import layer_dials
from empirical.training import CONFIG_NAME, is_finished, training_summary
from theory import bounds
from theory.errors import DomainError, InputError
from theory.files import check_writable, sha256_of
from theory.value_range import parse_values

# Names of the record folders inside a run.
OWN_NAME = "measured"
DIAL_NAME = "dial"

# A pass over the held-out text each.
MOST_DIALS = 10_000

ADVICE = "Measure fewer windows with --sequences."

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}


def measure(
    run_dir: Path | str,
    *,
    sequences: int | None = None,
    precision: str = "float32",
    out_dir: Path | str | None = None,
    progress: bool = True,
) -> Records:
    """Measure a finished run with its own dials; records go to `out_dir`, by default `RUN/measured`.

    `sequences` limits the held-out windows (None: all). In `precision` float64 rows are decided whose scores are
    too large for float32. Raises InputError, DomainError.
    """
    folder, config, model, windows, blocks = _open(run_dir, sequences, precision)
    out = Path(out_dir) if out_dir else folder / OWN_NAME
    check_writable(out / ROWS_NAME)
    with alone_in(out, "measuring"):
        with enough_memory("measuring", ADVICE):
            dials = model.config.localist["dials"]
            done = run_pass(model, windows, dials, blocks=blocks, folder=out, progress=progress)
        frame = _frame(done, None)
        manifest = _manifest(folder, config, model, windows, "rows", [done])
        return write_records(out, frame, manifest)


def measure_dial(
    run_dir: Path | str,
    values: Sequence[float],
    *,
    shape: str = "localist",
    sequences: int | None = None,
    precision: str = "float32",
    out_dir: Path | str | None = None,
    progress: bool = True,
) -> Records:
    """Move the dial at inference through `values`; records go to `out_dir`, by default `RUN/dial`.

    `shape` is the schedule that spreads each value over the layers: `localist` gives every layer the same
    dial, another name gives the last layer the value. Raises InputError, DomainError.
    """
    if not values:
        raise DomainError("no dial values were given")
    folder, config, model, windows, blocks = _open(run_dir, sequences, precision)
    layers = model.config.n_layer
    plans = [layer_dials(shape, layers, value) for value in values]
    out = Path(out_dir) if out_dir else folder / DIAL_NAME
    check_writable(out / ROWS_NAME)
    with alone_in(out, "measuring"):
        with enough_memory("measuring", ADVICE):
            base, passes = run_dial(model, windows, plans, blocks=blocks, folder=out, progress=progress)
        frames = [_frame(done, base) for done in passes]
        manifest = _manifest(folder, config, model, windows, "dial", passes) | {"shape": shape}
        return write_records(out, pd.concat(frames, ignore_index=True), manifest)


def predicted(base: Rows, dial: float) -> tuple[np.ndarray, np.ndarray]:
    """Fidelity (B1) and entropy in nats (B2) of each row at `dial`, from its numbers at dial 0."""
    if base.conditional_block is None or base.conditional_rest is None:
        raise DomainError("the dial-0 pass must be measured with conditionals=True")
    whole = base.fidelity + base.leak
    leak = bounds.dialled_leak(np.clip(base.leak / whole, 0.0, np.nextafter(1.0, 0.0)), dial)
    binary = np.where(leak > 0, -leak * np.log(np.where(leak > 0, leak, 1.0)), 0.0) - (1 - leak) * np.log1p(-leak)
    return 1 - leak, binary + (1 - leak) * base.conditional_block + leak * base.conditional_rest


def dial_values(text: str) -> list[float]:
    """Dials of `start:stop:step`, the ends included where the step meets them, or of a list `0,0.5,1`.

    Raises DomainError.

    >>> dial_values("0:1:0.25")
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    # A dial to within 1e-12, so that 0.1 three times is 0.3; an end above 1 by less is 1. Each is measured once.
    values = list(dict.fromkeys(round(float(value), 12) for value in parse_values(text, f"dial {text!r}", MOST_DIALS)))
    for value in values:
        if not 0 <= value <= 1:
            raise DomainError(f"dial {value:g} must lie in [0, 1]")
    return values


def _open(
    run_dir: Path | str, sequences: int | None, precision: str
) -> tuple[Path, RunConfig, GPT2LMHeadModel, Tensor, Tensor | None]:
    folder = Path(run_dir)
    if precision not in PRECISIONS:
        raise DomainError(f"precision {precision!r} must be one of {', '.join(PRECISIONS)}")
    if sequences is not None and sequences < 1:
        raise DomainError(f"sequences {sequences} must be at least 1")
    config = load_config(folder / CONFIG_NAME)
    if not is_finished(folder):
        raise InputError(f"the run in {folder} is not finished. Continue it with `localist train {folder} --resume`.")
    windows, blocks = load_held_out(folder)
    if blocks is None and config.locality.block >= windows.shape[1]:
        raise DomainError(
            f"block {config.locality.block} must be below the context {windows.shape[1]}: no row has keys off its block"
        )
    model = load_model(folder)
    model.to(PRECISIONS[precision])  # type: ignore[arg-type]
    device = torch.accelerator.current_accelerator()
    # Apple's has no float64, in which rows are compared with their bounds.
    if torch.accelerator.is_available() and device is not None and device.type != "mps":
        model.to(device)  # type: ignore[arg-type]
    return folder, config, model, windows[:sequences], None if blocks is None else blocks[:sequences]


def _manifest(
    folder: Path, config: RunConfig, model: GPT2LMHeadModel, windows: Tensor, kind: str, passes: list[Pass]
) -> dict[str, Any]:
    summary = training_summary(folder)
    weights = sha256_of(folder / "model.safetensors")
    return {
        "kind": kind,
        "run": folder.name,
        "configuration": config.locality.schedule,
        "seed": config.seed,
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
        "held_out_windows": windows.shape[0],
        "held_out_tokens": windows.numel(),
        "config": config.model_dump(mode="json"),
        "corpus": summary.get("corpus"),
        "training": {name: summary.get(name) for name in ("steps", "seconds", "parameters", "final_loss", "device")},
        "weights_sha256": weights,
        "device": str(model.device),
        "dtype": str(model.dtype).removeprefix("torch."),
        "versions": environment(),
    }


def _frame(done: Pass, base: Pass | None) -> pd.DataFrame:
    records = []
    for layer, whole in enumerate(done.layers):
        # A head at a time: the bounds take many times the memory of the rows.
        for head in range(whole.keys.shape[0]):
            rows = whole.of_head(head)
            checks = check_rows(rows)
            violated = np.any([check.violated for check in checks.values()], axis=0)
            record: dict[str, Any] = dict.fromkeys(COLUMNS, math.nan)
            record |= {
                "layer": layer,
                "head": head,
                "dial_largest": max(done.dials),
                "dial": done.dials[layer],
                "rows": rows.keys.shape[1],
                "violations": int(violated.sum()),
                "undecided": int(rows.undecided.sum()),
                "tolerance_entropy_max": _finite(rows.errors.entropy.max()),
                "tolerance_leak_max": _finite(rows.errors.mass.max()),
            }
            least = bounds.fidelity_min(rows.keys, rows.block_keys, limited(rows.margin))
            record |= _bound("fidelity_margin", least)
            for name in QUANTITIES:
                record |= _distribution(name, getattr(rows, name)[0])
            for name in BOUNDS:
                check = checks[name]
                record[f"violations_{name}"] = int(check.violated.sum())
                record |= _bound(name, check.bound)
                record[f"slack_{name}_min"] = check.slack.min()
                for label in FEW_QUANTILES:
                    record[f"slack_{name}_{label}"] = np.quantile(check.slack, QUANTILES[label])
            if base is not None:
                fidelity, entropy = predicted(base.layers[layer].of_head(head), done.dials[layer])
                record |= {
                    "predicted_fidelity": fidelity.mean(),
                    "predicted_entropy": entropy.mean(),
                    "prediction_error_fidelity": np.abs(fidelity - rows.fidelity).max(),
                    "prediction_error_entropy": np.abs(entropy - rows.entropy).max(),
                }
            if done.shifts:
                shift = done.shifts[layer]
                record |= {
                    "shift_mean": shift.measured[head].mean(),
                    "predicted_shift": shift.predicted[head].mean(),
                    "prediction_error_shift": shift.error[head].max(),
                }
            records.append(record)
    return pd.DataFrame(records, columns=list(COLUMNS))


def _bound(name: str, values: np.ndarray) -> dict[str, float]:
    found = {f"bound_{name}": values.mean()}
    return found | {f"bound_{name}_{label}": np.quantile(values, QUANTILES[label]) for label in FEW_QUANTILES}


def _distribution(name: str, values: np.ndarray) -> dict[str, float]:
    if not np.isfinite(values).all():
        # Infinite under the hard mask; a mean over some rows only would mean something else.
        return {f"{name}_{label}": math.nan for label in ("mean", "min", *QUANTILES, "max")}
    found = {f"{name}_mean": values.mean(), f"{name}_min": values.min(), f"{name}_max": values.max()}
    quantiles = np.quantile(values, list(QUANTILES.values()))
    return found | {f"{name}_{label}": value for label, value in zip(QUANTILES, quantiles, strict=True)}


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan
