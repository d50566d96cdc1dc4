"""Hypothesis profiles; only the variable HYPOTHESIS_PROFILE chooses among them."""

from __future__ import annotations

import os

import torch
from hypothesis import HealthCheck, settings

# They hold no doctests, and collected as modules they would share one name.
collect_ignore_glob = ["*conftest.py"]

# Without a GPU Triton interprets the kernel; it reads the variable when it is imported.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

_QUICK = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}

# Each profile sets `derandomize`: Hypothesis would turn it on if the variable CI is set.
settings.register_profile("ci", max_examples=60, derandomize=True, **_QUICK)
settings.register_profile("dev", max_examples=60, derandomize=False, **_QUICK)
settings.register_profile("nightly", max_examples=2000, derandomize=False, print_blob=True, **_QUICK)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
settings.load_profile(PROFILE)


def pytest_report_header(config):
    """States the profile and the seed of the property tests."""
    seed = config.getoption("--hypothesis-seed", None)
    return f"hypothesis profile {PROFILE}, seed {'by test' if seed is None else seed}"
