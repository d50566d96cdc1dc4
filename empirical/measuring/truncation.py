"""Measures which heads leak so little that they may be computed block by block, and how far that moves them.

One pass with the given dials measures every row's leak, H1's bound on how far truncation moves the head's output, and
how far it does move it, with the layer's inputs held fixed. A head is allowed if every measured row of it leaks at
most the level. A second pass with the allowed heads at dial 1 measures what that costs. The report holds the dials of
that pass: given to `localist.dial`, they compute these heads at the cost of their blocks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from empirical.attention.attention_call import AttentionCall
from empirical.attention.schedule import LayerDial, check_dials, largest_dial, layer_dials, of_heads
from empirical.attention.truncation import check_level, value_distance
from empirical.environment import environment
from empirical.locality import SIZED
from empirical.locks import alone_in
from empirical.measuring.passes import count_rows, run_sequence
from empirical.measuring.rows import RowMeter, kept_rows
from empirical.measuring.subject import Subject, open_subject, record_folder
from empirical.memory import enough_memory
from empirical.seal import sealed
from theory.errors import DomainError
from theory.files import check_writable, write_text_atomically
from theory.numbers.truncation_bounds import truncation_shift_max

Array = NDArray[np.float64]

# Name of the folder inside a model's, and of the report in it.
TRUNCATED_NAME = "truncated"
REPORT_NAME = "truncation.json"

ADVICE = "Measure shorter sequences with --context."

# Entries of a head, and what they say.
ENTRIES = {
    "layer": "layer, from 0",
    "head": "head, from 0",
    "dial": "dial of the head",
    "rows": "rows with a key off their block",
    "leak_max": "largest measured leak of a row",
    "allowed": "whether that is at most the level",
    "shift_mean": "mean length of the output without the keys off the block, minus the output with them",
    "shift_max": "largest such length",
    "bound_mean": "mean of H1's bound on it: the leak times an upper bound on the distance of the head's values",
    "bound_max": "largest such bound",
    "share_max": "largest share of its bound that a row reaches, where the bound exceeds the rounding error",
    "violations": "rows moved farther than their bound and the rounding error of both outputs",
    "undecided": "rows whose scores are too large for their format, so that their rounding error has no bound",
}


def measure_truncation(
    model: Path | str,
    level: float,
    *,
    values: Sequence[float] | None = None,
    dials: Sequence[LayerDial] | None = None,
    shape: str = "localist",
    text: Path | str | None = None,
    block: int | None = None,
    blocks: str | None = None,
    context: int | None = None,
    sequences: int | None = None,
    precision: str = "float32",
    out_dir: Path | str | None = None,
) -> dict[str, Any]:
    """Report of the heads that a truncation `level` allows; it goes to `out_dir`, by default `MODEL/truncated`.

    `values` are dials that `shape` spreads over the layers, `dials` one per layer or per head of it; without either,
    the model's own. The other arguments are as in `measure`. `passes` has one entry for each set of dials: the loss
    with them, the dials with the allowed heads at 1, and the loss with those. `heads` has `ENTRIES` for each set, layer
    and head. Raises InputError, DomainError.
    """
    check_level(level)
    subject = open_subject(
        model, text, block=block, blocks=blocks, context=context, sequences=sequences, precision=precision
    )
    plans: list[Sequence[LayerDial]] = [subject.dials if dials is None else dials]
    check_dials(plans[0], subject.layers)
    if values is not None:
        plans = [layer_dials(shape, subject.layers, value) for value in values]
    count_rows(subject.model, subject.windows, subject.blocks, subject.block)
    folder = record_folder(subject, out_dir, TRUNCATED_NAME)
    passes: list[dict[str, Any]] = []
    heads: list[dict[str, Any]] = []
    with alone_in(folder, "measuring"), enough_memory("measuring", ADVICE):
        check_writable(folder / REPORT_NAME)
        for plan in plans:
            found = [_Heads(dial, level) for dial in plan]
            loss = _loss(subject, plan, found)
            after = [each.truncated() for each in found]
            passes.append({"dials": plan, "loss": loss, "truncated_dials": after})
            passes[-1]["truncated_loss"] = loss if after == plan else _loss(subject, after)
            lines = (line for layer, each in enumerate(found) for line in each.lines(layer))
            heads += [{"dial_largest": largest_dial(plan), **line} for line in lines]
        about = {
            "kind": "truncation",
            "run": subject.name,
            "level": level,
            "blocks": subject.kind,
            "block": subject.block if subject.kind in SIZED else None,
            "sequences": len(subject.windows),
            "context": subject.windows.shape[1],
            **subject.about,
            "dtype": str(subject.model.dtype).removeprefix("torch."),
            "versions": environment(),
            "passes": passes,
            "heads": heads,
        }
        report = sealed(about)
        write_text_atomically(folder / REPORT_NAME, json.dumps(report, indent=2, allow_nan=False) + "\n")
    return report | {"path": str(folder / REPORT_NAME)}


def _loss(subject: Subject, dials: Sequence[LayerDial], found: Sequence[_Heads] = ()) -> float:
    """Nats per token with these dials; `found` are the layers' heads, which take every call."""
    meter = RowMeter(ranges=False)

    def take(call: AttentionCall) -> None:
        found[call.layer].add(call, meter)

    losses = [
        run_sequence(subject.model, *subject.sequence(number), dials, take if found else None)
        for number in range(len(subject.windows))
    ]
    return sum(each.total for each in losses) / sum(each.count for each in losses)


