"""The GPU kernel, interpreted without a GPU: against the reference, with planted errors, and compiled."""

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from empirical.attention import row_pieces
from empirical.attention.blocks import fixed_windows
from empirical.attention.reference import reference_rows
from empirical.attention.rounding import Arithmetic
from empirical.attention.sight import Sight

row_kernel = pytest.importorskip("empirical.attention.row_kernel", exc_type=ImportError)

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

# The smallest chips of compute capability 8.0 and up let a program have 99 KiB; the kernel must fit in less.
SHARED_BYTES = 64 << 10

COMPILE = """
import json, sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from empirical.attention import row_kernel

POINTERS = {"query", "key", "value", "output", "ids", "near", "sums"}
capability, form, head, keep = json.loads(sys.argv[1])
ranges = keep == "all"
constants = {
    "HEAD": head, "WIDTH": max(16, triton.next_power_of_2(head)),
    "BLOCK": keep != "rest", "REST": keep != "block", "RANGES": ranges,
    "QUERIES": row_kernel.QUERIES, "KEYS": row_kernel.KEYS,
}
kinds = {"ids": "*i32", "near": "*i32", "sums": "*fp32", "scale": "fp32", "bias": "fp32"}
names = row_kernel._rows.arg_names
signature = {
    name: "constexpr" if name in constants else kinds.get(name, "*" + form if name in POINTERS else "i32")
    for name in names
}
aligned = {(index,): [["tt.divisibility", 16]] for index, name in enumerate(names) if name in POINTERS}
source = ASTSource(row_kernel._rows, signature, constants, aligned)
options = {"num_warps": 8 if form == "fp32" else 4, "num_stages": 2, "enable_fp_fusion": True}
made = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
print(json.dumps({"shared": made.metadata.shared, "code": len(made.asm["cubin"]), "ptx": made.asm["ptx"]}))
"""


def states(tokens, head, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 3, tokens, head, generator=generator).to(DEVICE, dtype) for _ in range(3)]


def guarded(values):
    """The same tensor, followed by memory that must not be read."""
    room = values.new_full((values.numel() + 64,), math.nan)
    room[: values.numel()] = values.flatten()
    return room[: values.numel()].view(values.shape)


