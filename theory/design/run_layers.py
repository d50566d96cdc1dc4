"""A run's layers as promises about rows, and the conditions on its anchors (D1, D2)."""

from __future__ import annotations

import math

import numpy as np

from theory.design.guarantee import Targets, anchors_promise, smallest_float
from theory.design.measured_curves import least_cost_schedule
from theory.design.promise import Promise, Setting, Sparse
from theory.design.run_file import MOST_SCALE, Run
from theory.errors import InputError
from theory.numbers import anchor_bounds
from theory.numbers.checked import Array
from theory.numbers.schedule_bounds import schedule_dials

LEAST_SCALE = 5e-324
_CERTAIN = 1e-12


def layer_promise(run: Run) -> Promise:
    """The promise that every localised layer must keep."""
    sparse = run.locality.sparse
    targets = Targets(run.targets.fidelity, run.targets.entropy_bits)
    return Promise(run.rows, targets, None if sparse is None else Sparse(sparse.penalty, sparse.group))


def run_margin(run: Run) -> float:
    """The margin given, or the one that the anchors promise (D1)."""
    margin = run.locality.promised_margin()
    if margin is None:
        raise ValueError("the run's margin is left open")
    return margin


def layer_setting(run: Run, margin: float, dial: float) -> Setting:
    """Settings shared by the rows of a layer with that dial."""
    locality = run.locality
    return Setting(margin, locality.temperature, float(locality.penalty), float(dial))


def layer_dials(run: Run, largest: float) -> Array:
    """The dial of every layer; `largest` is that of a polynomial schedule.

    Raises `InputError` for measured curves that are not those of as many layers.
    """
    calibration, mean, layers = run.locality.calibration, run.locality.mean_dial, run.model.layers
    if calibration is None or mean is None:
        return schedule_dials(run.locality.schedule, layers, largest)
    dials = least_cost_schedule(calibration, mean)
    if len(dials) != layers:
        raise InputError(f"{calibration} has curves of {len(dials)} layers, and model.layers={layers}")
    return np.array(dials)


def binding_dial(run: Run, largest: float) -> float:
    """Dial of the least dialled layer that must be localised, as the schedule computes it."""
    dials = layer_dials(run, largest)
    return float(sorted(dials, reverse=True)[run.localised_layers - 1])


def anchor_scales(run: Run, promise: Promise) -> tuple[float, float] | None:
    """Smallest and largest anchor scale at which the binding layer keeps its promise (D1); None if none does.

    The margin is the scale times a factor of the geometry. If that is negative, a smaller scale promises more.
    """
    anchors = run.locality.anchors
    needed = promise.smallest_margin(layer_setting(run, 0.0, binding_dial(run, float(run.locality.dial))))
    if anchors is None or needed is None:
        return None

    def kept(scale: float) -> bool:
        return anchors_promise(anchors.coherence, anchors.distance, scale, needed)

    if kept(MOST_SCALE):
        return smallest_float(kept, LEAST_SCALE, MOST_SCALE), MOST_SCALE
    if kept(LEAST_SCALE):
        return LEAST_SCALE, math.nextafter(smallest_float(lambda scale: not kept(scale), LEAST_SCALE, MOST_SCALE), 0.0)
    return None


def anchor_faults(run: Run) -> list[str]:
    """Why no such anchors exist, or not enough of them; empty if no reason is known."""
    anchors, faults = run.locality.anchors, []
    if anchors is None:
        return []
    possible = float(anchor_bounds.coherence_possible(run.model.head_width, anchors.number))
    if anchors.coherence < possible - _CERTAIN:
        faults.append(
            f"{anchors.number} anchors in {run.model.head_width} dimensions cannot all have coherence at most "
            f"{anchors.coherence!r}: the least is {possible!r} or more (D2)"
        )
    blocks = -(-run.model.context // run.locality.sizes[0])
    if anchors.number < blocks:
        faults.append(f"{anchors.number} anchors are fewer than the {blocks} blocks that a context can hold")
    return faults
