"""The GPU kernel compiled for chips that need not be present; nothing runs."""

import json
import os
import subprocess
import sys

import pytest

row_kernel = pytest.importorskip("empirical.attention.row_kernel", exc_type=ImportError)

# The smallest chips of compute capability 8.0 and up let a program have 99 KiB; the kernel must fit in less.
SHARED_BYTES = 64 << 10

COMPILE = """
import json, sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from empirical.attention import row_kernel

PLACES = {"own", "ids", "low", "high", "near", "sink"}
POINTERS = PLACES | {"query", "key", "value", "output", "sums"}
capability, form, head, keep, capped = json.loads(sys.argv[1])
ranges = keep == "all"
constants = {
    "HEAD": head, "WIDTH": max(16, triton.next_power_of_2(head)),
    "BLOCK": keep != "rest", "REST": keep != "block", "RANGES": ranges, "CAPPED": capped,
    "QUERIES": row_kernel.QUERIES, "KEYS": row_kernel.KEYS,
}
kinds = dict.fromkeys(PLACES, "*i32") | dict.fromkeys(("scale", "softcap", "bias"), "fp32") | {"sums": "*fp32"}
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


def compiled(capability, form, head=64, keep="all", capped=False):
    """Compiles the kernel for a chip, which need not be present."""
    variables = {name: text for name, text in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", COMPILE, json.dumps([capability, form, head, keep, capped])]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("capability", "form", "capped"),
    [
        (90, "bf16", False),
        pytest.param(80, "fp32", True, marks=pytest.mark.slow),
        *(pytest.param(c, f, True, marks=pytest.mark.slow) for c in (86, 90, 100) for f in ("fp32", "fp16", "bf16")),
    ],
)
def test_kernel_compiles_and_fits_shared_memory(capability, form, capped):
    made = compiled(capability, form, capped=capped)
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
