"""Calls that the attention refuses: caches, masks, keywords and kinds of attention that it does not support."""

import pytest
import torch
from test_positions import sharp_model, texts
from tiny import (
    Layer,
    one_thread,  # noqa: F401
)
from transformers import DynamicCache, GPT2Config, GPT2LMHeadModel
from transformers.cache_utils import DynamicSlidingWindowLayer

from empirical.attention.attention import NAME, localist_attention
from empirical.config import ObjectiveConfig
from empirical.training.objective import AttentionObjective
from theory.errors import DomainError


def decoded(cache_layer):
    model = sharp_model()
    kept = DynamicCache()
    kept.layers = [cache_layer() for _ in range(3)]
    with torch.no_grad():
        model(texts()[1][None], past_key_values=kept, use_cache=True)
        model(texts()[0][None, :1], past_key_values=kept, use_cache=True)


def test_refuses_a_cache_that_has_dropped_tokens():
    with pytest.raises(
        DomainError, match=r"the cache has dropped the first 12 tokens: blocks count from the first one"
    ):
        decoded(lambda: DynamicSlidingWindowLayer(10))
    # A sliding window that still holds every token is accepted.
    decoded(lambda: DynamicSlidingWindowLayer(40))


def call(mask=None, dial=0.5, queries=6, module=None, position_ids=None, **options):
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 2, queries, 8, generator=generator)
    key, value = torch.randn(2, 2, 2, 6, 8, generator=generator)
    return localist_attention(
        module or Layer(dial, block=2), query, key, value, mask, position_ids=position_ids, **options
    )


def test_refuses_fewer_keys_than_the_position_needs():
    with pytest.raises(DomainError, match=r"a query at position 9 sees 6 keys: the cache has dropped the first ones"):
        call(queries=1, position_ids=torch.tensor([[9]]))
    call(queries=1, position_ids=torch.tensor([[5]]))


CAUSAL = torch.ones(1, 1, 6, 6, dtype=torch.bool).tril()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (CAUSAL.float(), r"an attention mask of torch.float32 adds to the scores"),
        (
            CAUSAL[..., :5],
            r"an attention mask of shape \(1, 1, 6, 5\) does not fit 2 sequences of 6 queries and 6 keys",
        ),
        (CAUSAL[:, :, :5], r"an attention mask of shape \(1, 1, 5, 6\) does not fit"),
        (CAUSAL.expand(3, -1, -1, -1), r"an attention mask of shape \(3, 1, 6, 6\) does not fit"),
        (CAUSAL.expand(2, 2, -1, -1), r"an attention mask of shape \(2, 2, 6, 6\) does not fit"),
        (CAUSAL[0], r"an attention mask of shape \(1, 6, 6\) does not fit"),
        (CAUSAL & CAUSAL.triu(-2), "not the causal mask of one text with padding"),
        (torch.ones_like(CAUSAL), None),
        (CAUSAL.triu(0) | CAUSAL.flip(-1), "not the causal mask of one text with padding"),
        (torch.block_diag(*torch.ones(2, 3, 3)).bool().tril()[None, None], "not the causal mask of one text"),
    ],
)
def test_refuses_masks_other_than_causal_with_padding(mask, message):
    if message is None:
        # All queries see all keys, as padding queries do: accepted.
        call(mask)
        return
    for options in ({}, {"block_ids": torch.zeros(1, 6, dtype=torch.long)}):
        with pytest.raises(DomainError, match=message):
            call(mask, **options)


def test_refuses_objectives_of_padded_texts():
    with pytest.raises(DomainError, match="on whole sequences only: give no attention mask and no cache"):
        call(CAUSAL, row_sink=AttentionObjective(ObjectiveConfig(off_block_penalty=1.0)))


@pytest.mark.parametrize("dial", [0.0, 0.5])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("position_bias", torch.zeros(1, 2, 6, 6)),
        ("head_mask", torch.ones(2)),
        ("cu_seq_lens_q", torch.tensor([0, 6])),
        ("rowsink", print),
    ],
)
def test_refuses_unknown_keywords(name, value, dial):
    with pytest.raises(DomainError, match=f"the keyword argument {name} is unknown to localist attention"):
        call(dial=dial, **{name: value})
    call(dial=dial, **{name: None}, use_cache=True)


def test_refuses_a_sliding_window_without_its_mask_or_over_a_cache():
    with pytest.raises(DomainError, match="6 keys came without a mask for a sliding window of 4"):
        call(sliding_window=4)
    call(sliding_window=6)
    call(CAUSAL & CAUSAL.triu(-3), sliding_window=4)
    # The mask of another window, and of the last two queries over a cache of four tokens.
    for mask, options in ((CAUSAL & CAUSAL.triu(-2), {}), ((CAUSAL & CAUSAL.triu(-3))[:, :, 4:], {"queries": 2})):
        with pytest.raises(DomainError, match="not the causal mask of one text with padding"):
            call(mask, sliding_window=4, **options)


def test_refuses_cross_bidirectional_and_grouped_attention():
    crossed = Layer(0.5)
    crossed.is_cross_attention = True
    two_ways = Layer(0.5)
    two_ways.config.is_causal = False
    for options in ({"module": crossed}, {"module": two_ways}, {"is_causal": False}):
        with pytest.raises(DomainError, match="localist attention is causal self-attention"):
            call(**options)
    call(is_causal=True)


@pytest.mark.parametrize("dial", [0.0, 0.5])
def test_refuses_attention_maps_with_advice(dial):
    model = sharp_model((dial, dial, dial))
    text = texts()[1][None]
    advice = r"output_attentions=True is refused: .* `localist measure` or a row_sink; .*attn_implementation='eager'"
    with pytest.raises(DomainError, match=advice):
        model(text, output_attentions=True)
    with pytest.raises(DomainError, match=advice):
        model.generate(text, max_new_tokens=2, output_attentions=True, return_dict_in_generate=True)
    with pytest.raises(DomainError, match=advice):
        call(dial=dial, output_attentions=True)
    model(text, output_attentions=False, output_hidden_states=True)
    model.set_attn_implementation("eager")
    assert len(model(text, output_attentions=True).attentions) == 3


def test_refuses_attention_maps_of_a_stock_model(tmp_path):
    stock = GPT2LMHeadModel(GPT2Config(vocab_size=300, n_positions=48, n_embd=32, n_layer=1, n_head=2))
    stock.save_pretrained(tmp_path)
    model = GPT2LMHeadModel.from_pretrained(tmp_path, attn_implementation=NAME)
    model.config.localist = {"dials": [0.0], "block": 8, "temperature": 1.0}
    with pytest.raises(DomainError, match="output_attentions=True is refused"):
        model(torch.zeros(1, 5, dtype=torch.long), output_attentions=True)
