"""Logs the attention rows of training steps with the transformers Trainer."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from torch import Tensor
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from empirical.attention.block_kinds import Blocks
from empirical.measuring.watch import WatchedRows, watch
from empirical.training.callbacks import log_beside_loss
from theory.errors import DomainError

LOGGED = ("entropy", "fidelity", "leak")


class LocalistCallback(TrainerCallback):
    """Logs mean entropy (nats), fidelity and leak of every layer, from the rows of every `every`-th step.

    `block` and `blocks` are as in `watch`. The numbers go to whatever the trainer reports to, under names such as
    `localist/layer_0/entropy`. Rows are measured in the step's own forward passes, before dropout, and move its
    gradients by rounding only. Tried in one process; under several, each measures its own rows.

    >>> trainer.add_callback(LocalistCallback(trainer, block=64))  # doctest: +SKIP
    """

    def __init__(
        self, trainer: Trainer, block: int | None = None, *, blocks: Blocks | Tensor | None = None, every: int = 50
    ) -> None:
        if every < 1:
            raise DomainError(f"every {every} must be at least 1")
        self._trainer, self._every = trainer, every
        self._block, self._blocks = block, blocks
        self._watching = ExitStack()
        self._rows: WatchedRows | None = None

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start to watch, at every `every`-th step."""
        self._stop()
        if state.global_step % self._every == 0:
            model: Any = self._trainer.model
            self._rows = self._watching.enter_context(watch(model, self._block, blocks=self._blocks))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Log what was seen."""
        rows = self._rows
        self._stop()
        if rows is None:
            return
        layers = rows.frame().groupby("layer")[list(LOGGED)].mean()
        numbers = {
            f"localist/layer_{layer}/{name}": float(value)
            for layer, found in layers.iterrows()
            for name, value in found.items()
        }
        log_beside_loss(self._trainer, control, numbers)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Stop watching."""
        self._stop()

    def _stop(self) -> None:
        self._watching.close()
        self._rows = None
