"""Times measuring and localist training against plain GPT-2, side by side in one process.

Every round runs each variant once, in turn, so that changes of the machine's load affect all of them. A ratio is the
median over rounds of the variant's time over that of the plain pass in the same round. Peak memory is measured in a
separate process on a CPU, and by the allocator on a GPU.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress

from empirical.environment import environment
from empirical.measuring.bench_variants import (
    BenchShape,
    Variants,
    attention_variants,
    bench_bytes,
    gate_variants,
    measuring_variants,
    training_variants,
)
from empirical.memory import check_memory, enough_memory
from empirical.model import quiet
from theory.errors import DomainError, LocalistError

LENGTHS = (256, 1024, 2048)

# Block sizes for timing one layer's training: the cost must not grow with the number of blocks.
GATE_BLOCKS = (64, 8)

# Beyond this length a round takes long, so fewer are run.
LONG = 1024
FEWEST_ROUNDS = 3

ADVICE = "Try fewer --tokens or --training-tokens, or a smaller shape."

# Resolution of a peak; smaller values count as this much in a ratio.
RESOLUTION_MIB = 1.0


def bench(
    lengths: Sequence[int] | None = None,
    *,
    shape: BenchShape | None = None,
    rounds: int = 5,
    training_length: int = 1024,
    dropouts: Sequence[float] = (0.0, 0.1),
    memory: bool = True,
    gate_lengths: Sequence[int] = (),
    progress: bool = True,
) -> dict[str, Any]:
    """Time measuring at each length and a training step at each dropout; returns a plain JSON object.

    `lengths` None: 256, 1024, 2048, and 4096 on a GPU. `gate_lengths` are lengths at which one layer's forward and
    backward pass is timed, for each of `GATE_BLOCKS`; then `lengths` defaults to none.

    `results` has one entry per task, length and variant. `eager_over_fused` has one per task and length: the time of
    stored maps over that of the fused pass, and the same ratio of memory above the plain pass. Raises DomainError,
    LocalistError (memory).
    """
    shape = shape or BenchShape()
    device = _device()
    if not lengths:
        usual = LENGTHS if device.type == "cpu" else (*LENGTHS, 4096)
        lengths = () if gate_lengths else usual
    for tokens in (*lengths, *gate_lengths, training_length):
        if tokens <= shape.block:
            raise DomainError(f"length {tokens} must exceed the block of {shape.block}")
    if rounds < 1:
        raise DomainError(f"rounds {rounds} must be at least 1")
    longest = max(*lengths, *gate_lengths, training_length, 0)
    what = f"timing {shape.layers} layers of width {shape.width} at {longest} tokens"
    check_memory(bench_bytes(shape, lengths, training_length), what, ADVICE, device)
    results: list[dict[str, Any]] = []
    compared: list[dict[str, Any]] = []
    with (
        quiet(),
        enough_memory(what, ADVICE),
        Progress(console=Console(stderr=True), disable=not progress) as bars,
    ):
        bar = bars.add_task(
            "bench", total=(2 + memory) * len(lengths) + len(dropouts) + len(GATE_BLOCKS) * len(gate_lengths)
        )

        def take(task: str, tokens: int, dropout: float, variants: Variants) -> list[dict[str, Any]]:
            bars.update(bar, description=f"{task}, {tokens} tokens")
            turns = rounds if tokens <= LONG else min(rounds, max(FEWEST_ROUNDS, rounds * LONG // tokens))
            wall, used = _timed(variants, turns)
            if "eager" in variants:
                compared.append({"task": task, "tokens": tokens, "time": _ratio(wall["eager"], wall["fused"])})
            found = [
                {
                    "task": task,
                    "tokens": tokens,
                    "dropout": dropout,
                    "variant": name,
                    "rounds": turns,
                    "seconds": statistics.median(wall[name]),
                    "ratio": _ratio(wall[name], wall["plain"]),
                    # CPU time: the ratio if no other program ran.
                    "processor_ratio": _ratio(used[name], used["plain"]),
                }
                for name in variants
            ]
            results.extend(found)
            bars.advance(bar)
            return found

        for tokens in lengths:
            take("attention", tokens, 0.0, attention_variants(shape, tokens, device))
            found = take("measuring", tokens, 0.0, measuring_variants(shape, tokens, device))
            if memory:
                bars.update(bar, description=f"memory, {tokens} tokens")
                compared[-1]["memory"] = _add_memory(found, shape, tokens, device)
                bars.advance(bar)
        for tokens in gate_lengths:
            for block in GATE_BLOCKS:
                task = f"gate, blocks of {block}"
                take(task, tokens, 0.0, gate_variants(replace(shape, block=block), tokens, device))
        for dropout in dropouts:
            take("training", training_length, dropout, training_variants(shape, training_length, dropout, device))
    return {
        "shape": asdict(shape),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else _processor(),
        "threads": torch.get_num_threads(),
        "versions": environment(),
        "results": results,
        "eager_over_fused": compared,
    }


def _timed(variants: Variants, rounds: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Wall and CPU seconds of each variant, one number per round."""
    wall: dict[str, list[float]] = {name: [] for name in variants}
    used: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(rounds + 1):
        for name, run in variants.items():
            _synchronize()
            start, start_used = time.perf_counter(), time.process_time()
            run()
            _synchronize()
            # The first turn warms up allocator and caches.
            if turn:
                wall[name].append(time.perf_counter() - start)
                used[name].append(time.process_time() - start_used)
    return wall, used


