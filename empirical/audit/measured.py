"""What a text shows: every row of the chosen windows, against the bounds, the promises and the range of the weights.

Rows come from the same pass as `localist measure`'s, with the model's own dials. Only rows with a key off their block
count. A row keeps a promise if it does so whatever its rounding error, breaks it if it does so whatever that is, and is
undecided between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from empirical.attention.schedule import dial_bias
from empirical.audit.exceptions import Exceptions
from empirical.audit.promises import Promise
from empirical.audit.weight_range import HeadRange
from empirical.measuring.measure import kept_numbers
from empirical.measuring.passes import Batch, own_windows, tracked
from empirical.measuring.records import BOUNDS
from empirical.measuring.rows import Rows
from empirical.measuring.subject import Subject
from empirical.measuring.summary import Judged, LayerSummary
from theory.errors import DomainError
from theory.numbers.checked import as_written

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Relative error of comparisons with a promise's value.
_NEAR = 1e-12


@dataclass
class PromiseRows:
    """Rows that keep a promise, break it or leave it undecided, in each window: `(windows, 3)`."""

    counts: NDArray[np.int64]

    @property
    def total(self) -> tuple[int, int, int]:
        """Kept, broken and undecided rows of all windows."""
        kept, broken, undecided = self.counts.sum(0).tolist()
        return kept, broken, undecided

    @property
    def shares(self) -> list[float]:
        """Share of each window's rows that keep it; 1 for a window without rows."""
        whole = self.counts.sum(1)
        return np.where(whole > 0, self.counts[:, 0] / np.maximum(whole, 1), 1.0).tolist()  # type: ignore[no-any-return]


@dataclass
class Measured:
    """Summaries by layer, and what became of each promise; `loss` is in nats per token."""

    layers: dict[int, LayerSummary] = field(default_factory=dict)
    promises: list[PromiseRows] = field(default_factory=list)
    beyond: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    widest: dict[int, Array] = field(default_factory=dict)
    loss: float = 0.0


def measure_rows(
    subject: Subject,
    windows: Sequence[int],
    promises: Sequence[Promise],
    ranges: Sequence[Sequence[HeadRange]],
    exceptions: Exceptions,
    text_of: Callable[[int], str],
    progress: bool,
) -> Measured:
    """Measure these windows. Raises DomainError for a promise about heads without rows."""
    for promise in promises:
        check_named(promise, subject)
    found = Measured(promises=[PromiseRows(np.zeros((len(windows), 3), np.int64)) for _ in promises])
    measure = own_windows(subject.model, subject.windows, subject.dials, blocks=subject.blocks, block=subject.block)
    total = len(windows) * subject.windows.shape[1]
    capacity = kept_numbers(subject.layers, subject.heads, total)
    loss = tokens = 0.0
    for place, number in enumerate(tracked(list(windows), "audit", progress)):

        def take(batch: Batch, place: int = place) -> None:
            if not batch.rows.leak.shape[1]:
                return
            layer, judged = batch.layer, Judged(batch)
            if layer not in found.layers:
                found.layers[layer] = LayerSummary(layer, batch.dials, total, capacity)
                found.beyond[layer] = np.zeros(len(batch.dials), np.int64)
                found.widest[layer] = np.full(len(batch.dials), -np.inf)
            found.layers[layer].add(judged)
            exceptions.add(_against_bounds(judged, text_of))
            found.widest[layer] = np.maximum(found.widest[layer], batch.rows.logit_range.max(-1))
            beyond = beyond_weights(batch, ranges[layer])
            found.beyond[layer] += beyond.sum(-1)
            exceptions.add(_listed(batch, beyond, "bound", "range of the weights", batch.rows.logit_range, text_of))
            for rows, promise in zip(found.promises, promises, strict=True):
                rows.counts[place] += _against(promise, batch, exceptions, text_of)

        each = measure(number, take)
        loss, tokens = loss + each.total, tokens + each.count
    found.loss = loss / tokens
    for rows, promise in zip(found.promises, promises, strict=True):
        _check_rows(promise, found, rows)
    return found


