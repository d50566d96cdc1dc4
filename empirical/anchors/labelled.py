"""A text as labelled blocks, and which tokens occur in each.

A block is one sample. Mutual information with the label means something only if labels recur: a label of its own for
each block is the block's number in other words, and every token that occurs once would "point" to its block.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from empirical.anchors.tokens import TextTokens
from empirical.attention.block_kinds import WindowBlocks
from empirical.measuring.subject import text_blocks
from theory.errors import DomainError, InputError
from theory.files import read_json

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class LabelledBlocks:
    """Blocks whose label recurs: `presence` `(blocks, candidates)` is 1 where a token occurs, `labels` index `names`.

    `counts` `(blocks, candidates)` says how often it occurs. `blocks` counts all blocks of the text; those without a
    label, or whose label occurs once, are left out.
    """

    presence: csr_array
    labels: Whole
    names: tuple[str, ...]
    blocks: int
    counts: csr_array


def labelled_blocks(
    text: TextTokens, block: int | None, blocks: str | None, labels_file: Path | str | None
) -> LabelledBlocks:
    """The labelled blocks of a text, by `block` tokens or by `blocks` as in `text_blocks`.

    Labels come from a file, or are the tokens that begin or end a block; these tokens are then no candidates. Raises
    DomainError if no label recurs, InputError for a file that does not fit.
    """
    ids = _block_ids(text, block, blocks)
    count = int(ids[-1]) + 1
    labels: Sequence[str | None]
    if labels_file is not None:
        labels = read_labels(labels_file, count)
    else:
        marks = _marks(text, blocks, f"blocks of {block} tokens" if blocks is None else f"blocks {blocks!r}")
        labels = _marking_tokens(text, ids, str(blocks), marks)
        text = text.without(marks)
    return _recurring(text, ids, labels)


def read_labels(path: Path | str, blocks: int) -> list[str]:
    """The `labels` of a JSON object, one text per block. Raises InputError."""
    found = read_json(Path(path))
    labels = found.pop("labels", None)
    if found:
        raise InputError(f"{path}: {json.dumps(next(iter(found)))} is unknown; the object must hold `labels` alone")
    if not isinstance(labels, list) or not all(isinstance(label, str) and label for label in labels):
        raise InputError(f"{path}: `labels` must be a list of texts, none of them empty")
    if len(labels) != blocks:
        raise InputError(f"{path}: {len(labels)} labels must be {blocks}, one per block of the text")
    return labels


def _block_ids(text: TextTokens, block: int | None, blocks: str | None) -> Whole:
    """The block of each token, numbered from 0 without gaps."""
    if (block is None) == (blocks is None):
        raise DomainError("say what a block is: give either --block, its length in tokens, or --blocks")
    if block is not None:
        ids = WindowBlocks(block).of(None, torch.arange(len(text.sequence))[None])
    else:
        if text.ids is None and _is_marked(blocks):
            raise DomainError(f"blocks {blocks!r} name tokens of a model: give --model too")
        # Numbers of tokens may have gaps.
        vocabulary = max(text.tokenizer.get_vocab().values()) + 1
        ids = text_blocks(str(blocks), text.tokenizer, torch.from_numpy(text.sequence)[None], vocabulary)
    return np.unique(ids[0].numpy(), return_inverse=True)[1].astype(np.int64)


def _is_marked(blocks: str | None) -> bool:
    return str(blocks).startswith(("starting-at:", "ending-at:"))


def _marks(text: TextTokens, blocks: str | None, named: str) -> list[int]:
    if not _is_marked(blocks):
        raise DomainError(
            f"{named} have no label that recurs: each is a block of its own. Give --labels FILE, or --blocks "
            "starting-at:ID,ID or ending-at:ID,ID, whose labels are these tokens"
        )
    return [int(word) for word in str(blocks).partition(":")[2].split(",")]


def _marking_tokens(text: TextTokens, ids: Whole, blocks: str, marks: Sequence[int]) -> list[str | None]:
    """The token that begins or ends each block, None for a block that has none: the text's first or last."""
    edge = np.diff(ids, prepend=-1) if blocks.startswith("starting-at:") else np.diff(ids, append=ids[-1] + 1)
    edges = text.sequence[edge != 0].tolist()
    return [text.tokenizer.id_to_token(token) if token in marks else None for token in edges]


def _recurring(text: TextTokens, ids: Whole, labels: Sequence[str | None]) -> LabelledBlocks:
    times = Counter(label for label in labels if label is not None)
    # Not numpy's arrays of text, which drop NULs at the end of a label.
    names = tuple(sorted(label for label, count in times.items() if count >= 2))
    if len(names) < 2:
        raise DomainError(
            f"labels that occur in two or more of the text's {len(labels)} blocks: {len(names)}. There must be at "
            "least 2, or no token can tell one label from another"
        )
    number = {name: index for index, name in enumerate(names)}
    codes = np.array([number.get(label, -1) if label is not None else -1 for label in labels], dtype=np.int64)
    chosen = codes >= 0
    inside = text.candidates >= 0
    shape = (len(labels), len(text.spelled))
    # Converting adds up a token's occurrences in a block.
    counts = csr_array(coo_array((np.ones(inside.sum(), np.int64), (ids[inside], text.candidates[inside])), shape))
    presence = counts.copy()
    presence.data[:] = 1
    return LabelledBlocks(presence[chosen], codes[chosen], names, len(labels), counts[chosen])
