"""The answer of `localist check RUN.toml`: layer by layer, block by block, rule by rule."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from theory.design.cards import run_card
from theory.design.causal_rows import Row
from theory.design.guarantee import Targets
from theory.design.needed import Standing
from theory.design.promise import Promise, Setting, range_seen
from theory.design.rounded import at_least, at_most
from theory.design.run_file import MOST_SCALE, Run, open_settings
from theory.design.run_groups import GroupCheck, check_group
from theory.design.run_layers import (
    anchor_faults,
    anchor_scales,
    binding_dial,
    layer_dials,
    layer_promise,
    layer_setting,
    run_margin,
)
from theory.design.run_rules import RulesCheck, check_rules
from theory.design.selection import SelectionCheck, check_selection
from theory.display import Card, Displayed
from theory.errors import InputError
from theory.numbers import anchor_bounds
from theory.numbers.checked import Array, without_infinities
from theory.numbers.schedule_bounds import schedule_budget
from theory.statements.weights.extinction import ADAM_WARNING
from theory.statements.weights.group_lasso import COLLAPSE_WARNING

# Bias in nats at which a float32 dial has lost half of its digits (B1): float32 saturates near 17 nats.
_COARSE_DIAL = 17 / 2


@dataclass(frozen=True)
class LayerCheck:
    """One layer: its dial, the dial its targets need, its bounds over all rows in nats, and whether they are kept."""

    layer: int
    dial: float
    dial_needed: float | None
    separation: float
    leak_max: float
    fidelity_min: float
    entropy_max_nats: float
    entropy_min_nats: float | None
    standing: Standing


@dataclass(frozen=True)
class Binding:
    """The least dialled layer that must keep the targets: the rows that bind it, and the share of rows that keep them.

    `separation_needed` is what softmax attention needs in every row, in nats; None in sparse attention.
    """

    layer: int
    fidelity: Row
    entropy: Row
    separation: float
    separation_needed: float | None
    share: float | None

    def to_json(self) -> dict[str, object]:
        """The object that `--json` prints; a query counts from 0."""
        rows = {"fidelity": self.fidelity, "entropy": self.entropy}
        sizes = {name: {"query": row.query, "keys": row.keys, "own_keys": row.own} for name, row in rows.items()}
        return {**vars(self), **sizes}


@dataclass(frozen=True, repr=False)
class RunCheck(Displayed):
    """The whole answer; `guaranteed` is None if nothing was asked for."""

    run: Run
    margin: float
    layers: tuple[LayerCheck, ...]
    binding: Binding
    schedule: dict[str, float]
    groups: tuple[GroupCheck, ...] = ()
    selection: SelectionCheck | None = None
    anchors: dict[str, Any] | None = None
    sparse: dict[str, Any] | None = None
    rules: RulesCheck | None = None
    warnings: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    guaranteed: bool | None = None

    def card(self) -> Card:
        """What a notebook shows."""
        return run_card(self)

    def to_json(self) -> dict[str, object]:
        """The object that `--json` prints; a non-finite number, such as an infinite bound, is null."""
        answer = {
            "run": self.run.model_dump(),
            "margin": self.margin,
            "layers": [{**vars(layer), "standing": layer.standing.value} for layer in self.layers],
            "binding": self.binding.to_json(),
            "schedule": self.schedule,
            "groups": [{**vars(group), "standing": group.standing.value} for group in self.groups],
            "selection": None if self.selection is None else self.selection.to_json(),
            "anchors": self.anchors,
            "sparse": self.sparse,
            "rules": None if self.rules is None else self.rules.to_json(),
            "warnings": list(self.warnings),
            "unmet": list(self.unmet),
            "guaranteed": self.guaranteed,
        }
        return dict(without_infinities(answer))


@dataclass
class _Findings:
    warnings: list[str] = field(default_factory=list)
    unmet: list[str] = field(default_factory=list)
    asked: bool = False

    @property
    def decision(self) -> bool | None:
        """Whether everything asked for is guaranteed; None if nothing was asked for."""
        return not self.unmet if self.asked else None


def require_settled(run: Run) -> None:
    """Raises an `InputError` that names the settings left to `localist design`."""
    if still_open := open_settings(run):
        raise InputError(f"{', '.join(still_open)} must be given here; `localist design` solves for it")


def check_weights(run: Run) -> bool | None:
    """The decision on the penalised weight blocks, independent of the rows' sizes; None if there are none."""
    findings = _Findings()
    _groups(run, findings)
    _selection(run, findings)
    return findings.decision


