"""Single measured rows along the dial: fidelity and entropy in closed form, and as measured (B1, B2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.special import entr

from figures.pictures.style import MEASURED, RUNS_SAID, look, note, panels, ramp
from theory.errors import DomainError
from theory.numbers.bounds import dialled_leak

NAME = "rowdial"
KIND = "moved sample"
STATEMENTS = ("B1", "B2")
SHOWS = f"""Three measured rows of a trained model while the dial turns them towards their block, without training. Two
are of the first layer, where the closed forms hold exactly; the third is of a deeper layer, whose inputs the dial moves
too. Above: fidelity, the share on the block; lines are the closed form, which needs nothing but the fidelity at dial 0,
and marks are measured. Below: entropy, how evenly the row spreads; lines are the closed form from its entropies on and
off the block. Turning towards the block need not focus a row: where a few keys off the block hold most of the
attention, entropy first rises. One training run on held-out text; of a random sample, the rows whose entropy rises most
in the first and in a deeper layer, and of the first layer's falling rows the one of median entropy. {RUNS_SAID}"""

PLACE = ["layer", "head", "sequence", "position"]
_MARKS = "osD"
# Entropies rise only beyond this, in nats.
LEAST_RISE = 1e-3


def curves(rows: pd.DataFrame) -> pd.DataFrame:
    """One line per row of attention: its place, its numbers at dial 0 (`leak`, `entropy`), its entropies on the block
    and off it (`inside`, `outside`), the `rise` of its measured entropy, and the dial at which B2 says that it is
    largest, `peak`; 0 where it falls throughout.

    Raises DomainError unless every row was measured at dials 0 and 1.
    """
    keyed = rows.set_index(PLACE)
    start, end = keyed[keyed["dial"] == 0], keyed[keyed["dial"] == 1]
    if start.empty or set(start.index) != set(end.index):
        raise DomainError("the rows must be measured along the dial from 0 to 1: --dial 0:1:0.1")
    end = end.loc[start.index]
    leak, entropy = start["leak"], start["entropy"]
    # At dial 1 all attention is on the block. The mixture at dial 0 then gives the entropy off it.
    inside = end["predicted_entropy"]
    outside = (entropy - entr(leak) - entr(1 - leak) - (1 - leak) * inside) / leak
    most = keyed.groupby(level=PLACE)["entropy"].max().loc[start.index]
    table = pd.DataFrame({"leak": leak, "entropy": entropy, "inside": inside, "outside": outside})
    # B2: entropy rises until the added bias equals this difference of the mean scores.
    bias = np.log(leak) - np.log1p(-leak) + inside - outside
    table = table.assign(rise=most - entropy, peak=-np.expm1(-bias.clip(lower=0)))
    # A row without leak has no entropy off its block.
    return table[leak > 0].reset_index()


def closed(row: Any, dials: Any) -> tuple[Any, Any]:
    """Fidelity (B1) and entropy in nats (B2) of a line of `curves` at these dials below 1."""
    leak = np.asarray(dialled_leak(row.leak, dials))
    entropies = entr(leak) + entr(1 - leak) + (1 - leak) * row.inside + leak * row.outside
    return 1 - leak, entropies


def chosen(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows drawn: of the first layer the one that rises most and one that falls, of the others the first."""
    table = curves(rows)
    first = table[table["layer"] == table["layer"].min()]
    falling = first[(first["peak"] == 0) & (first["rise"] <= 0)].sort_values(["entropy", *PLACE])
    deeper = table[table["layer"] > table["layer"].min()]
    found = [first.nlargest(1, "rise"), falling.iloc[len(falling) // 2 :][:1], deeper.nlargest(1, "rise")]
    return pd.concat(found, ignore_index=True)


def faults(rows: pd.DataFrame) -> list[str]:
    """Rows of the first layer off the closed forms by more than their rounding, and violated bounds, one line each."""
    first = rows[rows["layer"] == rows["layer"].min()]
    found = []
    # Both sides of each comparison are rounded; the rest covers second-order terms (see the figure `dial`).
    for column, error, what in (
        ("fidelity", 2 * first["tolerance_leak"], "B1"),
        ("entropy", 4 * first["tolerance_entropy"], "B2"),
    ):
        off = int((~((first[column] - first[f"predicted_{column}"]).abs() <= error)).sum())
        if off:
            found.append(f"rows of the first layer off the closed form of {what}: {off}")
    if count := int(rows["violations"].max()):
        found.append(f"rows that violate a bound: {count}")
    return found


def draw(rows: pd.DataFrame) -> Figure:
    """Draw a sample of `localist measure --dial 0:1:0.1 --rows --sample`. Raises DomainError for other rows."""
    if rows.empty:
        raise DomainError("the rows hold no single rows along the dial")
    picked, table = chosen(rows), curves(rows)
    dense = np.concatenate([np.linspace(0, 0.9, 91), 1 - np.geomspace(0.1, 1e-4, 40)[1:]])
    keyed = rows.set_index(PLACE).sort_index()
    with look():
        figure, axes = panels(2, 1, height=5.6)
        fidelity, entropies = axes[:, 0]
        for row, colour, mark in zip(picked.itertuples(), ramp(len(_MARKS)), _MARKS, strict=False):
            shares, spread = closed(row, dense)
            part = keyed.loc[[tuple(getattr(row, name) for name in PLACE)]].sort_values("dial")
            hollow = {"color": MEASURED, "markerfacecolor": "none", "markersize": 4, "linestyle": "none"}
            fidelity.plot(dense, shares, color=colour)
            fidelity.plot(part["dial"], part["fidelity"], marker=mark, **hollow)
            entropies.plot(dense, spread, color=colour)
            moves = f"rises by {row.rise:.2f} nats" if row.rise > LEAST_RISE else "falls throughout"
            label = f"layer {row.layer}, {int(part['n'].iloc[0])} keys, {int(part['m'].iloc[0])} in the block: {moves}"
            entropies.plot(part["dial"], part["entropy"], marker=mark, label=label, **hollow)
        name = rows["configuration"].iloc[0] if "configuration" in rows else "trained model"
        rising = int((table["rise"] > LEAST_RISE).sum())
        fidelity.set_title(f"{name}, 1 run: {len(picked)} of {len(table)} sampled rows", loc="left", parse_math=False)
        fidelity.set(ylabel="fidelity (share on the block)", ylim=(-0.02, 1.03))
        note(
            fidelity,
            f"lines: closed form; marks: measured\nentropy first rises in {rising} of {len(table)} rows",
            (0.02, 0.98),
            ha="left",
            va="top",
        )
        entropies.set(
            ylabel="entropy (nats)", xlabel="dial (0: none, 1: block alone)", xlim=(-0.02, 1.02), ylim=(0, None)
        )
        handles, labels = entropies.get_legend_handles_labels()
        heading: Any = {"title": "Three rows, and what their entropy does as the dial rises", "title_fontsize": 6.5}
        figure.legend(handles, labels, loc="outside upper left", ncols=1, alignment="left", **heading)
    return figure
