"""Dials for a whole model: what they do on a window, which of them cost least, and the schedules beside them."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from empirical.attention.attention_call import AttentionCall
from empirical.attention.block_kinds import Blocks
from empirical.attention.schedule import LayerDial, largest_for_mean, layer_dials
from empirical.calibration.curves import Curves
from empirical.calibration.fixed_inputs import decided
from empirical.measuring.passes import run_sequence
from empirical.measuring.rows import RowMeter
from theory.errors import DomainError
from theory.numbers.dial_costs import least_cost_on_grid

Array = NDArray[np.float64]
Dials = Sequence[LayerDial]

# Choices that are tried before every dial is set to 1, where all attention is on the block.
ROUNDS = 12
# Halvings of the range of biases, in nats, in which a schedule's smallest sufficient dial is looked for.
HALVINGS = 10
LARGEST_BIAS = 16.0
SHAPES = {"uniform": "localist", "linear": "linear", "cubic": "cubic", "quintic": "quintic"}


def window_outcome(
    model: PreTrainedModel, tokens: Tensor, blocks: Blocks, dials: Dials, fidelity: float
) -> dict[str, Array]:
    """Measured with these dials: `loss` (nats per token), and how many of the `rows` with a key off their block `met`
    the fidelity; `tokens` is `(1, context)`. Raises DomainError for undecided rows and a loss that is not a number.
    """
    meter, met, rows = RowMeter(ranges=False), 0, 0

    def take(call: AttentionCall) -> None:
        nonlocal met, rows
        found = decided(meter(call), call)
        met, rows = met + int(np.count_nonzero(found.fidelity >= fidelity)), rows + found.fidelity.size

    loss = run_sequence(model, tokens, blocks, dials, take).mean
    if not math.isfinite(loss):
        raise DomainError(f"the loss is {loss} nats per token: these weights diverged")
    return {"loss": np.array(loss), "met": np.array(met), "rows": np.array(rows)}


@dataclass(frozen=True)
class Outcome:
    """What dials do on several windows: mean loss in nats per token, and each window's share of rows that meet.

    A window without rows with a key off their block keeps every promise: its share is 1. `empty` counts these windows.
    """

    loss: float
    shares: tuple[float, ...]
    share: float
    empty: int = 0

    @property
    def least(self) -> int:
        """The window with the smallest share."""
        return int(np.argmin(self.shares))

    @classmethod
    def of(cls, windows: Sequence[dict[str, Array]]) -> Outcome:
        """The outcome of several windows, each as `window_outcome` gives it."""
        met, rows = (np.array([float(each[name]) for each in windows]) for name in ("met", "rows"))
        shares = tuple(np.divide(met, rows, out=np.ones_like(met), where=rows > 0).tolist())
        loss, share = float(np.mean([each["loss"] for each in windows])), float(met.sum() / max(1.0, rows.sum()))
        return cls(loss, shares, share if rows.any() else 1.0, int((rows == 0).sum()))


Measure = Callable[[Dials], Outcome]


def least_cost_plan(
    curves: Curves, layers: int, share: float, measure: Measure
) -> tuple[list[LayerDial], dict[str, Any]]:
    """Dials of least summed cost with which every window that `measure` knows keeps `share` of its rows.

    The curves hold each item's inputs fixed. Where the measured share of some window falls short, more rows are asked
    of the curves, up to `ROUNDS` times; then all dials are 1. If the smallest sufficient level as a uniform dial costs
    less, as measured, it is taken instead. Also returns, as plain JSON, how the choice was made. Raises DomainError if
    no row has a key off its block.
    """
    plan, about = _from_curves(curves, layers, share, measure)

    def keeps(level: float) -> bool:
        return min(measure([level] * layers).shares) >= share

    # Dial 1 keeps every row.
    place = bisect_left(curves.levels, True, key=keeps)
    uniform: list[LayerDial] = [curves.levels[min(place, len(curves.levels) - 1)]] * layers
    if measure(uniform).loss < measure(plan).loss:
        return uniform, about | {"from": "uniform dial", "predicted": None, "no_choice_below": None}
    return plan, about


def _from_curves(curves: Curves, layers: int, share: float, measure: Measure) -> tuple[list[LayerDial], dict[str, Any]]:
    total = int(curves.rows.sum())
    if not total:
        raise DomainError("no row of the windows that choose the dials has keys off its block: give smaller blocks")
    needed = math.ceil(share * total)
    about: dict[str, Any] = {}
    for tried in range(1, ROUNDS + 1):
        choice = least_cost_on_grid(curves.losses, curves.met, needed)
        plan = curves.dials(choice.levels, layers)
        about = {"from": "curves", "rounds": tried, "rows_asked": needed / total}
        missing = share - min(measure(plan).shares)
        if missing <= 0:
            return plan, about | {"predicted": choice.total, "no_choice_below": choice.lower_bound}
        if needed == total:
            break
        needed = min(total, needed + max(1, math.ceil(missing * total)))
    return [1.0] * layers, about | {"from": "hard mask", "predicted": None, "no_choice_below": None}


def schedule_plans(
    layers: int, mean: float, share: float, measure: Measure
) -> list[tuple[str, str, list[float] | str]]:
    """Schedules beside the plan: name, at equal mean dial or equal promise, and their dials, or why there are none.

    At equal promise the largest dial is the smallest, to `HALVINGS` halvings of its bias, with which every window that
    `measure` knows keeps `share` of its rows.
    """
    found: list[tuple[str, str, list[float] | str]] = []
    for name, shape in SHAPES.items():
        try:
            found.append((name, "mean dial", layer_dials(shape, layers, largest_for_mean(shape, layers, mean))))
        except DomainError as error:
            found.append((name, "mean dial", str(error)))
        dials = _sufficient(shape, layers, share, measure)
        if dials is None:
            least = min(measure(layer_dials(shape, layers, 1.0)).shares)
            found.append((name, "promise", f"with largest dial 1 a window keeps only {least:.4f} of its rows"))
        else:
            found.append((name, "promise", dials))
    return found


def _sufficient(shape: str, layers: int, share: float, measure: Measure) -> list[float] | None:
    def dials(bias: float) -> list[float]:
        return layer_dials(shape, layers, -math.expm1(-bias))

    def keeps(bias: float) -> bool:
        return min(measure(dials(bias)).shares) >= share

    if keeps(0.0):
        return dials(0.0)
    if not keeps(math.inf):
        return None
    if not keeps(LARGEST_BIAS):
        return dials(math.inf)
    low, high = 0.0, LARGEST_BIAS
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if keeps(middle) else (middle, high)
    return dials(high)
