"""Conditions for a row's targets: a sufficient separation, and a necessary logit range."""

from __future__ import annotations

import math
from enum import Enum
from functools import lru_cache

from theory.design.guarantee import Design, Targets, guaranteed, margin_threshold
from theory.numbers.bounds import entropy_min

# Relative error of the float bounds, within which nothing is called impossible.
_CERTAIN = 1e-12


class Standing(Enum):
    """What a necessary and a sufficient condition together say."""

    GUARANTEED = "guaranteed"
    POSSIBLE = "possible"
    IMPOSSIBLE = "impossible"


@lru_cache(maxsize=65536)
def separation_needed(keys: int, block: int, targets: Targets) -> float:
    """Smallest separation, in nats, that guarantees every target; `inf` if none does, `-inf` if all do.

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


def row_standing(design: Design, targets: Targets, logit_range: float | None) -> Standing:
    """Whether every row, some row or no row of this separation and logit range can keep the targets (A3, A5).

    `logit_range` is the range of the softmax's inputs, over the temperature; without it nothing is impossible.
    """
    if guaranteed(design, targets):
        return Standing.GUARANTEED
    if logit_range is not None and targets.fidelity is not None:
        needed = separation_needed(design.keys, design.block, Targets(targets.fidelity))
        if logit_range < needed - _CERTAIN * (1 + abs(needed)):
            return Standing.IMPOSSIBLE
    if logit_range is not None and targets.entropy_bits is not None:
        least = float(entropy_min(design.keys, logit_range)) * (1 - _CERTAIN)
        if least > targets.entropy_bits * math.log(2):
            return Standing.IMPOSSIBLE
    return Standing.POSSIBLE