def standing(promise: Promise, rows: Rows, dials: Array) -> tuple[Array, Mask, Mask]:
    """Value of each row `(heads, rows)`, and the rows that certainly keep and certainly break the promise."""
    undecided = rows.undecided
    if promise.quantity == "entropy":
        error = np.where(undecided, np.inf, rows.errors.entropy)
        limit = promise.value * (1 + _NEAR)
        return rows.entropy, rows.entropy + error <= limit, rows.entropy - error > limit
    # Fidelity and leak are summed apart, so each decides where it is the smaller.
    allowed = float(1 - as_written(promise.value))
    spread = np.exp(np.where(undecided, 0.0, rows.errors.mass))
    most = rows.leak * spread + rows.leak_floor
    # The mask of dial 1 leaves nothing off the block.
    most = np.where((dials[:, None] == 1) & (rows.leak == 0), 0.0, most)
    kept = (most <= allowed * (1 + _NEAR)) | (rows.fidelity / spread >= promise.value * (1 - _NEAR))
    broken = rows.leak / spread > allowed * (1 + _NEAR)
    broken |= rows.fidelity * spread + rows.leak_floor < promise.value * (1 - _NEAR)
    return rows.fidelity, kept & ~undecided, broken & ~kept & ~undecided


def beyond_weights(batch: Batch, ranges: Sequence[HeadRange]) -> Mask:
    """Rows whose range certainly exceeds what the weights allow, so that the bound or its reading is wrong."""
    biases = np.array([0.0 if dial == 1 else dial_bias(dial) for dial in batch.dials])
    spread = np.array([np.inf if each.spread is None else each.spread for each in ranges])
    # Under the hard mask the range is infinite and says nothing.
    rows, measured = batch.rows, np.isfinite(batch.rows.logit_range)
    least = np.where(measured, rows.logit_range - 2 * np.where(rows.undecided, np.inf, rows.errors.score), -np.inf)
    return np.asarray(least > (spread + biases)[:, None])


def _against(promise: Promise, batch: Batch, exceptions: Exceptions, text_of: Callable[[int], str]) -> list[int]:
    heads = np.array([promise.covers(batch.layer, head) for head in range(len(batch.dials))])
    values, kept, broken = standing(promise, batch.rows, batch.dials)
    chosen = np.broadcast_to(heads[:, None], values.shape)
    found = {"broken": broken & chosen, "undecided": ~(broken | kept) & chosen}
    by = promise.value - values if promise.quantity == "fidelity" else values - promise.value
    for status, which in found.items():
        exceptions.add(_listed(batch, which, "promise", str(promise), values, text_of, status, by))
    return [int((kept & chosen).sum()), *(int(which.sum()) for which in found.values())]


def _against_bounds(judged: Judged, text_of: Callable[[int], str]) -> Iterator[dict[str, Any]]:
    rows = judged.batch.rows
    for name, check in judged.checks.items():
        yield from _listed(judged.batch, check.violated, "bound", BOUNDS[name], check.slack, text_of, by=-check.slack)
    what = "every bound: the scores are too large for their format"
    yield from _listed(judged.batch, rows.undecided, "bound", what, rows.leak, text_of, "undecided")


def _listed(
    batch: Batch,
    which: Mask,
    kind: str,
    what: str,
    values: Array,
    text_of: Callable[[int], str],
    status: str = "broken",
    by: Array | None = None,
) -> Iterator[dict[str, Any]]:
    """One entry per chosen row, in the order of heads and rows."""
    for head, row in zip(*(each.tolist() for each in which.nonzero()), strict=True):
        yield {
            "kind": kind,
            "what": what,
            "status": status,
            "sequence": int(batch.sequences[row]),
            "position": int(batch.positions[row]),
            "token": text_of(int(batch.tokens[row])),
            "layer": batch.layer,
            "head": head,
            "value": finite(values[head, row]),
            "by": None if by is None else finite(by[head, row]),
        }


def finite(value: float) -> float | None:
    """The number, or None where JSON has none."""
    return float(value) if np.isfinite(value) else None


def check_named(promise: Promise, subject: Subject) -> None:
    """Raise DomainError if a promise names layers or heads that the model lacks."""
    for name, chosen, count in (("layer", promise.layers, subject.layers), ("head", promise.heads, subject.heads)):
        if chosen is not None and max(chosen) >= count:
            raise DomainError(f"promise {str(promise)!r} names {name} {max(chosen)} of {count}")


def _check_rows(promise: Promise, found: Measured, rows: PromiseRows) -> None:
    """Raise DomainError for a promise about layers without rows."""
    lacking = sorted((promise.layers or frozenset()) - set(found.layers))
    if lacking or not rows.counts.sum():
        where = f"layer {lacking[0]}" if lacking else "what it names"
        raise DomainError(f"promise {str(promise)!r}: {where} has no row with a key off its block")