def _ratio(times: list[float], others: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(times, others, strict=True))


def _add_memory(found: list[dict[str, Any]], shape: BenchShape, tokens: int, device: torch.device) -> float | None:
    """Add peaks to `found`; returns stored maps' extra memory over the fused pass's, None if unknown."""
    peaks = _peaks(shape, tokens, device)
    for each in found:
        each["peak_mib"] = peaks.get(each["variant"])
        each["extra_mib"] = peaks[each["variant"]] - peaks["plain"] if peaks else None
    extra = {each["variant"]: each["extra_mib"] for each in found}
    return extra["eager"] / max(extra["fused"], RESOLUTION_MIB) if peaks else None


def _peaks(shape: BenchShape, tokens: int, device: torch.device) -> dict[str, float]:
    """Peak memory in MiB of one pass of each variant, above the model's own; empty if the system does not report it."""
    if device.type == "cuda":
        peaks = {}
        for name, run in measuring_variants(shape, tokens, device).items():
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            run()
            peaks[name] = (torch.cuda.max_memory_allocated() - before) / 2**20
        return peaks
    code = "import sys; from empirical.measuring.bench import _report_peaks; _report_peaks(*sys.argv[1:])"
    command = [sys.executable, "-c", code, json.dumps(asdict(shape)), str(tokens), str(torch.get_num_threads())]
    # glibc: return freed tensors at once, so that the peak counts live tensors and not heap fragmentation.
    variables = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(command, capture_output=True, text=True, env=variables)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise LocalistError(f"the process that measures memory at {tokens} tokens failed: {why}. Try --no-memory.")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _report_peaks(shape: str, tokens: str, threads: str) -> None:
    torch.set_num_threads(int(threads))
    peaks: dict[str, float] = {}
    with quiet():
        # The first call of each variant loads code and libraries, which must not count as its memory.
        for run in measuring_variants(BenchShape(1, 2, 32, 50, 8), 256, torch.device("cpu")).values():
            run()
        variants = measuring_variants(BenchShape(**json.loads(shape)), int(tokens), torch.device("cpu"))
        variants["plain"]()
        try:
            for name, run in variants.items():
                # Linux: reset the peak.
                Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
                before = _status("VmRSS")
                run()
                peaks[name] = _status("VmHWM") - before
        except OSError:
            peaks = {}
    sys.stdout.write(json.dumps(peaks) + "\n")


def _status(name: str) -> float:
    """An entry of this process's memory status, in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name)) / 2**10


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else "cpu"
