"""Padding and caches: every logit is that of a full forward pass over the text alone, or the call is refused."""

import itertools

import pytest
import torch
from tiny import (
    Layer,
    one_thread,  # noqa: F401
)
from transformers import DynamicCache, GPT2Config, GPT2LMHeadModel, StaticCache
from transformers.cache_utils import DynamicSlidingWindowLayer

from empirical.attention.attention import NAME, localist_attention
from empirical.attention.positions import Places
from empirical.config import LocalityConfig, ModelConfig, ObjectiveConfig
from empirical.measuring.rows import measure_rows
from empirical.model import build_model
from empirical.training.objective import AttentionObjective
from theory.errors import DomainError

SHAPE = ModelConfig(layers=3, heads=2, width=32, context=64, vocabulary=300)
NEW = 7
LENGTHS = (13, 21, 5)


def sharp_model(dials=(0.5, 0.95, 1.0), **locality):
    """A model whose attention is far from uniform, so that a shifted block shows."""
    model = build_model(SHAPE, LocalityConfig(schedule="linear", block=8, **locality), 300, seed=3).eval()
    model.config.localist["dials"] = list(dials)
    with torch.no_grad():
        for layer in model.transformer.h:
            layer.attn.c_attn.weight.mul_(8)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    return model


def texts():
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(1, 300, (length,), generator=generator) for length in LENGTHS]