def irregular(tokens):
    generator = torch.Generator().manual_seed(1)
    return torch.stack((torch.arange(tokens) // 5, torch.randint(0, 4, (tokens,), generator=generator))).to(DEVICE)


@pytest.mark.parametrize("keep", ["all", "block", "rest"])
@pytest.mark.parametrize(("tokens", "head"), [(1, 64), (65, 16), (150, 40), (200, 128)])
def test_kernel_and_pieces_give_the_same_rows(keep, tokens, head):
    """Tiles have the sizes used on a GPU; rows that keep no key are meaningless in both and not compared."""
    bias = 0.7 if keep == "all" else 0.0
    ids = irregular(tokens)
    arguments = (*states(tokens, head), ids, head**-0.5, bias, keep, keep == "all")
    kernel = row_kernel.run_kernel(*arguments)
    pieces = row_pieces.run_pieces(*arguments[:3], Sight.whole(ids), *arguments[4:])
    mixed = (ids[:, :, None] != ids[:, None, :]).tril().any(-1)
    kept = (mixed if keep != "block" else torch.ones_like(mixed))[:, None].expand(-1, 3, -1)
    names = ["output", "log_sum", "mean_score", "fidelity", "leak"]
    names += ["margin", "mean_margin", "logit_range"] if keep == "all" else []
    for name in names:
        found, right = getattr(kernel, name)[kept], getattr(pieces, name)[kept]
        assert found.isfinite().all()
        torch.testing.assert_close(found, right, rtol=2e-5, atol=2e-5)
    # A row that keeps no key attends to nothing.
    assert kernel.output.isfinite().all()
    if keep == "rest":
        assert (kernel.output[~kept] == 0).all()


def test_rows_of_transposed_states_with_shared_blocks():
    """The memory layout is that of GPT-2."""
    query, key, value = (each.transpose(1, 2).contiguous().transpose(1, 2) for each in states(150, 80))
    ids = fixed_windows(150, 16, DEVICE)
    kernel = row_kernel.run_kernel(query, key, value, ids, 0.1, 0.3, "all", True)
    truth = reference_rows(query, key, value, ids, 0.1, 0.3)
    assert kernel.arithmetic == Arithmetic(torch.float32, tile=row_kernel.KEYS)
    for name in ("entropy", "fidelity", "leak", "mean_margin"):
        found, right = getattr(kernel, name)[:, :, 16:].double(), getattr(truth, name)[:, :, 16:]
        torch.testing.assert_close(found, right, rtol=0, atol=1e-5)


def test_half_formats_match_the_reference():
    """Only float16: the interpreter multiplies the bits of bfloat16 as if they were integers."""
    query, key, value = states(150, 64, torch.float16)
    ids = fixed_windows(150, 16, DEVICE)
    kernel = row_kernel.run_kernel(query, key, value, ids, 0.125, 0.3, "all", True)
    truth = reference_rows(query, key, value, ids, 0.125, 0.3)
    assert kernel.output.dtype == torch.float16
    assert kernel.arithmetic == Arithmetic(torch.float32, tile=row_kernel.KEYS, tensor_cores=True)
    torch.testing.assert_close(kernel.entropy, truth.entropy, rtol=0, atol=1e-5)
    torch.testing.assert_close(kernel.margin[:, :, 16:], truth.margin[:, :, 16:], rtol=0, atol=1e-5)


PLANTED = {
    "a sum is not rescaled to the new largest score": ("inside = inside * shrink + tl", "inside = inside + tl"),
    "the mean score is not": ("weighted = weighted * shrink", "weighted = weighted"),
    "the output is not": ("attended = attended * shrink[:, None]", "attended = attended"),
    "a future key is visible": ("visible = others[None, :] <= places", "visible = others[None, :] <= 1 + places"),
    "far tiles are counted twice": ("for start in range(split, stop", "for start in range(0, stop"),
    "a tile that shares a block counts as far": ("+ tile) // KEYS * KEYS", "+ tile) // KEYS * KEYS + KEYS"),
    "the bias is on the wrong keys": ("tl.where(same, plain + bias, plain)", "tl.where(same, plain, plain + bias)"),
    "columns beyond the head are read": ("there[:, None] & (columns[None, :] < HEAD)", "there[:, None]"),
    "another sequence's blocks": ("sequence = (lane // heads) * own_ids", "sequence = lane * 0"),
    "extremes of far tiles are lost": ("low = tl.minimum(low, tl.min(plain, 1))", "low = low"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_errors_are_found(name, tmp_path):
    source = Path(row_kernel.__file__).read_text(encoding="utf-8")
    right, wrong = PLANTED[name]
    assert source.count(right) == 1
    path = tmp_path / "planted.py"
    path.write_text(source.replace(right, wrong), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("planted", path)
    planted = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(planted)
    query, key, value = map(guarded, states(150, 12))
    key[:, :, 0] *= 4
    ids = irregular(150)
    arguments = (query, key, value, ids, 0.25, 0.7, "all", True)
    truth = reference_rows(query, key, value, ids, 0.25, 0.7)
    rows = slice(100, None)

    def error(made):
        names = ("output", "entropy", "fidelity", "leak", "margin", "mean_margin", "logit_range")
        gaps = (getattr(made, name).double()[:, :, rows] - getattr(truth, name)[:, :, rows] for name in names)
        return max(float(gap.abs().nan_to_num(math.inf).max()) for gap in gaps)

    assert error(row_kernel.run_kernel(*arguments)) < 1e-4
    assert error(planted.run_kernel(*arguments)) > 1e-3


def compiled(capability, form, head=64, keep="all"):
    """Compiles the kernel for a chip, which need not be present."""
    variables = {name: text for name, text in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", COMPILE, json.dumps([capability, form, head, keep])]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("capability", "form"),
    [
        (80, "fp32"),
        (90, "bf16"),
        *(pytest.param(c, f, marks=pytest.mark.slow) for c in (86, 90, 100) for f in ("fp32", "fp16")),
    ],
)
def test_kernel_compiles_and_fits_shared_memory(capability, form):
    made = compiled(capability, form)
    assert made["code"] > 10_000
    assert made["shared"] <= SHARED_BYTES
    # Products of float32 must not use tf32, which the error bound does not cover.
    assert ("tf32" in made["ptx"]) is False
    assert ("mma" in made["ptx"]) is (form != "fp32")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["fp32", "bf16"])
def test_widest_head_fits_shared_memory(form):
    made = compiled(80, form, row_kernel.WIDEST_HEAD)
    assert made["shared"] <= 2 * SHARED_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["block", "rest"])
@pytest.mark.parametrize("head", [16, 40, 80])
def test_kernel_for_restricted_rows_compiles_and_fits(keep, head):
    assert compiled(90, "bf16", head, keep)["shared"] <= SHARED_BYTES
