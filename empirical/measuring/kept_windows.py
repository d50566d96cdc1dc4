"""Measured sequences kept in journals until the records are written, so that a killed measurement is continued.

Every process has a journal in the record folder. The rows of a sequence are one entry per layer, and an entry with the
loss ends it: a sequence without that entry is measured again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from empirical.attention.rounding import Arithmetic
from empirical.journal import Array, Entry, Journal, is_journal_of, read_entries
from empirical.measuring.passes import Batch, Loss, MeasureWindow, Sink
from empirical.measuring.rows import Rows
from empirical.measuring.shift import Shift
from empirical.processes import Team

# Journal of the first process, and those of all.
JOURNAL_NAME = "unfinished.journal"
_ALL = "unfinished*.journal"

# Fields of a batch, or of its fields, that are dataclasses themselves.
_INNER: dict[str, type[Any]] = {"rows": Rows, "base": Rows, "shift": Shift, "arithmetic": Arithmetic}

_KINDS: tuple[type[Any], ...] = (Batch, *_INNER.values())
# Names of the numbers that an entry holds: another version may have others.
FIELDS = {each.__name__: [field.name for field in fields(each)] for each in _KINDS}


@dataclass(frozen=True)
class _Kept:
    """A sequence measured before: its layers' entries and its loss."""

    layers: list[Entry]
    loss: Loss

    def replay(self, sink: Sink) -> Loss:
        for entry in self.layers:
            sink(_restored(Batch, entry.about["batch"], entry.arrays()))
        return self.loss


class KeptWindows:
    """The sequences measured so far, of `total` in all passes; a sequence is named by its pass and its number.

    `fingerprint` covers all that determines the numbers (`journal.fingerprint_of`). `replaced` says that the folder
    held journals of another measurement. `advice` ends the line about a full disk. Raises InputError if the folder
    cannot be written.
    """

    def __init__(self, folder: Path, fingerprint: str, total: int, team: Team, advice: str) -> None:
        self._folder, self._fingerprint, self._total, self._team = folder, fingerprint, total, team
        name = JOURNAL_NAME if team.first else f"unfinished.{team.rank}.journal"
        self._journal = Journal(folder / name, fingerprint, advice)
        self.replaced = self._journal.replaced
        # The other processes open theirs after the first one.
        for path in self._paths() if team.first else ():
            if not is_journal_of(path, fingerprint):
                path.unlink()
                self.replaced = True
        self._known: dict[tuple[int, int], _Kept] = {}
        self._measured = 0
        self.reread()

    def __len__(self) -> int:
        return len(self._known)

    def reread(self) -> None:
        """Read the journals of all processes."""
        self._known = {}
        for path in self._paths():
            own = path == self._journal.path
            layers: dict[int, Entry] = {}
            for entry in self._journal.entries if own else read_entries(path, self._fingerprint):
                if "batch" in entry.about:
                    layers[entry.about["batch"]["layer"]] = entry
                elif "loss" in entry.about:
                    name = (entry.about["pass"], entry.about["window"])
                    self._known[name] = _Kept(list(layers.values()), Loss(**entry.about["loss"]))
                    layers = {}

    def keeping(self, which: int, measure: MeasureWindow) -> MeasureWindow:
        """Replays the sequences of pass `which` that are known, and keeps the others."""

        def kept(number: int, sink: Sink) -> Loss:
            if (known := self._known.get((which, number))) is not None:
                return known.replay(sink)

            def keep(batch: Batch) -> None:
                about, arrays = _parts(batch)
                self._journal.append({"batch": about}, arrays)
                sink(batch)

            loss = measure(number, keep)
            self._journal.append(
                {"pass": which, "window": number, "loss": {"total": loss.total, "count": loss.count}}, {}
            )
            self._measured += 1
            self._journal.require(self._journal.appended / self._measured * self._left())
            return loss

        return kept

    def own(self, which: int, count: int) -> Iterator[int]:
        """The numbers below `count` of the sequences of pass `which` that are this process's and not known."""
        for number in range(count):
            if (which * count + number) % self._team.count == self._team.rank and (which, number) not in self._known:
                yield number

    def unlink_on_restart(self, path: Path) -> None:
        """Remove what was noted by a killed process, and note a file that is left if this process is killed."""
        for entry in self._journal.entries:
            # A file of the same name is this process's own: process ids come again.
            if entry.about.get("left", str(path)) != str(path):
                Path(entry.about["left"]).unlink(missing_ok=True)
        self._journal.append({"left": str(path)}, {})

    def close(self) -> None:
        """Close this process's journal, which stays if it holds a measured sequence."""
        self._journal.close()
        if not self._measured and not any("loss" in entry.about for entry in self._journal.entries):
            self._journal.path.unlink(missing_ok=True)

    def drop(self) -> None:
        """Remove the journals of all processes."""
        for path in self._paths():
            path.unlink(missing_ok=True)

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob(_ALL))

    def _left(self) -> int:
        """Sequences that all processes have yet to measure, if they are equally fast."""
        return max(0, self._total - len(self._known) - self._measured * self._team.count)


def _parts(value: Any, prefix: str = "") -> tuple[dict[str, Any], dict[str, Array]]:
    """The fields of a dataclass: its arrays by name, those of inner dataclasses with a prefix, and all else as JSON."""
    about: dict[str, Any] = {}
    arrays: dict[str, Array] = {}
    for name in FIELDS[type(value).__name__]:
        each = getattr(value, name)
        if isinstance(each, np.ndarray):
            arrays[f"{prefix}{name}"] = each
        elif name in _INNER and each is not None:
            about[name], inner = _parts(each, f"{prefix}{name}.")
            arrays |= inner
        elif each is not None:
            about[name] = str(each).removeprefix("torch.") if isinstance(each, torch.dtype) else each
    return about, arrays


def _restored(kind: type[Any], about: dict[str, Any], arrays: dict[str, Array], prefix: str = "") -> Any:
    """The dataclass with these parts."""
    found: dict[str, Any] = {}
    for name in FIELDS[kind.__name__]:
        if f"{prefix}{name}" in arrays:
            found[name] = arrays[f"{prefix}{name}"]
        elif name in about:
            each = about[name]
            if name in _INNER:
                each = _restored(_INNER[name], each, arrays, f"{prefix}{name}.")
            found[name] = getattr(torch, each) if name == "dtype" else each
    return kind(**found)
