"""Finds where sentences and paragraphs begin in a stream of tokens, with one rule for whole and growing texts.

The rule reads the tokens' bytes from left to right. White space is ASCII white space. White space with two newlines
ends a paragraph and a sentence; white space after a full stop, exclamation or question mark, possibly followed by
closing quotes or brackets, ends a sentence. The next byte that is not white space begins a block. Bytes of multi-byte
UTF-8 sequences are never white space, so no byte waits for the rest of its character: U+3000 counts as a letter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tokenizers import Tokenizer, decoders, pre_tokenizers

from empirical.training.corpus import END_OF_TEXT
from theory.errors import DomainError

KINDS = ("sentences", "paragraphs")
_SPACE = frozenset(b" \t\n\r\v\f")
_STOPS = frozenset(b".!?")
_CLOSERS = frozenset(b"\"')]")


@dataclass(frozen=True)
class _State:
    """State before a byte: whether a sentence has ended, white space since, and newlines in it (2: at least 2)."""

    stopped: bool = False
    spaced: bool = False
    newlines: int = 0


class TextCuts:
    """Decides for each token of a stream whether a block begins in it.

    `kind` must be one of `KINDS`, and the tokenizer must be a byte-level BPE; otherwise raises DomainError.
    """

    def __init__(self, kind: str, tokenizer: Tokenizer) -> None:
        if kind not in KINDS:
            raise DomainError(f"blocks {kind!r} are undefined for a text that is still growing")
        self._sentences = kind == "sentences"
        self._bytes = _token_bytes(tokenizer)
        self._end = tokenizer.token_to_id(END_OF_TEXT)
        # There are only 12 states, so each pair of state and token is computed once.
        self._known: dict[tuple[_State, int], tuple[_State, bool]] = {}
        self.restart()

    def restart(self) -> None:
        """Start a new text with the next token."""
        self._state: _State | None = None

    def begins(self, tokens: Iterable[int]) -> list[bool]:
        """Whether a block begins in each of the next tokens. The token that ends a text stays with that text."""
        return [self._next(token) for token in tokens]

    def _next(self, token: int) -> bool:
        first = self._state is None
        if token == self._end:
            self.restart()
            return False
        state = self._state or _State()
        found = self._known.get((state, token))
        if found is None:
            # A model may have more tokens than its tokenizer; the extra ones decode to nothing.
            found = self._known[state, token] = self._read(state, self._bytes.get(token, b""))
        self._state = found[0]
        return first or found[1]

    def _read(self, state: _State, content: bytes) -> tuple[_State, bool]:
        stopped, spaced, newlines, begins = state.stopped, state.spaced, state.newlines, False
        for byte in content:
            if byte in _SPACE:
                spaced, newlines = True, min(2, newlines + (byte == 0x0A))
                continue
            begins |= newlines == 2 or (self._sentences and stopped and spaced)
            stopped = byte in _STOPS or (stopped and not spaced and byte in _CLOSERS)
            spaced, newlines = False, 0
        return _State(stopped, spaced, newlines), begins


def _token_bytes(tokenizer: Tokenizer) -> dict[int, bytes]:
    """Bytes of each token of a byte-level tokenizer; an added token stands for its own text."""
    if not isinstance(tokenizer.decoder, decoders.ByteLevel):
        raise DomainError("blocks that follow the text need a byte-level tokenizer, whose tokens stand for bytes")
    found, spelled, added = {}, _spelling(), tokenizer.get_added_tokens_decoder()
    for text, token in tokenizer.get_vocab(with_added_tokens=True).items():
        if token not in added and not spelled.keys() >= set(text):
            raise DomainError(f"token {token} of a byte-level tokenizer must spell bytes, found {text!r}")
        found[token] = text.encode() if token in added else bytes(spelled[character] for character in text)
    return found


def _spelling() -> dict[str, int]:
    """The byte for each character of a byte-level token (GPT-2's table).

    Printable bytes are spelled as in Latin-1; the others are mapped in order from U+0100.

    >>> _spelling()["A"], _spelling()["\\u0120"]
    (65, 32)
    """
    own = {chr(byte): byte for byte in range(256) if chr(byte) in _ALPHABET}
    others = [byte for byte in range(256) if chr(byte) not in own]
    return own | {chr(0x100 + place): byte for place, byte in enumerate(others)}


_ALPHABET = frozenset(pre_tokenizers.ByteLevel.alphabet())
