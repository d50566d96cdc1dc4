"""Reports too little memory in one clear line with advice, before the work starts where possible."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from empirical.config import RunConfig
from theory.errors import LocalistError

# Bytes of a number in float32.
WORD = 4
# Bytes per vocabulary token in the tokenizer's training tables: its text twice, its number, its merge.
TOKEN_BYTES = 64


@contextmanager
def enough_memory(what: str, advice: str) -> Iterator[None]:
    """Within this context, running out of memory on any device raises LocalistError naming `what` needed it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _ran_out(error):
            raise
        raise LocalistError(f"out of memory: not enough for {what}. {advice}") from error


def _ran_out(error: Exception) -> bool:
    # torch has an error type for a device's memory, but none for the CPU's.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def check_memory(needed: int, what: str, advice: str, device: torch.device | None = None) -> None:
    """Raise LocalistError if a device (None: the CPU) has less total memory than `needed` bytes.

    `needed` must be a lower bound, so that nothing possible is refused.
    """
    there = device_memory(device) if device is not None and device.type == "cuda" else machine_memory()
    if there is not None and needed > there:
        raise LocalistError(
            f"out of memory: {what} needs at least {shown_bytes(needed)}, "
            f"but there are only {shown_bytes(there)}. {advice}"
        )


def check_training_memory(config: RunConfig) -> None:
    """Raise LocalistError if training a model from scratch needs more than the machine's memory."""
    model = config.model
    if model.pretrained is None:
        check_memory(
            training_bytes(config),
            f"training {model.layers} layers of width {model.width}, context {model.context} and vocabulary "
            f"{model.vocabulary}",
            "Try a smaller shape.",
        )


def training_bytes(config: RunConfig) -> int:
    """Lower bound on the bytes of a training step: weights, gradients, optimiser moments, one sequence's logits."""
    model = config.model
    weights = gpt2_weights(model.layers, model.width, model.context, model.vocabulary)
    numbers = 4 if config.training.optimizer == "adamw" else 2
    logits = model.context * model.vocabulary
    return WORD * (numbers * weights + logits) + TOKEN_BYTES * model.vocabulary


def gpt2_weights(layers: int, width: int, positions: int, vocabulary: int) -> int:
    """Number of weights of a GPT-2; the last layer shares the token embedding.

    >>> gpt2_weights(layers=12, width=768, positions=1024, vocabulary=50257)
    124439808
    """
    return width * (vocabulary + positions + 2) + layers * width * (12 * width + 13)


def machine_memory() -> int | None:
    """Total bytes available to this process, swap included; None if the system does not report it."""
    limits = [_read_bytes(Path(name)) for name in _GROUP_LIMITS]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        entries = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        limits.append(entries["MemTotal"] + entries["SwapTotal"])
    except (OSError, ValueError, LookupError):
        limits.append(_pages())
    return min((limit for limit in limits if limit is not None), default=None)


def device_memory(device: torch.device) -> int:
    """Total memory of a GPU, in bytes."""
    return int(torch.cuda.get_device_properties(device).total_memory)


def shown_bytes(count: int) -> str:
    """A number of bytes in a readable unit.

    >>> shown_bytes(3 * 2**40), shown_bytes(1500), shown_bytes(2**100)
    ('3 TiB', '1.465 KiB', '1.049e+06 YiB')
    """
    # Floats overflow beyond this.
    count = min(count, 2**1000)
    unit = min(8, max(0, math.floor(math.log2(max(count, 1)) / 10)))
    name = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")[unit]
    return f"{count / 2 ** (10 * unit):.4g} {name}"


# Memory limits of a container or job: cgroup v2 and v1.
_GROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def _read_bytes(path: Path) -> int | None:
    try:
        # "max" means no limit; int() then fails.
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _pages() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
