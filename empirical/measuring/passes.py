"""Passes over held-out sequences with given dials: every row's numbers, the loss, and the shift from dial 0.

A sink receives the rows, one layer of one batch at a time; they are not stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from empirical.attention.attach import Attachment
from empirical.attention.attention import AttentionCall
from empirical.attention.block_kinds import GivenBlocks, WindowBlocks
from empirical.attention.blocks import fixed_windows, visible_counts
from empirical.attention.schedule import LayerDial, of_heads
from empirical.measuring.rows import RowMeter, Rows
from empirical.measuring.shift import Shift, ShiftMeter
from theory.errors import DomainError

BATCH = 4
# exp overflows float64 just above this; no working model comes near.
LARGEST_LOSS = 700.0


@dataclass(frozen=True)
class Pass:
    """One pass over the sequences with fixed dials: loss in nats per token on held-out text."""

    dials: tuple[LayerDial, ...]
    loss: float

    @property
    def perplexity(self) -> float:
        """`exp` of the mean loss."""
        return math.exp(self.loss)


@dataclass(frozen=True)
class Batch:
    """One batch's rows of one layer, and their `sequences`, `positions` and `tokens` `(rows,)`.

    `dials` `(heads,)` are the dials of the layer's heads. If the pass is compared with one at dial 0, `base` are the
    same rows at dial 0 with their conditionals, and `shift` is the shift of the output from there.
    """

    layer: int
    dials: NDArray[np.float64]
    rows: Rows
    sequences: NDArray[np.int64]
    positions: NDArray[np.int64]
    tokens: NDArray[np.int64]
    base: Rows | None = None
    shift: Shift | None = None


Sink = Callable[[Batch], None]


def run_pass(
    model: PreTrainedModel,
    windows: Tensor,
    dials: Sequence[LayerDial],
    sink: Sink,
    *,
    blocks: Tensor | None = None,
    block: int | None = None,
    conditionals: bool = False,
    progress: bool = False,
) -> Pass:
    """Run `windows` `(sequences, context)` through the model with these dials and pass every row to `sink`.

    `blocks` are the sequences' block ids, None for fixed blocks of `block` tokens, by default the model's. Raises
    DomainError if no row has a key off its block, and for a loss that is not a number or too large.
    """
    count_rows(model, windows, blocks, block)
    running = _Running(model, dials, RowMeter(conditionals), block)
    for start, tokens, ids in _batches(windows, blocks, "measure", progress):

        def measure(call: AttentionCall, start: int = start, tokens: Tensor = tokens) -> None:
            rows = running.rows(call)
            sink(running.batch(call.layer, rows, start, tokens))

        running.run(tokens, ids, measure)
    return running.ended()


def run_dial(
    model: PreTrainedModel,
    windows: Tensor,
    dials: Sequence[LayerDial],
    sink: Sink,
    *,
    blocks: Tensor | None = None,
    block: int | None = None,
    progress: bool = False,
    label: str = "measure, dial moved",
) -> Pass:
    """A pass with these dials, each batch compared with a pass at dial 0 over the same batch.

    Only one batch's rows and outputs are in memory, whatever the number of sequences. Raises as `run_pass`.
    """
    count_rows(model, windows, blocks, block)
    base = _Running(model, [0.0] * len(dials), RowMeter(conditionals=True, ranges=False), block)
    moved = _Running(model, dials, RowMeter(), block)
    for start, tokens, ids in _batches(windows, blocks, label, progress):
        shifts = ShiftMeter()
        held: dict[int, Rows] = {}

        def hold(call: AttentionCall, shifts: ShiftMeter = shifts, held: dict[int, Rows] = held) -> None:
            held[call.layer] = base.rows(call)
            shifts.hold(call)

        def compare(
            call: AttentionCall,
            shifts: ShiftMeter = shifts,
            held: dict[int, Rows] = held,
            start: int = start,
            tokens: Tensor = tokens,
        ) -> None:
            rows, before = moved.rows(call), held[call.layer]
            shift = shifts.compare(call, before.leak, moved.of_heads(call.layer, rows), moved.meter)
            sink(moved.batch(call.layer, rows, start, tokens, before, shift))

        base.run(tokens, ids, hold)
        moved.run(tokens, ids, compare)
    return moved.ended()


class _Running:
    """A pass in progress: its dials, its row meter, and its losses so far."""

    def __init__(self, model: PreTrainedModel, dials: Sequence[LayerDial], meter: RowMeter, block: int | None) -> None:
        self.dials = tuple(dials)
        self.meter = meter
        self.total, self.count = 0.0, 0
        self._model, self._windows = model, WindowBlocks(block_of(model, block))

    @torch.no_grad()
    def run(self, batch: Tensor, ids: Tensor | None, sink: Callable[[AttentionCall], None]) -> None:
        tokens = batch.to(self._model.device)
        blocks = self._windows if ids is None else GivenBlocks(ids.to(self._model.device))
        with Attachment(self._model, blocks, self.dials, sink).attached():
            logits = self._model(tokens, use_cache=False).logits
        # A half format is too coarse for a loss; float64 is kept. One sequence at a time: logits are large.
        work = torch.promote_types(logits.dtype, torch.float32)
        for scores, sequence in zip(logits, tokens, strict=True):
            losses = cross_entropy(scores[:-1].to(work), sequence[1:], reduction="none")
            self.total += losses.double().sum().item()
            self.count += losses.numel()

    def rows(self, call: AttentionCall) -> Rows:
        """Rows of one layer. Raises DomainError if they are NaN."""
        rows = self.meter(call)
        if np.isnan(rows.leak).any():
            raise DomainError(
                f"the attention of layer {call.layer} is not a number: these weights diverged. "
                "Train again with a smaller learning rate."
            )
        return rows

    def batch(
        self, layer: int, rows: Rows, start: int, tokens: Tensor, base: Rows | None = None, shift: Shift | None = None
    ) -> Batch:
        places = self.meter.places
        return Batch(
            layer,
            self.of_heads(layer, rows),
            rows,
            start + places // tokens.shape[1],
            places % tokens.shape[1],
            tokens.flatten().numpy()[places],
            base,
            shift,
        )

    def of_heads(self, layer: int, rows: Rows) -> NDArray[np.float64]:
        """The dial of each head of a layer."""
        return np.array(of_heads(self.dials[layer], len(rows.leak)))

    def ended(self) -> Pass:
        loss = self.total / self.count
        if not loss < LARGEST_LOSS:
            raise DomainError(
                f"the held-out loss is {loss:g} nats per token: these weights diverged. "
                "Train again with a smaller learning rate."
            )
        return Pass(self.dials, loss)


def block_of(model: PreTrainedModel, block: int | None) -> int:
    """`block`, or if it is None the length of the windows in the model's settings."""
    return int(model.config.localist["block"]) if block is None else block


def count_rows(model: PreTrainedModel, windows: Tensor, blocks: Tensor | None, block: int | None = None) -> int:
    """Rows with a complement, per head, where every token sees all before it. Raises DomainError if there are none."""
    count, tokens = windows.shape
    if blocks is None:
        n, m = visible_counts(fixed_windows(tokens, block_of(model, block)))
        total = count * int((m < n).sum())
    else:
        total = sum(int((m < n).sum()) for n, m in map(visible_counts, torch.split(blocks, BATCH)))
    if total == 0:
        raise DomainError("no row has keys off its block: the blocks are as long as the sequences")
    return total


def _batches(
    windows: Tensor, blocks: Tensor | None, label: str, progress: bool
) -> Iterable[tuple[int, Tensor, Tensor | None]]:
    starts = range(0, len(windows), BATCH)
    for start in track(starts, label, console=Console(stderr=True), disable=not progress):
        part = slice(start, start + BATCH)
        yield start, windows[part], None if blocks is None else blocks[part]
