"""Shared by the tests of interrupted and of distributed measuring: three models, a text, and how they are measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from empirical.measuring.measure import measure, measure_dial
from empirical.measuring.records import Records

CONTEXT, BLOCK, WINDOWS, DIALS = 48, 8, 5, [0.0, 0.7]
# The second slides, the third has sinks and slides.
FAMILIES = ("llama", "gemma2", "gpt_oss")


def measured(folders: Path, out: Path, mode: str, **changes: Any) -> Records:
    """One measurement, with the model's own dials (`rows`) or moved ones (`dial`)."""
    options = {"text": folders / "text.txt", "block": BLOCK, "context": CONTEXT, "sequences": WINDOWS}
    options |= {"out_dir": out, "progress": False, **changes}
    model, dials = folders / options.pop("family", "llama"), options.pop("dials", DIALS)
    return measure(model, **options) if mode == "rows" else measure_dial(model, dials, **options)
