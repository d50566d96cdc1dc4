"""The answer of `localist check` for one attention row: bounds, thresholds for the targets, and the decision."""

from __future__ import annotations

import math
from dataclasses import dataclass

from theory.design.cards import row_card
from theory.design.guarantee import (
    Design,
    Targets,
    Threshold,
    dial_threshold,
    guaranteed,
    margin_threshold,
    penalty_threshold,
)
from theory.display import Card, Displayed
from theory.errors import DomainError
from theory.numbers import bounds
from theory.numbers.checked import MOST_KEYS, abbreviated, shown


@dataclass(frozen=True, repr=False)
class RowCheck(Displayed):
    """The answer: the design and targets as given, the bounds in nats, the thresholds, and the decision."""

    design: Design
    logit_range: float | None
    targets: Targets
    separation: float
    bounds: dict[str, float | None]
    thresholds: dict[str, Threshold]
    guaranteed: bool | None

    def card(self) -> Card:
        """What a notebook shows."""
        return row_card(self)

    def to_json(self) -> dict[str, object]:
        """The object that `--json` prints."""
        design, targets = self.design, self.targets
        return {
            "inputs": {
                "keys": design.keys,
                "block": design.block,
                "margin": design.margin,
                "temperature": design.temperature,
                "penalty": design.penalty,
                "dial": design.dial,
                "logit_range": self.logit_range,
                "target_fidelity": targets.fidelity,
                "target_entropy_bits": targets.entropy_bits,
            },
            "bounds": self.bounds,
            "thresholds": {name: threshold.value for name, threshold in self.thresholds.items()},
            "guaranteed": self.guaranteed,
        }


def check_row(design: Design, targets: Targets, logit_range: float | None = None) -> RowCheck:
    """Bounds of A2, A4 and A5 at the design's separation, and the thresholds of A3, A4 and B4 for the targets.

    `logit_range` is the range of the scores that the softmax sees, over the temperature. Raises `DomainError` for a
    value outside its domain.
    """
    _validate(design, targets, logit_range)
    n, m = design.keys, design.block
    separation = design.nats()
    values: dict[str, float | None] = {
        "leak_max": float(bounds.leak_max(n, m, separation)),
        "fidelity_min": float(bounds.fidelity_min(n, m, separation)),
        "entropy_max_nats": float(bounds.entropy_max(n, m, separation)),
        "entropy_min_nats": None if logit_range is None else float(bounds.entropy_min(n, logit_range)),
    }
    thresholds = {
        "margin": margin_threshold(design, targets),
        "penalty": penalty_threshold(design, targets),
        "dial": dial_threshold(design, targets),
    }
    decision = guaranteed(design, targets) if targets.any else None
    return RowCheck(design, logit_range, targets, separation, values, thresholds, decision)


def _validate(design: Design, targets: Targets, logit_range: float | None) -> None:
    named = {
        "margin": design.margin,
        "temperature": design.temperature,
        "penalty": design.penalty,
        "dial": design.dial,
        "logit range": logit_range,
        "target fidelity": targets.fidelity,
        "target entropy": targets.entropy_bits,
    }
    for name, value in named.items():
        if value is not None and not math.isfinite(value):
            raise DomainError(f"{name}={value} must be finite")
    if not 2 <= design.keys <= MOST_KEYS:
        raise DomainError(f"keys={abbreviated(design.keys)} must be at least 2 and at most {MOST_KEYS}")
    if not 1 <= design.block < design.keys:
        raise DomainError(f"block={abbreviated(design.block)} must satisfy 1 <= block < keys={design.keys}")
    if not design.temperature > 0:
        raise DomainError(f"temperature={shown(design.temperature)} must be positive")
    if design.penalty < 0:
        raise DomainError(f"penalty={shown(design.penalty)} must be at least 0")
    if not 0 <= design.dial < 1:
        raise DomainError(f"dial={shown(design.dial)} must lie in [0, 1); 1 is the hard mask, whose leak is 0")
    if logit_range is not None and logit_range < 0:
        raise DomainError(f"logit range={shown(logit_range)} must be at least 0")
    # Only roundings of the separation are forgiven.
    if logit_range is not None and abs(design.nats()) > logit_range * (1 + 1e-12):
        raise DomainError(
            f"logit range={shown(logit_range)} must be at least {abs(design.nats()):.6g}, the size of the row's "
            "separation: no row of a smaller range has it"
        )
    if targets.fidelity is not None and not 0 < targets.fidelity < 1:
        raise DomainError(f"target fidelity={shown(targets.fidelity)} must lie in (0, 1)")
    if targets.entropy_bits is not None and targets.entropy_bits < 0:
        raise DomainError(f"target entropy={shown(targets.entropy_bits)} bits must be at least 0")
