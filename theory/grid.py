"""Sweeps: a run file's check over a grid of its numbers, vectorised, written as it goes to CSV or Parquet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory import bounds
from theory.errors import DomainError, InputError
from theory.guarantee import LARGEST_FLOAT, Design, Targets, guaranteed
from theory.needed import separation_needed
from theory.run_check import check_apart_from_rows, require_settled, run_margin
from theory.run_file import Run, parse_run
from theory.schedule_bounds import schedule_dials
from theory.value_range import parse_values
from theory.weight_bounds import sparse_penalty_needed

Array = NDArray[np.float64]

AXES = (
    "model.context",
    "locality.block",
    "locality.temperature",
    "locality.margin",
    "locality.logit_range",
    "locality.dial",
    "locality.penalty",
    "targets.fidelity",
    "targets.entropy_bits",
)
_INTEGERS = {"model.context", "locality.block"}
_CHUNK = 1 << 17
_MOST_POINTS = 10**10
# An axis is held in memory whole; the grid is not.
_MOST_VALUES = 10**7
# What float64 may lose of a separation: a few roundings of its terms, and what is too small for it.
_ROUNDINGS = 8 * 2.0**-53
_UNDERFLOW = 1e-300
# In the place of a target that is not given.
_NONE = -1.0
_NEEDING = ("model.context", "locality.block", "targets.fidelity", "targets.entropy_bits")
_DECIDING = (
    "model.context", "locality.block", "locality.margin", "locality.temperature", "locality.penalty",
    "targets.fidelity", "targets.entropy_bits",
)  # fmt: skip


@dataclass(frozen=True)
class Axis:
    """One swept number: its dotted name in the run file and its values."""

    name: str
    values: Array


def parse_axis(text: str) -> Axis:
    """Read `name=start:stop:step`, both ends included where the step meets them, or `name=a,b,c`."""
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

    `apart` is the decision on what no axis moves: anchors, weight blocks and rules.
    """

    run: Run
    axes: tuple[Axis, ...]
    apart: bool | None = None

    @property
    def points(self) -> int:
        """How many points the grid has."""
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
    grid = Grid(runs[0], tuple(axes))
    if grid.points > _MOST_POINTS:
        raise DomainError(f"the grid has {grid.points:.3g} points, which must be at most {_MOST_POINTS:.0e}")
    return replace(grid, apart=check_apart_from_rows(runs[0]))


def _with(values: dict[str, Any], swept: dict[str, float]) -> dict[str, Any]:
    changed = {table: dict(content) if isinstance(content, dict) else content for table, content in values.items()}
    for name, value in swept.items():
        table, key = name.split(".")
        content = changed.setdefault(table, {})
        if isinstance(content, dict):
            content[key] = int(value) if name in _INTEGERS else float(value)
    return changed


def evaluate(run: Run, swept: dict[str, Array], apart: bool | None = None) -> dict[str, Array]:
    """Bounds of the most dialled layer, and how many layers keep the targets, at every point.

    `swept` maps dotted names to arrays of one length; what is not swept is the run's own, and `apart` the decision on
    what no axis moves. Without anything asked for there is no column `guaranteed`. Entropies in nats.
    """
    locality = run.locality
    fixed: dict[str, Any] = {
        "model.context": run.model.context,
        "locality.block": locality.block,
        "locality.temperature": locality.temperature,
        "locality.margin": None if "locality.margin" in swept else run_margin(run),
        "locality.logit_range": locality.logit_range,
        "locality.dial": locality.dial,
        "locality.penalty": locality.penalty,
        "targets.fidelity": run.targets.fidelity,
        "targets.entropy_bits": run.targets.entropy_bits,
    }
    at = {**fixed, **swept}
    n, m, tau, dial = (
        at[name] for name in ("model.context", "locality.block", "locality.temperature", "locality.dial")
    )
    _require_block_inside(np.asarray(n), np.asarray(m))
    size = max((np.size(values) for values in swept.values()), default=1)
    plain = _undialled(at["locality.margin"], at["locality.penalty"], tau)
    shares = schedule_dials(locality.schedule, run.model.layers, 1.0)
    bias = -np.log1p(-np.asarray(dial) * shares[-1])
    answer = {
        "leak_max": bounds.leak_max(n, m, plain + bias),
        "fidelity_min": bounds.fidelity_min(n, m, plain + bias),
        "entropy_max_nats": bounds.entropy_max_at_least(n, m, plain + bias),
    }
    if at["locality.logit_range"] is not None:
        with np.errstate(over="ignore"):
            seen = at["locality.logit_range"] + bias + np.asarray(at["locality.penalty"]) / tau
        answer["entropy_min_nats"] = bounds.entropy_min(n, np.minimum(seen, LARGEST_FLOAT))
    needed = _needed(at, size)
    kept = sum((_kept(at, plain, share, needed, size) for share in shares), np.zeros(size))
    answer["localised_layers"] = kept
    asked = [] if apart is None else [np.full(size, apart)]
    if at["targets.fidelity"] is not None or at["targets.entropy_bits"] is not None:
        asked.append(kept >= run.localised_layers)
    if locality.sparse is not None:
        enough = sparse_penalty_needed(m, locality.sparse.group, at["locality.margin"], tau)
        asked.append(locality.sparse.penalty >= np.asarray(enough))
    if asked:
        answer["guaranteed"] = np.logical_and.reduce(np.broadcast_arrays(*asked))
    return {name: np.broadcast_to(values, (size,)) for name, values in answer.items()}


