"""Localist GPT-2: blocks, dial, training, and measurements compared with the bounds of `theory`."""

import os

# OpenMP reads these once, when torch loads it. Threads spin at every barrier, by default so long (300,000 turns) that a
# step is several times as slow if another program holds a core. Threads that sleep at once (the policy PASSIVE) are
# slow over the many short operations of a measured layer.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
