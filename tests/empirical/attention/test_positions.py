"""Padding and caches: every logit equals that of a full forward pass over the text alone."""

import itertools

import pytest
import torch
from tiny import (
    one_thread,  # noqa: F401
)
from transformers import DynamicCache, StaticCache

from empirical.attention.positions import Places
from empirical.config import ModelConfig
from empirical.locality import LocalityConfig
from empirical.model import build_model
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
    """The texts as one batch, padded with zeros on one side or both, and the mask."""
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
def test_padding_does_not_change_logits(side, cache):
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
def test_chunks_with_a_cache_do_not_change_logits(steps, cache, side):
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
def test_generation_from_left_padded_prompts_matches_full_passes(name):
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
def test_beam_search_matches_full_passes(cache):
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


def test_prompt_lookup_matches_full_passes():
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
def test_given_block_ids_work_with_a_cache(cache, room):
    """The ids are those of the tokens so far, or of all slots of the cache."""
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


def test_given_block_ids_work_with_padding():
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
def test_refuses_block_ids_that_do_not_fit_a_padded_batch(shape, dial):
    model = sharp_model((dial, dial, dial))
    ids, mask = padded("left")
    with pytest.raises(DomainError, match=r"block ids of shape \(\d, \d\d\) do not fit 3 sequences of 21 tokens"):
        model(ids, attention_mask=mask, block_ids=torch.zeros(shape, dtype=torch.long))


def test_query_positions_come_from_the_mask_not_the_cache_length():
    """A former defect: by the allocated length, position 2 of 40 got the block of position 39."""
    mask = (torch.arange(40) < 3)[None, None, None]
    places = Places.of_mask(mask, (1, 1, 40))
    assert places.queries.tolist() == [[2]]
    assert places.slots.tolist() == [[2]]
    assert places.windows(2)[0].tolist() == [[1]]


def test_padding_has_no_position():
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 0, 0]], dtype=torch.bool)
    causal = torch.ones(5, 5, dtype=torch.bool).tril() & mask[:, None, None]
    queries, keys = Places.of_mask(causal, (2, 5, 5)).windows(2)
    assert queries[0, 2:].tolist() == keys[0, 2:].tolist() == [0, 0, 1]
    assert queries[1, :3].tolist() == keys[1, :3].tolist() == [0, 0, 1]
