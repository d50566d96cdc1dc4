"""The kinds of instance that statements are about: how to draw one, and the value of each letter on it.

A statement names its kind in `about`. To add a kind, add an entry to `KINDS`: a hypothesis strategy and a table of
definitions. The methods do not change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances import (
    adam_runs,
    anchors,
    contexts,
    heads,
    known,
    pointers,
    rows,
    rules,
    schedules,
    sparse_rows,
    stationary_heads,
    surviving_blocks,
    weight_blocks,
)
from proofs_check.instances.row_strategies import attention_rows

Definition = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class InstanceKind:
    """How to draw an instance, and the value of every letter on it, from definitions alone.

    An instance needs a readable `str` and an integer `levels`: how many different exponentials its exact forms contain.
    `structure` checks, by name, the assumptions that are not relations of letters. `strategy` draws instances that keep
    every assumption, `astray` instances that break one, to which no true statement applies.
    """

    strategy: Callable[[], st.SearchStrategy[Any]]
    definitions: Mapping[Symbol, Definition]
    structure: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict)
    astray: Callable[[], st.SearchStrategy[Any]] | None = None

    def instances(self) -> st.SearchStrategy[Any]:
        """The strategy for the methods: one instance in four breaks an assumption, if the kind has such instances."""
        lawful = self.strategy()
        if self.astray is None:
            return lawful
        astray = self.astray()
        return st.integers(0, 3).flatmap(lambda drawn: astray if drawn == 3 else lawful)

    def each(self, look: Callable[[Any], None], instances: int, random_seed: int, shrink: bool = False) -> None:
        """Draws that many instances and passes each to `look`.

        The same seed draws the same instances if the same modules are loaded (see `methods.sampling.sample`). An error
        in `look` ends the drawing and is raised, from the shrunk instance if `shrink` is set.
        """

        @seed(random_seed)
        @settings(
            max_examples=instances,
            database=None,
            deadline=None,
            # The seed decides even if a profile derandomises, which derives the seed from the function's name.
            derandomize=False,
            phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
            print_blob=False,
            report_multiple_bugs=False,
        )
        @given(self.instances())
        def draw(instance: Any) -> None:
            look(instance)

        draw()


KINDS: dict[str, InstanceKind] = {
    "row": InstanceKind(attention_rows, rows.DEFINITIONS),
    "context": InstanceKind(contexts.contexts, contexts.CONTEXT_DEFINITIONS, astray=contexts.astray_contexts),
    "anchored head": InstanceKind(
        anchors.anchored_heads, anchors.HEAD_DEFINITIONS, anchors.HEAD_STRUCTURE, anchors.astray_heads
    ),
    "anchor set": InstanceKind(
        anchors.anchor_sets, anchors.SET_DEFINITIONS, anchors.SET_STRUCTURE, anchors.astray_sets
    ),
    "pointer channel": InstanceKind(
        pointers.pointer_channels, pointers.CHANNEL_DEFINITIONS, pointers.CHANNEL_STRUCTURE, pointers.astray_channels
    ),
    "rule set": InstanceKind(rules.rule_sets, rules.RULE_DEFINITIONS, rules.RULE_STRUCTURE, rules.astray_rule_sets),
    "checker": InstanceKind(rules.checkers, rules.CHECKER_DEFINITIONS),
    "schedule": InstanceKind(
        schedules.schedules,
        schedules.SCHEDULE_DEFINITIONS,
        schedules.SCHEDULE_STRUCTURE,
        schedules.astray_schedules,
    ),
    "row beside another": InstanceKind(attention_rows, known.KNOWN_DEFINITIONS),
    "sparse row": InstanceKind(sparse_rows.sparse_rows, sparse_rows.DEFINITIONS, sparse_rows.SPARSE_STRUCTURE),
    "weight block": InstanceKind(
        weight_blocks.weight_blocks, weight_blocks.BLOCK_DEFINITIONS, weight_blocks.BLOCK_STRUCTURE
    ),
    "head": InstanceKind(heads.heads, heads.HEAD_DEFINITIONS, heads.HEAD_STRUCTURE),
    "stationary head": InstanceKind(
        stationary_heads.stationary_heads,
        stationary_heads.STATIONARY_DEFINITIONS,
        stationary_heads.STATIONARY_STRUCTURE,
        stationary_heads.astray_stationary_heads,
    ),
    "descent": InstanceKind(
        weight_blocks.descents,
        weight_blocks.DESCENT_DEFINITIONS,
        weight_blocks.DESCENT_STRUCTURE,
        weight_blocks.astray_descents,
    ),
    "adam run": InstanceKind(
        adam_runs.adam_runs, adam_runs.ADAM_DEFINITIONS, adam_runs.ADAM_STRUCTURE, adam_runs.astray_adam_runs
    ),
    "surviving block": InstanceKind(
        surviving_blocks.surviving_blocks,
        surviving_blocks.SURVIVING_DEFINITIONS,
        surviving_blocks.SURVIVING_STRUCTURE,
        surviving_blocks.astray_surviving_blocks,
    ),
}
