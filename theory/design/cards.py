"""What the answers of `check` and `design` show in a notebook; bounds are rounded so that they still hold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from theory.design.needed import Standing, row_standing
from theory.design.rounded import at_least, at_most
from theory.design.run_layers import layer_promise
from theory.display import Badge, Card, Table, Tone, decided

if TYPE_CHECKING:
    from theory.design.row_check import RowCheck
    from theory.design.run_check import RunCheck
    from theory.design.run_design import RunDesign
    from theory.design.run_rules import RulesCheck

_TONES = {Standing.GUARANTEED: Tone.YES, Standing.POSSIBLE: Tone.OPEN, Standing.IMPOSSIBLE: Tone.NO}
_NO_TARGET = "no target was given"


def row_card(answer: RowCheck) -> Card:
    """Bounds of one row, the smallest settings for its targets, and the decision."""
    design, targets = answer.design, answer.targets
    verdict = Badge(_NO_TARGET, Tone.OPEN)
    if targets.any:
        standing = row_standing(design, targets, answer.logit_range)
        said = {Standing.POSSIBLE: "not guaranteed, possible for some rows", Standing.IMPOSSIBLE: "impossible"}
        verdict = Badge(said.get(standing, standing.value), _TONES[standing])
    values = answer.bounds
    named = (
        ("leak at most", at_most, values["leak_max"], "A2"),
        ("fidelity at least", at_least, values["fidelity_min"], "A2"),
        ("entropy at most, nats", at_most, values["entropy_max_nats"], "A4"),
        ("entropy at least, nats", at_least, values["entropy_min_nats"], "A5"),
    )
    bounds = [[name, rounded(value, 6), by] for name, rounded, value, by in named if value is not None]
    tables = [Table(("bound", "value", "statement"), bounds)]
    if targets.any:
        smallest = [[name, _setting(each.value), each.reason] for name, each in answer.thresholds.items()]
        tables.append(Table(("smallest", "value", "reason if none"), smallest, _asked(answer)))
    below = "Below a separation of 0 the upper bound on the entropy holds for exactly this separation."
    return Card(
        f"one row of {design.keys} keys, block of {design.block}, separation {answer.separation:.6g} nats",
        verdict,
        (below,) if answer.separation < 0 else (),
        tables,
    )


def _asked(answer: RowCheck) -> str:
    asked = {"fidelity >=": answer.targets.fidelity, "entropy in bits <=": answer.targets.entropy_bits}
    return "Targets: " + ", ".join(f"{name} {value!r}" for name, value in asked.items() if value is not None)


def run_card(answer: RunCheck) -> Card:
    """Decision, binding rows, what is unmet, and a table of layers."""
    run, binding = answer.run, answer.binding
    asked = layer_promise(run).any
    rows = [
        [
            layer.layer,
            f"{layer.dial:.4g}",
            "none" if layer.dial_needed is None else at_most(layer.dial_needed, 4),
            at_most(layer.leak_max, 3),
            at_least(layer.fidelity_min, 4),
            at_most(layer.entropy_max_nats, 4),
            Badge(layer.standing.value, _TONES[layer.standing]) if asked else "",
        ]
        for layer in answer.layers
    ]
    headings = ("layer", "dial", "dial needed", "leak ≤", "fidelity ≥", "entropy ≤, nats", "targets")
    tables = [Table(headings, rows, "Bounds over every row of a layer, rounded so that they hold")]
    if answer.groups:
        groups = [
            [
                group.size,
                at_most(group.penalty_needed, 6) if math.isfinite(group.penalty_needed) else "none",
                "never" if group.extinction_step is None else group.extinction_step,
                Badge(group.standing.value, _TONES[group.standing]),
            ]
            for group in answer.groups
        ]
        named = ("weights", "penalty needed", "surely zero from step", "standing")
        tables.append(Table(named, groups, "Penalised weight blocks"))
    chosen = [] if answer.selection is None else [f"Selection: {answer.selection.window_text()}."]
    said = chosen + [f"Unmet: {each}" for each in answer.unmet] + [f"Warning: {each}" for each in answer.warnings]
    for name, row in (("Fidelity", binding.fidelity), ("Entropy", binding.entropy)):
        said.append(f"{name} binds at query {row.query}: {row.keys} keys, {row.own} of its own block.")
    if answer.rules is not None:
        together = "possible" if answer.rules.possible else f"impossible at query {answer.rules.query}"
        said.append(f"All promises of the rules together: {together}.")
    return Card(
        f"run of {run.model.layers} layers, context {run.model.context}, margin {answer.margin:.6g} nats",
        decided(answer.guaranteed, "guaranteed", "not guaranteed", _NO_TARGET),
        said,
        tables,
    )


def design_card(answer: RunDesign) -> Card:
    """Every open setting with its answer, or the constraint that binds."""
    rows = [[each.name, _setting(each.value), each.reason] for each in answer.solved]
    found = answer.run is not None
    return Card(
        "smallest settings that guarantee the targets",
        decided(found and not answer.unmet, "found", "found, but targets stay unmet" if found else "none exists"),
        [f"Unmet: {each}" for each in answer.unmet],
        (Table(("setting", "value", "reason if none"), rows),),
    )


def rules_card(answer: RulesCheck) -> Card:
    """Whether a run's rules can be kept, and the weights that show it where they cannot."""
    weights = answer.certificate or {}
    promised = [[name, promise, weights.get(name, "")] for name, promise in answer.promises.items()]
    return Card(
        f"promises of {len(answer.promises)} rules",
        Badge("possible", Tone.YES) if answer.possible else Badge(f"impossible at query {answer.query}", Tone.NO),
        list(_shared(answer)),
        (Table(("rule", "promise", "weight that shows it (E2)"), promised),),
    )


def _shared(answer: RulesCheck) -> Iterator[str]:
    yield f"All may be promised up to {at_least(answer.shared, 6)} each."
    if answer.own_block:
        yield f"The fidelity of the own block has the weight {answer.own_block:.6g}."


def _setting(value: object) -> str:
    return "none" if value is None else str(value)
