"""Shared by the tests of `empirical`: a configuration that trains in seconds, and one thread.

Tensors this small gain nothing from a second thread; on a busy machine every barrier costs a time slice.
"""

import gc

import pytest
import torch
from transformers import GPT2Config

from empirical.config import RunConfig, run_config
from empirical.locality import SIZED


class Layer(torch.nn.Module):
    """What GPT-2 hands to an attention function, for one layer."""

    def __init__(self, dial, temperature=1.0, block=8):
        super().__init__()
        self.layer_idx = 0
        self.config = GPT2Config()
        self.config.localist = {"dials": [dial], "temperature": temperature, "block": block}


def tiny(**changes) -> RunConfig:
    """Configuration that trains in seconds; `changes` replace values part by part."""
    values = {
        "model": {"layers": 3, "heads": 2, "width": 32, "context": 64, "vocabulary": 400},
        "locality": {"schedule": "quintic", "block": 8},
        "training": {"steps": 40, "batch": 8, "learning_rate": 3e-3},
    }
    if changes.get("locality", {}).get("blocks", "windows") not in SIZED:
        del values["locality"]["block"]
    for part, choices in changes.items():
        values[part] = {**values.get(part, {}), **choices} if isinstance(choices, dict) else choices
    return run_config(values)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    # Trainer collects garbage at every start, which takes a second or two with all modules imported.
    gc.freeze()
    yield
    gc.unfreeze()
    torch.set_num_threads(before)