def check_run(run: Run) -> RunCheck:
    """Checks a run whose settings are all given; an `InputError` names those left to `localist design`."""
    require_settled(run)
    findings, promise = _Findings(), layer_promise(run)
    margin, largest = run_margin(run), float(run.locality.dial)
    dials = layer_dials(run, largest)
    layers = _layers(run, promise, layer_setting(run, margin, 0.0), dials)
    binding = _binding(run, promise, layer_setting(run, margin, binding_dial(run, largest)))
    schedule = _schedule(run, promise, layers, binding, findings)
    anchors = _anchors(run, promise, findings)
    groups = _groups(run, findings)
    selection = _selection(run, findings)
    rules = _rules(run, findings)
    sparse = _sparse(run, promise, layer_setting(run, margin, binding_dial(run, largest)), findings)
    return RunCheck(
        run, margin, layers, binding, schedule, groups, selection, anchors, sparse, rules,
        tuple(findings.warnings), tuple(findings.unmet), findings.decision,
    )  # fmt: skip


def _layers(run: Run, promise: Promise, setting: Setting, dials: Array) -> tuple[LayerCheck, ...]:
    """Every layer; the smallest dials at which a layer keeps, or may keep, its targets are found once."""
    needed = promise.smallest_dial(setting)
    separations = np.array([replace(setting, dial=float(dial)).at(promise.rows.farthest).nats() for dial in dials])
    kept = dials >= (2 if needed is None else needed) if promise.any else dials >= 0
    missed, emptied, seen = np.zeros(len(dials), np.bool_), np.zeros(len(dials), np.bool_), None
    if run.locality.logit_range is not None:
        seen = range_seen(run.locality.logit_range, dials, setting.penalty, setting.temperature)
        missed = promise.missed(setting, dials, run.locality.logit_range) & ~kept
    if promise.sparse is not None:
        enough = replace(promise, targets=Targets()).smallest_dial(setting)
        emptied = dials >= (2 if enough is None else enough)
    columns = promise.row_bounds(separations, seen, emptied)
    standings = (Standing.POSSIBLE, Standing.GUARANTEED, Standing.IMPOSSIBLE)

    def bounds_of(index: int) -> dict[str, Any]:
        return {name: None if column is None else float(column[index]) for name, column in columns.items()}

    return tuple(
        LayerCheck(
            index, float(dials[index]), needed, float(separations[index]),
            standing=standings[kept[index] + 2 * missed[index]],
            **bounds_of(index),
        )
        for index in range(len(dials))
    )  # fmt: skip


def _binding(run: Run, promise: Promise, setting: Setting) -> Binding:
    separation = setting.at(promise.rows.farthest).nats()
    return Binding(
        int(np.argsort(layer_dials(run, float(run.locality.dial)), kind="stable")[-run.localised_layers]),
        promise.rows.farthest,
        promise.entropy_row(separation),
        separation,
        promise.separation_needed() if promise.targets.any and promise.sparse is None else None,
        promise.share(setting) if promise.any else None,
    )


def _schedule(
    run: Run, promise: Promise, layers: tuple[LayerCheck, ...], binding: Binding, findings: _Findings
) -> dict[str, float]:
    kept = sum(layer.standing is Standing.GUARANTEED for layer in layers)
    if promise.targets.any:
        findings.asked = True
        if kept < run.localised_layers:
            findings.unmet.append(
                f"{run.localised_layers} layers must keep the targets in every row and {kept} of {len(layers)} are "
                f"guaranteed to{_lacking(binding)}"
            )
    largest = float(run.locality.dial)
    if -math.log1p(-largest) > _COARSE_DIAL:
        findings.warnings.append(
            f"dial {largest!r} is coarse in float32: carry its bias log(1/(1 - dial)) = "
            f"{-math.log1p(-largest):.4g} nats instead (B1)"
        )
    if 2 * run.locality.sizes[1] > run.model.context:
        findings.warnings.append("the block is more than half of the context: fidelity says little")
    dials = [layer.dial for layer in layers]
    return {
        "budget": float(sum(dials)),
        "mean_dial": float(sum(dials)) / len(dials),
        "closed_form_budget": float(sum(dials)) if run.locality.calibration else largest * _shape(run),
        "localised_layers": kept,
        "required_layers": run.localised_layers,
    }


