"""Watches the attention rows of a transformers decoder while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from empirical.attention.attach import Attachment
from empirical.attention.attention_call import AttentionCall
from empirical.attention.block_kinds import Blocks, chosen_blocks
from empirical.attention.schedule import LayerDial, of_heads
from empirical.measuring.checks import check_rows
from empirical.measuring.rows import RowMeter, Rows
from theory.display import MOST_ROWS, Card, Displayed, Table, bounds_badge
from theory.errors import DomainError

Array = NDArray[np.float64]

# Each column of the frame, and what it says of a head's rows.
COLUMNS = {
    "layer": "layer, from 0",
    "head": "head, from 0",
    "dial": "dial of the head",
    "rows": "rows with a key off their block",
    "entropy": "mean entropy, nats",
    "fidelity": "mean attention on the own block",
    "leak": "mean attention off it",
    "margin": "mean of smallest score in the block minus largest outside, nats",
    "least_margin": "smallest margin of a row, nats",
    "range": "mean of largest minus smallest visible score, nats",
    "effective_keys": "mean of exp(entropy)",
    "sink_share": "mean attention on the head's sink, or without one on the first token of the text",
    "entropy_bound": "mean of the largest entropy at the row's margin (A4), nats",
    "entropy_slack": "smallest distance of a row's entropy below that bound, nats",
    "leak_bound": "mean of the largest leak at the row's margin (A2)",
    "leak_slack": "smallest distance of a row's leak below that bound",
    "sink_leak_bound": "mean of the largest leak with the sink, or the text's first token, singled out (A8)",
    "sink_leak_slack": "smallest distance of a row's leak below that bound",
    "violations": "rows that violate a bound beyond their rounding error",
    "undecided": "rows whose scores are too large for their format",
}
_MEANS = ("entropy", "fidelity", "leak", "margin", "range", "effective_keys", "sink_share")
# Columns of a notebook's table.
_SHOWN = (
    *("layer", "head", "dial", "rows", "entropy", "entropy_bound", "fidelity", "leak", "leak_bound"),
    *("violations", "undecided"),
)
_BOUNDS = {"entropy": "entropy_margin", "leak": "leak_margin", "sink_leak": "leak_sink"}


class WatchedRows(Displayed):
    """Totals over the rows seen so far, per layer and head; memory does not grow with the rows."""

    def __init__(self) -> None:
        self._meter = RowMeter()
        self._layers: dict[int, dict[str, Array]] = {}
        self._dials: dict[int, list[float]] = {}
        self._pass: dict[int, dict[str, Array]] = {}

    def frame(self) -> pd.DataFrame:
        """One line per layer and head, with the columns `COLUMNS`."""
        lines = [
            line for layer, totals in sorted(self._layers.items()) for line in _lines(layer, self._dials[layer], totals)
        ]
        return pd.DataFrame(lines, columns=list(COLUMNS))

    def card(self) -> Card:
        """What a notebook shows: each layer and head."""
        frame = self.frame()
        counted, violations, undecided = (int(frame[name].sum()) for name in ("rows", "violations", "undecided"))
        lines = frame.loc[:, list(_SHOWN)].head(MOST_ROWS).to_numpy(dtype=object).tolist()
        return Card(
            f"{counted} attention rows watched in {len(frame)} heads",
            bounds_badge(counted, violations, undecided),
            ("Means over a head's rows; entropies in nats. frame() has all columns.",),
            (Table([name.replace("_", " ") for name in _SHOWN], lines, of=len(frame)),),
        )

    def clear(self) -> None:
        """Forget the rows seen so far."""
        self._layers = {}

    def add(self, call: AttentionCall, dials: Sequence[LayerDial]) -> None:
        """Measure one layer's rows of a pass. Raises DomainError if they are not numbers."""
        rows = self._meter(call)
        if np.isnan(rows.leak).any() or np.isnan(rows.entropy).any():
            raise DomainError(f"the attention scores of layer {call.layer} are not numbers")
        self._dials[call.layer] = of_heads(dials[call.layer], call.query.shape[1])
        self._pass[call.layer] = _totals(rows)

    def begin_pass(self) -> None:
        """Forget the rows of a pass that was broken off."""
        self._pass = {}

    def end_pass(self) -> None:
        """Count the rows of a pass that has come to its end."""
        for layer, found in self._pass.items():
            held = self._layers.setdefault(layer, {})
            for name, values in found.items():
                known = held.get(name, values)
                least = name.startswith("least ")
                held[name] = values if known is values else np.minimum(known, values) if least else known + values


@contextmanager
def watch(
    model: PreTrainedModel,
    block: int | None = None,
    *,
    blocks: Blocks | Tensor | None = None,
    dials: float | Sequence[LayerDial] | None = None,
) -> Iterator[WatchedRows]:
    """Measure every attention row of a decoder inside a `with` statement; yields the `WatchedRows`.

    A query's own block is its window of `block` tokens, counted from the first token of its text, or what `blocks`
    says: ids `(batch or 1, tokens)`, or `TokenBlocks`. The model computes what it would without being watched, up to
    rounding, and gets its own attention back on exit, also after an error. `dials`, one per layer or one for all, or
    one per head of a layer, move it towards the blocks. Rows count when their forward pass has come to its end. Use it
    in one thread at a time. Raises DomainError for a model that does not dispatch its attention or is not causal, and
    for a call whose mask, positions, cache or keywords are not understood.
    """
    rows = WatchedRows()
    attachment = Attachment(
        model,
        chosen_blocks(block, blocks),
        dials,
        on_call=lambda call: rows.add(call, attachment.dials),
        on_begin=rows.begin_pass,
        on_end=rows.end_pass,
    )
    with attachment.attached():
        yield rows


def _totals(rows: Rows) -> dict[str, Array]:
    checks = check_rows(rows)
    with np.errstate(over="ignore"):
        means = {"range": rows.logit_range, "effective_keys": np.exp(rows.entropy)}
    found = {name: means.get(name, getattr(rows, name, None)).sum(-1) for name in _MEANS}  # type: ignore[union-attr]
    found |= {f"{name}_bound": checks[bound].bound.sum(-1) for name, bound in _BOUNDS.items()}
    found |= {f"least {name}_slack": _least(checks[bound].slack) for name, bound in _BOUNDS.items()}
    found["least margin"] = _least(rows.margin)
    found["violations"] = np.any([check.violated for check in checks.values()], axis=0).sum(-1)
    found["undecided"] = rows.undecided.sum(-1)
    found["rows"] = np.full(len(rows.leak), rows.leak.shape[-1])
    return found


def _least(values: Array) -> Array:
    return np.asarray(values.min(-1, initial=np.inf))


def _lines(layer: int, dials: Sequence[float], totals: dict[str, Array]) -> Iterator[dict[str, float]]:
    for head, count in enumerate(totals["rows"]):
        line = {"layer": layer, "head": head, "dial": dials[head], "least_margin": totals["least margin"][head]}
        for name in (*_MEANS, *(f"{name}_bound" for name in _BOUNDS)):
            line[name] = totals[name][head] / count if count else np.nan
        for name in _BOUNDS:
            line[f"{name}_slack"] = totals[f"least {name}_slack"][head]
        yield line | {name: int(totals[name][head]) for name in ("rows", "violations", "undecided")}
