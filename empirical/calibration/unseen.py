"""What the windows that were not used to choose the dials say of windows not yet seen (theory.md H5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theory.errors import DomainError
from theory.numbers.unseen import conformal_level, conformal_rank, violation_count_max, violation_share_max


def unseen_windows(shares: Sequence[float], promised: float, confidence: float, population: int) -> dict[str, Any]:
    """Bounds from each checked window's share of rows that reach the fidelity; a window below `promised` violates.

    `population` is the number of windows of the text that were not used to choose the dials; the checked ones are drawn
    from them at random without replacement. Plain JSON:

    - `of_this_text`: at most so many of the `population` violate, at the confidence. Assumes the random draw alone.
    - `share_at_most`: the share of violating windows of a source from which the checked ones are independent draws.
    - `new_window`: the least share of rows that a new window reaches with at least this probability, if it is
      exchangeable with the checked ones; None where there are too few of them, with the reason.
    """
    windows, violations = len(shares), sum(share < promised for share in shares)
    found: dict[str, Any] = {
        "confidence": confidence,
        "windows": windows,
        "violations": violations,
        "population": population,
        "of_this_text": violation_count_max(violations, windows, population, confidence),
        "share_at_most": float(violation_share_max(violations, windows, confidence)),
        "new_window": None,
    }
    try:
        rank = conformal_rank(windows, confidence)
    except DomainError as error:
        return found | {"no_new_window": str(error)}
    share = sorted(shares)[rank - 1]
    return found | {"new_window": {"rank": rank, "share": share, "probability": conformal_level(windows, rank)}}
