"""What a head's weights and dial guarantee for every text of at most so many tokens, in every row that occurs (A7).

The weights bound how far a key off the block can exceed one in it (`weight_range`); the dial adds its bias (B1). So the
separation is at least the bias less that deficit, and A2 and A4 bound fidelity and entropy at the row that binds.
The decisions are exact (`theory/design/guarantee.py`); only the bounds printed beside them are floats, rounded outward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from empirical.attention.schedule import dial_bias
from empirical.audit.promises import Promise
from empirical.audit.weight_range import HeadRange
from theory.design.causal_rows import CausalRows
from theory.design.guarantee import Design, Targets, dial_threshold, guaranteed
from theory.design.promise import Promise as RowPromise
from theory.design.promise import Setting, entropy_most
from theory.numbers import bounds

# The float bounds promise a relative error of 1e-12.
_OUTWARD = 1e-11
_SINK = "how far a sink raises the entropy is not decided"


@dataclass(frozen=True)
class HeadGuarantee:
    """What holds of one head in every row of `rows`; `dial` is its own."""

    rows: CausalRows
    range: HeadRange
    dial: float

    @property
    def fidelity_min(self) -> float | None:
        """A fidelity that no row is below; None if nothing is decided."""
        if self.dial == 1:
            return 1.0
        if self.range.deficit is None:
            return None
        row = self.rows.farthest
        separation = dial_bias(self.dial) - self.range.deficit
        found = float(bounds.fidelity_min(row.keys + self._sinks, row.own, separation))
        return found * (1 - _OUTWARD)

    @property
    def entropy_max(self) -> float:
        """An entropy in nats that no row exceeds; where the scores decide nothing, that of equal scores of all keys."""
        if self.dial == 1:
            return math.log(self.rows.most) * (1 + _OUTWARD)
        if self.range.deficit is None or self._sinks:
            return math.log(self.rows.context + 1) * (1 + _OUTWARD)
        separation = dial_bias(self.dial) - self.range.deficit
        found = max(float(entropy_most(row, separation)) for row in self.rows.entropy_candidates())
        return found * (1 + _OUTWARD)

    def keeps(self, promise: Promise) -> bool | None:
        """Whether every row certainly keeps the promise; None where nothing is decided, with `why`."""
        if self.dial == 1:
            return promise.quantity == "fidelity" or self.entropy_max <= promise.value
        if self.why(promise):
            # Of any row, one key of a sink included.
            return True if promise.quantity == "entropy" and self.entropy_max <= promise.value else None
        if promise.quantity == "fidelity":
            return guaranteed(self._design(self.dial), Targets(promise.value))
        return self._rows(promise).kept(self._setting(self.dial))

    def why(self, promise: Promise | None = None) -> str:
        """Why nothing is decided; empty where something is."""
        if self.dial == 1:
            return ""
        if self.range.reason:
            return self.range.reason
        return _SINK if self._sinks and promise is not None and promise.quantity == "entropy" else ""

    def dial_needed(self, promise: Promise) -> float | None:
        """The smallest dial below 1 that would guarantee the promise, from the weights; None if there is none."""
        if self.range.deficit is None or self.why(promise):
            return None
        if promise.quantity == "entropy":
            return self._rows(promise).smallest_dial(self._setting(0.0))
        # Every fidelity below 1 has a threshold, and float64 may lack it.
        return None if promise.value == 1 else dial_threshold(self._design(0.0), Targets(promise.value)).value

    def bias_needed(self, promise: Promise) -> float | None:
        """The bias on the block's scores, in nats, that would guarantee a fidelity below 1; None for others."""
        if self.range.deficit is None or promise.quantity == "entropy" or promise.value == 1:
            return None
        row = self.rows.farthest
        # The threshold of A3 in nats, beyond the deficit.
        others = math.log((row.others + self._sinks) / row.own)
        threshold = others + math.log(promise.value) - math.log1p(-promise.value)
        return max(0.0, threshold + self.range.deficit) * (1 + _OUTWARD)

    @property
    def _sinks(self) -> int:
        return int(self.range.sink is not None)

    def _design(self, dial: float) -> Design:
        row = self.rows.farthest
        return Design(row.keys + self._sinks, row.own, -(self.range.deficit or 0.0), dial=dial, at_least=True)

    def _setting(self, dial: float) -> Setting:
        return Setting(-(self.range.deficit or 0.0), dial=dial)

    def _rows(self, promise: Promise) -> RowPromise:
        # Targets are in bits; rounded down, so that nothing is called kept by rounding.
        return RowPromise(self.rows, Targets(None, promise.value / math.log(2) * (1 - 1e-15)))


def rows_that_occur(kind: str, block: int, context: int) -> CausalRows:
    """The rows of every text of at most `context` tokens; blocks that follow the text may have any lengths.

    >>> rows_that_occur("windows", 64, 1024).farthest
    Row(keys=961, own=1)
    >>> rows_that_occur("sentences", 64, 1024).farthest
    Row(keys=1024, own=1)
    """
    return CausalRows(context, block, block) if kind == "windows" else CausalRows(context, 1, context)
