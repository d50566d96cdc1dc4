"""Passes over held-out windows with given dials: every row's numbers, the loss, and the shift from dial 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import GPT2LMHeadModel

from empirical.attention import AttentionCall
from empirical.model import dials_moved
from empirical.rows import RowMeter, Rows, joined
from empirical.shift import Shift, ShiftMeter
from theory.errors import DomainError

BATCH = 4
# exp overflows float64 just above; no model that predicts anything comes near.
LARGEST_LOSS = 700.0
SHIFT_PARTS = ("measured", "predicted", "error")


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
    progress: bool = False,
) -> Pass:
    """Run `windows` `(windows, context)` through the model with these dials and keep every row's numbers.

    `blocks` are the windows' block ids, None for the model's fixed windows. Raises DomainError where no row
    has a key off its block.
    """
    kept = _Kept(dials, RowMeter(conditionals))
    for tokens, ids in _batches(windows, blocks, "measure", progress):
        kept.run(model, tokens, ids, kept.measure)
    return kept.joined()


def run_dial(
    model: GPT2LMHeadModel,
    windows: Tensor,
    plans: Sequence[Sequence[float]],
    *,
    blocks: Tensor | None = None,
    progress: bool = False,
) -> tuple[Pass, list[Pass]]:
    """A pass at dial 0, and one with each plan's dials whose outputs are compared with it, batch by batch.

    So only one batch's outputs are held at a time. Raises DomainError as `run_pass` does.
    """
    base = _Kept([0.0] * model.config.n_layer, RowMeter(conditionals=True))
    moved = [_Kept(plan, RowMeter()) for plan in plans]
    for tokens, ids in _batches(windows, blocks, "measure, dial moved", progress):
        shifts = ShiftMeter()

        def hold(call: AttentionCall, shifts: ShiftMeter = shifts) -> None:
            base.measure(call)
            shifts.hold(call)

        base.run(model, tokens, ids, hold)
        for each in moved:

            def compare(call: AttentionCall, each: _Kept = each, shifts: ShiftMeter = shifts) -> None:
                each.measure(call)
                leak = base.parts[call.layer][-1].leak
                each.shifts[call.layer].append(shifts.compare(call, leak, each.dials[call.layer], each.meter))

            each.run(model, tokens, ids, compare)
    return base.joined(), [each.joined() for each in moved]


class _Kept:
    """Rows, shifts and losses of one set of dials, batch after batch."""

    def __init__(self, dials: Sequence[float], meter: RowMeter) -> None:
        self.dials = tuple(float(dial) for dial in dials)
        self.meter = meter
        self.parts: list[list[Rows]] = [[] for _ in self.dials]
        self.shifts: list[list[Shift]] = [[] for _ in self.dials]
        self.total, self.count = 0.0, 0

    def measure(self, call: AttentionCall) -> None:
        self.parts[call.layer].append(self.meter(call))

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
        layers = tuple(joined(part) for part in self.parts)
        if layers[0].keys.shape[1] == 0:
            raise DomainError("no row has keys off its block: the blocks are as long as the windows")
        loss = self.total / self.count
        if not loss < LARGEST_LOSS:
            raise DomainError(
                f"the held-out loss is {loss:g} nats a token: these weights diverged. "
                "Train them again with a smaller learning rate."
            )
        shifts = tuple(
            Shift(*(np.concatenate([getattr(each, name) for each in part], axis=1) for name in SHIFT_PARTS))
            for part in self.shifts
            if part
        )
        return Pass(self.dials, layers, loss, shifts)


def _batches(
    windows: Tensor, blocks: Tensor | None, label: str, progress: bool
) -> Iterable[tuple[Tensor, Tensor | None]]:
    whole = torch.split(windows, BATCH)
    ids: Sequence[Tensor | None] = [None] * len(whole) if blocks is None else torch.split(blocks, BATCH)
    pairs = list(zip(whole, ids, strict=True))
    return track(pairs, label, console=Console(stderr=True), disable=not progress)
