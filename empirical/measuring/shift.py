"""Shift of a head's output with the dial, measured and predicted by B3 from the rows at dial 0.

`o_lam - o_0 = (F_lam - F_0)(vbar_B - vbar_C)`, with the attention-weighted mean values of block and complement at
dial 0, which do not depend on the dial. B1 gives `F_lam - F_0`. The prediction holds a layer's inputs fixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from empirical.attention.attention_call import AttentionCall
from empirical.measuring.rows import RowMeter, kept_rows
from theory.errors import DomainError
from theory.numbers.schedule_bounds import dial_gain

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """Lengths `(heads, rows)` of the measured shift, the predicted shift, and their vector difference."""

    measured: Array
    predicted: Array
    error: Array


class ShiftMeter:
    """Stores one batch's outputs at dial 0 and compares further passes over the same batch with them."""

    def __init__(self) -> None:
        self._outputs: dict[int, Tensor] = {}
        self._directions: dict[int, Tensor] = {}

    @torch.no_grad()
    def hold(self, call: AttentionCall) -> None:
        """Store a layer's call at dial 0. Raises DomainError at another dial."""
        if call.bias != 0:
            raise DomainError(f"the reference pass for shifts must have dial 0, its bias is {call.bias}")
        self._outputs[call.layer] = call.output
        self._directions[call.layer] = kept_rows(call, "block").output - kept_rows(call, "rest").output

    @torch.no_grad()
    def compare(self, call: AttentionCall, base_leak: Array, dials: Array, meter: RowMeter) -> Shift:
        """Shift of each row with a complement at `dials` `(heads,)`; `base_leak` `(heads, rows)` is that at dial 0."""
        if call.layer not in self._outputs:
            raise DomainError(f"layer {call.layer} has no pass at dial 0 to compare with")
        moved = meter.kept((call.output - self._outputs[call.layer]).double())
        # A leak rounded to 1 has infinite odds; the next smaller float has finite odds.
        gain = dial_gain(np.clip(base_leak, 0.0, np.nextafter(1.0, 0.0)), dials[:, None])
        guess = meter.kept(self._directions[call.layer].double()) * np.asarray(gain)[..., None]
        return Shift(*(np.linalg.norm(each, axis=-1) for each in (moved, guess, moved - guess)))
