"""What `localist check RUN.toml` says of a whole run: layer by layer, block by block, rule by rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from theory import anchor_bounds, bounds, rule_bounds, weight_bounds
from theory.checked import without_infinities
from theory.errors import InputError
from theory.extinction import ADAM_WARNING
from theory.group_lasso import COLLAPSE_WARNING
from theory.guarantee import LARGEST_FLOAT, Design, Targets, dial_beside_penalty, margin_of_anchors
from theory.needed import Standing, row_standing, separation_needed
from theory.run_file import Optimizer, Run, open_settings
from theory.schedule_bounds import schedule_budget, schedule_dials

# Where the dial's bias in float32 has lost half of its digits (B1): float32 saturates near 17 nats.
_COARSE_DIAL = 17 / 2
_CERTAIN = 1e-12


@dataclass(frozen=True)
class LayerCheck:
    """One layer: its dial, the dial its targets need, its bounds in nats, and whether they are kept."""

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
class GroupCheck:
    """One size of penalised weight block: the penalty that surely extinguishes it, and when it is zero."""

    size: int
    penalty_needed: float
    extinction_step: int | None
    standing: Standing


@dataclass(frozen=True)
class RunCheck:
    """The whole answer; `guaranteed` is None where nothing was asked for."""

    run: Run
    margin: float
    layers: tuple[LayerCheck, ...]
    schedule: dict[str, float]
    groups: tuple[GroupCheck, ...] = ()
    anchors: dict[str, Any] | None = None
    sparse: dict[str, Any] | None = None
    rules: dict[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    guaranteed: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints; a number that float64 cannot hold, an infinite bound say, is null."""
        answer = {
            "run": self.run.model_dump(),
            "margin": self.margin,
            "layers": [{**vars(layer), "standing": layer.standing.value} for layer in self.layers],
            "schedule": self.schedule,
            "groups": [{**vars(group), "standing": group.standing.value} for group in self.groups],
            "anchors": self.anchors,
            "sparse": self.sparse,
            "rules": self.rules,
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
        """Whether all that was asked for is guaranteed; None where nothing was."""
        return not self.unmet if self.asked else None


def row_targets(run: Run) -> Targets:
    """The targets of one row in a localised layer."""
    return Targets(run.targets.fidelity, run.targets.entropy_bits)


def run_margin(run: Run) -> float:
    """The margin given, or the one that the anchors promise (D1)."""
    locality = run.locality
    if locality.anchors is not None:
        anchors = locality.anchors
        return margin_of_anchors(anchors.coherence, anchors.distance, float(anchors.scale))
    return float(locality.margin)  # type: ignore[arg-type]  # the validator saw to it that one is given


def layer_design(run: Run, margin: float, dial: float) -> Design:
    """The rows of a layer with that dial: a run promises its margin from below."""
    locality = run.locality
    return Design(
        run.model.context, locality.block, margin, locality.temperature, float(locality.penalty), float(dial),
        at_least=True,
    )  # fmt: skip


def require_settled(run: Run) -> None:
    """Raise the `InputError` that names the settings left to `localist design`."""
    if still_open := open_settings(run):
        raise InputError(f"{', '.join(still_open)} must be given here; `localist design` solves for it")


def check_apart_from_rows(run: Run) -> bool | None:
    """The decision on what no row's bound enters: anchors, weight blocks and rules; None where nothing is asked."""
    findings = _Findings()
    _anchors(run, findings)
    _groups(run.optimizer, findings)
    _rules(run, findings)
    return findings.decision


def check_run(run: Run) -> RunCheck:
    """Check a run whose settings are all given; `InputError` names the ones left to `localist design`."""
    require_settled(run)
    findings = _Findings()
    margin = run_margin(run)
    dials = [float(x) for x in schedule_dials(run.locality.schedule, run.model.layers, run.locality.dial)]
    layers = tuple(_layer(run, margin, index, dial) for index, dial in enumerate(dials))
    schedule = _schedule(run, dials, layers, findings)
    anchors = _anchors(run, findings)
    groups = _groups(run.optimizer, findings)
    rules = _rules(run, findings)
    sparse = _sparse(run, margin, findings)
    return RunCheck(
        run, margin, layers, schedule, groups, anchors, sparse, rules,
        tuple(findings.warnings), tuple(findings.unmet), findings.decision,
    )  # fmt: skip


def _layer(run: Run, margin: float, index: int, dial: float) -> LayerCheck:
    design, targets = layer_design(run, margin, dial), row_targets(run)
    n, m = design.keys, design.block
    bias = -math.log1p(-dial)
    d = design.nats()
    logit_range = run.locality.logit_range
    lowest = None
    if logit_range is not None:
        # The dial and the penalty widen the range of what the softmax sees by their biases at most.
        logit_range = min(logit_range + bias + design.penalty / design.temperature, LARGEST_FLOAT)
        lowest = float(bounds.entropy_min(n, logit_range))
    return LayerCheck(
        layer=index,
        dial=dial,
        dial_needed=dial_beside_penalty(design, targets).value,
        separation=d,
        leak_max=float(bounds.leak_max(n, m, d)),
        fidelity_min=float(bounds.fidelity_min(n, m, d)),
        entropy_max_nats=float(bounds.entropy_max_at_least(n, m, d)),
        entropy_min_nats=lowest,
        standing=row_standing(design, targets, logit_range),
    )


def _schedule(run: Run, dials: list[float], layers: tuple[LayerCheck, ...], findings: _Findings) -> dict[str, float]:
    kept = sum(layer.standing is Standing.GUARANTEED for layer in layers)
    if row_targets(run).any:
        findings.asked = True
        if kept < run.localised_layers:
            findings.unmet.append(
                f"{run.localised_layers} layers must keep the targets and {kept} of {len(layers)} are guaranteed to"
            )
    largest = float(run.locality.dial)
    if -math.log1p(-largest) > _COARSE_DIAL:
        findings.warnings.append(
            f"dial {largest!r} is coarse in float32: carry its bias log(1/(1 - dial)) = "
            f"{-math.log1p(-largest):.4g} nats instead (B1)"
        )
    if run.model.context // max(1, run.locality.block) < 2:
        findings.warnings.append("the block is more than half of the context: fidelity says little")
    return {
        "budget": float(sum(dials)),
        "mean_dial": float(sum(dials)) / len(dials),
        "closed_form_budget": largest * float(schedule_budget(run.locality.schedule, run.model.layers)),
        "localised_layers": kept,
        "required_layers": run.localised_layers,
    }


def _anchors(run: Run, findings: _Findings) -> dict[str, Any] | None:
    anchors = run.locality.anchors
    if anchors is None:
        return None
    possible = float(anchor_bounds.coherence_possible(run.model.head_width, anchors.number))
    if anchors.coherence < possible - _CERTAIN:
        findings.asked = True
        findings.unmet.append(
            f"{anchors.number} anchors in {run.model.head_width} dimensions cannot all have coherence at most "
            f"{anchors.coherence!r}: the least is {possible!r} (D2)"
        )
    needed = separation_needed(run.model.context, run.locality.block, row_targets(run))
    scale = None
    if math.isfinite(needed):
        # The most dialled layer needs the least of its anchors.
        bias = -math.log1p(-float(run.locality.dial))
        lacking = run.locality.temperature * (needed - bias) - float(run.locality.penalty)
        scale = math.inf
        if lacking < math.inf:
            scale = float(anchor_bounds.anchor_scale_needed(anchors.coherence, anchors.distance, max(lacking, 0.0)))
    return {
        "number": anchors.number,
        "dimension": run.model.head_width,
        "least_coherence": possible,
        "scale_needed": None if scale is None or math.isinf(scale) else scale,
        "feasible": scale is None or math.isfinite(scale),
    }


def learning_rates(optimizer: Optimizer, steps: int) -> Any:
    """The learning rate of every planned step."""
    import numpy as np

    if optimizer.learning_rate_schedule == "constant":
        return np.full(steps, optimizer.learning_rate)
    return optimizer.learning_rate * (1 - np.arange(steps) / steps)


def _groups(optimizer: Optimizer | None, findings: _Findings) -> tuple[GroupCheck, ...]:
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
                f"blocks of {group.size} weights are not sure to be zero within {optimizer.steps} steps: "
                + (
                    f"that takes a penalty of {group.penalty_needed!r}"
                    if math.isfinite(group.penalty_needed)
                    else "no penalty that float64 can hold is enough"
                )
            )
    return groups


