"""Peak memory of a watched pass over a long text, beside the plain pass, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MOST_MIB = 200

# A small vocabulary: the logits of a whole one take more than attention, and would hide it.
_PEAKS = """
import json, sys
from pathlib import Path
import torch
import localist
from empirical.measuring.bench_variants import BenchShape, _ids, _model, _status

shape, tokens = BenchShape(vocabulary=500, key_heads=int(sys.argv[2]) or None), int(sys.argv[1])
torch.set_num_threads(2)
model, cpu = _model(shape, tokens, 0.0, [0.0] * shape.layers).eval(), torch.device("cpu")
model.set_attn_implementation("sdpa")
# The first passes load code and libraries.
with torch.no_grad():
    model(_ids(shape, 64, cpu), use_cache=False)
    with localist.watch(model, 8):
        model(_ids(shape, 64, cpu), use_cache=False)
peaks = {}
for name in ("plain", "watched", "four maps"):
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    with torch.no_grad():
        if name == "plain":
            model(_ids(shape, tokens, cpu), use_cache=False)
        elif name == "four maps":
            torch.ones(4, tokens, tokens)
        else:
            with localist.watch(model, shape.block) as rows:
                model(_ids(shape, tokens, cpu), use_cache=False)
            assert rows.frame()["rows"].min() == tokens - shape.block
    peaks[name] = _status("VmHWM") - before
print(json.dumps(peaks))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="this system does not report a peak")
@pytest.mark.parametrize("key_heads", [0, 4])
def test_watching_4096_tokens_takes_little_memory(key_heads: int) -> None:
    # glibc: return freed tensors at once, so that the peak counts live tensors.
    variables = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    command = [sys.executable, "-c", _PEAKS, "4096", str(key_heads)]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=True)
    peaks = json.loads(done.stdout.splitlines()[-1])
    assert peaks["plain"] > 0
    # What is measured does count: the maps of 4 of the 144 heads.
    assert peaks["four maps"] > MOST_MIB
    assert peaks["watched"] - peaks["plain"] < MOST_MIB, peaks
