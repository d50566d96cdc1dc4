"""The Hugging Face Trainer with the attention objective, sealed checkpoints and one-line errors."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import Trainer

from empirical.attention.blocks import visible_counts
from empirical.config import ObjectiveConfig
from empirical.training.anchors import RunAnchors
from empirical.training.callbacks import is_main
from empirical.training.checkpoints import checkpoint_folder, seal
from empirical.training.objective import AttentionObjective
from theory.errors import InputError, LocalistError, first_line

# The label of a token without a loss.
NO_LOSS = -100


class DivergedError(LocalistError):
    """The loss is no longer a number."""


class Windows(Dataset[dict[str, Tensor]]):
    """Token sequences `(sequences, context)`, with their block ids if any, as causal language modelling examples."""

    def __init__(self, windows: Tensor, blocks: Tensor | None = None) -> None:
        self.windows = windows
        self.blocks = blocks

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        window = self.windows[index]
        example = {"input_ids": window, "labels": window}
        return example if self.blocks is None else {**example, "block_ids": self.blocks[index]}


class LocalistTrainer(Trainer):
    """Trainer that reports a bad loss or an unwritable checkpoint in one clear line."""

    objective: ObjectiveConfig = ObjectiveConfig()
    # Sum of leaks and number of rows in this process since the last log.
    leaks: Tensor | None = None
    # Rows of the batches of one step, in all processes.
    step_rows: float = 1.0
    # The same three of the rows that see an anchor.
    anchors: RunAnchors | None = None
    masses: Tensor | None = None
    step_anchored: float = 1.0

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """The batches of one step; counts their rows, since the objective is a mean over all of them."""
        samples, items = super().get_batch_samples(*args, **kwargs)
        batch, processes = self.args.per_device_train_batch_size, self.accelerator.num_processes
        left = len(self.train_dataset) % (batch * processes)  # type: ignore[arg-type]
        if samples and processes > 1 and left and self.accelerator.gradient_state.end_of_dataloader:
            # So that every process has a whole batch, accelerate repeats sequences at the end of an epoch.
            own = left - self.accelerator.process_index * batch
            samples[-1] = _first(samples[-1], own)
            items = self._get_num_items_in_batch(samples, self.args.device)
        if self.objective.watches_rows:
            counts = [sum(map(_rows, samples)), sum(map(self._anchored, samples))]
            found = torch.tensor(counts, dtype=torch.float32, device=self.args.device)
            found = self.accelerator.reduce(found, reduction="sum")
            self.step_rows, self.step_anchored = found.clamp_min(1).tolist()
        return samples, items

    def _anchored(self, batch: dict[str, Tensor]) -> int:
        """The batch's rows that see an anchor of their block."""
        if self.anchors is None:
            return 0
        rows = self.anchors.rows(batch["input_ids"], batch.get("block_ids"))
        return int(rows[(batch["labels"] != NO_LOSS).any(-1)].sum())

    def compute_loss(  # type: ignore[override]
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **kwargs: Any
    ) -> Any:
        """The model's loss plus the attention objective."""
        if not (self.objective.watches_rows and model.training):
            return super().compute_loss(model, inputs, return_outputs=return_outputs, **kwargs)
        anchors = None if self.anchors is None else self.anchors.keys(inputs["input_ids"])
        rows = AttentionObjective(self.objective, anchors)
        loss, outputs = super().compute_loss(model, {**inputs, "row_sink": rows}, return_outputs=True, **kwargs)
        # The mean over the step's rows: gradients of its batches are added up, those of processes averaged.
        times = self.accelerator.num_processes
        if not self.model_accepts_loss_kwargs:
            # Trainer divides the loss of such a model by this number.
            times *= self.current_gradient_accumulation_steps
        share = _rows(inputs) * times / self.step_rows
        loss = loss + rows.loss() * share
        leaks = torch.stack([rows.mean_leak() * rows.rows, rows.rows]).float() * (share > 0)
        self.leaks = leaks if self.leaks is None else self.leaks + leaks
        if anchors is not None:
            share = self._anchored(inputs) * times / self.step_anchored
            loss = loss + rows.anchor_loss() * share
            masses = torch.stack([rows.mean_mass() * rows.anchored, rows.anchored]).float() * (share > 0)
            self.masses = masses if self.masses is None else self.masses + masses
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log the mean off-block mass, and that on anchors, together with the loss."""
        self.add_leak(logs)
        super().log(logs, *args, **kwargs)

    def add_leak(self, logs: dict[str, float]) -> None:
        """If a loss is logged, add the mean masses since the last log, over the rows of all processes."""
        if "loss" not in logs:
            return
        for name, sums in (("leak", self.leaks), ("anchor_fidelity", self.masses)):
            if sums is None:
                continue
            total, rows = self.accelerator.reduce(sums, reduction="sum").tolist()
            if rows:
                logs[name] = total / rows
        self.leaks = self.masses = None

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """The loss of one step. Raises DivergedError."""
        loss: Tensor = super().training_step(*args, **kwargs)
        if not torch.isfinite(loss):
            step = self.state.global_step + 1
            # Before the first update the learning rate cannot be the cause.
            advice = "a smaller --learning-rate" if step > 1 else "a temperature nearer 1 and smaller penalties"
            raise DivergedError(f"the loss is {loss.item()} at step {step}. Try {advice}.")
        return loss

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        target = checkpoint_folder(Path(str(self.args.output_dir)).parent, self.state.global_step)
        try:
            super()._save_checkpoint(*args, **kwargs)
            # Under torchrun every process writes its own random state.
            self.accelerator.wait_for_everyone()
            if is_main():
                seal(target)
        # OSError from the file system, RuntimeError from torch's writer, SafetensorError from safetensors.
        except Exception as error:
            shutil.rmtree(target, ignore_errors=True)
            raise InputError(f"cannot write checkpoint {target}: {first_line(error)}") from error


def _first(batch: dict[str, Tensor], count: int) -> dict[str, Tensor]:
    """The first `count` sequences of a batch; without any, one whose tokens have no loss."""
    if count > 0:
        return {name: values[:count] for name, values in batch.items()}
    one = {name: values[:1] for name, values in batch.items()}
    return one | {"labels": torch.full_like(one["labels"], NO_LOSS)}


def _rows(batch: dict[str, Tensor]) -> int:
    """A number proportional to the batch's rows with a key off their block; all sequences are equally long."""
    counted = (batch["labels"] != NO_LOSS).any(-1)
    if "block_ids" not in batch:
        return int(counted.sum())
    n, m = visible_counts(batch["block_ids"])
    return int((m < n)[counted].sum())
