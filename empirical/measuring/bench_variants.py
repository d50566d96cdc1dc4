"""Variants that the bench times, a name and a call for each way of doing the same work; their time and their memory.

All measuring variants compute entropy, fidelity and leak of every row; `fused, all` adds margins and ranges.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PretrainedConfig, PreTrainedModel

from empirical.attention.attach import Attachment
from empirical.attention.attention import NAME
from empirical.attention.attention_call import AttentionCall
from empirical.attention.block_kinds import WindowBlocks
from empirical.attention.block_layout import Layout
from empirical.attention.blocks import fixed_windows
from empirical.attention.gate import gated
from empirical.attention.row_pass import pass_rows
from empirical.attention.schedule import dial_bias
from empirical.config import ObjectiveConfig
from empirical.measuring.rows import RowMeter
from empirical.memory import WORD, gpt2_weights
from empirical.model import quiet
from empirical.training.objective import AttentionObjective
from theory.errors import LocalistError

Variants = dict[str, Callable[[], Any]]


@dataclass(frozen=True)
class BenchShape:
    """Shape of the timed model; the default is GPT-2 small. `key_heads` makes it a Llama with so many key heads."""

    layers: int = 12
    heads: int = 12
    width: int = 768
    vocabulary: int = 50257
    block: int = 64
    dtype: Literal["float32", "bfloat16"] = "float32"
    key_heads: int | None = None

    @property
    def number(self) -> torch.dtype:
        """The format of weights and states; a training step keeps its weights in float32."""
        return torch.bfloat16 if self.dtype == "bfloat16" else torch.float32


def bench_bytes(shape: BenchShape, lengths: Sequence[int], training_length: int) -> int:
    """Lower bound on the bytes of the largest task: stored maps, or training two models side by side."""

    def weights(tokens: int) -> int:
        return gpt2_weights(shape.layers, shape.width, tokens, shape.vocabulary)

    size = shape.number.itemsize
    stored = [size * (weights(tokens) + shape.layers * shape.heads * tokens**2) for tokens in lengths]
    # Weights and two moments of each model; gradients and logits of one at a time.
    trained = WORD * (7 * weights(training_length) + training_length * shape.vocabulary)
    return max([*stored, trained])


def measuring_variants(shape: BenchShape, tokens: int, device: torch.device) -> Variants:
    """One forward pass over `tokens` tokens: plain, measured in the pass, with local layers, with stored maps.

    `local` has dial 1 in every second layer and measures nothing.
    """
    model = _model(shape, tokens, 0.0, [0.0] * shape.layers).to(device, shape.number).eval()  # type: ignore[arg-type]
    ids = _ids(shape, tokens, device)
    own = _own(shape, tokens, device)

    def run(implementation: str, **options: Any) -> Any:
        model.set_attn_implementation(implementation)
        with torch.no_grad():
            return model(ids, use_cache=False, **options)

    def attached(dials: list[float], on_call: Callable[[AttentionCall], None] | None) -> None:
        with Attachment(model, WindowBlocks(shape.block), dials, on_call).attached(), torch.no_grad():
            model(ids, use_cache=False)

    def measured(ranges: bool) -> None:
        meter = RowMeter(ranges=ranges)
        rows: list[Any] = []

        def take(call: AttentionCall) -> None:
            rows.append(meter(call))

        attached([0.0] * shape.layers, take)

    return {
        "plain": lambda: run("sdpa"),
        "fused": lambda: measured(False),
        "fused, all": lambda: measured(True),
        "local": lambda: attached([float(layer % 2) for layer in range(shape.layers)], None),
        "eager": lambda: [_read(maps, own) for maps in run("eager", output_attentions=True).attentions],
    }


def attention_variants(shape: BenchShape, tokens: int, device: torch.device) -> Variants:
    """One layer's attention on the same query, key and value: alone, with fused row numbers, with its stored map."""
    generator = torch.Generator().manual_seed(0)
    heads = (shape.heads, shape.width // shape.heads)
    states = torch.randn(3, 1, tokens, *heads, generator=generator).to(device, shape.number)
    query, key, value = states.transpose(2, 3)
    scale = heads[1] ** -0.5
    ids, own = fixed_windows(tokens, shape.block, device), _own(shape, tokens, device)
    future = torch.ones(tokens, tokens, dtype=torch.bool, device=device).triu(1)

    def fused(ranges: bool) -> None:
        found = pass_rows(query, key, value, ids, scale, ranges=ranges)
        _ = found.output, found.entropy, found.fidelity, found.leak

    def eager() -> None:
        maps = (query @ key.transpose(-1, -2) * scale).masked_fill(future, float("-inf")).softmax(-1)
        _ = maps @ value, _read(maps, own)

    return {
        "plain": lambda: scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale),
        "fused": lambda: fused(False),
        "fused, all": lambda: fused(True),
        "eager": eager,
    }


