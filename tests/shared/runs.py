"""A run file, and variants of it."""

from __future__ import annotations

import copy
import tomllib

RUN = """
[model]
layers = 6
heads = 4
head_width = 64
context = 256

[locality]
block = 32
temperature = 1.0
margin = 6.5
schedule = "cubic"
dial = 0.97
logit_range = 9.0

[optimizer]
kind = "adamw"
learning_rate = 1e-3
steps = 4000
penalty = 300.0
block_norm = 1.5
group_sizes = [256, 1024]

[rules.subject]
keys = "0:32"
promise = 0.1

[rules.verb]
keys = [16, 17, 40]
promise = 0.08

[targets]
fidelity = 0.8
localised_layers = 2
"""


def run_values(**changes):
    """The run above as a dictionary; `table__key=value` changes a value, `None` removes a key or a table."""
    values = copy.deepcopy(tomllib.loads(RUN))
    for name, value in changes.items():
        *tables, key = name.split("__")
        target = values
        for table in tables:
            target = target.setdefault(table, {})
        if value is None:
            target.pop(key, None)
        else:
            target[key] = value
    return values
