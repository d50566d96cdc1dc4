"""Trainer callbacks: time limits, a clean stop on Ctrl-C, a progress bar."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState

from theory.errors import InputError
from theory.files import read_json

# The name under which evaluation logs.
HELD_OUT_LOSS = "held_out_loss"


def is_main() -> bool:
    """Whether this process writes files: it is the only one, or the first of `torchrun`."""
    return int(os.environ.get("RANK", "0")) == 0


def agreed(args: TrainingArguments, *flags: bool) -> list[bool]:
    """Each flag, true if any process of torchrun sets it, so that all of them stop and save after the same step."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return list(flags)
    raised = torch.tensor(flags, dtype=torch.int32, device=args.device)
    torch.distributed.all_reduce(raised, op=torch.distributed.ReduceOp.MAX)
    return [bool(flag) for flag in raised.tolist()]


def log_beside_loss(trainer: Trainer, control: TrainerControl, numbers: dict[str, float]) -> None:
    """Log these numbers at the end of a step; a loss that is due is logged after them.

    Without this it would be lost: any log counts as the one that was due.
    """
    due = control.should_log
    trainer.log(numbers)
    control.should_log = due


class Limits(TrainerCallback, ExportableState):
    """Ends a run after `max_seconds` of training, counted across resumptions, and saves every `checkpoint_seconds`."""

    # Trainer writes `state()` into its checkpoint, and `stored_attributes` reads it. Trainer's own restore would
    # replace this object, which the progress bar watches, with a new one.

    def __init__(self, max_seconds: float | None = None, checkpoint_seconds: float = math.inf, elapsed: float = 0.0):
        self.max_seconds = max_seconds
        self.checkpoint_seconds = checkpoint_seconds
        self.elapsed = elapsed
        self._last_step = self._last_save = time.monotonic()

    def state(self) -> dict[str, Any]:
        """State to store in a checkpoint."""
        return {"args": {}, "attributes": {"elapsed": self.elapsed}}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clocks."""
        self._last_step = self._last_save = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Stop or save if the time is up."""
        now = time.monotonic()
        self.elapsed += now - self._last_step
        self._last_step = now
        # Clocks differ between processes.
        ended, due = agreed(
            args,
            self.max_seconds is not None and self.elapsed >= self.max_seconds,
            now - self._last_save >= self.checkpoint_seconds,
        )
        if ended:
            control.should_training_stop = True
        if due:
            self._last_save = now
            control.should_save = True
        if control.should_save or control.should_training_stop:
            # Trainer averages the loss between logs and loses the sum when resumed.
            control.should_log = True


def stored_attributes(checkpoint: Path, callback: type[ExportableState]) -> dict[str, Any]:
    """Attributes that this callback's `state` stored in a checkpoint. Raises InputError."""
    path = checkpoint / "trainer_state.json"
    try:
        attributes: dict[str, Any] = read_json(path)["stateful_callbacks"][callback.__name__]["attributes"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} holds no state of {callback.__name__}: it belongs to another run") from error
    return attributes


class StopOnSignal(TrainerCallback):
    """Within its context, the first SIGINT or SIGTERM ends the run after the current step, with a checkpoint.

    A second signal ends it at once. Only the main thread receives signals; elsewhere this does nothing. `received`
    says that a signal has come, `stopped` that it ended the training.
    """

    def __init__(self) -> None:
        self.received = self.stopped = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopOnSignal:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            raise KeyboardInterrupt
        self.received = True

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Save and stop after a signal."""
        (self.stopped,) = agreed(args, self.received)
        if self.stopped:
            control.should_save = control.should_training_stop = True


class Progress(TrainerCallback):
    """A progress bar on stderr within its context: the share of steps or time used, and the latest losses."""

    def __init__(self, name: str, steps: int | None, limits: Limits) -> None:
        self.steps = steps
        self.limits = limits
        self._losses: dict[str, float] = {}
        self._bars = Bars(
            TextColumn("[progress.description]{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%  {task.fields[text]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._task: TaskID = self._bars.add_task(f"train {name}", total=1.0, text="")

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Any = None,
        **kwargs: Any,
    ) -> None:
        """Store the latest losses; one from before the first step says nothing of the training."""
        if not state.global_step:
            return
        self._losses |= {name: logs[name] for name in ("loss", HELD_OUT_LOSS) if name in (logs or {})}

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Update the bar."""
        shares = [state.global_step / self.steps if self.steps else 0.0]
        if self.limits.max_seconds is not None:
            shares.append(self.limits.elapsed / self.limits.max_seconds)
        losses = "  ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in self._losses.items())
        self._bars.update(self._task, completed=min(1.0, max(shares)), text=f"step {state.global_step}  {losses}")