def gate_variants(shape: BenchShape, tokens: int, device: torch.device) -> Variants:
    """One layer's attention forward and backward on two sequences: plain, with a dial, a penalty, and both."""
    generator = torch.Generator().manual_seed(0)
    head = shape.width // shape.heads
    # As in GPT-2: views of one projection's output, whose gradient is assembled from theirs.
    states = torch.randn(2, tokens, 3 * shape.width, generator=generator).to(device, shape.number).requires_grad_()
    grad = torch.randn(2, shape.heads, tokens, head, generator=generator).to(device, shape.number)
    pull = torch.full(grad.shape[:3], 1e-4, device=device)
    layout = Layout.of_windows(tokens, shape.block, device)

    def run(bias: float | None, penalty: bool = False) -> None:
        parts = torch.split(states, shape.width, dim=-1)
        query, key, value = (each.view(2, tokens, shape.heads, head).transpose(1, 2) for each in parts)
        states.grad = None
        if bias is None:
            output = scaled_dot_product_attention(query, key, value, is_causal=True, scale=head**-0.5)
            torch.autograd.backward([output], [grad])
            return
        output, leak, _ = gated(query, key, value, layout, head**-0.5, bias)
        torch.autograd.backward([output, leak] if penalty else [output], [grad, pull] if penalty else [grad])

    dial = dial_bias(0.5)
    return {
        "plain": lambda: run(None),
        "dial": lambda: run(dial),
        "penalty": lambda: run(0.0, True),
        "both": lambda: run(dial, True),
    }


def training_variants(shape: BenchShape, tokens: int, dropout: float, device: torch.device) -> Variants:
    """One training step, AdamW included: plain GPT-2, and with dial and off-block penalty on every layer."""
    objective = ObjectiveConfig(off_block_penalty=0.1)
    ids = _ids(shape, tokens, device)

    def stepper(implementation: str) -> Callable[[], None]:
        model = _model(shape, tokens, dropout, [0.5] * shape.layers).to(device)  # type: ignore[arg-type]
        model.set_attn_implementation(implementation)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

        def step() -> None:
            rows = AttentionObjective(objective) if implementation == NAME else None
            with torch.autocast(device.type, shape.number, enabled=shape.dtype == "bfloat16"):
                loss = model(ids, labels=ids, use_cache=False, row_sink=rows).loss
                if rows is not None:
                    loss = loss + rows.loss()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

        return step

    return {"plain": stepper("sdpa"), "localist": stepper(NAME)}


def _model(shape: BenchShape, tokens: int, dropout: float, dials: list[float]) -> PreTrainedModel:
    config: PretrainedConfig
    if shape.key_heads is None:
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
    else:
        config = LlamaConfig(
            vocab_size=shape.vocabulary,
            max_position_embeddings=tokens,
            hidden_size=shape.width,
            intermediate_size=4 * shape.width,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.key_heads,
            attention_dropout=dropout,
        )
    config.localist = {"dials": dials, "block": shape.block, "temperature": 1.0}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
        return model


def _read(maps: Tensor, own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Entropy, fidelity and leak from stored maps `(1, heads, tokens, tokens)`."""
    return -torch.special.xlogy(maps, maps).sum(-1), (maps * own).sum(-1), (maps * ~own).sum(-1)


def _own(shape: BenchShape, tokens: int, device: torch.device) -> Tensor:
    ids = fixed_windows(tokens, shape.block, device)[0]
    return ids[:, None] == ids


def _ids(shape: BenchShape, tokens: int, device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, shape.vocabulary, (1, tokens), generator=generator).to(device)


def timed(variants: Variants, rounds: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
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


def peak_memory(shape: BenchShape, tokens: int, device: torch.device, chosen: Sequence[str]) -> dict[str, float]:
    """Peak memory in MiB of one pass of the chosen variants, above the model's own; empty if nothing reports it."""
    if device.type == "cuda":
        peaks = {}
        for name, run in _chosen(measuring_variants(shape, tokens, device), chosen).items():
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            run()
            peaks[name] = (torch.cuda.max_memory_allocated() - before) / 2**20
        return peaks
    code = "import sys; from empirical.measuring.bench_variants import _report_peaks; _report_peaks(*sys.argv[1:])"
    command = [sys.executable, "-c", code, json.dumps(asdict(shape)), str(tokens), str(torch.get_num_threads())]
    command += chosen
    # glibc: return freed tensors at once, so that the peak counts live tensors and not heap fragmentation.
    variables = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(command, capture_output=True, text=True, env=variables)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise LocalistError(f"the process that measures memory at {tokens} tokens failed: {why}. Try --no-memory.")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _chosen(variants: Variants, names: Sequence[str]) -> Variants:
    return {name: run for name, run in variants.items() if name in names}


def _report_peaks(shape: str, tokens: str, threads: str, *chosen: str) -> None:
    torch.set_num_threads(int(threads))
    peaks: dict[str, float] = {}
    with quiet():
        # The first call of each variant loads code and libraries, which must not count as its memory.
        for run in measuring_variants(BenchShape(1, 2, 32, 50, 8), 256, torch.device("cpu")).values():
            run()
        variants = measuring_variants(BenchShape(**json.loads(shape)), int(tokens), torch.device("cpu"))
        variants["plain"]()
        try:
            for name, run in _chosen(variants, chosen).items():
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


def bench_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def device_name(device: torch.device) -> str:
    """The GPU's or the processor's name; "cpu" if the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else "cpu"


def threads() -> int:
    """Number of threads that torch computes with."""
    return torch.get_num_threads()
