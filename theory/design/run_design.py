"""The answer of `localist design`: the smallest settings that guarantee a run's targets, or the binding constraint.

Open settings are solved in the order anchor scale, margin, penalty, schedule, dial, optimizer penalty, optimizer steps.
Each is solved with those after it at rest (a penalty and a dial of 0, one step). The first without an answer ends the
search. A schedule and a dial are solved together.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from theory.design.cards import design_card
from theory.design.guarantee import LARGEST_DIAL, LARGEST_FLOAT, anchors_promise, margin_of_anchors, smallest_float
from theory.design.run_check import check_run
from theory.design.run_file import MOST_SCALE, Optimizer, Run, ScheduleName, open_settings
from theory.design.run_groups import check_group, extinction_step, steps_within_reach
from theory.design.run_layers import LEAST_SCALE, anchor_scales, binding_dial, layer_promise, layer_setting, run_margin
from theory.design.selection import check_selection
from theory.display import Card, Displayed
from theory.errors import InputError
from theory.numbers.schedule_bounds import schedule_budget, schedule_dials

SCHEDULES: tuple[ScheduleName, ...] = (
    "distributed", "quintic", "quartic", "cubic", "quadratic", "linear", "localist",
)  # fmt: skip

_MOST_STEPS = 2**22


@dataclass(frozen=True)
class Solved:
    """One open setting: the value found, or the reason why there is none and the constraint that binds."""

    name: str
    value: Any
    reason: str = ""


@dataclass(frozen=True, repr=False)
class RunDesign(Displayed):
    """The run with the answers filled in (None if one is missing), and the answer for each open setting.

    `unmet` is what the solved run still lacks and no open setting could fix.
    """

    run: Run | None
    solved: tuple[Solved, ...]
    unmet: tuple[str, ...] = ()

    def card(self) -> Card:
        """What a notebook shows."""
        return design_card(self)

    def to_json(self) -> dict[str, object]:
        """The object that `--json` prints."""
        return {
            "run": None if self.run is None else self.run.model_dump(exclude_none=True),
            "solved": {s.name: s.value for s in self.solved},
            "reasons": {s.name: s.reason for s in self.solved if s.reason},
            "unmet": list(self.unmet),
        }


def design_run(run: Run) -> RunDesign:
    """Solves for every setting that the run leaves open."""
    names = open_settings(run)
    if not names:
        raise InputError(
            'nothing is left to solve: put "solve" for a margin, penalty, dial, schedule, anchor scale, optimizer '
            "penalty or number of steps; `localist check` decides a run whose settings are all given"
        )
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
    "locality.anchors.scale": LEAST_SCALE,
    "locality.margin": 0.0,
    "locality.penalty": 0.0,
    "locality.schedule": "localist",
    "locality.dial": 0.0,
    "optimizer.penalty": 0.0,
    "optimizer.steps": 1,
    "selection.penalty": 0.0,
}


def _at_rest(run: Run) -> Run:
    for name in open_settings(run):
        run = _with(run, name, _REST[name])
    return run


def _binding_share(run: Run) -> float:
    """Share of the largest dial in the least dialled layer that must still be localised."""
    shares = schedule_dials(run.locality.schedule, run.model.layers, 1.0)
    return float(sorted(shares, reverse=True)[run.localised_layers - 1])


def _keeps(run: Run, margin: float, penalty: float, largest: float) -> bool:
    shifted = run.model_copy(update={"locality": run.locality.model_copy(update={"penalty": penalty})})
    return layer_promise(run).kept(layer_setting(shifted, margin, binding_dial(run, largest)))


def _refused(run: Run, name: str) -> Solved | None:
    """Why no row setting of any size has an answer; None if one may have."""
    promise = layer_promise(run)
    if not promise.any:
        return Solved(name, None, "there is no target for a row, so nothing binds it")
    if not promise.kept(layer_setting(run, LARGEST_FLOAT, 0.0)):
        largest = max(row.own for row in promise.rows.entropy_candidates())
        return Solved(
            name, None,
            f"targets.entropy_bits={run.targets.entropy_bits!r} is not above the floor log m of a uniform block of "
            f"{largest} keys (A4)",
        )  # fmt: skip
    return None


def _search(run: Run, name: str, keeps: Callable[[float], bool], lowest: float, largest: float, hint: str) -> Solved:
    """Smallest float in the range for which the binding layer keeps every target in every row."""
    refused = _refused(run, name)
    if refused is not None:
        return refused
    return Solved(name, smallest_float(keeps, lowest, largest)) if keeps(largest) else Solved(name, None, hint)


def _beyond_range(run: Run, margin: float) -> str:
    """Why the run cannot have this margin; empty if it can."""
    logit_range, tau = run.locality.logit_range, run.locality.temperature
    if logit_range is None or Fraction(margin) <= Fraction(logit_range) * Fraction(tau):
        return ""
    return f"it takes a margin of {margin!r}, which a locality.logit_range of {logit_range!r} does not allow"


def _solve_margin(run: Run, names: list[str]) -> Solved:
    name, largest, penalty = "locality.margin", float(run.locality.dial), float(run.locality.penalty)

    def keeps(margin: float) -> bool:
        return _keeps(run, margin, penalty, largest)

    if layer_promise(run).any and keeps(-LARGEST_FLOAT):
        return Solved(name, None, "every margin keeps the targets, so none is the smallest")
    found = _search(run, name, keeps, -LARGEST_FLOAT, LARGEST_FLOAT, "no margin that float64 can hold is enough")
    beyond = "" if found.value is None else _beyond_range(run, found.value)
    return Solved(name, None, beyond) if beyond else found


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
    """The schedule of the smallest budget, at the given largest dial or, if it is open, at the dial that each needs."""
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
    """The smallest scale, or the largest one if the margin falls with the scale."""
    name, anchors = "locality.anchors.scale", run.locality.anchors
    refused = _refused(run, name)
    if refused is not None or anchors is None:
        return refused or Solved(name, None, "the run has no anchors")
    scales = anchor_scales(run, layer_promise(run))
    if scales is None:
        if anchors_promise(anchors.coherence, anchors.distance, MOST_SCALE, 1.0):
            return Solved(name, None, "no scale that float64 can hold is enough")
        return Solved(
            name, None,
            f"anchors of coherence {anchors.coherence!r} whose keys stray by {anchors.distance!r} promise no margin "
            "at any scale (D1): move the anchors apart or the keys closer",
        )  # fmt: skip
    if scales[1] < MOST_SCALE:
        return Solved(name, scales[1], "every smaller scale keeps the targets too: the margin is negative (D1)")
    beyond = _beyond_range(run, margin_of_anchors(anchors.coherence, anchors.distance, scales[0]))
    return Solved(name, None, beyond) if beyond else Solved(name, scales[0])


def _solve_weight_penalty(run: Run, names: list[str]) -> Solved:
    """Smallest penalty guaranteed to empty the largest block in time (C4, C5)."""
    optimizer = _optimizer(run)
    needed = check_group(optimizer, max(optimizer.group_sizes)).penalty_needed
    if not math.isfinite(needed):
        return Solved("optimizer.penalty", None, "no penalty that float64 can hold is enough within the planned steps")
    return Solved("optimizer.penalty", needed)


def _solve_steps(run: Run, names: list[str]) -> Solved:
    """Fewest planned steps by which every block is surely zero; a decaying rate stretches with the plan.

    More steps can fail where fewer suffice: the penalty must reach the push of the last step (C4, C5), which grows with
    the plan. Up to the longest plan whose last push it reaches, each further step shrinks the block more.
    """
    name, optimizer = "optimizer.steps", _optimizer(run)
    size = max(optimizer.group_sizes)

    def extinct(steps: int) -> bool:
        return extinction_step(optimizer.model_copy(update={"steps": steps}), size) is not None

    longest = steps_within_reach(optimizer, size, _MOST_STEPS)
    # No rate exceeds the first: fewer steps than at that constant rate are never enough.
    constant = optimizer.model_copy(update={"learning_rate_schedule": "constant", "steps": max(longest, 1)})
    enough = extinction_step(constant, size) if longest else None
    fewest = enough
    while enough is not None and enough < longest and not extinct(enough):
        fewest, enough = enough + 1, min(2 * enough, longest)
    if enough is None or not extinct(enough):
        needed = check_group(optimizer.model_copy(update={"steps": max(longest, 1)}), size).penalty_needed
        return Solved(
            name, None,
            f"optimizer.penalty={optimizer.penalty!r} is not guaranteed to extinguish a block of {size} weights within "
            f"{_MOST_STEPS} steps: in {max(longest, 1)} steps that takes {needed:.6g} (C4, C5)",
        )  # fmt: skip
    return Solved(name, bisect_left(range(enough + 1), True, lo=fewest or 1, hi=enough, key=extinct))


def _solve_selection(run: Run, names: list[str]) -> Solved:
    """The smallest penalty at which the other blocks vanish, if the target block survives there (C3, C7)."""
    name = "selection.penalty"
    if run.selection is None:
        raise ValueError("the run has no selection")
    found = check_selection(run.selection, run.model.head_width, run.locality.temperature)
    return Solved(name, None, found.window_text()) if found.empty else Solved(name, found.vanish_from)


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
    "selection.penalty": _solve_selection,
}
