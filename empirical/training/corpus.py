"""Text, its split and its tokens; the text is prose that comes with Python, or the user's own.

The text is cut into pieces at paragraph ends, and evenly spaced pieces are held out. The byte-level BPE is trained
on the training pieces only, so no held-out text reaches the model.
"""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import LocalEntryNotFoundError
from jaxtyping import Int
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from empirical.config import CorpusConfig
from empirical.hub import hub_is_reachable, unreachable
from empirical.training.docstrings import library_docstrings, package_docstrings
from empirical.training.hub_text import dataset_text
from theory.errors import InputError, first_line

END_OF_TEXT = "<|endoftext|>"
PIECE_CHARACTERS = 2000


@dataclass(frozen=True)
class Piece:
    """A stretch of a document: the document's name, the index of the first character, the text.

    `whole` is the number of characters of the document, None if unknown.
    """

    document: str
    start: int
    text: str
    whole: int | None = None


@dataclass(frozen=True)
class Corpus:
    """Training and held-out pieces of a text, its name and SHA-256, and versions of the packages it was read from.

    `held_out_asked` is the requested share of held-out pieces; the share of characters is close to it.
    """

    name: str
    sha256: str
    characters: int
    held_out_asked: float
    training_pieces: tuple[Piece, ...]
    held_out_pieces: tuple[Piece, ...]
    packages: dict[str, str]

    @property
    def training(self) -> tuple[str, ...]:
        """Texts of the training pieces."""
        return tuple(piece.text for piece in self.training_pieces)

    @property
    def held_out(self) -> tuple[str, ...]:
        """Texts of the held-out pieces."""
        return tuple(piece.text for piece in self.held_out_pieces)

    def describe(self) -> dict[str, object]:
        """Description of the corpus for a manifest."""
        described = {
            "name": self.name,
            "sha256": self.sha256,
            "characters": self.characters,
            "held_out_asked": self.held_out_asked,
            "held_out_share": round(sum(map(len, self.held_out)) / self.characters, 6),
        }
        return {**described, "packages": self.packages} if self.packages else described


def load_corpus(config: CorpusConfig) -> Corpus:
    """Read and split the text. Raises InputError for text that is missing, empty or not UTF-8."""
    packages: dict[str, str] = {}
    if config.text:
        documents, names = [read_text(Path(name)) for name in config.text], list(config.text)
        name = ", ".join(Path(part).name for part in config.text)
    else:
        if config.dataset is not None:
            documents = dataset_text(config.dataset, config.subset, config.split, config.column)
            name = " ".join(part for part in (config.dataset, config.subset, config.split, config.column) if part)
        elif config.builtin == "topics":
            documents, name = python_topics(), "pydoc_data.topics"
        elif config.builtin == "docstrings":
            documents, name = library_docstrings(), f"docstrings of Python {platform.python_version()}"
        else:
            documents, packages = package_docstrings(config.packages)
            name = f"docstrings of {', '.join(config.packages) or f'{len(packages)} packages'}"
        names = [f"{name} {index}" for index in range(len(documents))]
    pieces = [piece for each, document in zip(names, documents, strict=True) for piece in _pieces(each, document)]
    chosen = _spread(len(pieces), config.held_out)
    held_out = tuple(piece for piece, out in zip(pieces, chosen, strict=True) if out)
    training = tuple(piece for piece, out in zip(pieces, chosen, strict=True) if not out)
    if not held_out:
        raise InputError(
            f"{name}: the text has {sum(map(len, documents))} characters, too few to hold out a share of "
            f"{config.held_out:g}. Give a longer text, or a larger corpus.held_out in a --config file."
        )
    digest = hashlib.sha256("\0".join(documents).encode("utf-8")).hexdigest()
    return Corpus(name, digest, sum(map(len, documents)), config.held_out, training, held_out, packages)


def python_topics() -> list[str]:
    """The reference manual's topics, part of every CPython: about 0.46 M characters of English."""
    from pydoc_data.topics import topics

    return [topics[name] for name in sorted(topics)]


def train_tokenizer(pieces: Iterable[str], vocabulary: int) -> Tokenizer:
    """Byte-level BPE of at most `vocabulary` tokens; token 0 ends a text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(pieces, trainer)
    return tokenizer


def load_tokenizer(source: str) -> Tokenizer:
    """Tokenizer of a model folder (`tokenizer.json`, or `vocab.json` with `merges.txt`) or of a hub name."""
    folder = Path(source)
    try:
        if (folder / "tokenizer.json").is_file():
            return Tokenizer.from_file(str(folder / "tokenizer.json"))
        if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
            tokenizer = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            tokenizer.decoder = decoders.ByteLevel()
            return tokenizer
        if folder.is_dir():
            raise InputError(f"{folder} holds no tokenizer: tokenizer.json, or vocab.json and merges.txt, is needed")
        found = hf_hub_download(source, "tokenizer.json", local_files_only=not hub_is_reachable())
        return Tokenizer.from_file(found)
    except InputError:
        raise
    except LocalEntryNotFoundError as error:
        raise InputError(f"cannot load a tokenizer from {source}: {unreachable()}") from error
    # tokenizers raises bare Exception for a file it cannot parse and for a hub it cannot reach.
    except Exception as error:
        raise InputError(f"cannot load a tokenizer from {source}: {first_line(error)}") from error


def token_windows(
    tokenizer: Tokenizer, pieces: Iterable[str], context: int, name: str
) -> Int[Tensor, "sequences context"]:
    """The pieces' tokens as consecutive sequences `(sequences, context)`; drops an incomplete last one."""
    end = tokenizer.token_to_id(END_OF_TEXT)
    stream: list[int] = []
    for encoding in tokenizer.encode_batch(list(pieces)):
        stream += encoding.ids
        if end is not None:
            stream.append(end)
    windows = len(stream) // context
    if windows == 0:
        raise InputError(
            f"{name}: {len(stream)} tokens are fewer than the context of {context}. "
            "Give a longer text or a smaller --context."
        )
    return torch.tensor(stream[: windows * context], dtype=torch.long).view(windows, context)


def read_text(path: Path) -> str:
    """The text of a UTF-8 file. Raises InputError if it cannot be read or is empty."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read text {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"text {path} is not UTF-8: byte {error.start}") from error
    if not text.strip():
        raise InputError(f"text {path} is empty")
    return text


def _spread(count: int, share: float) -> list[bool]:
    """Which of `count` pieces are held out: evenly spaced, never the first, `floor(i share)` of the first i.

    >>> _spread(5, 0.4)
    [False, False, True, False, True]
    """
    # The decimal as written: the float 0.1 is slightly more than a tenth.
    exact = Fraction(repr(share))
    return [math.floor((index + 1) * exact) > math.floor(index * exact) for index in range(count)]


def _pieces(name: str, document: str) -> list[Piece]:
    """Pieces cut at the first paragraph end after `PIECE_CHARACTERS`, else at twice that length."""
    pieces, start = [], 0
    while start < len(document):
        cut = document.find("\n\n", start + PIECE_CHARACTERS, start + 2 * PIECE_CHARACTERS)
        stop = cut + 2 if cut >= 0 else start + 2 * PIECE_CHARACTERS
        pieces.append(Piece(name, start, document[start:stop], len(document)))
        start = stop
    return pieces