def check_group(optimizer: Optimizer, size: int) -> GroupCheck:
    """When a penalised block of `size` weights is surely zero (C4, C5), against the planned steps."""
    steps, penalty = int(optimizer.steps), float(optimizer.penalty)
    rates = learning_rates(optimizer, steps)
    if optimizer.kind == "adamw":
        beta1, beta2 = optimizer.betas
        needed = float(weight_bounds.adam_penalty_needed(optimizer.block_norm, rates, size, beta1, beta2))
        step = weight_bounds.extinction_step_adam(optimizer.block_norm, rates, penalty, size, beta1, beta2)
    else:
        bound = float(optimizer.gradient_bound or 0.0)
        needed = float(weight_bounds.sgd_penalty_needed(optimizer.block_norm, rates, bound, optimizer.momentum))
        step = weight_bounds.extinction_step_sgd(optimizer.block_norm, rates, penalty, bound, optimizer.momentum)
    if step is not None and step <= steps:
        standing = Standing.GUARANTEED
    elif optimizer.gradient_least is not None and penalty < optimizer.gradient_least:
        standing = Standing.IMPOSSIBLE
    else:
        standing = Standing.POSSIBLE
    return GroupCheck(size, needed, step, standing)


def _rules(run: Run, findings: _Findings) -> dict[str, Any] | None:
    if not run.rules:
        return None
    findings.asked = True
    names = list(run.rules)
    held = memberships([rule.targets() for rule in run.rules.values()])
    promises = [run.rules[name].promise for name in names]
    shared = rule_bounds.promise_sup(held)
    verdict = rule_bounds.promises_possible(held, promises)
    if not verdict.possible:
        findings.unmet.append("the rules promise more than any attention row can give (E2)")
    return {
        "shared_sup": float(shared.value),
        "promises": dict(zip(names, promises, strict=True)),
        "possible": verdict.possible,
        "certificate": None
        if verdict.certificate is None
        else {name: float(weight) for name, weight in zip(names, verdict.certificate, strict=True)},
    }


