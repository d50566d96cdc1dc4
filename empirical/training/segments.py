"""Blocks that follow the text: sentences, paragraphs, places marked by the user, and change points.

All give one block id per token of a sequence; a query's own token is in its block by construction. A token in which a
block begins belongs to that block, so a leading space stays with its word.

Sentences, paragraphs and marked places depend only on the text up to the token. Change points are found over the
whole sequence, so a block's end reveals later tokens: perplexities under `segments` are comparable with each other, but
not with those under other blocks.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path, PurePath

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from empirical.attention.blocks import fixed_windows
from empirical.locality import LocalityConfig
from empirical.training.corpus import END_OF_TEXT, Piece
from empirical.training.text_cuts import TextCuts
from theory.errors import DomainError, InputError
from theory.files import read_json

# Largest int64; far beyond any text.
_LAST_CHARACTER = int(np.iinfo(np.int64).max)


def window_blocks(
    locality: LocalityConfig,
    tokenizer: Tokenizer,
    pieces: Sequence[Piece],
    windows: Int[Tensor, "sequences context"],
    embedding: Float[Tensor, "vocabulary width"] | None = None,
) -> Int[Tensor, "sequences context"] | None:
    """Block ids `(sequences, context)` of these pieces' sequences; None for fixed windows.

    Change points are found on `embedding` `(vocabulary, width)`. Raises InputError, DomainError.
    """
    if locality.blocks == "windows":
        return None
    if locality.blocks == "segments":
        if embedding is None:
            raise DomainError("blocks 'segments' need a trained model's token embeddings")
        return change_points(windows, embedding, locality.block)
    if locality.blocks == "file":
        starts = _marked_starts(Path(str(locality.block_file)), tokenizer, pieces)
    else:
        starts = _text_starts(TextCuts(locality.blocks, tokenizer), tokenizer, pieces)
    stream = torch.from_numpy(np.concatenate(list(starts))[: windows.numel()])
    return block_ids(stream.view_as(windows))


class GrowingBlocks:
    """Blocks of sentences or paragraphs for a text that grows token by token, equal to those of the whole text.

    Raises DomainError for other blocks, which a growing text does not have, and for a tokenizer that is not
    byte-level.
    """

    def __init__(self, kind: str, tokenizer: Tokenizer) -> None:
        self._cuts = TextCuts(kind, tokenizer)
        self._block = -1

    def extend(self, tokens: Sequence[int]) -> list[int]:
        """Block ids of the next tokens."""
        found = []
        for begins in self._cuts.begins(tokens):
            self._block = max(0, self._block + begins)
            found.append(self._block)
        return found


def block_ids(starts: Bool[Tensor, "sequences context"]) -> Int[Tensor, "sequences context"]:
    """Ids from 0 in each sequence; `starts` `(sequences, context)` says which tokens begin a block.

    >>> block_ids(torch.tensor([[False, True, False, True]])).tolist()
    [[0, 1, 1, 2]]
    """
    counted = starts.long().cumsum(1)
    return counted - counted[:, :1]


def change_points(
    windows: Int[Tensor, "sequences context"], embedding: Float[Tensor, "vocabulary width"], size: int
) -> Int[Tensor, "sequences context"]:
    """Segments of `size` tokens on average that differ most in mean direction of the token embeddings.

    Returns ids `(sequences, context)` of the best segmentation into `context / size` segments, found by `ruptures`
    (kernel change points, cosine kernel).
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


def _text_starts(cuts: TextCuts, tokenizer: Tokenizer, pieces: Sequence[Piece]) -> Iterator[NDArray[np.bool_]]:
    """For each piece, with its end token if any, which tokens begin a block."""
    end = tokenizer.token_to_id(END_OF_TEXT)
    for encoding in tokenizer.encode_batch([piece.text for piece in pieces]):
        # Every piece begins a block: the text before it may be in the other part of the split.
        cuts.restart()
        yield np.array(cuts.begins([*encoding.ids, *([] if end is None else [end])]), dtype=np.bool_)


def _marked_starts(path: Path, tokenizer: Tokenizer, pieces: Sequence[Piece]) -> Iterator[NDArray[np.bool_]]:
    """The same for blocks that begin at marked places: a token belongs to the block of its last character."""
    marks = _by_document(_read_marks(path), pieces)
    end = tokenizer.token_to_id(END_OF_TEXT) is not None
    for piece, encoding in zip(pieces, tokenizer.encode_batch([piece.text for piece in pieces]), strict=True):
        places = marks.get(piece.document)
        if places is None:
            raise InputError(f"the block file has no entry for {piece.document}")
        _check_inside(places, piece)
        lasts = np.array([stop - 1 for _, stop in encoding.offsets], dtype=np.int64)
        block = np.searchsorted(np.array(places, dtype=np.int64) - piece.start, lasts, side="right")
        begins = np.diff(block, prepend=-1) != 0
        yield np.append(begins, False) if end else begins


def _read_marks(path: Path) -> dict[str, list[int]]:
    marks = read_json(path)
    for name, places in marks.items():
        shown = json.dumps(name)
        if not isinstance(places, list) or any(type(place) is not int or place < 0 for place in places):
            raise InputError(f"{path}: {shown} must be a list of characters, whole numbers from 0")
        if any(right <= left for left, right in pairwise(places)):
            raise InputError(f"{path}: the characters of {shown} must increase")
        if places and places[-1] > _LAST_CHARACTER:
            raise InputError(f"{path}: the characters of {shown} must be at most {_LAST_CHARACTER}, as in any text")
    return marks


def _by_document(marks: dict[str, list[int]], pieces: Sequence[Piece]) -> dict[str, list[int]]:
    """The marked places of each document. A document's name is a full path; the block file may give only its end.

    Raises InputError if an entry fits two documents.
    """
    found: dict[str, list[int]] = {}
    taken: dict[str, str] = {}
    for document in dict.fromkeys(piece.document for piece in pieces):
        fitting = [name for name in marks if name == document or _is_end(name, document)]
        if not fitting:
            continue
        # The longest is the most specific.
        name = max(fitting, key=lambda name: (name == document, len(name)))
        if taken.setdefault(name, document) != document:
            raise InputError(
                f"the block file's entry {json.dumps(name)} fits {taken[name]} and {document}: give more of the path"
            )
        found[document] = marks[name]
    return found


def _is_end(name: str, document: str) -> bool:
    parts = tuple(part for part in PurePath(os.path.normpath(name)).parts if part != "..")
    return bool(parts) and PurePath(document).parts[-len(parts) :] == parts


def _check_inside(places: Sequence[int], piece: Piece) -> None:
    """Raise InputError for a place beyond the end of the document."""
    if places and piece.whole is not None and places[-1] >= piece.whole:
        first = next(place for place in places if place >= piece.whole)
        raise InputError(
            f"the block file begins a block of {piece.document} at character {first}: "
            f"it must be below the text's {piece.whole} characters"
        )
