"""What measuring every row and local layers cost, in time and memory, against the number of tokens."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from figures.pictures.style import COLOURS, INK, MEASURED, look, note, panels, plain_powers
from theory.errors import DomainError

NAME = "cost"
KIND = "bench"
STATEMENTS: tuple[str, ...] = ()
SHOWS = """What a forward pass costs that measures every row of attention, over one that does not (1, dotted), by the
number of tokens: with entropy and fidelity; with margins and ranges too; with every second layer local (dial 1),
without measuring; and with stored attention maps, as eager attention keeps them. Above: median of the recorded rounds'
ratios of time; intervals were not recorded. Below: memory beyond a plain pass. Measured on one machine."""

TASK = "measuring"
# Variant: words, colour, marker; what stores every map is hollow.
VARIANTS = {
    "fused": ("entropy, fidelity", MEASURED, "o"),
    "fused, all": ("margins, ranges too", MEASURED, "^"),
    "local": ("local layers", COLOURS["localist"], "s"),
    "eager": ("stored maps (eager)", MEASURED, "D"),
}


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory: a bench states none."""
    return []


def draw(rows: pd.DataFrame) -> Figure:
    """Draw reports of `localist bench`, one column per model. Raises DomainError if none measured a whole pass."""
    rows = rows[(rows["task"] == TASK) & rows["variant"].isin([*VARIANTS])]
    names = list(dict.fromkeys(rows["model"]))
    if not names:
        raise DomainError(f"the reports hold no times of the task {TASK!r}")
    with look():
        figure, axes = panels(2, len(names), height=4.4)
        for (time, memory), name in zip(axes.T, names, strict=True):
            part = rows[rows["model"] == name]
            for variant, (words, colour, marker) in VARIANTS.items():
                of_variant = part[part["variant"] == variant]
                style: Any = {"color": colour, "marker": marker, "markersize": 4.5, "linestyle": "none", "label": words}
                style |= {"markerfacecolor": "none"} if variant == "eager" else {}
                time.plot(of_variant["tokens"], of_variant["ratio"], **style)
                memory.plot(of_variant["tokens"], of_variant["extra_mib"].clip(lower=1), **style)
            _ticks(time, memory, part)
            rounds = f"{' to '.join(map(str, sorted({part['rounds'].min(), part['rounds'].max()})))} rounds"
            time.set_title(f"{name}: {rounds}\n{part['device'].iloc[0]}", loc="left")
            below = int((part["extra_mib"] < 1).sum())
            note(memory, f"drawn at 1 MiB, but less: {below}", (0.02, 0.97), ha="left", va="top")
        axes[0, 0].set_ylabel("time / plain pass\n(median of rounds)")
        axes[1, 0].set_ylabel("memory beyond\na plain pass (MiB)")
        axes[0, 0].legend(loc="upper left")
    return figure


def _ticks(time: Any, memory: Any, rows: pd.DataFrame) -> None:
    tokens = sorted(rows["tokens"].unique())
    time.axhline(1, color=INK, linestyle=":", linewidth=0.9)
    time.set(xscale="log", yscale="log", ylim=(0.7, 8))
    time.set_yticks([0.7, 1, 1.5, 2, 3, 5], ["0.7", "1", "1.5", "2", "3", "5"])
    memory.set(yscale="log", xlabel="tokens", ylim=(0.6, 2e4))
    for axis in (time, memory):
        axis.minorticks_off()
    plain_powers(memory.yaxis)
    memory.set_xticks(tokens, [f"{each:,}" for each in tokens])
    memory.margins(x=0.15)
