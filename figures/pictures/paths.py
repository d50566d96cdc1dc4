"""Norms of blocks of weights under a group penalty: promised by C4 or C5 to become zero, and measured.

Gradient descent is compared with C4 and AdamW with C5; the penalties of the two are not comparable.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Context
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from figures.pictures.style import ALARM, COLUMN, MEASURED, PREDICTED, look, ramp, title
from theory.errors import DomainError
from theory.numbers.extinction_steps import (
    adam_penalty_needed,
    adam_threshold,
    extinction_step_adam,
    extinction_step_sgd,
)

NAME = "paths"
KIND = "groups"
STATEMENTS = ("C4", "C5")
SHOWS = """A penalty on the norm of each block of weights (a part of one head's query or key matrix) shrinks the blocks
at every training step. Small models were trained with one penalty each, by gradient descent and by AdamW. Paths: the
norm of the block that starts with the largest one, as measured (marks), and the ceiling that the theory puts on it
(dashed), down to the step from which zero is promised (diamond). The ceiling of C4 needs the longest gradient of the
block, which was measured in the same run; that of C5 holds whatever the loss, and knows nothing of the run but its
starting norms and learning rates. Ends: the norm of every block at the end of training over that at the start, against
the penalty. Blocks become zero at smaller penalties than those that promise it. All blocks are penalised alike, so
that the penalties that empty all of them select none. One seed; measured."""

NAMES = {"sgd": ("gradient descent", "C4"), "adamw": ("AdamW", "C5")}
# The penalty of gradient descent adds to a loss in nats.
UNITS = {"sgd": "penalty (nats per unit of norm)", "adamw": "penalty (under AdamW a number without unit)"}
MARKS = ("o", "s", "^")
# Of the norm at the start: norms are recorded in float32, whose rounding adds up over a run.
ROUNDING = 1e-5


@dataclass(frozen=True)
class _Run:
    """One run's groups: `norms` `(groups, steps + 1)`, NaN where not recorded, and one number per group."""

    optimizer: str
    penalty: float
    weights: int
    betas: tuple[float, float]
    rates: NDArray[np.float64]
    norms: NDArray[np.float64]
    longest: NDArray[np.float64]
    extinct: NDArray[np.float64]
    promised: NDArray[np.float64]

    def ceilings(self) -> NDArray[np.float64]:
        """What the theory lets each norm be at most after each step, `(groups, steps + 1)`."""
        steps = np.arange(1, len(self.rates) + 1)
        if self.optimizer == "adamw":
            pushes = np.broadcast_to(adam_threshold(self.weights, *self.betas, steps), (len(self.norms), len(steps)))
        else:
            pushes = np.broadcast_to(self.longest[:, None], (len(self.norms), len(steps)))
        found = [self.norms[:, 0]]
        for rate, push in zip(self.rates, pushes.T, strict=True):
            found.append(np.maximum(found[-1] - rate * (self.penalty - push), 0.0))
        return np.stack(found, axis=1)

    def steps_of_theory(self) -> NDArray[np.float64]:
        """The step from which each block is promised to be zero, NaN without a promise."""
        found = [
            extinction_step_adam(start, self.rates, self.penalty, self.weights, *self.betas)
            if self.optimizer == "adamw"
            else extinction_step_sgd(start, self.rates, self.penalty, longest)
            for start, longest in zip(self.norms[:, 0], self.longest, strict=True)
        ]
        return np.array([np.nan if each is None else each for each in found])

    def beyond(self) -> NDArray[np.bool_]:
        """Which blocks are above their ceiling, or not zero one step after they were promised to be."""
        above = self.norms > self.ceilings() + ROUNDING * self.norms[:, :1]
        # Rounding may cost one step more (C4).
        late = ~np.isnan(self.promised) & ~(self.extinct <= self.promised + 1)
        # The gradient of a block is measured only while it is not zero: C4 says nothing of one that came back.
        back = (np.maximum.accumulate(self.norms == 0, axis=1) & (self.norms > 0)).any(1)
        return np.asarray((above.any(1) | late) & ~(back & (self.optimizer == "sgd")))


def faults(rows: pd.DataFrame) -> list[str]:
    """Contradictions of the theory, and recorded promises that differ from its own, one line each."""
    found = []
    for run in _runs(rows):
        name = f"{NAMES[run.optimizer][0]}: penalty {run.penalty:g}"
        if count := int(run.beyond().sum()):
            found.append(f"{name}: blocks above the ceiling: {count}")
        if count := int((~np.isclose(run.promised, run.steps_of_theory(), rtol=0, equal_nan=True)).sum()):
            found.append(f"{name}: recorded promises that differ: {count}")
    return found


def draw(rows: pd.DataFrame) -> Figure:
    """Draw groups of runs, two panels per optimizer. Raises DomainError for two runs with the same penalty."""
    runs = _runs(rows)
    shown = [name for name in NAMES if any(run.optimizer == name for run in runs)]
    with look():
        figure = Figure(figsize=(COLUMN, 0.3 + 3.5 * len(shown)), layout="constrained")
        ratios = (1.25, 1) * len(shown)
        axes = figure.subplots(2 * len(shown), 1, squeeze=False, gridspec_kw={"height_ratios": ratios})[:, 0]
        for place, name in enumerate(shown):
            chosen = sorted((run for run in runs if run.optimizer == name), key=lambda run: run.penalty)
            _paths(axes[2 * place], chosen)
            words = NAMES[name][0]
            wrong = [line for line in faults(rows) if line.startswith(f"{words}: ")]
            count, size = len(chosen[0].norms), chosen[0].weights
            title(axes[2 * place], f"trained by {words}", wrong, f"one of {count} blocks of {size} weights")
            _ends(axes[2 * place + 1], chosen)
    return figure


def _runs(rows: pd.DataFrame) -> list[_Run]:
    if unknown := sorted({*rows["optimizer"]} - {*NAMES}):
        raise DomainError(f"no statement about the optimizer {unknown[0]!r}")
    found = []
    for (optimizer, penalty), part in rows.groupby(["optimizer", "penalty"], sort=False):
        if part["record"].nunique() > 1:
            raise DomainError(f"two runs of {optimizer!r} have the penalty {penalty:g}: name one with --records")
        norms = part.pivot_table(index="group", columns="step", values="norm", dropna=False).to_numpy()
        lines = part.drop_duplicates("group")
        first = lines.iloc[0]
        found.append(
            _Run(
                str(optimizer),
                float(penalty),
                int(first["weights"]),
                (float(first["beta1"]), float(first["beta2"])),
                part["rate"][part["group"] == first["group"]].to_numpy()[1:],
                norms,
                *(lines[each].to_numpy() for each in ("longest", "extinct", "promised")),
            )
        )
    return found


def _chosen(runs: list[_Run], block: int) -> list[_Run]:
    """The run with the least penalty, the first in which the block becomes zero, and the first that promises it."""
    zero = [place for place, run in enumerate(runs) if run.extinct[block] > 0]
    promised = [place for place, run in enumerate(runs) if run.promised[block] > 0]
    return [runs[place] for place in sorted({0, *zero[:1], *promised[:1]})]


def _paths(axis: Any, runs: list[_Run]) -> None:
    block = int(np.argmax(runs[0].norms[:, 0]))
    chosen = _chosen(runs, block)
    for run, colour, marker in zip(chosen, ramp(len(chosen)), MARKS, strict=False):
        extinct, promised = run.extinct[block], run.promised[block]
        steps = np.flatnonzero(~np.isnan(run.norms[block]))
        norms = run.norms[block][steps]
        words = "not zero"
        if not np.isnan(extinct):
            # From there on the block stays zero.
            words, before = f"zero from step {extinct:.0f}", steps < extinct
            steps, norms = np.append(steps[before], extinct), np.append(norms[before], 0.0)
        words += ", not promised" if np.isnan(promised) else f", promised from {promised:.0f}"
        style: Any = {"color": colour, "marker": marker, "markersize": 2.6, "linestyle": "none"}
        axis.plot(steps, norms, label=f"{run.penalty:g}: {words}", **style)
        if not np.isnan(promised):
            shown = slice(int(promised) + 1)
            axis.plot(run.ceilings()[block][shown], color=PREDICTED, linestyle="--", linewidth=1.0, label="_ceiling")
            axis.plot([promised], [0.0], "D", color=PREDICTED, markerfacecolor="none", markersize=5, label="_promised")
            label = f"ceiling at {run.penalty:g} ({NAMES[run.optimizer][1]})"
            axis.plot([], [], "D--", color=PREDICTED, markerfacecolor="none", markersize=4, label=label)
    # The legend stands above the paths.
    axis.set(xlabel="training step", ylabel="norm of the block", ylim=(-0.02, 2.1 * runs[0].norms[block, 0]))
    axis.set_yticks([tick for tick in axis.get_yticks() if 0 <= tick <= 1.1 * runs[0].norms[block, 0]])
    axis.legend(loc="upper right", title="penalty: what happened", title_fontsize=6.5, alignment="left")


def _ends(axis: Any, runs: list[_Run]) -> None:
    statement = NAMES[runs[0].optimizer][1]
    for place, run in enumerate(runs):
        # The last step need not be one at which norms were recorded; whether a block is zero is known of every step.
        last = np.where(run.extinct > 0, 0.0, run.norms[:, ~np.isnan(run.norms).all(0)][:, -1])
        wrong = run.beyond()
        for chosen, colour, marker, label in (
            (~wrong, MEASURED, "o", "_blocks" if place else "a block, measured"),
            (wrong, ALARM, "X", "_beyond"),
        ):
            if chosen.any():
                at = np.full(int(chosen.sum()), run.penalty)
                style: Any = {"linestyle": "none", "color": colour, "marker": marker, "markersize": 3.5, "label": label}
                axis.plot(at, (last / run.norms[:, 0])[chosen], **style)
    zero = _from(runs, [bool((run.extinct > 0).all()) for run in runs])
    axis.set(xscale="log", xlabel=UNITS[runs[0].optimizer], ylabel="norm at the end /\nat the start")
    axis.set(ylim=(-0.06, max(1.3, axis.get_ylim()[1])))
    _ticks(axis, [run.penalty for run in runs])
    for value, colour, line, words in (
        (zero, MEASURED, ":", "measured"),
        (_promised_from(runs), PREDICTED, "--", f"promised ({statement})"),
    ):
        style = {"color": colour, "linestyle": line, "linewidth": 1.0}
        if value is None:
            axis.plot([], [], label=f"{words}: at none of these penalties", **style)
        else:
            axis.axvline(value, label=f"{words}: all zero from {_rounded_up(value)} on", **style)
    heading = f"runs, of one penalty each: {len(runs)}"
    axis.legend(loc="upper right", title=heading, title_fontsize=6.5, alignment="left")


def _promised_from(runs: list[_Run]) -> float | None:
    """The least penalty that promises all blocks zero: computed under AdamW, else the least of those tried."""
    if runs[0].optimizer != "adamw":
        return _from(runs, [not np.isnan(run.promised).any() for run in runs])
    run = runs[0]
    starts = run.norms[:, 0]
    return max(adam_penalty_needed(float(start), run.rates, run.weights, *run.betas) for start in starts)


def _rounded_up(value: float) -> str:
    """Three digits that promise no less than the number: a smaller penalty may not suffice.

    >>> _rounded_up(35.0281), _rounded_up(0.008)
    ('35.1', '0.008')
    """
    return f"{Context(prec=3, rounding=ROUND_CEILING).create_decimal(repr(value)).normalize():f}"


def _from(runs: list[_Run], holds: list[bool]) -> float | None:
    """The least penalty tried from which on it holds for all that were tried."""
    failing = [place for place, each in enumerate(holds) if not each]
    first = failing[-1] + 1 if failing else 0
    return runs[first].penalty if first < len(runs) else None


def _ticks(axis: Any, penalties: list[float]) -> None:
    kept: list[float] = []
    for value in penalties:
        if not kept or value >= 1.9 * kept[-1]:
            kept.append(value)
    axis.minorticks_off()
    axis.set_xticks(kept, [f"{value:g}" for value in kept])
