"""Hypothesis profiles, named so that nothing depends on which one the environment would pick."""

from __future__ import annotations

import os

import torch
from hypothesis import HealthCheck, settings

# Without a GPU the kernel is interpreted; Triton looks when it is imported.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

_QUICK = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("ci", max_examples=60, derandomize=True, **_QUICK)
settings.register_profile("dev", max_examples=60, **_QUICK)
settings.register_profile("nightly", max_examples=2000, **_QUICK)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
