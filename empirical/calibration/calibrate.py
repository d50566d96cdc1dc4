"""Finds dials that keep a fidelity at little loss, and says what holds on text not yet seen.

Some windows of the text, drawn at random, choose the dials: each layer's or head's loss is measured along its own
dial, the least costly choice follows (theory.md F4), and is corrected until it keeps the promise on these windows as
measured. Other windows, drawn with them, then say what the choice does to loss and rows, and what follows for unseen
windows (H5). Every measured window is kept in a journal, so that a killed process loses one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from empirical.attention.schedule import LayerDial
from empirical.calibration.curves import Curves
from empirical.calibration.plans import Dials, Outcome, least_cost_plan, schedule_plans
from empirical.calibration.unseen import unseen_windows
from empirical.calibration.windows import Show, Work, finished
from empirical.environment import environment
from empirical.locality import SIZED
from empirical.locks import alone_in
from empirical.measuring.passes import count_rows
from empirical.measuring.subject import Subject, open_subject, record_folder
from empirical.memory import enough_memory
from empirical.seal import sealed
from theory.design.rounded import at_least
from theory.display import Card, Displayed, Table, decided
from theory.errors import DomainError
from theory.files import check_writable, write_text_atomically

NAME = "calibrated"
FILE_NAME = "calibration.json"
JOURNAL_NAME = "unfinished.journal"
SCHEMA = 1

# Biases of 0 to 5 nats in steps of a half, of 6 to 9, and the hard mask.
LEVELS = (
    *(0.0, 0.3935, 0.6321, 0.7769, 0.8647, 0.9179, 0.9502, 0.9698, 0.9817, 0.9889, 0.9933),
    *(0.9975, 0.9991, 0.9997, 0.9999, 1.0),
)
FIT, CHECK = 8, 64
ADVICE = "Give a smaller --context."

Array = NDArray[Any]


@dataclass(frozen=True, repr=False)
class Calibration(Displayed):
    """Chosen `dials` of the layers, or of the heads of each, and all that was measured, as plain JSON, in `about`.

    `reached` says whether the checked windows, together, keep the promise within the loss allowed.
    """

    dials: list[LayerDial]
    reached: bool
    about: dict[str, Any]
    path: Path

    def card(self) -> Card:
        """What a notebook shows: the dials, what the checked windows measured, what follows for the text's others."""
        about, check, unseen = self.about, self.about["check"], self.about["unseen"]
        said = (
            f"Measured on {len(check['windows'])} checked windows: {at_least(check['share'], 4)} of the rows keep it, "
            f"{about['rows']:g} were promised; loss {check['rise']:+.4f} nats per token, at most {about['max_loss']:g} "
            "allowed.",
            f"At confidence {unseen['confidence']!r}, at most {unseen['of_this_text']} of the text's "
            f"{unseen['population']} windows that did not choose the dials keep less (H5; assumes the random draw).",
            f"File: {self.path}",
        )
        dials = [
            [layer, " ".join(f"{each:g}" for each in (dial if isinstance(dial, Sequence) else (dial,)))]
            for layer, dial in enumerate(self.dials)
        ]
        return Card(
            f"dials of {about['run']} for fidelity >= {about['fidelity']:g}",
            decided(self.reached, "kept on the checked windows", "not kept on the checked windows"),
            said,
            (Table(("layer", "dials"), dials),),
        )


def calibrate(
    model: Path | str,
    *,
    text: Path | str | None = None,
    fidelity: float = 0.9,
    rows: float = 0.95,
    max_loss: float = 0.02,
    per_head: bool = False,
    levels: Sequence[float] = LEVELS,
    fit: int | None = None,
    check: int | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    compare: bool = False,
    precision: str = "float32",
    block: int | None = None,
    blocks: str | None = None,
    context: int | None = None,
    out_dir: Path | str | None = None,
    progress: bool = True,
) -> Calibration:
    """Choose dials with which a share `rows` of each window's rows with a key off their block has this fidelity.

    `model`, `text`, `block`, `blocks`, `context` and `precision` are as in `measure`; its sequences are the windows. A
    dial of `levels` is chosen for each layer, or for each head, on `fit` windows drawn with `seed`, and checked on
    `check` others. Of the choices, the one with the least sum of single losses is taken, or a uniform dial if that
    costs less. `max_loss` is the rise in nats per token, from the model with its own dials, up to which the promise
    counts as reached; it does not change the choice. `compare` also measures four schedules at equal mean dial and at
    equal promise. The result is written into `out_dir`, by default `MODEL/calibrated`. Raises InputError, DomainError.
    """
    _check(fidelity, rows, max_loss, levels, confidence, seed)
    subject = open_subject(model, text, block=block, blocks=blocks, context=context, precision=precision)
    count_rows(subject.model, subject.windows, subject.blocks, subject.block)
    out = record_folder(subject, out_dir, NAME)
    drawn = _drawn(len(subject.windows), fit, check, seed)
    promise = {"fidelity": fidelity, "rows": rows, "max_loss": max_loss}
    choice = {"per": "head" if per_head else "layer", "levels": list(levels), "seed": seed}
    with (
        alone_in(out, "calibrating"),
        enough_memory("calibrating", ADVICE),
        _shown(progress) as show,
        finished(out / JOURNAL_NAME, subject, choice | {"fidelity": fidelity}) as done,
    ):
        check_writable(out / FILE_NAME)
        work = Work(subject, fidelity, done, show)
        curves = work.curves(drawn[0], per_head, levels)

        def on_fit(dials: Dials) -> Outcome:
            return work.outcome(dials, drawn[0], "choose")

        plan, chosen = least_cost_plan(curves, subject.layers, rows, on_fit)
        about: dict[str, Any] = {**promise, **choice, "dials": plan}
        before, after = (work.outcome(dials, drawn[1], "check") for dials in (subject.dials, plan))
        about |= {"choice": chosen | _on_fit(on_fit(plan), on_fit([0.0] * subject.layers), drawn[0])}
        about |= {"check": _checked(before, after, drawn[1])}
        about |= {"unseen": unseen_windows(after.shares, rows, confidence, len(subject.windows) - len(drawn[0]))}
        if compare:
            mean = float(np.mean([np.mean(dial) for dial in plan]))
            others = schedule_plans(subject.layers, mean, rows, on_fit)
            about["compare"] = [
                {"schedule": name, "equal": equal, "dials": None, "why": dials}
                if isinstance(dials, str)
                else {"schedule": name, "equal": equal, "dials": dials}
                | _checked(before, work.outcome(dials, drawn[1], "compare"), None)
                for name, equal, dials in others
            ]
        about["curves"] = _plain(curves)
        reached = after.share >= rows and after.loss - before.loss <= max_loss
        about = {"schema": SCHEMA, "kind": "calibration", "run": subject.name, "reached": reached} | about
        about = sealed(about | _manifest(subject))
        write_text_atomically(out / FILE_NAME, json.dumps(about, indent=1, allow_nan=False) + "\n")
    (out / JOURNAL_NAME).unlink(missing_ok=True)
    return Calibration(plan, reached, about, out / FILE_NAME)


