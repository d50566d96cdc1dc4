"""Sweeps: the check of a run file over a grid of its numbers, vectorised and streamed to CSV or Parquet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.design.guarantee import LARGEST_FLOAT, Targets
from theory.design.promise import Promise, Setting, range_seen
from theory.design.run_check import check_weights, require_settled
from theory.design.run_file import Run, parse_run
from theory.design.run_layers import anchor_faults, layer_dials, layer_promise
from theory.design.run_rules import check_rules
from theory.design.value_range import parse_values
from theory.errors import DomainError, InputError
from theory.numbers.checked import shown

Array = NDArray[np.float64]

AXES = (
    "model.context",
    "locality.block",
    "locality.block_least",
    "locality.block_most",
    "locality.temperature",
    "locality.margin",
    "locality.logit_range",
    "locality.dial",
    "locality.penalty",
    "targets.fidelity",
    "targets.entropy_bits",
    "targets.own_keys",
)
_SIZES = ("model.context", "locality.block", "locality.block_least", "locality.block_most", "targets.own_keys")
_INTEGERS = {*_SIZES}
_CHUNK = 1 << 17
_MOST_POINTS = 10**10
# A whole axis is held in memory; the grid is not.
_MOST_VALUES = 10**7
# Error of a separation in float64: a few roundings of its terms, and underflow.
_ROUNDINGS = 8 * 2.0**-53
_UNDERFLOW = 1e-300
# Stands for a number that is not given.
_NONE = -1.0
# The swept values that determine a promise, and those that determine a layer's setting.
_PROMISED = (*_SIZES, "targets.fidelity", "targets.entropy_bits")
_SET = ("locality.margin", "locality.temperature", "locality.penalty")


@dataclass(frozen=True)
class Axis:
    """One swept number: its dotted name in the run file and its values."""

    name: str
    values: Array


def parse_axis(text: str) -> Axis:
    """An axis from `name=start:stop:step`, both ends included where the step meets them, or `name=a,b,c`."""
    name, equals, numbers = text.partition("=")
    if not equals or name not in AXES:
        raise DomainError(f"--grid {text!r} must name one of {', '.join(AXES)}, as NAME=START:STOP:STEP or NAME=A,B,C")
    values = parse_values(numbers, f"--grid {text!r}", _MOST_VALUES)
    if name in _INTEGERS and np.any(values != np.floor(values)):
        raise DomainError(f"--grid {text!r} must hold integers")
    return Axis(name, values)


@dataclass(frozen=True)
class Grid:
    """The product of the axes over a run; the last axis varies fastest.

    `apart` is the decision on the weight blocks, which no axis changes.
    """

    run: Run
    axes: tuple[Axis, ...]
    apart: bool | None = None

    @property
    def points(self) -> int:
        """Number of points in the grid."""
        return int(np.prod([axis.values.size for axis in self.axes], dtype=object))

    def chunks(self) -> Iterator[dict[str, Array]]:
        """The answer at every point, in pieces of a bounded size."""
        shape = tuple(axis.values.size for axis in self.axes)
        for start in range(0, self.points, _CHUNK):
            flat = np.arange(start, min(start + _CHUNK, self.points))
            places = np.unravel_index(flat, shape)
            swept = {axis.name: axis.values[place] for axis, place in zip(self.axes, places, strict=True)}
            yield {**swept, **evaluate(self.run, swept, self.apart)}


def make_grid(values: dict[str, Any], axes: list[Axis], name: str = "run") -> Grid:
    """A grid over the run file's `values`; the ends of every axis must make valid runs."""
    seen = set()
    for axis in axes:
        if axis.name in seen:
            raise DomainError(f"--grid {axis.name} must be given once")
        seen.add(axis.name)
    corners = [_with(values, {axis.name: pick(axis.values) for axis in axes}) for pick in (np.min, np.max)]
    runs = [parse_run(corner, f"{name} on the grid") for corner in corners]
    require_settled(runs[0])
    if runs[0].selection is not None and "locality.temperature" in seen:
        raise DomainError(
            "--grid locality.temperature moves the window of [selection], which is decided once: leave one out"
        )
    grid = Grid(runs[0], tuple(axes))
    if grid.points > _MOST_POINTS:
        raise DomainError(f"the grid has {grid.points:.3g} points, which must be at most {_MOST_POINTS:.0e}")
    return replace(grid, apart=check_weights(runs[0]))