def padded(side):
    """The texts as one batch with zeros on one side, or on both, and the mask."""
    longest = max(LENGTHS) + (3 if side == "both" else 0)
    ids = torch.zeros(len(LENGTHS), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, text in enumerate(texts()):
        start = {"left": longest - len(text), "right": 0, "both": min(2 + row, longest - len(text))}[side]
        ids[row, start : start + len(text)] = text
        mask[row, start : start + len(text)] = 1
    return ids, mask


@torch.no_grad()
def whole(model, text, **options):
    return model(text[None], use_cache=False, **options).logits[0]


def cache_of(kind, model):
    if kind == "static":
        return StaticCache(config=model.config, max_cache_len=40)
    return DynamicCache() if kind == "dynamic" else None


@pytest.mark.parametrize("side", ["left", "right", "both"])
@pytest.mark.parametrize("cache", ["none", "dynamic", "static"])
def test_a_padded_text_has_the_logits_of_the_text(side, cache):
    model = sharp_model()
    ids, mask = padded(side)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    with torch.no_grad():
        options = {"attention_mask": mask, "position_ids": positions, "past_key_values": cache_of(cache, model)}
        logits = model(ids, use_cache=cache != "none", **options).logits
    assert logits.isfinite().all()
    for row, text in enumerate(texts()):
        torch.testing.assert_close(logits[row, mask[row] == 1], whole(model, text), rtol=0, atol=1e-5)


@pytest.mark.parametrize("steps", [[21], [5, 16], [1] * 21, [20, 1], [1, 7, 13]], ids=str)
@pytest.mark.parametrize("cache", ["dynamic", "static"])
@pytest.mark.parametrize("side", ["left", "none"])
def test_a_text_in_chunks_has_the_logits_of_the_text(steps, cache, side):
    model = sharp_model()
    ids, mask = padded("left")
    if side == "none":
        ids, mask = ids[1:2], mask[1:2]
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    kept = cache_of(cache, model)
    found = []
    with torch.no_grad():
        for start, stop in itertools.pairwise([0, *itertools.accumulate(steps)]):
            options = {"attention_mask": mask[:, :stop]} if side == "left" else {}
            part = slice(start, stop)
            found.append(
                model(
                    ids[:, part], position_ids=positions[:, part], past_key_values=kept, use_cache=True, **options
                ).logits
            )
    logits = torch.cat(found, dim=1)
    for row, real in enumerate(mask == 1):
        torch.testing.assert_close(logits[row, real], whole(model, ids[row, real]), rtol=0, atol=1e-5)


GENERATIONS = {
    "dynamic": {},
    "static": {"cache_implementation": "static"},
    "no cache": {"use_cache": False},
    "chunked prefill": {"prefill_chunk_size": 5},
}


@pytest.mark.parametrize("name", GENERATIONS)
def test_generation_from_left_padded_prompts(name):
    model = sharp_model()
    ids, mask = padded("left")
    torch.manual_seed(0)
    out = model.generate(
        ids,
        attention_mask=mask,
        max_new_tokens=NEW,
        do_sample=True,
        return_dict_in_generate=True,
        output_logits=True,
        **GENERATIONS[name],
    )
    for row, text in enumerate(texts()):
        full = whole(model, torch.cat((text, out.sequences[row, ids.shape[1] :])))
        for step, logits in enumerate(out.logits):
            torch.testing.assert_close(logits[row], full[len(text) - 1 + step], rtol=0, atol=1e-5)


@pytest.mark.parametrize("cache", [None, "static"])
def test_beam_search(cache):
    model = sharp_model()
    ids, mask = padded("left")
    out = model.generate(
        ids,
        attention_mask=mask,
        max_new_tokens=NEW,
        num_beams=3,
        cache_implementation=cache,
        return_dict_in_generate=True,
        output_scores=True,
    )
    scores = model.compute_transition_scores(out.sequences, out.scores, out.beam_indices)
    for row, text in enumerate(texts()):
        new = out.sequences[row, ids.shape[1] :]
        full = whole(model, torch.cat((text, new))).log_softmax(-1)
        truth = full[len(text) - 1 : -1].gather(1, new[:, None])[:, 0]
        torch.testing.assert_close(scores[row], truth, rtol=0, atol=1e-5)


def test_candidates_looked_up_in_the_prompt():
    model = sharp_model()
    text = texts()[1].repeat(2)[None, :30]
    out = model.generate(
        text,
        attention_mask=torch.ones_like(text),
        max_new_tokens=NEW,
        prompt_lookup_num_tokens=4,
        return_dict_in_generate=True,
        output_logits=True,
    )
    full = whole(model, out.sequences[0])
    for step, logits in enumerate(out.logits):
        torch.testing.assert_close(logits[0], full[text.shape[1] - 1 + step], rtol=0, atol=1e-5)


@pytest.mark.parametrize("cache", ["dynamic", "static"])
@pytest.mark.parametrize("room", [False, True], ids=["so far", "allocated"])
def test_blocks_that_the_caller_gives_with_a_cache(cache, room):
    """Ids of the tokens so far, or of all places that the cache has allocated."""
    model = sharp_model()
    text = texts()[1]
    ids = torch.tensor([[0, 0, 0, 1, 1, 0, 2, 2, 2, 2, 2, 1, 1, 1, 0, 0, 3, 3, 3, 4, 4]])
    full = whole(model, text, block_ids=ids)
    kept = cache_of(cache, model)
    given = torch.nn.functional.pad(ids, (0, 19)) if room else ids
    with torch.no_grad():
        for start, stop in ((0, 9), (9, 10), (10, 14), (14, 21)):
            blocks = given if room else given[:, :stop]
            options = {"past_key_values": kept, "use_cache": True, "block_ids": blocks}
            if room and cache == "dynamic":
                with pytest.raises(
                    DomainError, match=r"block ids of shape \(1, 40\) do not fit 1 sequences of 9 tokens"
                ):
                    model(text[None, start:stop], **options)
                return
            logits = model(text[None, start:stop], **options).logits
            torch.testing.assert_close(logits[0], full[start:stop], rtol=0, atol=1e-5)


def test_blocks_that_the_caller_gives_with_padding():
    model = sharp_model()
    ids, mask = padded("left")
    blocks = torch.zeros_like(ids)
    generator = torch.Generator().manual_seed(1)
    own = [torch.randint(0, 4, (1, len(text)), generator=generator) for text in texts()]
    for row, each in enumerate(own):
        blocks[row, mask[row] == 1] = each[0]
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    with torch.no_grad():
        logits = model(ids, attention_mask=mask, position_ids=positions, block_ids=blocks).logits
    for row, text in enumerate(texts()):
        full = whole(model, text, block_ids=own[row])
        torch.testing.assert_close(logits[row, mask[row] == 1], full, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dial", [0.0, 0.9])
@pytest.mark.parametrize("shape", [(1, 20), (1, 22), (2, 21), (4, 21)])
def test_blocks_that_do_not_fit_a_padded_batch_are_refused(shape, dial):
    model = sharp_model((dial, dial, dial))
    ids, mask = padded("left")
    with pytest.raises(DomainError, match=r"block ids of shape \(\d, \d\d\) do not fit 3 sequences of 21 tokens"):
        model(ids, attention_mask=mask, block_ids=torch.zeros(shape, dtype=torch.long))


def test_the_last_columns_of_an_allocated_cache_are_not_the_queries():
    """What was wrong: by the allocated length, the own block of position 2 of 40 would be that of position 39."""
    mask = (torch.arange(40) < 3)[None, None, None]
    places = Places.of_mask(mask, (1, 1, 40))
    assert places.queries.tolist() == [[2]]
    assert places.slots.tolist() == [[2]]
    assert places.windows(2)[0].tolist() == [[1]]


def test_padding_counts_for_nothing():
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 0, 0]], dtype=torch.bool)
    causal = torch.ones(5, 5, dtype=torch.bool).tril() & mask[:, None, None]
    queries, keys = Places.of_mask(causal, (2, 5, 5)).windows(2)
    assert queries[0, 2:].tolist() == keys[0, 2:].tolist() == [0, 0, 1]
    assert queries[1, :3].tolist() == keys[1, :3].tolist() == [0, 0, 1]