def _check(
    fidelity: float, rows: float, max_loss: float, levels: Sequence[float], confidence: float, seed: int
) -> None:
    for name, value in (("fidelity", fidelity), ("rows", rows), ("confidence", confidence)):
        if not 0 < value < 1:
            raise DomainError(f"{name} {value:g} must lie in (0, 1)")
    if not 0 <= max_loss < math.inf:
        raise DomainError(f"max_loss {max_loss:g} must be finite and at least 0")
    if list(levels) != sorted(set(levels)) or not levels or levels[0] != 0 or levels[-1] != 1:
        raise DomainError(f"levels {', '.join(f'{each:g}' for each in levels)} must rise from dial 0 to dial 1")
    if not 0 <= seed < 2**32:
        raise DomainError(f"seed {seed} must lie in [0, 2^32)")


def _drawn(windows: int, fit: int | None, check: int | None, seed: int) -> tuple[list[int], list[int]]:
    """Windows drawn at random without replacement, to choose the dials and to check them. Raises DomainError."""
    for name, value in (("fit", fit), ("check", check)):
        if value is not None and value < 1:
            raise DomainError(f"{name} {value} must be at least 1")
    first = min(FIT, max(1, windows // 4)) if fit is None else fit
    second = min(CHECK, max(1, windows - first)) if check is None else check
    if first + second > windows:
        raise DomainError(
            f"{first} windows to choose the dials and {second} to check them are more than the text's {windows}: "
            "give a longer text or a smaller --context, --fit or --check"
        )
    order = np.random.default_rng(seed).permutation(windows)[: first + second].tolist()
    return order[:first], order[first:]


@contextmanager
def _shown(progress: bool) -> Iterator[Show]:
    with Progress(console=Console(stderr=True), disable=not progress, transient=True) as bars:

        def show(label: str, total: int) -> Callable[[], None]:
            for task in bars.task_ids:
                bars.remove_task(task)
            task = bars.add_task(f"calibrate, {label}", total=total)
            return lambda: bars.advance(task)

        yield show


def _on_fit(chosen: Outcome, plain: Outcome, windows: Sequence[int]) -> dict[str, Any]:
    """What the windows that chose the dials say; beside `predicted`, `measured` says how far the curves add up."""
    return {
        "windows": list(windows),
        # From dial 0 in all layers, as the curves are.
        "measured": chosen.loss - plain.loss,
        "shares": list(chosen.shares),
        "least_share": min(chosen.shares),
        "least_window": windows[chosen.least],
        "plain_share": plain.share,
    }


def _checked(before: Outcome, after: Outcome, windows: Sequence[int] | None) -> dict[str, Any]:
    found: dict[str, Any] = {"loss_before": before.loss, "loss_after": after.loss, "rise": after.loss - before.loss}
    found |= {"perplexity_before": float(np.exp(before.loss)), "perplexity_after": float(np.exp(after.loss))}
    found |= {"share_before": before.share, "share": after.share, "least_share": min(after.shares)}
    found["windows_without_rows"] = after.empty
    if windows is not None:
        found |= {"windows": list(windows), "shares": list(after.shares), "least_window": windows[after.least]}
    return found


def _plain(curves: Curves) -> list[dict[str, Any]]:
    return [
        {"layer": item.layer, "head": item.head, "rows": int(rows), "losses": losses.tolist(), "met": met.tolist()}
        for item, losses, met, rows in zip(curves.items, curves.losses, curves.met, curves.rows, strict=True)
    ]


def _manifest(subject: Subject) -> dict[str, Any]:
    return {
        "model": {
            "architecture": type(subject.model).__name__,
            "layers": subject.layers,
            "heads": subject.heads,
            "context": subject.windows.shape[1],
            "blocks": subject.kind,
            "block": subject.block if subject.kind in SIZED else None,
            "own_dials": subject.dials,
        },
        "windows_of_the_text": len(subject.windows),
        "dtype": str(subject.model.dtype).removeprefix("torch."),
        **subject.about,
        "device": str(subject.model.device),
        "versions": environment(),
    }
