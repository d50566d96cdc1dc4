"""Every figure, in the order in which they are drawn.

A module of a figure has a `NAME`, the ids of the `STATEMENTS` that it illustrates, a sentence `SHOWS` of what is drawn,
`draw(rows)` and `faults(rows)`. It has a `KIND` of records, or `make_rows(seed)`, which makes its own rows; with a kind
`ALSO` of records, `joined(made, recorded)` are the rows of both.
"""

from __future__ import annotations

from typing import Any

from figures.names import NAMES
from figures.pictures import (
    anchors,
    cost,
    depth,
    dial,
    entropy,
    frontier,
    heads,
    layers,
    leak,
    maps,
    measured,
    paths,
    phases,
    rowdial,
    rules,
    schedules,
    selection,
    thresholds,
    unseen,
)

_ALL: tuple[Any, ...] = (
    *(thresholds, depth, phases, selection, rowdial, leak, entropy, anchors),
    *(dial, layers, heads, measured, maps, paths, schedules, frontier, rules, unseen, cost),
)
_BY_NAME: dict[str, Any] = {module.NAME: module for module in _ALL}
MODULES: dict[str, Any] = {name: _BY_NAME[name] for name in NAMES}
