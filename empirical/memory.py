"""Memory that does not suffice, as one clear line with advice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from theory.errors import LocalistError


@contextmanager
def enough_memory(what: str, advice: str) -> Iterator[None]:
    """Within it, memory that runs out on any device is a LocalistError that says what it did not suffice for."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _ran_out(error):
            raise
        raise LocalistError(f"out of memory: it does not suffice for {what}. {advice}") from error


def _ran_out(error: Exception) -> bool:
    # torch has a type for a device's memory, and none for the processor's.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
