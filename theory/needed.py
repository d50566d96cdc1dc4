"""The separation that a row's targets need, so that whole runs and grids compare one number a row (A3, A4)."""

from __future__ import annotations

import math
from functools import lru_cache

from theory.guarantee import Design, Targets, margin_threshold


@lru_cache(maxsize=65536)
def separation_needed(keys: int, block: int, targets: Targets) -> float:
    """Smallest separation, in nats, from which on every target is guaranteed; `inf` if none is, `-inf` if all are.

    It is the smallest float for which the decision in exact arithmetic is yes.
    """
    if not targets.any:
        return -math.inf
    needed = -math.inf
    for one in (Targets(fidelity=targets.fidelity), Targets(entropy_bits=targets.entropy_bits)):
        if one.any:
            threshold = margin_threshold(Design(keys, block, margin=0.0), one)
            always = threshold.reason.startswith("every margin")
            needed = max(needed, threshold.value if threshold.value is not None else -math.inf if always else math.inf)
    return needed