def decoded(cache_layer):
    model = sharp_model()
    kept = DynamicCache()
    kept.layers = [cache_layer() for _ in range(3)]
    with torch.no_grad():
        model(texts()[1][None], past_key_values=kept, use_cache=True)
        model(texts()[0][None, :1], past_key_values=kept, use_cache=True)


def test_a_cache_with_a_sliding_window_is_refused():
    with pytest.raises(
        DomainError, match=r"the cache has dropped the first 12 tokens: blocks count from the first one"
    ):
        decoded(lambda: DynamicSlidingWindowLayer(10))
    # While it holds every token, it is as good as any other.
    decoded(lambda: DynamicSlidingWindowLayer(40))


def call(mask=None, dial=0.5, queries=6, module=None, position_ids=None, heads=2, **options):
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 2, queries, 8, generator=generator)
    key, value = torch.randn(2, 2, heads, 6, 8, generator=generator)
    return localist_attention(
        module or Layer(dial, block=2), query, key, value, mask, position_ids=position_ids, **options
    )


def test_a_layer_whose_cache_let_go_of_tokens_is_refused():
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
def test_masks_of_anything_else_are_refused(mask, message):
    if message is None:
        # Every query sees all keys: as it is with padding on the right, of which nothing is used.
        call(mask)
        return
    for options in ({}, {"block_ids": torch.zeros(1, 6, dtype=torch.long)}):
        with pytest.raises(DomainError, match=message):
            call(mask, **options)


def test_rows_and_objectives_of_padded_texts_are_refused():
    for sink in (measure_rows, AttentionObjective(ObjectiveConfig(off_block_penalty=1.0))):
        with pytest.raises(
            DomainError, match="on whole sequences without padding: pass no attention mask and no cache"
        ):
            call(CAUSAL, row_sink=sink)


@pytest.mark.parametrize("dial", [0.0, 0.5])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("softcap", 30.0),
        ("sliding_window", 4),
        ("s_aux", torch.zeros(2)),
        ("position_bias", torch.zeros(1, 2, 6, 6)),
        ("head_mask", torch.ones(2)),
        ("cu_seq_lens_q", torch.tensor([0, 6])),
        ("rowsink", print),
    ],
)
def test_keywords_that_are_not_understood_are_refused(name, value, dial):
    with pytest.raises(DomainError, match=f"the keyword argument {name} is unknown to localist attention"):
        call(dial=dial, **{name: value})
    call(dial=dial, **{name: None}, use_cache=True)


def test_attention_of_another_kind_is_refused():
    crossed = Layer(0.5)
    crossed.is_cross_attention = True
    two_ways = Layer(0.5)
    two_ways.config.is_causal = False
    for options in ({"module": crossed}, {"module": two_ways}, {"is_causal": False}):
        with pytest.raises(DomainError, match="localist attention is causal self-attention"):
            call(**options)
    call(is_causal=True)
    with pytest.raises(DomainError, match="1 key heads for 2 query heads: localist attention needs one per query head"):
        call(heads=1)


@pytest.mark.parametrize("dial", [0.0, 0.5])
def test_maps_are_refused_with_advice(dial):
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


def test_a_model_that_others_load_refuses_maps_too(tmp_path):
    stock = GPT2LMHeadModel(GPT2Config(vocab_size=300, n_positions=48, n_embd=32, n_layer=1, n_head=2))
    stock.save_pretrained(tmp_path)
    model = GPT2LMHeadModel.from_pretrained(tmp_path, attn_implementation=NAME)
    model.config.localist = {"dials": [0.0], "block": 8, "temperature": 1.0}
    with pytest.raises(DomainError, match="output_attentions=True is refused"):
        model(torch.zeros(1, 5, dtype=torch.long), output_attentions=True)


@pytest.mark.parametrize("dial", [0.0, 0.7, 1.0])
def test_dropout_drops_weights_of_the_dialled_row(dial):
    """Half of the weights stay at a dropout of 1/2, each twice as large, and no other one moves."""
    torch.manual_seed(0)
    tokens = 12
    query, key = torch.randn(2, 1, 200, tokens, 8)
    query, key = query[:, :1].expand(-1, 200, -1, -1), key[:, :1].expand(-1, 200, -1, -1)
    value = torch.eye(tokens)[:, :tokens].expand(1, 200, -1, -1)
    weights = localist_attention(Layer(dial, block=4), query, key, value, None)[0].transpose(1, 2)
    dropped = localist_attention(Layer(dial, block=4), query, key, value, None, dropout=0.5)[0].transpose(1, 2)
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], 2 * weights[kept], rtol=1e-5, atol=1e-6)
    assert abs(float(kept[weights > 1e-9].double().mean()) - 0.5) < 0.03