def _shape(run: Run) -> float:
    return float(schedule_budget(run.locality.schedule, run.model.layers))


def _lacking(binding: Binding) -> str:
    if binding.separation_needed is None:
        return ""
    if binding.separation_needed == math.inf:
        return ": no separation is enough, as the entropy target is not above the floor log m (A4)"
    return (
        f": layer {binding.layer} has a separation of {at_least(binding.separation, 4)} nats and needs "
        f"{at_most(binding.separation_needed, 4)}"
    )


def _anchors(run: Run, promise: Promise, findings: _Findings) -> dict[str, Any] | None:
    anchors = run.locality.anchors
    if anchors is None:
        return None
    if faults := anchor_faults(run):
        findings.asked = True
        findings.unmet.extend(faults)
    scales = anchor_scales(run, promise) if promise.any else None
    return {
        "number": anchors.number,
        "dimension": run.model.head_width,
        "least_coherence": float(anchor_bounds.coherence_possible(run.model.head_width, anchors.number)),
        "scale_needed": None if scales is None else scales[0],
        "scale_most": None if scales is None or scales[1] == MOST_SCALE else scales[1],
        "feasible": scales is not None or not promise.any,
    }


def _groups(run: Run, findings: _Findings) -> tuple[GroupCheck, ...]:
    optimizer = run.optimizer
    if optimizer is None:
        return ()
    findings.asked = True
    findings.warnings.append(COLLAPSE_WARNING)
    if optimizer.kind == "adamw":
        findings.warnings.append(ADAM_WARNING)
    groups = tuple(check_group(optimizer, size) for size in sorted(set(optimizer.group_sizes)))
    for group in groups:
        if group.standing is not Standing.GUARANTEED:
            findings.unmet.append(
                f"blocks of {group.size} weights are not guaranteed to be zero within {optimizer.steps} steps: "
                + (
                    f"that takes a penalty of {group.penalty_needed!r}"
                    if math.isfinite(group.penalty_needed)
                    else "no penalty that float64 can hold is enough"
                )
            )
    return groups


def _selection(run: Run, findings: _Findings) -> SelectionCheck | None:
    if run.selection is None:
        return None
    findings.asked = True
    found = check_selection(run.selection, run.model.head_width, run.locality.temperature)
    if found.standing is not Standing.GUARANTEED:
        findings.unmet.append(f"selection.penalty={run.selection.penalty!r}: {found.window_text()}")
    return found


def _rules(run: Run, findings: _Findings) -> RulesCheck | None:
    if not run.rules:
        return None
    findings.asked = True
    rules = check_rules(run.rules, run.rows, run.targets.fidelity)
    if not rules.possible:
        beside = "" if not rules.own_block else f", beside a fidelity of {run.targets.fidelity!r}"
        findings.unmet.append(
            f"the rules promise more than any attention row of query {rules.query} can give{beside} (E2)"
        )
    return rules


def _sparse(run: Run, promise: Promise, setting: Setting, findings: _Findings) -> dict[str, Any] | None:
    """Whether the sparse penalty empties the complement in the binding layer, whatever the targets."""
    if promise.sparse is None:
        return None
    findings.asked = True
    bare, logit_range = replace(promise, targets=Targets()), run.locality.logit_range
    standing, needed = Standing.POSSIBLE, bare.sparse_penalty_needed(setting)
    if bare.emptied(setting):
        standing = Standing.GUARANTEED
    elif logit_range is not None and bare.never_emptied(setting.at_range(logit_range)):
        standing = Standing.IMPOSSIBLE
    if standing is not Standing.GUARANTEED:
        findings.unmet.append(
            f"the sparse penalty {promise.sparse.penalty!r} is below {needed!r}, which empties the complement of every "
            f"row in {run.localised_layers} layers (B5)"
        )
    return {"penalty_needed": needed, "standing": standing.value}
