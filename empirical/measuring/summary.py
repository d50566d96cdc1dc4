"""Summary of one layer's rows per head, accumulated batch by batch in fixed memory.

Counts, smallest and largest values are exact, means come from float64 sums, and quantiles from `quantiles`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from empirical.measuring.checks import Check, check_rows, limited
from empirical.measuring.passes import Batch
from empirical.measuring.quantiles import Quantiles
from empirical.measuring.records import BOUNDS, COLUMNS, FEW_QUANTILES, QUANTILES, QUANTITIES
from empirical.measuring.rows import Rows
from theory.errors import DomainError
from theory.numbers import bounds

Array = NDArray[np.float64]

FIDELITY_BOUND = "fidelity_margin"


@dataclass(frozen=True)
class Judged:
    """A batch's rows with their bounds and predictions; arrays `(heads, rows)`."""

    batch: Batch

    @cached_property
    def checks(self) -> dict[str, Check]:
        """Check of every bound in `records.BOUNDS`."""
        return check_rows(self.batch.rows)

    @cached_property
    def violated(self) -> NDArray[np.bool_]:
        """Rows that violate at least one bound."""
        return np.asarray(np.any([check.violated for check in self.checks.values()], axis=0))

    @cached_property
    def least_fidelity(self) -> Array:
        """Smallest fidelity at the margin (A2)."""
        rows = self.batch.rows
        return np.asarray(bounds.fidelity_min(rows.keys, rows.block_keys, limited(rows.margin)))

    @cached_property
    def predicted(self) -> tuple[Array, Array] | None:
        """Fidelity and entropy predicted from the rows at dial 0, None without those."""
        return None if self.batch.base is None else predicted(self.batch.base, self.batch.dials)


def predicted(base: Rows, dials: Array) -> tuple[Array, Array]:
    """Fidelity (B1) and entropy in nats (B2) of each row at the heads' `dials`, from its numbers at dial 0."""
    if base.conditional_block is None or base.conditional_rest is None:
        raise DomainError("the dial-0 pass must be measured with conditionals=True")
    whole = base.fidelity + base.leak
    leak = bounds.dialled_leak(np.clip(base.leak / whole, 0.0, np.nextafter(1.0, 0.0)), dials[:, None])
    binary = np.where(leak > 0, -leak * np.log(np.where(leak > 0, leak, 1.0)), 0.0) - (1 - leak) * np.log1p(-leak)
    return 1 - leak, binary + (1 - leak) * base.conditional_block + leak * base.conditional_rest


# Series with recorded distributions: quantities, values of bounds, distances from bounds.
SERIES = (
    *QUANTITIES,
    f"bound_{FIDELITY_BOUND}",
    *(f"bound_{name}" for name in BOUNDS),
    *(f"slack_{name}" for name in BOUNDS),
)


class LayerSummary:
    """Accumulates the records of one layer with these `dials` of its heads, from `total` rows per head.

    Stores at most `capacity` numbers per series.
    """

    def __init__(self, layer: int, dials: Array, total: int, capacity: int) -> None:
        self._layer, self._heads, self._dials = layer, len(dials), dials
        heads = self._heads
        self._quantiles = Quantiles(len(SERIES) * heads, total, capacity)
        shape = (len(SERIES), heads)
        self._sum, self._low, self._high = np.zeros(shape), np.full(shape, np.inf), np.full(shape, -np.inf)
        # Per head: counts, largest errors, sums of predictions and largest distances from them.
        self._counts = {name: np.zeros(heads, dtype=np.int64) for name in ("violations", "undecided", *BOUNDS)}
        self._largest: dict[str, Array] = {}
        self._sums: dict[str, Array] = {}

    @property
    def quantiles(self) -> Quantiles:
        """The quantiles of all series."""
        return self._quantiles

    def add(self, judged: Judged) -> None:
        """Add one batch's rows."""
        rows, batch = judged.batch.rows, judged.batch
        values = [getattr(rows, name) for name in QUANTITIES]
        values += [judged.least_fidelity]
        values += [judged.checks[name].bound for name in BOUNDS]
        values += [judged.checks[name].slack for name in BOUNDS]
        series = np.stack([np.broadcast_to(each, rows.leak.shape) for each in values])
        with np.errstate(invalid="ignore"):
            # Infinities of both signs add up to NaN; such a mean is not recorded.
            self._sum += series.sum(-1)
        self._low = np.minimum(self._low, series.min(-1))
        self._high = np.maximum(self._high, series.max(-1))
        self._quantiles.add(series.reshape(-1, series.shape[-1]))
        self._count("violations", judged.violated)
        self._count("undecided", rows.undecided)
        for name in BOUNDS:
            self._count(name, judged.checks[name].violated)
        self._keep_largest("tolerance_entropy_max", rows.errors.entropy)
        self._keep_largest("tolerance_leak_max", rows.errors.mass)
        if judged.predicted is not None:
            fidelity, entropy = judged.predicted
            self._add_up("predicted_fidelity", fidelity)
            self._add_up("predicted_entropy", entropy)
            self._keep_largest("prediction_error_fidelity", np.abs(fidelity - rows.fidelity))
            self._keep_largest("prediction_error_entropy", np.abs(entropy - rows.entropy))
        if batch.shift is not None:
            self._add_up("shift_mean", batch.shift.measured)
            self._add_up("predicted_shift", batch.shift.predicted)
            self._keep_largest("prediction_error_shift", batch.shift.error)

    def records(self, dial_largest: float) -> list[dict[str, Any]]:
        """One record of `records.COLUMNS` per head."""
        count = self._quantiles.count
        kept = self._quantiles.at(list(QUANTILES.values())).reshape(len(SERIES), self._heads, -1)
        found = []
        for head in range(self._heads):
            record: dict[str, Any] = dict.fromkeys(COLUMNS, math.nan)
            record |= {
                "layer": self._layer,
                "head": head,
                "dial_largest": dial_largest,
                "dial": float(self._dials[head]),
            }
            record |= {"rows": count}
            record |= {name: int(self._counts[name][head]) for name in ("violations", "undecided")}
            record |= {f"violations_{name}": int(self._counts[name][head]) for name in BOUNDS}
            record |= {name: _finite(each[head]) for name, each in self._largest.items()}
            record |= {name: each[head] / count for name, each in self._sums.items()}
            for index, name in enumerate(SERIES):
                at = dict(zip(QUANTILES, kept[index, head], strict=True))
                low, high, mean = self._low[index, head], self._high[index, head], self._sum[index, head] / count
                if name in QUANTITIES:
                    at |= {"mean": mean, "min": low, "max": high}
                    # Infinite under the hard mask; a mean over only some rows would mislead.
                    whole = np.isfinite([low, high]).all()
                    record |= {f"{name}_{label}": value if whole else math.nan for label, value in at.items()}
                    continue
                record |= {f"{name}_{label}": at[label] for label in FEW_QUANTILES}
                record |= {f"{name}_min": low} if name.startswith("slack_") else {name: mean}
            found.append(record)
        return found

    def _count(self, name: str, which: NDArray[np.bool_]) -> None:
        self._counts[name] += which.sum(-1)

    def _add_up(self, name: str, values: Array) -> None:
        self._sums[name] = self._sums.get(name, np.zeros(self._heads)) + values.sum(-1)

    def _keep_largest(self, name: str, values: Array) -> None:
        self._largest[name] = np.maximum(self._largest.get(name, np.zeros(self._heads)), values.max(-1))


def _finite(value: float) -> float:
    return float(value) if math.isfinite(value) else math.nan
