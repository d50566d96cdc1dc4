"""What each layer's or head's dial costs and brings, its inputs held fixed: the curves from which dials are chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from empirical.attention.block_kinds import Blocks
from empirical.attention.schedule import LayerDial
from empirical.calibration.fixed_inputs import fixed_inputs
from theory.numbers import bounds

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Item:
    """What one curve is about: a layer, or one `head` of it out of `heads`."""

    layer: int
    heads: int
    head: int | None = None

    def dial(self, value: float) -> LayerDial:
        """The layer's dial with this item at `value` and every other head at 0."""
        if self.head is None:
            return value
        return tuple(value if head == self.head else 0.0 for head in range(self.heads))


@dataclass(frozen=True)
class Curves:
    """Curves of `items` over the dials `levels`, the first of which is 0.

    `losses` `(items, levels)` are the mean changes of the loss in nats per token, `met` `(items, levels)` the numbers
    of rows that reach the fidelity, out of `rows` `(items,)`.
    """

    items: tuple[Item, ...]
    levels: tuple[float, ...]
    losses: Array
    met: NDArray[np.int64]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, items: Sequence[Item], levels: Sequence[float], windows: Sequence[Mapping[str, Array]]) -> Curves:
        """The curves of several windows, each as `window_curves` gives them."""
        losses = np.mean([each["losses"] - each["losses"][:, :1] for each in windows], axis=0)
        met, rows = (np.sum([each[name] for each in windows], axis=0) for name in ("met", "rows"))
        return cls(tuple(items), tuple(levels), losses, met, rows)

    def dials(self, chosen: Sequence[int], layers: int) -> list[LayerDial]:
        """The dials of all layers, from the index of each item's level; 0 in a layer without items."""
        found: list[LayerDial] = [0.0] * layers
        values = [self.levels[index] for index in chosen]
        for item, value in zip(self.items, values, strict=True):
            if item.head is None:
                found[item.layer] = value
            else:
                of_layer = [v for other, v in zip(self.items, values, strict=True) if other.layer == item.layer]
                found[item.layer] = tuple(of_layer)
        return found


def window_curves(
    model: PreTrainedModel,
    tokens: Tensor,
    blocks: Blocks,
    levels: Sequence[float],
    fidelity: float,
    per_head: bool,
    tick: Callable[[], None],
) -> dict[str, Array]:
    """One window's `losses` (nats per token), `met` and `rows`, as in `Curves`; `layer` and `heads` of each item.

    `tokens` is `(1, context)`. The first of the `levels` must be 0. Which rows reach the fidelity follows by B1 from
    the plain pass; the losses are measured. `tick` is called after each pass.
    """
    found: dict[str, list[object]] = {name: [] for name in ("losses", "met", "rows", "layer", "heads")}
    with fixed_inputs(model, tokens, blocks) as fixed:
        tick()
        for layer, leaks in sorted(fixed.leaks.items()):
            heads = len(leaks)
            for item in items_of(layer, heads, per_head):
                own = leaks if item.head is None else leaks[item.head]
                losses = [fixed.loss]
                for level in levels[1:]:
                    losses.append(fixed.loss_at(layer, item.dial(level)))
                    tick()
                found["losses"].append(losses)
                found["met"].append([_met(own, level, fidelity) for level in levels])
                found["rows"].append(own.size)
                found["layer"].append(layer)
                found["heads"].append(heads)
    return {name: np.array(values) for name, values in found.items()}


def items_of(layer: int, heads: int, per_head: bool) -> list[Item]:
    """The items of a layer: itself, or each of its heads."""
    return [Item(layer, heads, head) for head in range(heads)] if per_head else [Item(layer, heads)]


def _met(leaks: Array, dial: float, fidelity: float) -> int:
    """Rows of these leaks at dial 0 that reach the fidelity at this dial (B1)."""
    # A leak rounded to 1 has infinite odds; the next smaller float has finite odds.
    moved = bounds.dialled_leak(np.clip(leaks, 0.0, np.nextafter(1.0, 0.0)), dial)
    return int(np.count_nonzero(1 - np.asarray(moved) >= fidelity))