def _undialled(margin: Any, penalty: Any, tau: Any) -> Array:
    """`(margin + penalty)/temperature`, infinite only where float64 holds none so large."""
    margin, penalty, tau = (np.asarray(x, dtype=np.float64) for x in (margin, penalty, tau))
    with np.errstate(over="ignore", invalid="ignore"):
        total = margin + penalty
        # Both are large and of one sign where their sum overflows, so their quotients do not cancel.
        return np.where(np.isfinite(total), total / tau, margin / tau + penalty / tau)


def _kept(at: dict[str, Any], plain: Array, share: float, needed: Array, size: int) -> Array:
    """Whether a layer with this share of the dial keeps the targets, at every point: as `check` decides it."""
    dial = np.asarray(at["locality.dial"]) * share
    bias = -np.log1p(-dial)
    with np.errstate(invalid="ignore"):
        lead = np.broadcast_to(plain + bias - needed, (size,))
        slack = _ROUNDINGS * (np.abs(plain) + bias + np.abs(needed)) + _UNDERFLOW
        # An infinite need is one that every separation meets, or none.
        holds = np.where(np.isinf(needed), needed < 0, lead > 0)
        unsure = np.isfinite(lead) & (np.abs(lead) <= slack)
    if unsure.any():
        columns = [at[name] for name in _DECIDING] + [dial]
        points = np.stack([np.broadcast_to(_number(column), (size,))[unsure] for column in columns], axis=1)
        cases, which = np.unique(points, axis=0, return_inverse=True)
        holds[unsure] = np.array([_decided(*case) for case in cases])[which.ravel()]
    return holds


def _decided(n: float, m: float, margin: float, tau: float, penalty: float, *rest: float) -> bool:
    fidelity, bits, dial = rest
    design = Design(int(n), int(m), margin, tau, penalty, dial, at_least=True)
    return guaranteed(design, _targets(fidelity, bits))


def _needed(at: dict[str, Any], size: int) -> Array:
    columns = [_number(at[name]) for name in _NEEDING]
    if all(column.ndim == 0 for column in columns):
        return np.full(1, _needed_at(*(float(column) for column in columns)))
    cases, which = np.unique(np.stack(np.broadcast_arrays(*columns), axis=1), axis=0, return_inverse=True)
    return np.array([_needed_at(*case) for case in cases])[which.ravel()]


def _needed_at(n: float, m: float, fidelity: float, bits: float) -> float:
    return separation_needed(int(n), int(m), _targets(fidelity, bits))


def _targets(fidelity: float, bits: float) -> Targets:
    return Targets(None if fidelity == _NONE else float(fidelity), None if bits == _NONE else float(bits))


def _number(value: Any) -> Array:
    return np.asarray(_NONE if value is None else value, dtype=np.float64)


def _require_block_inside(n: NDArray[Any], m: NDArray[Any]) -> None:
    n, m = np.broadcast_arrays(n, m)
    if np.any(m >= n):
        bad = m >= n
        raise DomainError(
            f"locality.block={int(m[bad].flat[0])} must be smaller than model.context={int(n[bad].flat[0])} "
            "at every point of the grid"
        )


def write_grid(grid: Grid, path: Path, advance: Callable[[int], None] = lambda rows: None) -> int | None:
    """Write the grid to `path`, a `.csv` or `.parquet` file; returns how many points are guaranteed.

    None where the run asks for nothing, and then the file has no column `guaranteed`.

    The file appears only when it is whole: an interrupted sweep leaves nothing half-written under that name.
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