def memberships(targets: list[Sequence[int]]) -> list[list[int]]:
    """Which target holds which key, 0 or 1: one column for each kind of key, however many keys are of that kind."""
    held: list[range | frozenset[int]] = [keys if isinstance(keys, range) else frozenset(keys) for keys in targets]
    # Between two neighbouring ends of ranges, or keys named one by one, every key is of the first one's kind.
    starts: set[int] = set()
    for keys in held:
        starts |= {keys.start, keys.stop} if isinstance(keys, range) else {key + i for key in keys for i in (0, 1)}
    kinds = dict.fromkeys(tuple(int(key in keys) for keys in held) for key in sorted(starts))
    return [list(row) for row in zip(*(kind for kind in kinds if any(kind)), strict=True)]


def _sparse(run: Run, margin: float, findings: _Findings) -> dict[str, Any] | None:
    sparse = run.locality.sparse
    if sparse is None:
        return None
    findings.asked = True
    needed = float(
        weight_bounds.sparse_penalty_needed(run.locality.block, sparse.group, margin, run.locality.temperature)
    )
    logit_range, tau = run.locality.logit_range, run.locality.temperature
    # The water level is at most tau/m below the block's largest score, which a range of r lifts by at most tau r.
    least = 0.0 if logit_range is None else tau * (1 / run.locality.block - logit_range)
    standing = Standing.POSSIBLE
    if sparse.penalty >= needed:
        standing = Standing.GUARANTEED
    elif sparse.penalty < least * (1 - _CERTAIN):
        standing = Standing.IMPOSSIBLE
    if standing is not Standing.GUARANTEED:
        findings.unmet.append(f"the sparse penalty {sparse.penalty!r} is below {needed!r}, which suffices (B5)")
    return {"penalty_needed": needed, "standing": standing.value}
