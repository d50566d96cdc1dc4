"""The tokens of a text: a model's, or without one its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from theory.errors import InputError


@dataclass(frozen=True)
class TextTokens:
    """A text as token ids in its order, and the candidate for an anchor that each one is, -1 for none.

    `spelled` are the texts of the candidates, and `ids` their tokens in a model's vocabulary, None for words.
    """

    tokenizer: Tokenizer
    sequence: NDArray[np.int64]
    candidates: NDArray[np.int64]
    spelled: tuple[str, ...]
    ids: NDArray[np.int64] | None

    def without(self, tokens: Sequence[int]) -> TextTokens:
        """The same text, in which these tokens are no candidates."""
        return replace(self, candidates=np.where(np.isin(self.sequence, tokens), -1, self.candidates))


def model_tokens(tokenizer: Tokenizer, content: str) -> TextTokens:
    """A text in a model's tokens; each one that occurs is a candidate. Raises InputError for a text without tokens."""
    sequence = np.array(tokenizer.encode(content).ids, dtype=np.int64)
    if not sequence.size:
        raise InputError("the model's tokenizer finds no token in the text")
    ids, candidates = np.unique(sequence, return_inverse=True)
    spelled = tuple(tokenizer.decode([token], skip_special_tokens=False) for token in ids.tolist())
    return TextTokens(tokenizer, sequence, candidates, spelled, ids)


def word_tokens(content: str) -> TextTokens:
    """A text in words: runs of letters, of digits, or of other marks, as GPT-2's tokenizer divides it first.

    A word is the same candidate with and without a space before it; white space is none.

    >>> found = word_tokens("a b, a")
    >>> [found.spelled[each] for each in found.candidates]
    ['a', 'b', ',', 'a']
    """
    tokenizer = Tokenizer(models.WordLevel())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    # Each word of the text gets a token: there are fewer words than characters.
    trainer = trainers.WordLevelTrainer(vocab_size=len(content) + 1, min_frequency=0, show_progress=False)
    tokenizer.train_from_iterator([content], trainer)
    sequence = np.array(tokenizer.encode(content).ids, dtype=np.int64)
    tokens, places = np.unique(sequence, return_inverse=True)
    words = [tokenizer.decode([token]).strip() for token in tokens.tolist()]
    spelled = tuple(sorted({word for word in words if word}))
    number = {word: index for index, word in enumerate(spelled)}
    candidates = np.array([number.get(word, -1) for word in words], dtype=np.int64)[places]
    return TextTokens(tokenizer, sequence, candidates, spelled, None)
