"""Passes over held-out windows with given dials: every row's numbers, the loss, and the shift from dial 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import GPT2LMHeadModel

from empirical.attention import AttentionCall
from empirical.blocks import fixed_windows, visible_counts
from empirical.model import dials_moved
from empirical.row_store import RowStore
from empirical.rows import Array, RowMeter, Rows
from empirical.shift import Shift, ShiftMeter
from theory.errors import DomainError

BATCH = 4
# exp overflows float64 just above; no model that predicts anything comes near.
LARGEST_LOSS = 700.0


@dataclass(frozen=True)
class Pass:
    """One pass over the windows with fixed dials: rows of each layer, and nats a token on held-out text.

    `shifts`, one a layer, are there where the pass was compared with one at dial 0.
    """

    dials: tuple[float, ...]
    layers: tuple[Rows, ...]
    loss: float
    shifts: tuple[Shift, ...] = ()

    @property
    def perplexity(self) -> float:
        """`exp` of the mean loss."""
        return math.exp(self.loss)


def run_pass(
    model: GPT2LMHeadModel,
    windows: Tensor,
    dials: Sequence[float],
    *,
    blocks: Tensor | None = None,
    conditionals: bool = False,
    folder: Path,
    progress: bool = False,
) -> Pass:
    """Run `windows` `(windows, context)` through the model with these dials and keep every row's numbers.

    `blocks` are the windows' block ids, None for the model's fixed windows. Rows that are too many for memory lie
    in a file in `folder` until they are let go. Raises DomainError where no row has a key off its block, InputError
    where the disk has no room.
    """
    kept = _Kept(model, dials, _count_rows(model, windows, blocks), folder, conditionals=conditionals)
    for tokens, ids in _batches(windows, blocks, "measure", progress):
        kept.run(model, tokens, ids, kept.measure)
    return kept.joined()


def run_dial(
    model: GPT2LMHeadModel,
    windows: Tensor,
    plans: Sequence[Sequence[float]],
    *,
    blocks: Tensor | None = None,
    folder: Path,
    progress: bool = False,
) -> tuple[Pass, list[Pass]]:
    """A pass at dial 0, and one with each plan's dials whose outputs are compared with it, batch by batch.

    So only one batch's outputs are held at a time. Raises what `run_pass` does.
    """
    total = _count_rows(model, windows, blocks)
    base = _Kept(model, [0.0] * model.config.n_layer, total, folder, conditionals=True)
    moved = [_Kept(model, plan, total, folder, shifted=True) for plan in plans]
    for tokens, ids in _batches(windows, blocks, "measure, dial moved", progress):
        shifts = ShiftMeter()
        leaks: dict[int, Array] = {}

        def hold(call: AttentionCall, shifts: ShiftMeter = shifts, leaks: dict[int, Array] = leaks) -> None:
            rows = base.meter(call)
            base.store.add(call.layer, rows)
            leaks[call.layer] = rows.leak
            shifts.hold(call)

        base.run(model, tokens, ids, hold)
        for each in moved:

            def compare(
                call: AttentionCall,
                each: _Kept = each,
                shifts: ShiftMeter = shifts,
                leaks: dict[int, Array] = leaks,
            ) -> None:
                rows = each.meter(call)
                shift = shifts.compare(call, leaks[call.layer], each.dials[call.layer], each.meter)
                each.store.add(call.layer, rows, shift)

            each.run(model, tokens, ids, compare)
    return base.joined(), [each.joined() for each in moved]


class _Kept:
    """Rows, shifts and losses of one set of dials, batch after batch."""

    def __init__(
        self,
        model: GPT2LMHeadModel,
        dials: Sequence[float],
        total: int,
        folder: Path,
        *,
        conditionals: bool = False,
        shifted: bool = False,
    ) -> None:
        self.dials = tuple(float(dial) for dial in dials)
        self.meter = RowMeter(conditionals)
        layers, heads = model.config.n_layer, model.config.n_head
        self.store = RowStore(layers, heads, total, folder, conditionals=conditionals, shifted=shifted)
        self.total, self.count = 0.0, 0

    def measure(self, call: AttentionCall) -> None:
        self.store.add(call.layer, self.meter(call))

    @torch.no_grad()
    def run(
        self, model: GPT2LMHeadModel, batch: Tensor, ids: Tensor | None, sink: Callable[[AttentionCall], None]
    ) -> None:
        tokens = batch.to(model.device)
        chosen = {} if ids is None else {"block_ids": ids.to(model.device)}
        with dials_moved(model, self.dials):
            logits = model(tokens, row_sink=sink, use_cache=False, **chosen).logits
        losses = cross_entropy(logits[:, :-1].flatten(0, 1).float(), tokens[:, 1:].flatten(), reduction="none")
        self.total += losses.double().sum().item()
        self.count += losses.numel()

    def joined(self) -> Pass:
        loss = self.total / self.count
        if not loss < LARGEST_LOSS:
            raise DomainError(
                f"the held-out loss is {loss:g} nats a token: these weights diverged. "
                "Train them again with a smaller learning rate."
            )
        return Pass(self.dials, self.store.rows(), loss, self.store.shifts())


def _count_rows(model: GPT2LMHeadModel, windows: Tensor, blocks: Tensor | None) -> int:
    """Rows a head that have a complement. Raises DomainError where no row has."""
    count, tokens = windows.shape
    if blocks is None:
        n, m = visible_counts(fixed_windows(tokens, model.config.localist["block"]))
        total = count * int((m < n).sum())
    else:
        total = sum(int((m < n).sum()) for n, m in map(visible_counts, torch.split(blocks, BATCH)))
    if total == 0:
        raise DomainError("no row has keys off its block: the blocks are as long as the windows")
    return total


def _batches(
    windows: Tensor, blocks: Tensor | None, label: str, progress: bool
) -> Iterable[tuple[Tensor, Tensor | None]]:
    whole = torch.split(windows, BATCH)
    ids: Sequence[Tensor | None] = [None] * len(whole) if blocks is None else torch.split(blocks, BATCH)
    pairs = list(zip(whole, ids, strict=True))
    return track(pairs, label, console=Console(stderr=True), disable=not progress)
