"""Where sentences and paragraphs begin. A growing text has the blocks of the whole text, for any bytes."""

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from empirical.locality import LocalityConfig
from empirical.training.corpus import END_OF_TEXT, Piece, train_tokenizer
from empirical.training.segments import GrowingBlocks, window_blocks
from empirical.training.text_cuts import KINDS, TextCuts
from theory.errors import DomainError

LEARNT = (
    'One two. Three four!  "Five?" Six\n\nSeven 3.5 eight. Zwölf (Boxkämpfer).\u3000Two\u00a0three\n\n\u3000Two. \n\n'
)
TOKENIZER = train_tokenizer([LEARNT] * 3, 330)

# Characters on which definitions of white space differ, and characters that end sentences.
HARD = st.text(st.sampled_from("a.!?\"')] \n\t\r\v\f\x1c\x85\u00a0\u1680\u2003\u2028\u3000\ufeff\ufffd。é\U0001f600"))
TEXTS = HARD | st.text(max_size=30)
TOKENS = st.lists(st.integers(0, TOKENIZER.get_vocab_size() - 1), max_size=40)


def token_bytes(token):
    """The bytes of one token, from the tokenizers library."""
    if token == 0:
        return END_OF_TEXT.encode()
    spelled = {}
    for byte in range(256):
        # The library spells a character of two bytes with two letters.
        letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(chr(byte))[0][0]
        for letter, value in zip(letters, chr(byte).encode(), strict=True):
            spelled[letter] = value
    # Lead bytes of longer characters, and bytes that UTF-8 never uses, follow in the table's order.
    for place, byte in enumerate(b for b in range(256) if not (0x21 <= b <= 0x7E or 0xA1 <= b <= 0xAC or b >= 0xAE)):
        spelled[chr(256 + place)] = byte
    for byte in (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)):
        spelled[chr(byte)] = byte
    return bytes(spelled[letter] for letter in TOKENIZER.id_to_token(token))


BYTES = [token_bytes(token) for token in range(TOKENIZER.get_vocab_size())]
SPACE = rb"[ \t\n\r\v\f]"
PARAGRAPH = re.compile(rb"%b*\n%b*\n%b*" % (SPACE, SPACE, SPACE))
SENTENCE = re.compile(rb"""(?<=[.!?])["')\]]*%b+""" % SPACE)


def expected(kind, tokens):
    """The definition as regular expressions over all bytes of a text at once."""
    ids, block, text = [], -1, []
    for token in [*tokens, None]:
        if token is None or token == 0:
            whole = b"".join(BYTES[each] for each in text)
            places = {match.end() for match in PARAGRAPH.finditer(whole)}
            if kind == "sentences":
                places |= {match.end() for match in SENTENCE.finditer(whole)}
            start = 0
            for index, each in enumerate(text):
                stop = start + len(BYTES[each])
                block += index == 0 or any(start <= place < stop for place in places)
                ids.append(block)
                start = stop
            if token == 0:
                block = max(block, 0)
                ids.append(block)
            text = []
        else:
            text.append(token)
    return ids


@pytest.mark.parametrize("kind", KINDS)
@given(tokens=TOKENS | TEXTS.map(lambda text: TOKENIZER.encode(text).ids))
def test_blocks_match_the_definition_for_any_bytes(kind, tokens):
    found = GrowingBlocks(kind, TOKENIZER).extend(tokens)
    assert found == expected(kind, tokens)
    growing = GrowingBlocks(kind, TOKENIZER)
    assert [block for token in tokens for block in growing.extend([token])] == found
    for stop in range(len(tokens)):
        assert GrowingBlocks(kind, TOKENIZER).extend(tokens[:stop]) == found[:stop], (
            "later bytes change no earlier block"
        )


@pytest.mark.parametrize("kind", KINDS)
@given(texts=st.lists(TEXTS.filter(bool), min_size=1, max_size=3))
def test_whole_text_gives_the_blocks_of_a_growing_one(kind, texts):
    tokens = [token for text in texts for token in (*TOKENIZER.encode(text).ids, 0)]
    pieces = [Piece("t", 0, text) for text in texts]
    whole = window_blocks(LocalityConfig(blocks=kind), TOKENIZER, pieces, torch.tensor([tokens]))
    assert whole[0].tolist() == GrowingBlocks(kind, TOKENIZER).extend(tokens)


def blocks_of(kind, text):
    return GrowingBlocks(kind, TOKENIZER).extend(TOKENIZER.encode(text).ids)


def test_non_ascii_white_space_counts_as_a_letter():
    tokens = TOKENIZER.encode("One.\n\n\u3000Two").ids
    begin = next(place for place, token in enumerate(tokens) if 0xE3 in BYTES[token])
    ids = GrowingBlocks("sentences", TOKENIZER).extend(tokens)
    assert ids[begin - 1 : begin + 1] == [0, 1], "the first byte of U+3000 begins the block"
    assert set(ids[begin:]) == {1}
    assert set(blocks_of("sentences", "One.\u00a0Two")) == {0}
    assert set(blocks_of("paragraphs", "One\n\x85\nTwo")) == {0}


def test_unicode_white_space_definition_differs():
    tokens = TOKENIZER.encode("One.\n\n\u3000Two").ids
    text = "One.\n\n\u3000Two"
    begin = re.search(r"\n[ \t]*\n\s*", text).end()
    by_characters = [int(stop - 1 >= begin) for _, stop in TOKENIZER.encode(text).offsets]
    assert by_characters != expected("paragraphs", tokens)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("A. B", 2), ("A.B", 1), ('A." B', 2), ('A. "B', 2), ("A.a B", 1), ("A .) B", 2), ("A ) B", 1),
        ("A\n\nB", 2), ("A\n \t\nB", 2), ("A\r\n\r\nB", 2), ("A\nB", 1), ("A. ", 1), (". . A", 3), ("A.. B!? C", 3),
    ],
)  # fmt: skip
def test_sentences_of_a_hand_written_text(text, sentences):
    assert blocks_of("sentences", text)[-1] + 1 == sentences


def test_tokens_unknown_to_the_tokenizer_have_no_bytes():
    first, *others = TOKENIZER.encode("A. B").ids
    _, *begins = TextCuts("sentences", TOKENIZER).begins([first, *others])
    assert TextCuts("sentences", TOKENIZER).begins([first, 10**6, *others]) == [True, False, *begins]
    assert any(begins)


def test_refuses_tokenizers_that_are_not_byte_level():
    words = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    with pytest.raises(DomainError, match="need a byte-level tokenizer"):
        TextCuts("sentences", words)
    words.decoder = decoders.ByteLevel()
    words.add_tokens([" \u3000"])
    assert TextCuts("sentences", words).begins([0, 2]) == [True, False], "an added token has the bytes of its own text"
    words = Tokenizer(models.WordLevel({"a\u3000": 0}, unk_token="a\u3000"))
    words.decoder = decoders.ByteLevel()
    with pytest.raises(DomainError, match="must spell bytes, found 'a\\\\u3000'"):
        TextCuts("sentences", words)
