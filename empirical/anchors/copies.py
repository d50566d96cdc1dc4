"""D4's interval of copies of an anchor, beside the copies that blocks have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from empirical.anchors.choice import Choice
from empirical.anchors.labelled import LabelledBlocks
from theory.errors import DomainError
from theory.numbers.anchor_bounds import CopyInterval, copies_allowed
from theory.numbers.checked import positive

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class CopyTargets:
    """What D4 is asked: a leak, an entropy in nats, and `others`, the keys of a row besides its anchors.

    Exactly one of the two is given: `separation` in nats, or the `scale` that multiplies D1's margin.
    """

    leak: float
    entropy: float
    others: int
    separation: float | None
    scale: float | None

    def interval(self, separation: float) -> CopyInterval:
        """The numbers of copies that keep both targets at this separation. Raises DomainError."""
        return copies_allowed(self.others, separation, self.leak, self.entropy)


def copy_targets(
    leak: float | None,
    entropy: float | None,
    others: int | None,
    separation: float | None,
    scale: float | None,
    has_model: bool,
) -> CopyTargets | None:
    """The question to D4, None if nothing of it is given. Raises DomainError for a part of it, or a bad value."""
    if (leak, entropy, others, separation, scale) == (None,) * 5:
        return None
    if leak is None or entropy is None or others is None or (separation is None) == (scale is None):
        raise DomainError("D4 takes all of --leak, --entropy and --others, and one of --separation and --scale")
    if scale is not None:
        positive("scale", scale)
        if not has_model:
            raise DomainError(f"scale {scale:g} multiplies D1's margin, which takes embeddings: give --model too")
    targets = CopyTargets(leak, entropy, others, separation, scale)
    # Refuses bad values before the search for anchors.
    targets.interval(0.0 if separation is None else separation)
    return targets


def copies(blocks: LabelledBlocks, choice: Choice, targets: CopyTargets, margin: float | None) -> dict[str, Any]:
    """D4's interval and the copies in each block, as plain JSON; `margin` is D1's per unit of scale, None if unknown.

    A copy is a token of the block that is a confirmed anchor of the block's label. Without a separation there is no
    interval, and what depends on it is None.
    """
    separation = targets.separation
    if targets.scale is not None and margin is not None:
        separation = targets.scale * margin
    allowed = None if separation is None else targets.interval(separation)
    inside = None if allowed is None else allowed.both
    found = measured_copies(blocks, choice)
    lies: NDArray[np.bool_] | None = None
    if allowed is not None:
        # An empty interval holds no number.
        least, most = inside or (1, 0)
        lies = (found >= least) & (found <= most)
    return {
        "leak": targets.leak,
        "entropy": targets.entropy,
        "others": targets.others,
        "scale": targets.scale,
        "separation": separation,
        "for_leak": None if allowed is None else allowed.for_leak,
        "for_entropy": None if allowed is None or allowed.for_entropy is None else list(allowed.for_entropy),
        "both": None if inside is None else list(inside),
        "measured": _measured(found, lies, np.full(len(found), True)),
        "labels": [{"label": name} | _measured(found, lies, blocks.labels == i) for i, name in enumerate(blocks.names)],
    }


def measured_copies(blocks: LabelledBlocks, choice: Choice) -> Whole:
    """For each block, how many of its tokens are confirmed anchors of its label."""
    found = np.zeros(len(blocks.labels), dtype=np.int64)
    for label in range(len(blocks.names)):
        own = choice.tokens[choice.confirmed & (choice.first.labels == label)]
        here = blocks.labels == label
        found[here] = blocks.counts[here][:, own].sum(1)
    return found


def _measured(found: Whole, lies: NDArray[np.bool_] | None, here: NDArray[np.bool_]) -> dict[str, Any]:
    """Mean and range of the copies in these blocks, and in how many of them they lie inside the interval."""
    return {
        "blocks": int(here.sum()),
        "mean": float(found[here].mean()),
        "least": int(found[here].min()),
        "most": int(found[here].max()),
        "inside": None if lies is None else int(lies[here].sum()),
    }
