"""H4: with dial 1 in every layer, the logits at a token depend on no token outside its block, bit for bit."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from families import FAMILIES, tiny_decoder
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import one_thread  # noqa: F401
from torch import Tensor
from transformers import PreTrainedModel

import localist

# Experts take the tokens of all blocks in products whose number of rows, and so the rounding, follows the tokens.
WITH_EXPERTS = {"gpt_oss"}
FORMATS = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}
MOST_TOKENS = 24
# The last layer alone at dial 0, a dial that is nearly 1 on every layer, and nearly 1 on one.
PLANTED = [[1.0, 0.0], [0.0, 1.0], [0.999, 0.999], [1.0, 0.999]]


@cache
def _model(family: str, number: str) -> PreTrainedModel:
    return tiny_decoder(family, FORMATS[number])


@torch.no_grad()
def _logits(model: PreTrainedModel, tokens: Tensor, padding: int, block: int, dials: list[float]) -> Tensor:
    mask = torch.ones_like(tokens)
    mask[:, :padding] = 0
    with localist.dial(model, dials, block=block):
        return model(tokens, attention_mask=mask, use_cache=False).logits


def _change(
    model: PreTrainedModel, text: list[int], other: list[int], padding: int, block: int, place: int, dials: list[float]
) -> float:
    """Largest change of the logits at `place` where all tokens outside its block become those of `other`."""
    tokens, changed = torch.tensor([text]), torch.tensor([other])
    own = (torch.arange(len(text)) - padding) // block == (place - padding) // block
    found = [_logits(model, each, padding, block, dials) for each in (tokens, torch.where(own, tokens, changed))]
    return float((found[0] - found[1])[0, place].abs().max())


_TEXTS = st.integers(2, MOST_TOKENS).flatmap(
    lambda length: st.tuples(
        *(st.lists(st.integers(3, 89), min_size=length, max_size=length) for _ in range(2)),
        st.integers(0, length - 1),
        st.integers(0, length - 1),
        st.integers(1, length),
    )
)


@given(
    texts=_TEXTS, family=st.sampled_from(sorted(set(FAMILIES) - WITH_EXPERTS)), number=st.sampled_from(list(FORMATS))
)
def test_other_blocks_change_no_bit(
    texts: tuple[list[int], list[int], int, int, int], family: str, number: str
) -> None:
    text, other, first, second, block = texts
    padding, place = sorted((first, second))
    assert _change(_model(family, number), text, other, padding, block, place, [1.0, 1.0]) == 0


@settings(max_examples=20)
@given(texts=_TEXTS, number=st.sampled_from(["float32", "float64"]))
def test_experts_change_no_more_than_rounding(texts: tuple[list[int], list[int], int, int, int], number: str) -> None:
    text, other, first, second, block = texts
    padding, place = sorted((first, second))
    for family in sorted(WITH_EXPERTS):
        assert _change(_model(family, number), text, other, padding, block, place, [1.0, 1.0]) < 1e-4


@pytest.mark.parametrize("dials", PLANTED)
@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=3)
@given(
    text=st.lists(st.integers(3, 45), min_size=MOST_TOKENS, max_size=MOST_TOKENS),
    padding=st.integers(0, 3),
    place=st.integers(12, MOST_TOKENS - 1),
    block=st.integers(1, 8),
)
def test_a_layer_short_of_dial_1_is_seen(
    family: str, dials: list[float], text: list[int], padding: int, place: int, block: int
) -> None:
    """The other tokens all differ, and the token at `place` sees some of them."""
    other = [token + 43 for token in text]
    assert _change(_model(family, "float32"), text, other, padding, block, place, dials) > 0
