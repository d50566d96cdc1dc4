"""The processes of `torchrun` that measure together."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType

import torch
from accelerate import PartialState  # type: ignore[import-untyped]

from theory.errors import LocalistError

# Far beyond any measurement: how long the first process to finish may wait for the others.
_PATIENCE = timedelta(days=30)
_AGAIN = "What was finished is kept: the same command continues"


@dataclass(frozen=True)
class Team:
    """Process `rank` of `count` that measure together; the first one writes the records."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes the records."""
        return self.rank == 0

    def meet(self) -> None:
        """Wait until all processes are here. Raises LocalistError if one has ended."""
        if self.count == 1:
            return
        try:
            PartialState().wait_for_everyone()
        # Each backend has its own words for a closed connection.
        except RuntimeError as error:
            raise LocalistError(f"process {self.rank}: another process of torchrun has ended. {_AGAIN}") from error


@contextmanager
def together() -> Iterator[Team]:
    """The processes of torchrun, connected; without torchrun, this one alone.

    torchrun sends SIGTERM to the others when one ends with an error: raised as LocalistError.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Team()
        return
    state = PartialState(cpu=not torch.accelerator.is_available(), timeout=_PATIENCE)
    main = threading.current_thread() is threading.main_thread()
    former = signal.signal(signal.SIGTERM, _end) if main else None
    try:
        yield Team(state.process_index, state.num_processes)
    except BaseException:
        # The others wait for this one; closed connections end their waiting.
        state.destroy_process_group()
        raise
    finally:
        if main:
            signal.signal(signal.SIGTERM, former)


def _end(number: int, frame: FrameType | None) -> None:
    rank = os.environ.get("RANK", "0")
    raise LocalistError(f"process {rank}: ended by SIGTERM, as torchrun does when another one ends. {_AGAIN}")
