"""What margin does one attention row need? Floats, arrays and exact answers."""

import numpy as np
from sympy import Rational

import localist

# A query sees 1,024 keys; 64 of them are its target block.
n, m = 1024, 64
needed = localist.margin_needed(n=n, m=m, leak=0.01)
print(f"a leak of at most 1 % needs a margin of {needed:.3f} nats")
print("exactly:", localist.margin_needed(n=n, m=m, leak=Rational(1, 100)))

for margin in np.linspace(0, 10, 6):
    leak = localist.leak_max(n=n, m=m, separation=margin)
    entropy = localist.entropy_max(n=n, m=m, separation=margin)
    print(f"margin {margin:4.1f}: leak at most {leak:.4f}, entropy at most {entropy:.3f} nats")

# The same leak by a dial, for a row whose fidelity is 0.9 without one.
print(f"dial for a fidelity of 0.99 from 0.9: {localist.dial_needed(fidelity=0.9, target=0.99):.4f}")
