"""Blocks that follow the text: sentences, paragraphs, places that the user marks, and change points.

All give one block id a token and window; a query's own token is in its block by construction. A token belongs
to the block that its last character lies in, so a word with its leading space goes with the word.

Sentences, paragraphs and the user's places cut a token's block from what precedes it only. Change points are
found over the whole window, so that a block's end tells of tokens after it: perplexities under `segments` are
comparable with each other and not with those under other blocks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from empirical.blocks import fixed_windows
from empirical.config import LocalityConfig
from empirical.corpus import END_OF_TEXT, Piece
from theory.errors import DomainError, InputError
from theory.files import read_json

# A full stop, perhaps a closing quote, then space before something; or an empty line. Abbreviations end one too.
_SENTENCE = re.compile(r"""(?<=[.!?])["')\]]*\s+(?=\S)|\n[ \t]*\n\s*""")
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_PATTERNS = {"sentences": _SENTENCE, "paragraphs": _PARAGRAPH}

# What an array of places holds; far beyond any text.
_LAST_CHARACTER = int(np.iinfo(np.int64).max)

# What a decoder puts in the place of bytes that are no character.
_UNFINISHED = "\ufffd"


def window_blocks(
    locality: LocalityConfig,
    tokenizer: Tokenizer,
    pieces: Sequence[Piece],
    windows: Tensor,
    embedding: Tensor | None = None,
) -> Tensor | None:
    """Block ids `(windows, context)` of these pieces' token windows; None for fixed windows, which need none.

    `embedding` `(vocabulary, width)` is what change points are found on. Raises InputError, DomainError.
    """
    if locality.blocks == "windows":
        return None
    if locality.blocks == "segments":
        if embedding is None:
            raise DomainError("blocks 'segments' need a trained model's token embeddings")
        return change_points(windows, embedding, locality.block)
    marks = _read_marks(Path(locality.block_file)) if locality.block_file else {}
    end = tokenizer.token_to_id(END_OF_TEXT) is not None
    starts: list[NDArray[np.bool_]] = []
    for piece, encoding in zip(pieces, tokenizer.encode_batch([piece.text for piece in pieces]), strict=True):
        lasts = np.array([stop - 1 for _, stop in encoding.offsets], dtype=np.int64)
        block = np.searchsorted(_places(locality.blocks, piece, marks), lasts, side="right")
        # A piece begins a block: what stood before it may be in the other part of the split.
        begins = np.diff(block, prepend=-1) != 0
        starts.append(np.append(begins, False) if end else begins)
    stream = torch.from_numpy(np.concatenate(starts)[: windows.numel()])
    return block_ids(stream.view_as(windows))


class GrowingBlocks:
    """Blocks of sentences or paragraphs for a text that grows token by token.

    They are those of the whole text's pass, since what follows a token does not move it to another block. Raises
    DomainError for other blocks, which no text that is still being written has.
    """

    def __init__(self, kind: str, tokenizer: Tokenizer) -> None:
        if kind not in _PATTERNS:
            raise DomainError(f"blocks {kind!r} are not known of a text that is still being written")
        self._pattern, self._tokenizer = _PATTERNS[kind], tokenizer
        self._end = tokenizer.token_to_id(END_OF_TEXT)
        self._block = -1
        self._begin()

    def extend(self, tokens: Sequence[int]) -> list[int]:
        """Block ids of the next tokens."""
        return [self._next(token) for token in tokens]

    def _begin(self) -> None:
        self._tokens: list[int] = []
        self._passed = 0

    def _next(self, token: int) -> int:
        if token == self._end:
            self._block = max(self._block, 0)
            self._begin()
            return self._block
        first = not self._tokens
        self._tokens.append(token)
        text = self._tokenizer.decode(self._tokens, skip_special_tokens=False)
        if text.endswith(_UNFINISHED):
            # Bytes of a character that is yet to come count as that character.
            text = text.rstrip(_UNFINISHED) + _UNFINISHED
        passed = sum(match.end() < len(text) for match in self._pattern.finditer(text))
        if first or passed != self._passed:
            self._block += 1
        self._passed = passed
        return self._block


def block_ids(starts: Tensor) -> Tensor:
    """Ids from 0 in each window, where `starts` `(windows, context)` says which tokens begin a block.

    >>> block_ids(torch.tensor([[False, True, False, True]])).tolist()
    [[0, 1, 1, 2]]
    """
    counted = starts.long().cumsum(1)
    return counted - counted[:, :1]


def change_points(windows: Tensor, embedding: Tensor, size: int) -> Tensor:
    """Segments of `size` tokens on average that differ most in mean direction of the token embeddings.

    The best of all segmentations into `context / size` segments, found by `ruptures` (kernel change points,
    cosine kernel). Returns ids `(windows, context)`.
    """
    import ruptures

    tokens = windows.shape[1]
    cuts = max(0, round(tokens / size) - 1)
    if cuts == 0 or tokens < 4:
        return fixed_windows(tokens, tokens).expand_as(windows).clone()
    signal = torch.nn.functional.normalize(embedding.detach().double().cpu(), dim=1).numpy()
    least = min(2, tokens // (cuts + 1))
    starts = torch.zeros_like(windows, dtype=torch.bool)
    for row, window in enumerate(windows.cpu().numpy()):
        found = ruptures.KernelCPD(kernel="cosine", min_size=max(1, least)).fit(signal[window]).predict(n_bkps=cuts)
        starts[row, found[:-1]] = True
    return block_ids(starts)


def _places(kind: str, piece: Piece, marks: dict[str, list[int]]) -> NDArray[np.int64]:
    """Characters of the piece at which a block begins."""
    if kind == "file":
        places = marks.get(piece.document)
        if places is None:
            raise InputError(f"the block file has no entry for {piece.document}")
        _check_inside(places, piece)
        return np.array(places, dtype=np.int64) - piece.start
    return np.array([match.end() for match in _PATTERNS[kind].finditer(piece.text)], dtype=np.int64)


def _read_marks(path: Path) -> dict[str, list[int]]:
    marks = read_json(path)
    for name, places in marks.items():
        shown = json.dumps(name)
        if not isinstance(places, list) or any(type(place) is not int or place < 0 for place in places):
            raise InputError(f"{path}: {shown} must be a list of characters, whole numbers from 0")
        if any(right <= left for left, right in pairwise(places)):
            raise InputError(f"{path}: the characters of {shown} must rise")
        if places and places[-1] > _LAST_CHARACTER:
            raise InputError(f"{path}: the characters of {shown} must be at most {_LAST_CHARACTER}, as in any text")
    return marks


def _check_inside(places: Sequence[int], piece: Piece) -> None:
    """Raise InputError for a place that rises beyond the document, where no block can begin."""
    if places and piece.whole is not None and places[-1] >= piece.whole:
        first = next(place for place in places if place >= piece.whole)
        raise InputError(
            f"the block file begins a block of {piece.document} at character {first}: "
            f"it must be below the text's {piece.whole} characters"
        )
