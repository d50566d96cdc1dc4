"""Options that commands share: which model, on which text, in which blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunOrDecoder = Annotated[
    str, typer.Argument(help="Folder of a finished run; with --text, folder or hub name of a decoder.")
]
OwnText = Annotated[Path | None, typer.Option(help="Text file for a decoder, instead of a run and its own text.")]
Block = Annotated[int | None, typer.Option(help="With --text: length of a block in tokens (the model's own, else 64).")]
Blocks = Annotated[
    str | None,
    typer.Option(
        help="With --text: sentences, paragraphs, starting-at:ID,ID (tokens that begin a block) or ending-at:ID,ID."
    ),
]
Context = Annotated[
    int | None, typer.Option(help="With --text: tokens per sequence (1024, or what the model has room for).")
]
Precision = Annotated[
    str, typer.Option(help="float32, or float64, which decides rows whose scores are too large for float32.")
]