class _Heads:
    """Totals over the rows of one layer, per head."""

    def __init__(self, dial: LayerDial, level: float) -> None:
        self.dial, self.level, self.rows = dial, level, 0
        self._largest: dict[str, Array] = {}
        self._sums: dict[str, Array] = {}

    def add(self, call: AttentionCall, meter: RowMeter) -> None:
        """Add the rows of one call."""
        rows = meter(call)
        if not rows.leak.size:
            return
        moved = kept_rows(call, "block").output.double() - call.output.double()
        shift = np.linalg.norm(meter.kept(moved), axis=-1)
        if not (np.isfinite(rows.leak).all() and np.isfinite(shift).all()):
            raise DomainError(f"the attention of layer {call.layer} is not a number: these weights diverged")
        texts = meter.places // call.query.shape[2]
        distance, longest = (each.T.cpu().numpy()[:, texts] for each in value_distance(call))
        bound = np.asarray(truncation_shift_max(np.minimum(rows.leak, 1.0), distance))
        # Both outputs are weighted means of values, summed over the keys and rounded to their format.
        numbers = torch.finfo(rows.arithmetic.dtype).eps * (rows.keys + 2) + torch.finfo(call.value.dtype).eps
        error = rows.errors.mass * bound + 2 * (rows.errors.mass + numbers) * longest
        error = error + rows.leak_floor * distance
        share = np.divide(shift, bound, out=np.zeros_like(shift), where=bound > error)
        self.rows += rows.leak.shape[1]
        for name, values in {"leak": rows.leak, "shift": shift, "bound": bound, "share": share}.items():
            self._largest[name] = np.maximum(self._largest.get(name, 0.0), values.max(-1))
            self._sums[name] = self._sums.get(name, 0.0) + values.sum(-1)
        for name, which in {"violations": ~(shift <= bound + error), "undecided": ~np.isfinite(error)}.items():
            self._sums[name] = self._sums.get(name, 0) + which.sum(-1)

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """Heads whose every row leaks at most the level."""
        return np.asarray(self._largest["leak"] <= self.level)

    def truncated(self) -> LayerDial:
        """The layer's dial, or those of its heads, with 1 for the allowed ones."""
        if not self.rows or not self.allowed.any():
            return self.dial
        if self.allowed.all():
            return 1.0
        dials = of_heads(self.dial, len(self.allowed))
        return tuple(1.0 if allowed else dial for allowed, dial in zip(self.allowed, dials, strict=True))

    def lines(self, layer: int) -> list[dict[str, Any]]:
        """`ENTRIES` of each head; none for a layer without rows."""
        found = []
        for head in range(len(self.allowed) if self.rows else 0):
            dial = of_heads(self.dial, len(self.allowed))[head]
            line: dict[str, Any] = {"layer": layer, "head": head, "dial": dial, "rows": self.rows}
            line |= {"leak_max": float(self._largest["leak"][head]), "allowed": bool(self.allowed[head])}
            for name in ("shift", "bound"):
                line[f"{name}_mean"] = float(self._sums[name][head] / self.rows)
                line[f"{name}_max"] = float(self._largest[name][head])
            line["share_max"] = float(self._largest["share"][head])
            line |= {name: int(self._sums[name][head]) for name in ("violations", "undecided")}
            found.append({name: line[name] for name in ENTRIES})
        return found
