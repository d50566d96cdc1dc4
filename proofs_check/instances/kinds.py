"""The kinds of instance that statements are about; a statement names its kind in `about`.

To add a kind, write a file with an instance, its strategy and its letters, and add its `InstanceKind` here. The methods
do not change.
"""

from __future__ import annotations

from proofs_check.instances import (
    anchors,
    chosen_keys,
    contexts,
    distant_keys,
    known,
    last_layers,
    layer_stacks,
    moved_logits,
    pointers,
    priced_layers,
    rows,
    rules,
    schedules,
    sparse_rows,
    surviving_blocks,
    truncated_layers,
    window_samples,
)
from proofs_check.instances.exact.instance import InstanceKind
from proofs_check.instances.row_strategies import attention_rows
from proofs_check.instances.weights import adam_runs, heads, stationary_heads, weight_blocks

KINDS: dict[str, InstanceKind] = {
    "row": InstanceKind(attention_rows, rows.DEFINITIONS),
    "row beside another": InstanceKind(attention_rows, known.KNOWN_DEFINITIONS),
    "row with chosen keys": chosen_keys.KIND,
    "row by distance": distant_keys.KIND,
    "context": contexts.KIND,
    "anchored head": anchors.HEAD_KIND,
    "anchor set": anchors.SET_KIND,
    "copied anchor": anchors.COPIES_KIND,
    "pointer channel": pointers.KIND,
    "rule set": rules.RULE_KIND,
    "checker": rules.CHECKER_KIND,
    "reloaded checker": rules.RELOADED_KIND,
    "truncated layer": truncated_layers.KIND,
    "last layer": last_layers.KIND,
    "moved logits": moved_logits.KIND,
    "schedule": schedules.KIND,
    "set of priced layers": priced_layers.KIND,
    "layer stack": layer_stacks.KIND,
    "window sample": window_samples.KIND,
    "sparse row": sparse_rows.KIND,
    "weight block": weight_blocks.BLOCK_KIND,
    "head": heads.KIND,
    "stationary head": stationary_heads.KIND,
    "descent": weight_blocks.DESCENT_KIND,
    "adam run": adam_runs.KIND,
    "surviving block": surviving_blocks.KIND,
}
