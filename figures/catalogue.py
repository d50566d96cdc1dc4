"""Every figure, in the order in which they are drawn.

A module of a figure has a `NAME`, the ids of the `STATEMENTS` that it illustrates, a sentence `SHOWS` of what is drawn,
`draw(rows)` and `faults(rows)`. It has a `KIND` of records, or `make_rows(seed)`, which makes its own rows.
"""

from __future__ import annotations

from typing import Any

from figures import dial, entropy, layers, leak, schedules, thresholds
from figures.names import NAMES

_ALL: tuple[Any, ...] = (thresholds, leak, entropy, dial, layers, schedules)
_BY_NAME: dict[str, Any] = {module.NAME: module for module in _ALL}
MODULES: dict[str, Any] = {name: _BY_NAME[name] for name in NAMES}
