"""The map of layers and heads: a shade per head, which opens down to numbers and to the worst recorded rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import matplotlib
from matplotlib.colors import to_hex

from figures.pictures.style import INK, RAMP, WHITE
from figures.report.shown import ROW_COLUMNS, Head, Map, count, number
from theory.pages import Cell, table, text

HEAD_COLUMNS = (
    "head",
    "dial",
    "rows",
    "fidelity",
    "least row",
    "A2: at least",
    "entropy",
    "largest row",
    "A4: at most",
    "violated",
    "undecided",
)
# Numbers are written into the cells of layers with at most this many heads.
MOST_WRITTEN = 8
# From this share of the ramp on, dark text is easier to read.
_LIGHT = 0.55


def head_maps(maps: Sequence[Map]) -> str:
    """Every map of a record; the first one stands open."""
    shown = []
    for index, each in enumerate(maps):
        inner = _map(each)
        if each.title:
            opened = " open" if index == 0 else ""
            inner = f'<details class="of-map"{opened}><summary>{text(each.title)}</summary>{inner}</details>'
        shown.append(inner)
    return "".join(shown)


def _map(drawn: Map) -> str:
    if not drawn.heads:
        return "<p>No head has a row with a key off its block.</p>"
    largest = max((each.entropy for each in drawn.heads if each.entropy is not None), default=0.0)
    legends = _legend("fidelity", 1.0, "all attention off the block", "all on it")
    legends += _legend("entropy", largest, "all on one key", "spread evenly")
    layers: dict[int, list[Head]] = {}
    for each in drawn.heads:
        layers.setdefault(each.layer, []).append(each)
    rows = "".join(_layer(layer, heads, largest, drawn.rows_from) for layer, heads in sorted(layers.items()))
    heading = "<span></span><span>fidelity by head</span><span>entropy by head (nats)</span>"
    heading = f'<div class="names" aria-hidden="true">{heading}</div>'
    return f'<div class="map"><div class="legends">{legends}</div>{heading}{rows}</div>'


def _layer(layer: int, heads: Sequence[Head], largest: float, rows_from: str) -> str:
    dials = sorted({each.dial for each in heads})
    dial = f"dial {dials[0]:.3g}" + (f" to {dials[-1]:.3g}" if len(dials) > 1 else "")
    wrong = sum(each.violations for each in heads)
    open_ = sum(each.undecided for each in heads)
    marks = f' <b class="wrong">{wrong:,} violated</b>' if wrong else ""
    marks += f' <b class="open">{open_:,} undecided</b>' if open_ else ""
    strips = _strip("fidelity", [(each, each.fidelity) for each in heads], 1.0)
    strips += _strip("entropy", [(each, each.entropy) for each in heads], largest)
    name = f'<span class="name">layer {layer} <small>{dial}</small>{marks}</span>'
    inner = _heads(layer, heads) + _worst(heads, rows_from)
    return f'<details class="layer"><summary>{name}{strips}</summary>{inner}</details>'


def _strip(what: str, values: Sequence[tuple[Head, float | None]], largest: float) -> str:
    said = ", ".join(f"head {head.head}: {_short(value)}" for head, value in values)
    cells = []
    for head, value in values:
        share = None if value is None or not largest else min(1.0, max(0.0, value / largest))
        ground = "none" if share is None else to_hex(matplotlib.colormaps[RAMP](share))
        ink = INK if share is None or share > _LIGHT else WHITE
        wrong = " wrong-cell" if head.violations else ""
        inner = _short(value) if len(values) <= MOST_WRITTEN else ""
        hint = f"head {head.head}, {what} {_short(value)}"
        cells.append(f'<span class="cell{wrong}" title="{hint}" style="background:{ground};color:{ink}">{inner}</span>')
    return f'<span class="strip" role="img" aria-label="{what}: {said}">{"".join(cells)}</span>'


def _heads(layer: int, heads: Sequence[Head]) -> str:
    lines = []
    for each in heads:
        line: list[Cell] = [count(each.head), number(each.dial), count(each.rows)]
        line += map(number, (each.fidelity, each.fidelity_least, each.fidelity_bound))
        line += map(number, (each.entropy, each.entropy_largest, each.entropy_bound))
        lines.append([*line, count(each.violations), count(each.undecided)])
    attributes = {"data-table": f"heads of layer {layer}", "aria-label": f"Heads of layer {layer}"}
    return table(HEAD_COLUMNS, lines, "sortable", attributes=attributes)


def _worst(heads: Sequence[Head], rows_from: str) -> str:
    lines = [(count(each.head), *row.cells) for each in heads for row in each.worst]
    if not lines:
        return f'<p class="faint">{text(rows_from)}</p>' if rows_from else ""
    attributes = {"data-table": "worst rows", "aria-label": "Worst recorded rows"}
    columns = ("head", *ROW_COLUMNS)
    # An audit keeps fewer numbers of a row.
    kept = [at for at in range(len(columns)) if any(line[at] != "" for line in lines)]
    shown = [[line[at] for at in kept] for line in lines]
    names = [columns[at] for at in kept]
    heading = "<h5>Worst recorded rows</h5>"
    return heading + table(names, shown, "sortable", wrapped=[ROW_COLUMNS[0]], attributes=attributes)


def _legend(name: str, largest: float, low: str, high: str) -> str:
    stops = ",".join(to_hex(matplotlib.colormaps[RAMP](step / 8)) for step in range(9))
    bar = f'<span class="ramp" style="background:linear-gradient(90deg,{stops})"></span>'
    return f'<p class="legend"><b>{name}</b> <span>0: {low}</span>{bar}<span>{_short(largest)}: {high}</span></p>'


def _short(value: float | None) -> str:
    return "undefined" if value is None or math.isnan(value) else f"{value:.2f}"


def openings(maps: Iterable[Map]) -> bool:
    """Whether some head of the maps has recorded rows."""
    return any(head.worst for each in maps for head in each.heads)
