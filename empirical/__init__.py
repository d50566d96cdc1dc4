"""Localist GPT-2: blocks, dial, training, and measurements compared with the bounds of `theory`."""

import os

# OpenMP reads this once, when torch loads it. By default threads spin at every barrier. If another program holds
# a core, the last thread to arrive loses whole time slices, and a step takes ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
