"""Passes over held-out sequences with given dials: every row's numbers, the loss, and the shift from dial 0.

Sequences are measured one by one, so that each has the same numbers whatever was measured before it, also by another
process. A sink receives the rows, one layer of one sequence at a time; they are not stored.
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
from empirical.attention.attention_call import AttentionCall
from empirical.attention.block_kinds import Blocks, GivenBlocks, WindowBlocks
from empirical.attention.blocks import fixed_windows, visible_counts
from empirical.attention.schedule import LayerDial, of_heads
from empirical.measuring.rows import RowMeter, Rows
from empirical.measuring.shift import Shift, ShiftMeter
from theory.errors import DomainError

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
    """One sequence's rows of one layer, and their `sequences`, `positions` and `tokens` `(rows,)`.

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


@dataclass(frozen=True)
class Loss:
    """Summed loss in nats over `count` tokens of one sequence."""

    total: float
    count: int

    @property
    def mean(self) -> float:
        """Nats per token."""
        return self.total / self.count


Sink = Callable[[Batch], None]
# Measures the sequence of this number: its rows go to the sink, one layer at a time.
MeasureWindow = Callable[[int, Sink], Loss]


def run_pass(
    model: PreTrainedModel,
    windows: Tensor,
    dials: Sequence[LayerDial],
    sink: Sink,
    *,
    blocks: Tensor | None = None,
    block: int | None = None,
    conditionals: bool = False,
) -> Pass:
    """Run `windows` `(sequences, context)` through the model with these dials and pass every row to `sink`.

    `blocks` are the sequences' block ids, None for fixed blocks of `block` tokens, by default the model's. Raises
    DomainError if no row has a key off its block, and for a loss that is not a number or too large.
    """
    measure = own_windows(model, windows, dials, blocks=blocks, block=block, conditionals=conditionals)
    return run_windows(measure, len(windows), dials, sink)


def run_dial(
    model: PreTrainedModel,
    windows: Tensor,
    dials: Sequence[LayerDial],
    sink: Sink,
    *,
    blocks: Tensor | None = None,
    block: int | None = None,
) -> Pass:
    """A pass with these dials, each sequence compared with a pass at dial 0 over it. Raises as `run_pass`."""
    return run_windows(moved_windows(model, windows, dials, blocks=blocks, block=block), len(windows), dials, sink)


def run_windows(
    measure: MeasureWindow,
    count: int,
    dials: Sequence[LayerDial],
    sink: Sink,
    label: str = "measure",
    progress: bool = False,
) -> Pass:
    """Measure `count` sequences in their order. Raises DomainError for a loss that is not a number or too large."""
    total, tokens = 0.0, 0
    for number in tracked(range(count), label, progress):
        loss = measure(number, sink)
        total += loss.total
        tokens += loss.count
    if not total / tokens < LARGEST_LOSS:
        raise DomainError(
            f"the held-out loss is {total / tokens:g} nats per token: these weights diverged. "
            "Train again with a smaller learning rate."
        )
    return Pass(tuple(dials), total / tokens)


def tracked(numbers: Sequence[int], label: str, progress: bool) -> Iterable[int]:
    """These numbers, with a progress bar on stderr if `progress`."""
    return track(numbers, label, console=Console(stderr=True), disable=not progress)


def own_windows(
    model: PreTrainedModel,
    windows: Tensor,
    dials: Sequence[LayerDial],
    *,
    blocks: Tensor | None = None,
    block: int | None = None,
    conditionals: bool = False,
) -> MeasureWindow:
    """Measures one of `windows` with these dials; arguments as in `run_pass`. Raises DomainError."""
    count_rows(model, windows, blocks, block)
    running = _Running(model, dials, RowMeter(conditionals), block)

    def measure(number: int, sink: Sink) -> Loss:
        tokens, ids = _part(windows, blocks, number)
        return running.run(
            tokens, ids, lambda call: sink(running.batch(call.layer, running.rows(call), number, tokens))
        )

    return measure


