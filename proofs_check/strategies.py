"""Hypothesis strategies for property tests of your own: rows, blocks, heads, rule sets, schedules and runs.

Every number drawn is exact (a `Fraction`, an `int`, or a float taken as the number it stores). Every instance prints
readably, and examples shrink towards few, simple parts.

>>> from hypothesis import given, settings
>>> @settings(max_examples=5, database=None)
... @given(attention_rows())
... def test_block_is_a_proper_part(row):
...     assert 1 <= row.block < len(row.scores)
>>> test_block_is_a_proper_part()
"""

from __future__ import annotations

from proofs_check.instances.anchors import anchor_sets, anchored_heads, copied_anchors
from proofs_check.instances.chosen_keys import rows_with_chosen_keys
from proofs_check.instances.contexts import contexts
from proofs_check.instances.distant_keys import rows_by_distance
from proofs_check.instances.last_layers import last_layers
from proofs_check.instances.layer_stacks import layer_stacks
from proofs_check.instances.moved_logits import moved_logits
from proofs_check.instances.pointers import pointer_channels
from proofs_check.instances.priced_layers import priced_layers
from proofs_check.instances.row_strategies import attention_rows, blocks, dials, probabilities, temperatures
from proofs_check.instances.rules import checkers, reloaded_checkers, rule_sets
from proofs_check.instances.schedules import schedules
from proofs_check.instances.sparse_rows import sparse_rows
from proofs_check.instances.surviving_blocks import surviving_blocks
from proofs_check.instances.truncated_layers import truncated_layers
from proofs_check.instances.weights.adam_runs import adam_runs
from proofs_check.instances.weights.heads import heads
from proofs_check.instances.weights.stationary_heads import stationary_heads
from proofs_check.instances.weights.weight_blocks import descents, weight_blocks
from proofs_check.instances.window_samples import window_samples

__all__ = [
    "adam_runs",
    "anchor_sets",
    "anchored_heads",
    "attention_rows",
    "blocks",
    "checkers",
    "contexts",
    "copied_anchors",
    "descents",
    "dials",
    "heads",
    "last_layers",
    "layer_stacks",
    "moved_logits",
    "pointer_channels",
    "priced_layers",
    "probabilities",
    "reloaded_checkers",
    "rows_by_distance",
    "rows_with_chosen_keys",
    "rule_sets",
    "schedules",
    "sparse_rows",
    "stationary_heads",
    "surviving_blocks",
    "temperatures",
    "truncated_layers",
    "weight_blocks",
    "window_samples",
]