def _with(values: dict[str, Any], swept: dict[str, float]) -> dict[str, Any]:
    changed = {table: dict(content) if isinstance(content, dict) else content for table, content in values.items()}
    for name, value in swept.items():
        table, key = name.split(".")
        content = changed.setdefault(table, {})
        if isinstance(content, dict):
            content[key] = int(value) if name in _INTEGERS else float(value)
    return changed


def evaluate(run: Run, swept: dict[str, Array], apart: bool | None = None) -> dict[str, Array]:
    """Bounds of the most dialled layer over all its rows, and how many layers keep the targets, at every point.

    `swept` maps dotted names to arrays of one length; all other values are the run's own. `apart` is the decision on
    the weight blocks. If the run asks for nothing, there is no column `guaranteed`. Entropies are in nats.
    """
    size = max((np.size(values) for values in swept.values()), default=1)
    at = {name: np.broadcast_to(_number(swept.get(name, _own(run, name))), (size,)) for name in AXES}
    _require_possible(at)
    answer: dict[str, Array] = {}
    cases, which = np.unique(np.stack([at[name] for name in _PROMISED], axis=1), axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    ends = np.searchsorted(which.ravel()[order], np.arange(len(cases) + 1))
    for index, case in enumerate(cases):
        points = order[ends[index] : ends[index + 1]]
        there = _at_promise(_promised(run, case), {name: values[points] for name, values in at.items()}, apart)
        for name, values in there.items():
            answer.setdefault(name, np.empty(size, values.dtype))[points] = values
    return answer


def _own(run: Run, name: str) -> Any:
    """The run's own value, or None if it has none; the margin may come from its anchors."""
    if name == "locality.margin":
        return run.locality.promised_margin()
    table, key = name.split(".")
    value = getattr(getattr(run, table), key)
    return None if value == "solve" else value


def _promised(run: Run, case: Array) -> Run:
    """The run with the sizes and targets of a point; refused if they do not fit together."""
    values = run.model_dump(exclude_unset=True, exclude_none=True)
    swept = {name: float(value) for name, value in zip(_PROMISED, case, strict=True) if value != _NONE}
    return parse_run(_with(values, swept), "the run on the grid")


def _at_promise(run: Run, at: dict[str, Array], apart: bool | None) -> dict[str, Array]:
    """The answer at points that share their sizes and targets."""
    promise, size = layer_promise(run), len(at["locality.margin"])
    margin, tau, penalty, dial = (at[name] for name in (*_SET, "locality.dial"))
    # The dials over the largest, in rising order; of measured dials that is 1.
    plain, shares = _undialled(margin, penalty, tau), np.sort(layer_dials(run, 1.0))
    dial = dial if run.locality.calibration is None else np.ones(size)
    needed, terms = _needed(promise, tau)

    def kept(layer: NDArray[np.int64]) -> NDArray[np.bool_]:
        return _kept(promise, at, plain, dial * shares[layer], needed, terms)

    # The first dial that keeps the promise is found by bisection.
    low, high = np.zeros(size, np.int64), np.full(size, len(shares), np.int64)
    while promise.any and np.any(low < high):
        middle = (low + high) // 2
        holds = kept(np.minimum(middle, len(shares) - 1)) | (low == high)
        low, high = np.where(holds, low, middle + 1), np.where(holds, middle, high)
    layers = (len(shares) - low if promise.any else np.full(size, len(shares))).astype(np.float64)
    top = dial * shares[-1]
    answer = _bounds(run, promise, at, top, plain - np.log1p(-top))
    answer["localised_layers"] = layers
    asked = [] if apart is None else [np.full(size, apart)]
    if promise.any:
        asked.append(layers >= run.localised_layers)
    if run.rules:
        asked.append(np.full(size, check_rules(run.rules, run.rows, run.targets.fidelity).possible))
    if anchor_faults(run):
        asked.append(np.zeros(size, bool))
    if asked:
        answer["guaranteed"] = np.logical_and.reduce(asked)
    return answer


def _bounds(run: Run, promise: Promise, at: dict[str, Array], top: Array, separations: Array) -> dict[str, Array]:
    """Bounds of the most dialled layer, whose dial at each point is `top`."""
    seen, emptied = None, np.zeros(len(top), np.bool_)
    if at["locality.logit_range"][0] != _NONE:
        seen = range_seen(at["locality.logit_range"], top, at["locality.penalty"], at["locality.temperature"])
    if promise.sparse is not None:
        bare = replace(promise, targets=Targets())
        plain = _undialled(at["locality.margin"], at["locality.penalty"], at["locality.temperature"])
        emptied = _kept(bare, at, plain, top, *_needed(bare, at["locality.temperature"]))
    found = promise.row_bounds(separations, seen, emptied)
    return {name: column for name, column in found.items() if column is not None}


def _undialled(margin: Array, penalty: Array, tau: Array) -> Array:
    """`(margin + penalty)/temperature`, infinite only if float64 cannot hold it."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = margin + penalty
        # Both are large and of one sign where their sum overflows, so their quotients do not cancel.
        plain: Array = np.where(np.isfinite(total), total / tau, margin / tau + penalty / tau)
    return plain


def _needed(promise: Promise, tau: Array) -> tuple[Array, Array]:
    """Smallest separation that keeps the promise, in float64, and the size of its terms."""
    if promise.sparse is None:
        needed = np.full(len(tau), promise.separation_needed())
        return needed, np.abs(needed)
    if not promise.kept(Setting(LARGEST_FLOAT)):
        return np.full(len(tau), np.inf), np.zeros(len(tau))
    with np.errstate(over="ignore"):
        eased = promise.sparse.penalty / (tau * promise.largest_group**0.5)
    return 1 / promise.rows.own_keys - eased, 1 + eased


def _kept(
    promise: Promise, at: dict[str, Array], plain: Array, dial: Array, needed: Array, terms: Array
) -> NDArray[np.bool_]:
    """Whether a layer with this dial keeps the promise at each point, as `check` decides it."""
    bias = -np.log1p(-dial)
    with np.errstate(invalid="ignore"):
        lead = plain + bias - needed
        slack = _ROUNDINGS * (np.abs(plain) + bias + terms) + _UNDERFLOW
        # Every separation meets a need of -inf, and none meets one of inf.
        holds = np.where(np.isinf(needed), needed < 0, lead > 0)
        unsure = np.isfinite(needed) & ~(np.abs(lead) > slack)
    if promise.sparse is not None:
        # A need that overflowed is decided exactly.
        unsure |= ~np.isfinite(terms)
    if unsure.any():
        columns = [at[name][unsure] for name in _SET] + [dial[unsure]]
        cases, which = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
        holds[unsure] = np.array([promise.kept(Setting(*map(float, case))) for case in cases])[which.ravel()]
    return holds


def _number(value: Any) -> Array:
    return np.asarray(_NONE if value is None else value, dtype=np.float64)


def _require_possible(at: dict[str, Array]) -> None:
    """Raises DomainError for a margin larger than the range of the scores."""
    margin, spread, tau = at["locality.margin"], at["locality.logit_range"], at["locality.temperature"]
    with np.errstate(over="ignore"):
        near = (spread != _NONE) & (margin >= spread * tau * (1 - 2.0**-50))
    for case in np.unique(np.stack([margin[near], spread[near], tau[near]], axis=1), axis=0):
        if Fraction(case[0]) > Fraction(case[1]) * Fraction(case[2]):
            raise DomainError(
                f"locality.margin={shown(case[0])} must be at most locality.logit_range={shown(case[1])} times "
                f"locality.temperature={shown(case[2])} at every point of the grid: no row of that range has it"
            )


def write_grid(grid: Grid, path: Path, advance: Callable[[int], None] = lambda rows: None) -> int | None:
    """Writes the grid to `path`, a `.csv` or `.parquet` file; returns the number of guaranteed points.

    Returns None if the run asks for nothing; then the file has no column `guaranteed`.

    The file appears only when it is complete: an interrupted sweep leaves nothing under that name.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    if path.suffix not in (".csv", ".parquet"):
        raise InputError(f"{path} must end in .csv or .parquet")
    partial = path.with_name(path.name + ".partial")
    kept: int | None = None
    writer = None
    try:
        for chunk in grid.chunks():
            table = pa.table(chunk)
            if writer is None:
                if path.suffix == ".csv":
                    writer = csv.CSVWriter(partial, table.schema)
                else:
                    writer = parquet.ParquetWriter(partial, table.schema)
            writer.write_table(table)
            if "guaranteed" in chunk:
                kept = (kept or 0) + int(np.count_nonzero(chunk["guaranteed"]))
            advance(table.num_rows)
        if writer is not None:
            writer.close()
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)
    return kept
