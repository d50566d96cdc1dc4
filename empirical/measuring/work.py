"""One measurement: what is measured, what its manifest says, and the share of each process."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from empirical.attention.schedule import LayerDial, largest_dial
from empirical.environment import environment
from empirical.journal import fingerprint_of
from empirical.locality import SIZED
from empirical.measuring.kept_windows import FIELDS, KeptWindows
from empirical.measuring.passes import MeasureWindow, Pass, moved_windows, own_windows, tracked
from empirical.measuring.row_file import RowFile
from empirical.measuring.subject import Subject
from empirical.processes import Team

ADVICE = "Measure fewer sequences with --sequences."


@dataclass(frozen=True)
class Work:
    """What is measured with which dials, and where its records go."""

    subject: Subject
    out: Path
    kind: str
    plans: Sequence[Sequence[LayerDial]]
    shape: dict[str, Any]
    rows_file: Path | str | None
    progress: bool
    sample: int | None = None

    @property
    def moved(self) -> bool:
        """Whether the dial is moved."""
        return self.kind == "dial"

    def measure(self, number: int) -> MeasureWindow:
        """Measures one sequence with the dials of plan `number`."""
        subject = self.subject
        windows = moved_windows if self.moved else own_windows
        return windows(subject.model, subject.windows, self.plans[number], blocks=subject.blocks, block=subject.block)

    def label(self, number: int) -> str:
        """Label of the progress bar for plan `number`."""
        return f"measure, dial {number + 1} of {len(self.plans)}" if self.moved else "measure"

    def stated(self) -> dict[str, Any]:
        """What the manifest says before anything is measured."""
        return _stated(self.subject, self.kind) | self.shape

    def kept(self, team: Team) -> KeptWindows:
        """The sequences that are measured already. Raises InputError."""
        subject = self.subject
        # Processes on several devices of one kind share the work.
        stated = self.stated() | {"device": subject.model.device.type}
        fingerprint = fingerprint_of([stated, self.plans, digest_of(subject), FIELDS])
        return KeptWindows(self.out, fingerprint, len(self.plans) * len(subject.windows), team, ADVICE)


def share(work: Work, kept: KeptWindows, team: Team) -> None:
    """Measure the sequences of this process, for the first one to replay."""
    for number in range(len(work.plans)):
        measure = kept.keeping(number, work.measure(number))
        own = list(kept.own(number, len(work.subject.windows)))
        label = f"{work.label(number)}, process {team.rank + 1} of {team.count}"
        for window in tracked(own, label, work.progress and team.first and bool(own)):
            measure(window, lambda batch: None)


def begin(work: Work, kept: KeptWindows, file: RowFile | None) -> None:
    """Say what is known, and note the temporary file that a killed process leaves."""
    if file is not None and file.partial is not None:
        kept.unlink_on_restart(file.partial)
    if not work.progress:
        return
    if kept.replaced:
        print(f"measure: the journal in {work.out} is of another measurement and is replaced", file=sys.stderr)
    if kept:
        whole = len(work.plans) * len(work.subject.windows)
        print(f"measure: {len(kept)} of {whole} sequences are taken from the journal in {work.out}", file=sys.stderr)


def results(kind: str, passes: list[Pass]) -> dict[str, Any]:
    """What the manifest says of the passes."""
    return {
        "perplexity": passes[0].perplexity if kind == "rows" else None,
        "passes": [
            {
                "dial_largest": largest_dial(each.dials),
                "dials": list(each.dials),
                "loss": each.loss,
                "perplexity": each.perplexity,
            }
            for each in passes
        ],
    }


def digest_of(subject: Subject) -> str:
    """SHA-256 of the tokens, the block ids and, where no file vouches for them, the weights."""
    found = hashlib.sha256()
    tensors = [subject.windows] if subject.blocks is None else [subject.windows, subject.blocks]
    if not subject.about["weights_sha256"]:
        tensors += [weights for _, weights in sorted(subject.model.state_dict().items())]
    for tensor in tensors:
        found.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _stated(subject: Subject, kind: str) -> dict[str, Any]:
    used = subject.model.config.get_text_config()
    settings = getattr(subject.model.config, "localist", None) or {"block": subject.block, "blocks": "windows"}
    return {
        "kind": kind,
        "run": subject.name,
        "held_out_windows": subject.windows.shape[0],
        "held_out_tokens": subject.windows.numel(),
        "model": {
            "architecture": type(subject.model).__name__,
            "layers": subject.layers,
            "heads": subject.heads,
            "width": used.hidden_size,
            "vocabulary": used.vocab_size,
            "positions": getattr(used, "max_position_embeddings", None),
            "context": subject.windows.shape[1],
            **settings,
            "blocks": subject.kind,
            "block": subject.block if subject.kind in SIZED else None,
        },
        **subject.about,
        "device": str(subject.model.device),
        "dtype": str(subject.model.dtype).removeprefix("torch."),
        "versions": environment(),
    }
