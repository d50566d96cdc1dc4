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
from empirical.training.anchors import RunAnchors, anchor_rows
from empirical.training.callbacks import HELD_OUT_LOSS, is_main, log_beside_loss
from empirical.training.trainer import DivergedError, Windows

# Sequences of an evaluation, and of each of its batches.
SEQUENCES, BATCH = 16, 4

NUMBERS = ("entropy", "fidelity")
ANCHOR_FIDELITY = "anchor_fidelity"


class Evaluation(TrainerCallback):
    """Logs the held-out loss, and each layer's mean entropy and fidelity, every `every` steps (None: never).

    Means are over the rows with a key off their block, of the first `SEQUENCES` of the `held_out` sequences. With
    `anchors` the mean mass on the own block's anchors is logged too, over the rows of `anchor_rows`, also before the
    first step and after the last. `trainer` logs, and is given once it exists. Training goes on as it would without:
    weights, data order and random numbers stay as they are.
    """

    def __init__(self, held_out: Windows, every: int | None, anchors: RunAnchors | None = None) -> None:
        self.trainer: Trainer | None = None
        self._held_out, self._every, self._anchors = held_out, every, anchors

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        """Evaluate what is trained with anchors, unless the run goes on from a checkpoint."""
        if self._anchors is not None and state.global_step == 0 and is_main():
            self._log(model, state, control)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        """Evaluate what was trained with anchors, unless the last step already did."""
        done = any(HELD_OUT_LOSS in entry and entry["step"] == state.global_step for entry in state.log_history)
        if self._anchors is not None and not done and is_main():
            self._log(model, state, control)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        """Evaluate and log. Raises DivergedError."""
        if self._every is not None and state.global_step % self._every == 0 and is_main():
            self._log(model, state, control)

    def _log(self, model: Any, state: TrainerState, control: TrainerControl) -> None:
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
                if self._anchors is not None:
                    rows.anchors = self._anchors.keys(batch["input_ids"])
                loss = model(**batch, row_sink=rows, use_cache=False).loss.item()
                # Sequences are equally long.
                total, sequences = total + loss * len(examples), sequences + len(examples)
        finally:
            model.train()
        if not math.isfinite(total):
            raise DivergedError(f"the held-out loss is {total} at step {step}. Try a smaller --learning-rate.")
        return {HELD_OUT_LOSS: total / sequences, **rows.means()}


class _Rows:
    """A row sink: per layer, the sums of entropy and fidelity over the rows with a key off their block.

    `anchors` says which tokens of the pass are anchors; with them, also the sum of the mass on the own block's.
    """

    def __init__(self) -> None:
        self.anchors: Tensor | None = None
        self._sums: dict[int, Tensor] = {}
        self._masses: dict[int, Tensor] = {}

    def __call__(self, call: AttentionCall) -> None:
        numbers = call.rows(ranges=False)
        call.use(numbers.output)
        n, m = call.sight.counts(call.query.shape[0])
        # A sink is a key off every block.
        kept = (m < n + (call.sinks is not None))[:, None].expand_as(numbers.fidelity)
        found = [kept.sum().double(), *(getattr(numbers, name)[kept].double().sum() for name in NUMBERS)]
        self._sums[call.layer] = self._sums.get(call.layer, 0) + torch.stack(found)
        if self.anchors is not None:
            mass = call.mass(self.anchors)
            kept = anchor_rows(self.anchors, call.ids)[:, None].expand_as(mass)
            sums = torch.stack([kept.sum().double(), mass[kept].double().sum()])
            self._masses[call.layer] = self._masses.get(call.layer, 0) + sums

    def means(self) -> dict[str, float]:
        return {
            _key(layer, name): (total / sums[0]).item()
            for names, kept in ((NUMBERS, self._sums), ((ANCHOR_FIDELITY,), self._masses))
            for layer, sums in sorted(kept.items())
            for name, total in zip(names, sums[1:], strict=True)
            if sums[0]
        }


def _key(layer: int, name: str) -> str:
    return f"localist/layer_{layer}/{name}"


def evaluations(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The evaluations in a trainer's log: step, held-out loss, and per layer entropy (nats) and fidelity.

    With anchors also `anchor_fidelity`, if a held-out row sees one.
    """
    return [
        {
            "step": entry["step"],
            HELD_OUT_LOSS: entry[HELD_OUT_LOSS],
            # By number: a checkpoint sorts layer 10 before layer 2.
            **{
                name: [entry[key] for key in takewhile(entry.__contains__, (_key(each, name) for each in count()))]
                for name in (*NUMBERS, *([ANCHOR_FIDELITY] if _key(0, ANCHOR_FIDELITY) in entry else []))
            },
        }
        for entry in history
        if HELD_OUT_LOSS in entry
    ]
