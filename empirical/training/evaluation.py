"""Evaluation during training: loss, entropy and fidelity on a few held-out sequences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count, takewhile
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from empirical.attention.attention_call import AttentionCall
from empirical.training.callbacks import HELD_OUT_LOSS, is_main, log_beside_loss
from empirical.training.trainer import DivergedError, Windows

# Sequences of an evaluation, and of each of its batches.
SEQUENCES, BATCH = 16, 4

NUMBERS = ("entropy", "fidelity")


class Evaluation(TrainerCallback):
    """Logs the held-out loss, and each layer's mean entropy and fidelity, every `every` steps.

    Means are over the rows with a key off their block, of the first `SEQUENCES` of the `held_out` sequences. `trainer`
    logs, and is given once it exists. Training goes on as it would without: weights, data order and random numbers stay
    as they are.
    """

    def __init__(self, held_out: Windows, every: int) -> None:
        self.trainer: Trainer | None = None
        self._held_out, self._every = held_out, every

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        """Evaluate and log. Raises DivergedError."""
        if state.global_step % self._every or not is_main():
            return
        assert self.trainer is not None
        # Without the wrapper of torchrun, whose passes wait for the other processes.
        found = self._evaluated(getattr(model, "module", model), state.global_step)
        log_beside_loss(self.trainer, control, found)

    @torch.no_grad()
    def _evaluated(self, model: Any, step: int) -> dict[str, float]:
        rows = _Rows()
        total, sequences = 0.0, 0
        model.eval()
        try:
            for start in range(0, min(SEQUENCES, len(self._held_out)), BATCH):
                chosen = range(start, min(start + BATCH, SEQUENCES, len(self._held_out)))
                examples = [self._held_out[index] for index in chosen]
                batch = {name: torch.stack([each[name] for each in examples]).to(model.device) for name in examples[0]}
                loss = model(**batch, row_sink=rows, use_cache=False).loss.item()
                # Sequences are equally long.
                total, sequences = total + loss * len(examples), sequences + len(examples)
        finally:
            model.train()
        if not math.isfinite(total):
            raise DivergedError(f"the held-out loss is {total} at step {step}. Try a smaller --learning-rate.")
        return {HELD_OUT_LOSS: total / sequences, **rows.means()}


class _Rows:
    """A row sink: per layer, the sums of entropy and fidelity over the rows with a key off their block."""

    def __init__(self) -> None:
        self._sums: dict[int, Tensor] = {}

    def __call__(self, call: AttentionCall) -> None:
        numbers = call.rows(ranges=False)
        call.use(numbers.output)
        n, m = call.sight.counts(call.query.shape[0])
        # A sink is a key off every block.
        kept = (m < n + (call.sinks is not None))[:, None].expand_as(numbers.fidelity)
        found = [kept.sum().double(), *(getattr(numbers, name)[kept].double().sum() for name in NUMBERS)]
        self._sums[call.layer] = self._sums.get(call.layer, 0) + torch.stack(found)

    def means(self) -> dict[str, float]:
        return {
            _key(layer, name): (total / sums[0]).item()
            for layer, sums in sorted(self._sums.items())
            for name, total in zip(NUMBERS, sums[1:], strict=True)
            if sums[0]
        }


def _key(layer: int, name: str) -> str:
    return f"localist/layer_{layer}/{name}"


def evaluations(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The evaluations in a trainer's log: step, held-out loss, and per layer entropy (nats) and fidelity."""
    return [
        {
            "step": entry["step"],
            HELD_OUT_LOSS: entry[HELD_OUT_LOSS],
            # By number: a checkpoint sorts layer 10 before layer 2.
            **{
                name: [entry[key] for key in takewhile(entry.__contains__, (_key(each, name) for each in count()))]
                for name in NUMBERS
            },
        }
        for entry in history
        if HELD_OUT_LOSS in entry
    ]
