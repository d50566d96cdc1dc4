"""Localist GPT-2: blocks, dial, training and measurement beside the bounds of `theory`."""

import os

# Read once, when torch loads OpenMP. By default threads spin at every barrier; where another program has one
# of the cores, the thread that is waited for loses whole time slices, and a step takes ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