def moved_windows(
    model: PreTrainedModel,
    windows: Tensor,
    dials: Sequence[LayerDial],
    *,
    blocks: Tensor | None = None,
    block: int | None = None,
) -> MeasureWindow:
    """Measures one of `windows` with these dials and compares it with a pass at dial 0; arguments as in `run_dial`.

    Only one sequence's rows and outputs are in memory. Raises DomainError.
    """
    count_rows(model, windows, blocks, block)
    base = _Running(model, [0.0] * len(dials), RowMeter(conditionals=True, ranges=False), block)
    moved = _Running(model, dials, RowMeter(), block)

    def measure(number: int, sink: Sink) -> Loss:
        tokens, ids = _part(windows, blocks, number)
        shifts = ShiftMeter()
        held: dict[int, Rows] = {}

        def hold(call: AttentionCall) -> None:
            held[call.layer] = base.rows(call)
            shifts.hold(call)

        def compare(call: AttentionCall) -> None:
            rows, before = moved.rows(call), held[call.layer]
            shift = shifts.compare(call, before.leak, moved.of_heads(call.layer, rows), moved.meter)
            sink(moved.batch(call.layer, rows, number, tokens, before, shift))

        base.run(tokens, ids, hold)
        return moved.run(tokens, ids, compare)

    return measure


class _Running:
    """The model with its dials and its row meter."""

    def __init__(self, model: PreTrainedModel, dials: Sequence[LayerDial], meter: RowMeter, block: int | None) -> None:
        self.dials = tuple(dials)
        self.meter = meter
        self._model, self._windows = model, WindowBlocks(block_of(model, block))

    def run(self, window: Tensor, ids: Tensor | None, sink: Callable[[AttentionCall], None]) -> Loss:
        """Run one sequence `(1, context)` through the model."""
        blocks = self._windows if ids is None else GivenBlocks(ids.to(self._model.device))
        return run_sequence(self._model, window, blocks, self.dials, sink)

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
        self, layer: int, rows: Rows, number: int, tokens: Tensor, base: Rows | None = None, shift: Shift | None = None
    ) -> Batch:
        """The rows of one layer of sequence `number`."""
        places = self.meter.places
        sequences = np.broadcast_to(np.int64(number), places.shape)
        return Batch(layer, self.of_heads(layer, rows), rows, sequences, places, tokens[0].numpy()[places], base, shift)

    def of_heads(self, layer: int, rows: Rows) -> NDArray[np.float64]:
        """The dial of each head of a layer."""
        return np.array(of_heads(self.dials[layer], len(rows.leak)))


@torch.no_grad()
def run_sequence(
    model: PreTrainedModel,
    window: Tensor,
    blocks: Blocks,
    dials: Sequence[LayerDial],
    on_call: Callable[[AttentionCall], None] | None = None,
) -> Loss:
    """Loss of one sequence `(1, context)` with these dials; `on_call` receives each layer's call."""
    tokens = window.to(model.device)
    with Attachment(model, blocks, dials, on_call).attached():
        logits = model(tokens, use_cache=False).logits
    return loss_of(logits, tokens)


def loss_of(logits: Tensor, tokens: Tensor) -> Loss:
    """Loss of one sequence's tokens but the first: `logits` `(1, tokens, vocabulary)`, `tokens` `(1, tokens)`."""
    # A half format is too coarse for a loss; float64 is kept.
    work = torch.promote_types(logits.dtype, torch.float32)
    losses = cross_entropy(logits[0, :-1].to(work), tokens[0, 1:], reduction="none")
    return Loss(losses.double().sum().item(), losses.numel())


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
        total = sum(int((m < n).sum()) for n, m in map(visible_counts, torch.split(blocks, 1)))
    if total == 0:
        raise DomainError("no row has keys off its block: the blocks are as long as the sequences")
    return total


def _part(windows: Tensor, blocks: Tensor | None, number: int) -> tuple[Tensor, Tensor | None]:
    """One sequence `(1, context)` and its block ids."""
    part = slice(number, number + 1)
    return windows[part], None if blocks is None else blocks[part]
