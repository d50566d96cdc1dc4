"""Windows of a text as they are measured, each once: what a killed process had finished is read back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from transformers import PreTrainedModel

from empirical.attention.block_kinds import Blocks
from empirical.calibration.curves import Curves, items_of, window_curves
from empirical.calibration.plans import Dials, Outcome, window_outcome
from empirical.environment import environment
from empirical.journal import Journal, fingerprint_of
from empirical.measuring.subject import Subject
from empirical.measuring.work import digest_of

Array = NDArray[Any]

# Names a stage and its number of steps; what it returns is called after each step.
Show = Callable[[str, int], Callable[[], None]]


class Work:
    """Measures windows of a subject, each at most once."""

    def __init__(self, subject: Subject, fidelity: float, done: Finished, show: Show) -> None:
        self._subject, self._fidelity, self._done, self._show = subject, fidelity, done, show

    def curves(self, windows: Sequence[int], per_head: bool, levels: Sequence[float]) -> Curves:
        """Curves over these windows."""
        subject = self._subject
        items = subject.layers * (subject.heads if per_head else 1)
        tick = self._show("curves", len(windows) * (1 + items * (len(levels) - 1)))
        found = []
        for window in windows:

            def compute(window: int = window) -> dict[str, Array]:
                return window_curves(*self._given(window), levels, self._fidelity, per_head, tick)

            found.append(self._done.of({"curves": window}, compute))
        layers = dict(zip(found[0]["layer"].tolist(), found[0]["heads"].tolist(), strict=True))
        named = [item for layer, heads in layers.items() for item in items_of(layer, heads, per_head)]
        return Curves.of(named, levels, found)

    def outcome(self, dials: Dials, windows: Sequence[int], label: str) -> Outcome:
        """What these dials do on these windows."""
        tick, found = self._show(label, len(windows)), []
        for window in windows:

            def compute(window: int = window) -> dict[str, Array]:
                return window_outcome(*self._given(window), dials, self._fidelity)

            found.append(self._done.of({"dials": list(dials), "window": window}, compute))
            tick()
        return Outcome.of(found)

    def _given(self, window: int) -> tuple[PreTrainedModel, torch.Tensor, Blocks]:
        return self._subject.model, *self._subject.sequence(window)


class Finished:
    """Finished windows by what was measured on them, kept in a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known = {_key(entry.about): entry.arrays() for entry in journal.entries}

    def of(self, about: Mapping[str, Any], compute: Callable[[], dict[str, Array]]) -> dict[str, Array]:
        """What is known under `about`, or else computed and kept."""
        key = _key(about)
        if key not in self._known:
            found = {name: np.asarray(values) for name, values in compute().items()}
            self._journal.append(about, found)
            self._known[key] = found
        return self._known[key]


def _key(about: Mapping[str, Any]) -> str:
    return json.dumps(about, sort_keys=True)


@contextmanager
def finished(path: Path, subject: Subject, choice: dict[str, Any]) -> Iterator[Finished]:
    """The finished windows kept at `path`, of the same subject under the same `choice`. Raises InputError."""
    stated = {**choice, "block": subject.block, "subject": digest_of(subject), "versions": environment()}
    stated["dtype"] = str(subject.model.dtype)
    stated["weights"] = subject.about["weights_sha256"]
    journal = Journal(path, fingerprint_of(stated), "Free some space and run the same command again.")
    try:
        if journal.entries:
            Console(stderr=True).print(f"{path}: {len(journal.entries)} measured windows are taken from here")
        yield Finished(journal)
    finally:
        journal.close()
