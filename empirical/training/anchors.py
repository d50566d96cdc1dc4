"""Anchors that training draws attention to: a file's anchors as tokens of the run, and the rows that see one.

A row counts if its query sees an anchor in its own block, and another key: rows without a visible anchor have nothing
to attend to, and in rows that see anchors alone the mass is 1 whatever the weights are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Int
from tokenizers import Tokenizer
from torch import Tensor

from empirical.anchor_file import AnchorFile, read_anchors
from empirical.attention.blocks import block_runs, fixed_windows
from empirical.config import RunConfig
from theory.errors import InputError
from theory.files import read_json

ANCHORS_NAME = "anchor_tokens.json"

# Sequences whose rows are counted at a time.
_CHUNK = 1024


@dataclass(frozen=True)
class RunAnchors:
    """The anchor tokens of a run; `window` is the length of its blocks, None for blocks that follow the text.

    `missing` are the anchors that are no token of the run's tokenizer. Labels do not count here: a token is an anchor
    in every block.
    """

    file: AnchorFile
    tokens: tuple[int, ...]
    missing: tuple[str, ...]
    window: int | None

    def keys(self, tokens: Int[Tensor, "batch tokens"]) -> Bool[Tensor, "batch tokens"]:
        """Which tokens are anchors."""
        return torch.isin(tokens, torch.tensor(self.tokens, device=tokens.device))

    def rows(
        self, tokens: Int[Tensor, "batch tokens"], blocks: Int[Tensor, "batch tokens"] | None
    ) -> Bool[Tensor, "batch tokens"]:
        """Which rows count; `blocks` are the block ids, None for windows."""
        if blocks is None:
            assert self.window is not None
            blocks = fixed_windows(tokens.shape[1], self.window, tokens.device)
        return anchor_rows(self.keys(tokens), blocks)

    def describe(
        self, windows: Int[Tensor, "sequences context"], blocks: Int[Tensor, "sequences context"] | None
    ) -> dict[str, Any]:
        """For the run's folder; counts the rows of the training sequences. Raises InputError if none of them counts."""
        counted = 0
        for start in range(0, len(windows), _CHUNK):
            part = None if blocks is None else blocks[start : start + _CHUNK]
            counted += int(self.rows(windows[start : start + _CHUNK], part).sum())
        if not counted:
            raise InputError(f"{self.file.path}: no row of the training text sees an anchor of its own block")
        return {
            "file": str(self.file.path),
            "sha256": self.file.sha256,
            "tokens": list(self.tokens),
            "without_token": list(self.missing),
            "rows": counted,
            "rows_left_out": windows.numel() - counted,
        }


def anchor_rows(
    keys: Bool[Tensor, "batch tokens"], blocks: Int[Tensor, "#batch tokens"]
) -> Bool[Tensor, "batch tokens"]:
    """Which queries see one of `keys` in their own block, and another key; under causality.

    >>> anchor_rows(torch.tensor([[True, True, False, False, True]]), torch.tensor([[0, 0, 0, 1, 1]])).tolist()
    [[False, False, True, False, True]]
    """
    order, begins = (each.expand_as(keys) for each in block_runs(blocks))
    ordered = keys.gather(1, order).long()
    before = ordered.cumsum(1) - ordered
    # Anchors of the block up to the query, itself included.
    run = before + ordered - before.gather(1, begins)
    seen = torch.empty_like(run).scatter_(1, order, run)
    return (seen > 0) & (seen <= torch.arange(keys.shape[1], device=keys.device))


def run_anchors(config: RunConfig, tokenizer: Tokenizer) -> RunAnchors | None:
    """The anchors of a run, by the text of each token of its tokenizer; None if it has none.

    Raises InputError for a file that is no file of anchors, and if none of its anchors is a token.
    """
    if config.objective.anchors is None:
        return None
    file = read_anchors(Path(config.objective.anchors))
    ids = sorted(tokenizer.get_vocab().values())
    spelled = tokenizer.decode_batch([[each] for each in ids], skip_special_tokens=False)
    # Parts of characters all have this one text.
    wanted = {text: name for text, name in file.token_texts.items() if "\ufffd" not in text}
    tokens = tuple(token for token, text in zip(ids, spelled, strict=True) if text in wanted)
    found = {wanted[text] for text in spelled if text in wanted}
    if not tokens:
        raise InputError(f"{file.path}: none of its {len(file.anchors)} confirmed anchors is a token of the tokenizer")
    missing = tuple(dict.fromkeys(each.text for each in file.anchors if each.text not in found))
    window = config.locality.block if config.locality.blocks == "windows" else None
    return RunAnchors(file, tokens, missing, window)


def check_same_anchors(folder: Path, file: AnchorFile) -> None:
    """Raise InputError if the run in this folder was started with other anchors."""
    path = folder / ANCHORS_NAME
    if path.exists() and read_json(path).get("sha256") != file.sha256:
        raise InputError(
            f"{folder} was started with other anchors: {file.path} has changed since. Restore it, or start a new run."
        )
