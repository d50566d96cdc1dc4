"""Every row of the last layer with a key off its block: what H3 needs to know of it, and what the truncation does.

Each sequence runs twice, as the model is and with dial 1 in the last layer, which leaves every query its block alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from empirical.attention.attach import Attachment
from empirical.attention.attention_call import AttentionCall
from empirical.attention.schedule import LayerDial
from empirical.influence.distances import farthest_apart
from empirical.influence.divergence import divergence
from empirical.influence.rounding import EPS, Sized, end_error, length_error, logit_error, residual_error
from empirical.influence.tail import Tail
from empirical.measuring.rows import RowMeter, Rows
from empirical.measuring.subject import Subject
from theory.errors import DomainError

Array = NDArray[np.float64]
# Rows whose logits are compared at a time.
_ROWS = 128


@dataclass(frozen=True)
class LastRows:
    """Arrays `(rows,)`, and `(heads, rows)` for the leak and the distance.

    `leak` and `distance`, the largest of projected values (H1), are upper bounds. `before` and `after` are lower bounds
    on the lengths of the centred residuals before and after the MLP in the truncated pass. `moved` is the measured
    range of the logits' moves, within `moved_error`, and `divergence` the larger measured divergence of the two
    distributions, within `divergence_error` of that of the computed logits.
    """

    window: NDArray[np.int64]
    position: NDArray[np.int64]
    keys: Array
    block_keys: Array
    leak: Array
    distance: Array
    before: Array
    after: Array
    moved: Array
    moved_error: Array
    divergence: Array
    divergence_error: Array

    def truncation(self, bias: Array | float = 0.0) -> Array:
        """Bound on the length of what the layer's truncation moves: the sum over heads of leak times distance (H1).

        `bias`, of each row or of all, is one more on the block, which divides the odds of every leak by its exponential
        (B1).
        """
        leak = self.leak / (self.leak + (1 - self.leak) * np.exp(bias))
        return np.asarray((leak * self.distance).sum(0) * (1 + 2 * (len(leak) + 4) * EPS))

    @classmethod
    def joined(cls, parts: Sequence[LastRows]) -> LastRows:
        """The rows of several sequences."""
        names = [each.name for each in fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts], -1) for name in names})


@dataclass
class _Pass:
    """Logits, and the residuals before and after the MLP of the last layer, `(tokens, ...)`."""

    logits: Tensor
    residual: Tensor
    end: Tensor


@torch.no_grad()
def last_rows(subject: Subject, tail: Tail, number: int) -> LastRows:
    """The rows of one sequence. Raises DomainError if they are NaN."""
    last = subject.layers - 1
    calls: list[AttentionCall] = []
    meter, found = RowMeter(ranges=False), []

    def take(call: AttentionCall) -> None:
        if call.layer == last:
            found.append(meter(call))
            calls.append(call)

    whole = _run(subject, number, subject.dials, take)
    cut = _run(subject, number, [*subject.dials[:-1], 1.0])
    rows, call, places = found[0], calls[0], torch.from_numpy(meter.places)
    for values in (rows.leak, whole.logits, cut.logits):
        if not math.isfinite(float(values.sum())):
            raise DomainError(f"the attention of layer {last} or the logits are not a number: these weights diverged")
    longest = torch.linalg.vector_norm(call.value[0], dim=-1).amax(-1).cpu().numpy()
    known = np.isfinite(rows.errors.mass)
    with np.errstate(invalid="ignore"):
        leak = np.where(known, np.minimum(rows.leak * np.exp(rows.errors.mass) + rows.leak_floor, 1.0), 1.0)
    attended = _attended(rows, longest)
    lengths, logits = zip(*(_lengths(tail, each, places, attended) for each in (whole, cut)), strict=True)
    moved, diverged = _compared(whole.logits[places], cut.logits[places])
    return LastRows(
        np.full(len(places), number),
        meter.places,
        rows.keys[0],
        rows.block_keys[0],
        leak,
        _distances(tail, call, longest)[:, meter.places],
        lengths[1][0],
        lengths[1][1],
        moved,
        # Either pass moves the largest and the smallest move.
        2 * sum(logits) + 4 * EPS * moved,
        diverged,
        8 * (whole.logits.shape[-1] + 64) * EPS * moved,
    )


def _run(subject: Subject, number: int, dials: Sequence[LayerDial], on_call: Any = None) -> _Pass:
    window, blocks = subject.sequence(number)
    inner: Any = subject.model.transformer
    seen: list[Tensor] = []

    def keep(module: torch.nn.Module, args: tuple[Tensor, ...]) -> None:
        seen.append(args[0][0])

    with ExitStack() as opened:
        for module in (inner.h[-1].ln_2, inner.ln_f):
            opened.callback(module.register_forward_pre_hook(keep).remove)
        opened.enter_context(Attachment(subject.model, blocks, dials, on_call).attached())
        logits = subject.model(window.to(subject.model.device), use_cache=False).logits[0]
    return _Pass(logits, *seen)


def _attended(rows: Rows, longest: Array) -> Sized:
    """The heads' outputs together: means of values."""
    with np.errstate(invalid="ignore"):
        error = 8 * (rows.errors.mass + (rows.keys + 3) * EPS) * longest[:, None]
    return Sized(np.full(rows.leak.shape[1], longest.sum()), error.sum(0))


def _lengths(tail: Tail, done: _Pass, places: Tensor, attended: Sized) -> tuple[tuple[Array, Array], Array]:
    """Lower bounds on the centred lengths of both residuals, and the error of a logit."""
    residual, residual_centred = _sizes(done.residual[places])
    end, end_centred = _sizes(done.end[places])
    first = Sized(residual, residual_error(tail, attended, residual))
    second = Sized(end, end_error(tail, first, residual_centred, end))
    pairs = ((first, residual_centred), (second, end_centred))
    least = [np.maximum(size - each.error - length_error(tail.width, each.length), 0.0) for each, size in pairs]
    return (least[0], least[1]), logit_error(tail, second, end_centred)


def _sizes(states: Tensor) -> tuple[Array, Array]:
    """Lengths of the states, and of the states from their mean over the features."""
    centred = states - states.mean(-1, keepdim=True)
    whole, from_mean = (torch.linalg.vector_norm(each, dim=-1).cpu().numpy() for each in (states, centred))
    return whole, from_mean


def _distances(tail: Tail, call: AttentionCall, longest: Array) -> Array:
    """Bounds on the largest distances of projected values, `(heads, tokens)`."""
    maps = tail.value_maps()
    found = farthest_apart(call.value[0] @ maps, call.ids[0]).cpu().numpy()
    # Each projected value errs by a product's rounding.
    error = (maps.shape[1] + 4) * EPS * torch.linalg.matrix_norm(maps).cpu().numpy() * longest
    return np.where(found > 0, found + 2 * error[:, None], 0.0)


def _compared(before: Tensor, after: Tensor) -> tuple[Array, Array]:
    """Range of the logits' moves, and the larger divergence of the two distributions, per row."""
    ranges, diverged = [], []
    for one, other in zip(torch.split(before, _ROWS), torch.split(after, _ROWS), strict=True):
        moves = other - one
        ranges.append(moves.amax(-1) - moves.amin(-1))
        diverged.append(torch.maximum(divergence(one, moves), divergence(other, -moves)))
    return torch.cat(ranges).cpu().numpy(), torch.cat(diverged).cpu().numpy()
