"""What measuring and localist training cost beside plain GPT-2, side by side in one process.

Every round runs each variant once, in turn, so that a change of the machine's load meets all of them; a ratio
is the median over rounds of the variant's time over the plain pass of the same round. Peak memory is taken in
a fresh process for each variant on a CPU, and from the allocator on a GPU.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from empirical.attention import NAME
from empirical.blocks import fixed_windows
from empirical.config import ObjectiveConfig
from empirical.model import quiet
from empirical.objective import AttentionObjective
from empirical.records import environment
from empirical.rows import RowMeter
from theory.errors import DomainError

MEASURING = ("plain", "entropy and fidelity", "all statistics", "eager maps")
TRAINING = ("plain", "localist")


@dataclass(frozen=True)
class BenchShape:
    """The GPT-2 that is timed; the default is GPT-2 small."""

    layers: int = 12
    heads: int = 12
    width: int = 768
    vocabulary: int = 50257
    block: int = 64


def bench(
    lengths: Sequence[int] = (256, 1024, 2048),
    *,
    shape: BenchShape | None = None,
    rounds: int = 5,
    training_length: int = 1024,
    dropouts: Sequence[float] = (0.0, 0.1),
    memory: bool = True,
    progress: bool = True,
) -> dict[str, Any]:
    """Time measuring at each length and a training step at each dropout; a plain JSON object. Raises DomainError."""
    shape = shape or BenchShape()
    for tokens in (*lengths, training_length):
        if tokens <= shape.block:
            raise DomainError(f"length {tokens} must exceed the block of {shape.block}")
    if rounds < 1:
        raise DomainError(f"rounds {rounds} must be at least 1")
    device = _device()
    results: list[dict[str, Any]] = []
    with quiet(), Progress(console=Console(stderr=True), disable=not progress) as bars:
        task = bars.add_task("bench", total=len(lengths) + len(dropouts))
        for tokens in lengths:
            bars.update(task, description=f"measuring, {tokens} tokens")
            found = _timed(measuring_variants(shape, tokens, device), rounds)
            if memory:
                _add_memory(found, shape, tokens, device)
            results += [{"task": "measuring", "tokens": tokens, "dropout": 0.0, **each} for each in found]
            bars.advance(task)
        for dropout in dropouts:
            bars.update(task, description=f"training, dropout {dropout:g}")
            found = _timed(training_variants(shape, training_length, dropout, device), rounds)
            results += [{"task": "training", "tokens": training_length, "dropout": dropout, **each} for each in found]
            bars.advance(task)
    return {
        "shape": asdict(shape),
        "rounds": rounds,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else _processor(),
        "threads": torch.get_num_threads(),
        "versions": environment(),
        "results": results,
    }


def measuring_variants(shape: BenchShape, tokens: int, device: torch.device) -> dict[str, Callable[[], Any]]:
    """One forward pass over `tokens` tokens: plain, with fused statistics, and with stored attention maps."""
    model = _model(shape, tokens, 0.0, [0.0] * shape.layers).to(device).eval()  # type: ignore[arg-type]
    ids = _ids(shape, tokens, device)
    own = (fixed_windows(tokens, shape.block)[0][:, None] == fixed_windows(tokens, shape.block)).to(device)

    def run(implementation: str, **options: Any) -> Any:
        model.set_attn_implementation(implementation)
        with torch.no_grad():
            return model(ids, use_cache=False, **options)

    def measured(ranges: bool) -> None:
        meter = RowMeter(ranges=ranges)
        rows: list[Any] = []
        run(NAME, row_sink=lambda call: rows.append(meter(call)))

    def eager() -> None:
        kept = []
        for weights in run("eager", output_attentions=True).attentions:
            entropy = -torch.special.xlogy(weights, weights).sum(-1)
            kept.append((entropy, (weights * own).sum(-1), (weights * ~own).sum(-1)))

    return {
        "plain": lambda: run("sdpa"),
        "entropy and fidelity": lambda: measured(False),
        "all statistics": lambda: measured(True),
        "eager maps": eager,
    }


def training_variants(
    shape: BenchShape, tokens: int, dropout: float, device: torch.device
) -> dict[str, Callable[[], Any]]:
    """One training step, AdamW included: plain GPT-2, and with dial and off-block penalty on every layer."""
    objective = ObjectiveConfig(off_block_penalty=0.1)
    ids = _ids(shape, tokens, device)

    def stepper(implementation: str) -> Callable[[], None]:
        model = _model(shape, tokens, dropout, [0.5] * shape.layers).to(device)  # type: ignore[arg-type]
        model.set_attn_implementation(implementation)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

        def step() -> None:
            rows = AttentionObjective(objective) if implementation == NAME else None
            loss = model(ids, labels=ids, use_cache=False, row_sink=rows).loss
            if rows is not None:
                loss = loss + rows.loss()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

        return step

    return {"plain": stepper("sdpa"), "localist": stepper(NAME)}


def _timed(variants: dict[str, Callable[[], Any]], rounds: int) -> list[dict[str, Any]]:
    wall: dict[str, list[float]] = {name: [] for name in variants}
    used: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(rounds + 1):
        for name, run in variants.items():
            _synchronize()
            start, start_used = time.perf_counter(), time.process_time()
            run()
            _synchronize()
            # The first turn warms allocator and caches up.
            if turn:
                wall[name].append(time.perf_counter() - start)
                used[name].append(time.process_time() - start_used)
    plain = next(iter(variants))

    def ratio(times: dict[str, list[float]], name: str) -> float:
        return statistics.median(a / b for a, b in zip(times[name], times[plain], strict=True))

    return [
        {
            "variant": name,
            "seconds": statistics.median(wall[name]),
            "ratio": ratio(wall, name),
            # Processor time: what the ratio would be if no other program ran.
            "processor_ratio": ratio(used, name),
        }
        for name in variants
    ]


def _add_memory(found: list[dict[str, Any]], shape: BenchShape, tokens: int, device: torch.device) -> None:
    peaks = {each["variant"]: _peak(shape, tokens, each["variant"], device) for each in found}
    for each in found:
        peak = peaks[each["variant"]]
        known = math.isfinite(peak)
        each["peak_mib"] = peak if known else None
        each["extra_mib"] = peak - peaks["plain"] if known else None


def _peak(shape: BenchShape, tokens: int, variant: str, device: torch.device) -> float:
    """Peak memory of one pass above what the model itself takes, MiB; NaN where the system does not tell."""
    if device.type == "cuda":
        run = measuring_variants(shape, tokens, device)[variant]
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    code = "import sys; from empirical.bench import _report_peak; _report_peak(*sys.argv[1:])"
    command = [sys.executable, "-c", code, json.dumps(asdict(shape)), str(tokens), variant]
    # glibc: give freed tensors back at once, so that the peak is of living ones and not of the heap's gaps.
    variables = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=variables)
    return float(done.stdout.split()[-1])


def _report_peak(shape: str, tokens: str, variant: str) -> None:
    with quiet():
        run = measuring_variants(BenchShape(**json.loads(shape)), int(tokens), torch.device("cpu"))[variant]
        try:
            # Linux: forget the peak of making the model.
            Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
            before = _status("VmRSS")
            run()
            peak = _status("VmHWM") - before
        except OSError:
            peak = math.nan
    sys.stdout.write(f"{peak}\n")


def _status(name: str) -> float:
    """An entry of this process's memory status, MiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name)) / 2**10


def _model(shape: BenchShape, tokens: int, dropout: float, dials: list[float]) -> GPT2LMHeadModel:
    config = GPT2Config(
        vocab_size=shape.vocabulary,
        n_positions=tokens,
        n_embd=shape.width,
        n_layer=shape.layers,
        n_head=shape.heads,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
    )
    config.localist = {"dials": dials, "block": shape.block, "temperature": 1.0}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return GPT2LMHeadModel(config)


def _ids(shape: BenchShape, tokens: int, device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, shape.vocabulary, (1, tokens), generator=generator).to(device)


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
