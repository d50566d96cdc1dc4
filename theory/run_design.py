"""What `localist design` finds: the smallest settings that guarantee a run's targets, or the constraint that binds.

One open setting is solved alone. With several, each is solved with the ones after it at rest (a penalty and a dial of
0, the first schedule that suffices), in the order anchors, margin, penalty, schedule, dial, optimizer.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from theory import anchor_bounds
from theory.guarantee import LARGEST_DIAL, LARGEST_FLOAT, guaranteed, margin_of_anchors, smallest_float
from theory.needed import Standing, separation_needed
from theory.run_check import check_group, check_run, layer_design, row_targets, run_margin
from theory.run_file import MOST_SCALE, Optimizer, Run, ScheduleName, open_settings
from theory.schedule_bounds import schedule_budget, schedule_dials

SCHEDULES: tuple[ScheduleName, ...] = (
    "distributed", "quintic", "quartic", "cubic", "quadratic", "linear", "localist",
)  # fmt: skip

_MOST_STEPS = 2**22
# Relative error within which the closed form of the weight penalty is known.
_CLOSED_FORM = 1e-9


@dataclass(frozen=True)
class Solved:
    """One open setting: the value found, or why none does and which constraint binds."""

    name: str
    value: Any
    reason: str = ""


@dataclass(frozen=True)
class RunDesign:
    """The run with what was found filled in (None if something could not be), and every open setting's answer.

    `unmet` is what the solved run still lacks, which no open setting could mend.
    """

    run: Run | None
    solved: tuple[Solved, ...]
    unmet: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "run": None if self.run is None else self.run.model_dump(exclude_none=True),
            "solved": {s.name: s.value for s in self.solved},
            "reasons": {s.name: s.reason for s in self.solved if s.reason},
            "unmet": list(self.unmet),
        }


def design_run(run: Run) -> RunDesign:
    """Solve for every setting that the run leaves open."""
    names = open_settings(run)
    resting = _at_rest(run)
    solved = []
    for name in sorted(names, key=list(_SOLVERS).index):
        answer = _SOLVERS[name](resting, names)
        solved.append(answer)
        if answer.value is None:
            return RunDesign(None, tuple(solved))
        resting = _with(resting, name, answer.value)
    return RunDesign(resting, tuple(solved), check_run(resting).unmet)


def _with(run: Run, name: str, value: Any) -> Run:
    values = run.model_dump(exclude_unset=True, exclude_none=True)
    *tables, key = name.split(".")
    target = values
    for table in tables:
        target = target[table]
    target[key] = value
    return Run.model_validate(values)


_REST = {
    "locality.anchors.scale": 1.0,
    "locality.margin": 0.0,
    "locality.penalty": 0.0,
    "locality.schedule": "localist",
    "locality.dial": 0.0,
    "optimizer.penalty": 0.0,
    "optimizer.steps": 1,
}


def _at_rest(run: Run) -> Run:
    for name in open_settings(run):
        run = _with(run, name, _REST[name])
    return run


def _binding_share(run: Run) -> float:
    """Share of the largest dial in the least dialled layer that must still be localised."""
    shares = schedule_dials(run.locality.schedule, run.model.layers, 1.0)
    return float(sorted(shares, reverse=True)[run.localised_layers - 1])


def _binding_dial(run: Run, largest: float) -> float:
    """Dial of that layer, as the schedule computes it."""
    dials = schedule_dials(run.locality.schedule, run.model.layers, largest)
    return float(sorted(dials, reverse=True)[run.localised_layers - 1])


def _keeps(run: Run, margin: float, penalty: float, largest: float) -> bool:
    shifted = _with_penalty(run, penalty)
    return guaranteed(layer_design(shifted, margin, _binding_dial(run, largest)), row_targets(run))


def _with_penalty(run: Run, penalty: float) -> Run:
    return run.model_copy(update={"locality": run.locality.model_copy(update={"penalty": penalty})})


def _search(run: Run, name: str, keeps: Callable[[float], bool], lowest: float, largest: float, hint: str) -> Solved:
    """Smallest float in the range for which the binding layer keeps every target."""
    if not row_targets(run).any:
        return Solved(name, None, "there is no target for a row, so nothing binds it")
    needed = separation_needed(run.model.context, run.locality.block, row_targets(run))
    if needed == math.inf:
        return Solved(name, None, "targets.entropy_bits is not above the floor log m of a uniform block (A4)")
    if not keeps(largest):
        return Solved(name, None, hint)
    if needed == -math.inf and name == "locality.margin":
        return Solved(name, None, "every margin keeps the targets, so none is the smallest")
    return Solved(name, smallest_float(keeps, lowest, largest))


def _solve_margin(run: Run, names: list[str]) -> Solved:
    largest, penalty = float(run.locality.dial), float(run.locality.penalty)
    return _search(
        run, "locality.margin", lambda x: _keeps(run, x, penalty, largest), -LARGEST_FLOAT, LARGEST_FLOAT,
        "no margin that float64 can hold is enough",
    )  # fmt: skip


def _solve_penalty(run: Run, names: list[str]) -> Solved:
    margin, largest = run_margin(run), float(run.locality.dial)
    return _search(
        run, "locality.penalty", lambda x: _keeps(run, margin, x, largest), 0.0, LARGEST_FLOAT,
        "no penalty that float64 can hold is enough",
    )  # fmt: skip


def _solve_dial(run: Run, names: list[str]) -> Solved:
    margin, penalty = run_margin(run), float(run.locality.penalty)
    share = _binding_share(run)
    if share == 0 and not _keeps(run, margin, penalty, 0.0):
        return Solved(
            "locality.dial",
            None,
            f"targets.localised_layers={run.localised_layers} includes a layer whose dial the schedule "
            f"{run.locality.schedule!r} keeps at 0: ask for fewer layers, or for another schedule",
        )
    return _search(
        run, "locality.dial", lambda x: _keeps(run, margin, penalty, x), 0.0, LARGEST_DIAL,
        "no dial below 1 that float64 can hold is enough in the least dialled layer that must be localised; "
        "a penalty or a larger margin can do more",
    )  # fmt: skip


def _solve_schedule(run: Run, names: list[str]) -> Solved:
    """The schedule that spends least: at the largest dial given, or at the dial that each one needs if that is open."""
    margin, penalty = run_margin(run), float(run.locality.penalty)
    open_dial = "locality.dial" in names
    largest = LARGEST_DIAL if open_dial else float(run.locality.dial)

    def spent(name: ScheduleName) -> float:
        budget = float(schedule_budget(name, run.model.layers))
        share = _binding_share(_scheduled(run, name))
        return budget / share if open_dial and share else budget

    for name in sorted(SCHEDULES, key=spent):
        if _keeps(_scheduled(run, name), margin, penalty, largest):
            return Solved("locality.schedule", name)
    reason = (
        f"no schedule keeps the targets in {run.localised_layers} layers at the largest dial {largest!r}: "
        "the dial, the margin or the number of layers binds"
    )
    return Solved("locality.schedule", None, reason)


def _scheduled(run: Run, name: ScheduleName) -> Run:
    return run.model_copy(update={"locality": run.locality.model_copy(update={"schedule": name})})


def _solve_scale(run: Run, names: list[str]) -> Solved:
    name, anchors = "locality.anchors.scale", run.locality.anchors
    targets = row_targets(run)
    needed = separation_needed(run.model.context, run.locality.block, targets)
    if anchors is None or not targets.any or needed == math.inf:
        return Solved(name, None, "there is no row target that a scale can keep")
    coherence, distance = anchors.coherence, anchors.distance
    if anchor_bounds.anchor_margin(coherence, distance, 1.0) <= 0:
        return Solved(
            name, None,
            f"anchors of coherence {coherence!r} whose keys stray by {distance!r} promise no margin "
            "at any scale (D1): move the anchors apart or the keys closer",
        )  # fmt: skip

    def keeps(scale: float) -> bool:
        margin = margin_of_anchors(coherence, distance, scale)
        return _keeps(run, margin, float(run.locality.penalty), float(run.locality.dial))

    return _search(run, name, keeps, 5e-324, MOST_SCALE, "no scale that float64 can hold is enough")


def _solve_weight_penalty(run: Run, names: list[str]) -> Solved:
    """Smallest penalty that surely empties the largest block in time: the closed form, rounded so that it does."""
    optimizer = _optimizer(run)
    size = max(optimizer.group_sizes)
    value = check_group(optimizer, size).penalty_needed
    largest = value * (1 + _CLOSED_FORM) + 5e-324
    if not math.isfinite(largest):
        return Solved("optimizer.penalty", None, "no penalty that float64 can hold is enough within the planned steps")

    def extinct(penalty: float) -> bool:
        return check_group(optimizer.model_copy(update={"penalty": penalty}), size).standing is Standing.GUARANTEED

    return Solved("optimizer.penalty", smallest_float(extinct, value * (1 - _CLOSED_FORM), largest))


def _solve_steps(run: Run, names: list[str]) -> Solved:
    """Fewest planned steps within which every block is surely zero; a decaying rate stretches with the plan."""
    name, optimizer = "optimizer.steps", _optimizer(run)
    size = max(optimizer.group_sizes)

    def extinct(steps: int) -> bool:
        return check_group(optimizer.model_copy(update={"steps": steps}), size).standing is Standing.GUARANTEED

    enough = 1
    while not extinct(enough):
        enough *= 2
        if enough > _MOST_STEPS:
            needed = check_group(optimizer.model_copy(update={"steps": _MOST_STEPS}), size).penalty_needed
            return Solved(
                name,
                None,
                f"optimizer.penalty={optimizer.penalty!r} does not surely extinguish a block of {size} weights within "
                f"{_MOST_STEPS} steps: that takes {needed:.6g} (C4, C5)",
            )
    fewest = bisect_left(range(enough + 1), True, lo=enough // 2 + 1, hi=enough, key=extinct)
    return Solved(name, fewest)


def _optimizer(run: Run) -> Optimizer:
    if run.optimizer is None:
        raise ValueError("the run has no optimizer")
    return run.optimizer


_SOLVERS: dict[str, Callable[[Run, list[str]], Solved]] = {
    "locality.anchors.scale": _solve_scale,
    "locality.margin": _solve_margin,
    "locality.penalty": _solve_penalty,
    "locality.schedule": _solve_schedule,
    "locality.dial": _solve_dial,
    "optimizer.penalty": _solve_weight_penalty,
    "optimizer.steps": _solve_steps,
}
