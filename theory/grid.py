"""Sweeps: a run file's check over a grid of its numbers, vectorised, written as it goes to CSV or Parquet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory import bounds
from theory.errors import DomainError, InputError
from theory.guarantee import Targets
from theory.needed import separation_needed
from theory.run_file import Run, parse_run
from theory.schedule_bounds import schedule_dials
from theory.value_range import parse_values

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
_ROUNDINGS = 8 * 2.0**-53


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
    values = parse_values(numbers, f"--grid {text!r}")
    if name in _INTEGERS and np.any(values != np.floor(values)):
        raise DomainError(f"--grid {text!r} must hold integers")
    return Axis(name, values)


@dataclass(frozen=True)
class Grid:
    """The product of the axes over a run; the last axis varies fastest."""

    run: Run
    axes: tuple[Axis, ...]

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
            yield {**swept, **evaluate(self.run, swept)}


def make_grid(values: dict[str, Any], axes: list[Axis], name: str = "run") -> Grid:
    """A grid over the run file's `values`; the ends of every axis must make valid runs."""
    seen = set()
    for axis in axes:
        if axis.name in seen:
            raise DomainError(f"--grid {axis.name} must be given once")
        seen.add(axis.name)
    corners = [_with(values, {axis.name: pick(axis.values) for axis in axes}) for pick in (np.min, np.max)]
    runs = [parse_run(corner, f"{name} on the grid") for corner in corners]
    grid = Grid(runs[0], tuple(axes))
    if grid.points > _MOST_POINTS:
        raise DomainError(f"the grid has {grid.points:.3g} points, which must be at most {_MOST_POINTS:.0e}")
    return grid


def _with(values: dict[str, Any], swept: dict[str, float]) -> dict[str, Any]:
    changed = {table: dict(content) if isinstance(content, dict) else content for table, content in values.items()}
    for name, value in swept.items():
        table, key = name.split(".")
        content = changed.setdefault(table, {})
        if isinstance(content, dict):
            content[key] = int(value) if name in _INTEGERS else float(value)
    return changed


def evaluate(run: Run, swept: dict[str, Array]) -> dict[str, Array]:
    """Bounds of the most dialled layer, and how many layers keep the targets, at every point.

    `swept` maps dotted names to arrays of one length; what is not swept is the run's own. Entropies in nats.
    """
    fixed: dict[str, Any] = {
        "model.context": run.model.context,
        "locality.block": run.locality.block,
        "locality.temperature": run.locality.temperature,
        "locality.margin": run.locality.margin,
        "locality.logit_range": run.locality.logit_range,
        "locality.dial": run.locality.dial,
        "locality.penalty": run.locality.penalty,
        "targets.fidelity": run.targets.fidelity,
        "targets.entropy_bits": run.targets.entropy_bits,
    }
    at = {**fixed, **swept}
    n, m = at["model.context"], at["locality.block"]
    _require_block_inside(np.asarray(n), np.asarray(m))
    size = max((np.size(values) for values in swept.values()), default=1)
    plain = (at["locality.margin"] + at["locality.penalty"]) / at["locality.temperature"]
    dials = schedule_dials(run.locality.schedule, run.model.layers, 1.0)
    top = plain - np.log1p(-np.asarray(at["locality.dial"]) * dials[-1])
    answer = {
        "leak_max": bounds.leak_max(n, m, top),
        "fidelity_min": bounds.fidelity_min(n, m, top),
        "entropy_max_nats": bounds.entropy_max_at_least(n, m, top),
    }
    if at["locality.logit_range"] is not None:
        answer["entropy_min_nats"] = bounds.entropy_min(n, at["locality.logit_range"])
    needed = np.where(np.isinf(found := _needed(at, size)), np.copysign(1e300, found), found)
    kept = np.zeros(size)
    for share in dials:
        bias = -np.log1p(-np.asarray(at["locality.dial"]) * share)
        # The separation carries a few roundings; within them the answer is no.
        kept += plain + bias - needed >= _ROUNDINGS * (np.abs(plain) + bias + np.abs(needed))
    answer["localised_layers"] = kept
    answer["guaranteed"] = kept >= run.localised_layers
    return {name: np.broadcast_to(values, (size,)) for name, values in answer.items()}


def _needed(at: dict[str, Any], size: int) -> Array:
    names = ("model.context", "locality.block", "targets.fidelity", "targets.entropy_bits")
    columns = [
        np.broadcast_to(np.asarray(np.nan if at[name] is None else at[name], dtype=float), size) for name in names
    ]
    if all(np.ndim(at[name]) == 0 for name in names):
        return np.full(1, _needed_at(*(column[0] for column in columns)))
    cases, which = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    return np.array([_needed_at(*case) for case in cases])[which.ravel()]


def _needed_at(n: float, m: float, fidelity: float, bits: float) -> float:
    targets = Targets(None if np.isnan(fidelity) else float(fidelity), None if np.isnan(bits) else float(bits))
    return separation_needed(int(n), int(m), targets)


def _require_block_inside(n: NDArray[Any], m: NDArray[Any]) -> None:
    n, m = np.broadcast_arrays(n, m)
    if np.any(m >= n):
        bad = m >= n
        raise DomainError(
            f"locality.block={m[bad].flat[0]:g} must be smaller than model.context={n[bad].flat[0]:g} "
            "at every point of the grid"
        )


def write_grid(grid: Grid, path: Path, advance: Callable[[int], None] = lambda rows: None) -> int:
    """Write the grid to `path`, a `.csv` or `.parquet` file; returns how many points are guaranteed.

    The file appears only when it is whole: an interrupted sweep leaves nothing half-written under that name.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    if path.suffix not in (".csv", ".parquet"):
        raise InputError(f"{path} must end in .csv or .parquet")
    partial = path.with_name(path.name + ".partial")
    guaranteed = 0
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
            guaranteed += int(np.count_nonzero(chunk["guaranteed"]))
            advance(table.num_rows)
        if writer is not None:
            writer.close()
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)
    return guaranteed
