"""A cache that keeps the current block gives the logits and the tokens of one that keeps every key."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from families import tiny_decoder
from tiny import one_thread  # noqa: F401
from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedModel

import localist
from empirical.attention.block_cache import BlockCache, BlockLayer
from empirical.config import ModelConfig
from empirical.locality import LocalityConfig
from empirical.measuring import generate
from empirical.model import build_model
from theory.errors import DomainError

BATCH, TOKENS, PROMPT, BLOCK = 3, 45, 18, 8
FAMILIES = ["gpt2", "llama", "mistral", "gemma2", "gemma3_text", "gpt_oss"]
PADDED = (0, 5, 12)


def _tokens() -> Tensor:
    return torch.randint(3, 90, (BATCH, TOKENS), generator=torch.Generator().manual_seed(1))


def _mask(side: str) -> Tensor | None:
    """Padding of the prompts."""
    mask = torch.ones(BATCH, TOKENS, dtype=torch.long)
    for text, count in enumerate(PADDED):
        mask[text, :count] = 0
        if side == "right":
            mask[text, :PROMPT] = mask[text, :PROMPT].flip(-1)
    return None if side == "none" else mask


@torch.no_grad()
def _logits(model: PreTrainedModel, cache: Cache, side: str, cuts: tuple[int, ...] = (PROMPT,)) -> tuple[Tensor, int]:
    """Logits of a prompt and of steps of one token at real tokens, and the most keys that a layer at dial 1 kept."""
    tokens, mask, found, most = _tokens(), _mask(side), [], 0
    ends = [*cuts, *range(cuts[-1] + 1, TOKENS + 1)]
    for begin, end in zip([0, *ends], ends, strict=False):
        seen = None if mask is None else mask[:, :end]
        found.append(model(tokens[:, begin:end], past_key_values=cache, attention_mask=seen, use_cache=True).logits)
        kept = [layer.keys.shape[2] for layer in cache.layers if isinstance(layer, BlockLayer)]
        most = max([most, *kept])
        assert cache.get_seq_length() == end
    logits = torch.cat(found, dim=1)
    return (logits if mask is None else logits[mask.bool()]), most


@pytest.mark.parametrize(
    ("dials", "dtype"),
    [
        pytest.param([1.0, 1.0], torch.float32, marks=pytest.mark.slow),
        ([0.0, 1.0], torch.float32),
        pytest.param([1.0, 0.5], torch.float64, marks=pytest.mark.slow),
        ([1.0, 1.0], torch.bfloat16),
    ],
)
@pytest.mark.parametrize("side", ["none", "left", "right"])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_equal_those_of_a_full_cache_bit_for_bit(
    family: str, side: str, dials: list[float], dtype: torch.dtype
) -> None:
    model = tiny_decoder(family, dtype)
    with localist.dial(model, dials, block=BLOCK):
        full, _ = _logits(model, DynamicCache(config=model.config), side)
        cache = BlockCache(model)
        found, most = _logits(model, cache, side)
    assert torch.equal(found, full)
    assert [isinstance(layer, BlockLayer) for layer in cache.layers] == [dial == 1 for dial in dials]
    # Padding after a text lies among the keys of its window.
    assert 0 < most < BLOCK + (max(PADDED) if side == "right" else 0)


@pytest.mark.parametrize("side", ["none", "left"])
@pytest.mark.parametrize("family", FAMILIES)
def test_prompts_in_parts_give_the_logits_of_the_whole_text(family: str, side: str) -> None:
    model = tiny_decoder(family, torch.float64)
    mask = _mask(side)
    with torch.no_grad(), localist.dial(model, 1.0, block=BLOCK):
        whole = model(_tokens(), attention_mask=mask, use_cache=False).logits
        found, _ = _logits(model, BlockCache(model), side, cuts=(3, 13, 14, 33))
    # Most families take their norms in float32 also in a float64 model.
    torch.testing.assert_close(found, whole if mask is None else whole[mask.bool()], rtol=0, atol=1e-5)


def test_a_window_that_begins_a_token_late_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = BlockLayer.expect
    monkeypatch.setattr(BlockLayer, "expect", lambda self, total, keep: honest(self, total, max(0, keep - 1)))
    model = tiny_decoder("llama")
    with localist.dial(model, 1.0, block=BLOCK):
        full, _ = _logits(model, DynamicCache(config=model.config), "left")
        found, _ = _logits(model, BlockCache(model), "left")
    assert not torch.allclose(found, full, atol=1e-3)


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_generated_tokens_equal_those_with_a_full_cache(family: str, beams: int) -> None:
    model = tiny_decoder(family)
    mask = _mask("left")
    assert mask is not None
    options = {"max_new_tokens": 25, "do_sample": False, "eos_token_id": None, "num_beams": beams}
    with localist.dial(model, 1.0, block=BLOCK):
        expected = model.generate(_tokens()[:, :PROMPT], attention_mask=mask[:, :PROMPT], **options)
        cache = localist.BlockCache(model)
        found = model.generate(_tokens()[:, :PROMPT], attention_mask=mask[:, :PROMPT], past_key_values=cache, **options)
    assert torch.equal(found, expected)
    assert all(layer.keys.shape[2] < BLOCK for layer in cache.layers)


def test_kept_keys_hold_no_memory_of_others() -> None:
    model, cache = tiny_decoder("llama"), None
    with torch.no_grad(), localist.dial(model, 1.0, block=BLOCK):
        cache = BlockCache(model)
        model(_tokens(), past_key_values=cache)
        stored = sum(each.untyped_storage().nbytes() for layer in cache.layers for each in (layer.keys, layer.values))
    # 45 tokens end 5 tokens into a window; two layers of keys and values, 2 heads of width 8, float32.
    assert stored == 5 * BATCH * 2 * 2 * 2 * 8 * 4


def test_a_reset_cache_begins_anew() -> None:
    model = tiny_decoder("mistral")
    with localist.dial(model, 1.0, block=BLOCK):
        cache = BlockCache(model)
        first, _ = _logits(model, cache, "left")
        cache.reset()
        assert torch.equal(_logits(model, cache, "left")[0], first)


def _filled(model: PreTrainedModel, mask: Tensor | None = None) -> BlockCache:
    cache = BlockCache(model)
    with torch.no_grad(), localist.dial(model, 1.0, block=BLOCK):
        model(_tokens()[:, :43], past_key_values=cache, attention_mask=mask)
    return cache


def _step(model: PreTrainedModel, cache: Cache, **options: Any) -> None:
    with torch.no_grad():
        model(_tokens()[:, :1], past_key_values=cache, **options)


def test_what_needs_dropped_keys_is_refused() -> None:
    model, padding = tiny_decoder("llama"), _mask("left")
    assert padding is not None
    filled = _filled(model)
    with pytest.raises(DomainError, match=r"inside localist\.dial"):
        _step(model, filled)
    for dials, block in ((0.5, BLOCK), (1.0, 16)):
        with localist.dial(model, dials, block=block), pytest.raises(DomainError, match="the block have changed"):
            _step(model, filled)
    ids = torch.zeros(1, 60, dtype=torch.long)
    with localist.dial(model, 1.0, blocks=ids), pytest.raises(DomainError, match="needs fixed windows"):
        _step(model, BlockCache(model))
    with pytest.raises(DomainError, match="watch with another cache"), localist.watch(model, BLOCK, dials=1.0):
        _step(model, BlockCache(model))
    # With 12 tokens of padding, the window of the third text's 44th token begins at the 37th, without at the 41st.
    with (
        localist.dial(model, 1.0, block=BLOCK),
        pytest.raises(DomainError, match="dropped 40 keys, but this pass needs those from 36 on"),
    ):
        _step(model, filled, attention_mask=padding[:, :44])
    filled = _filled(model, padding[:, :43])
    with localist.dial(model, 1.0, block=BLOCK):
        _step(model, filled, attention_mask=padding[:, :44])
    with pytest.raises(DomainError, match="cannot be cropped"):
        filled.crop(-1)
    unbound = BlockCache(model)
    _step(model, unbound)
    with localist.dial(model, 1.0, block=BLOCK), pytest.raises(DomainError, match="1 tokens of passes outside dial"):
        _step(model, unbound)
    with pytest.raises(DomainError, match="dict is not a transformers model"):
        BlockCache({})  # type: ignore[arg-type]


@pytest.mark.parametrize("side", ["none", "left"])
def test_a_layer_with_another_dial_never_lacks_a_key(side: str) -> None:
    """As where a layer would share the keys of one at dial 1."""
    model, mask = tiny_decoder("llama"), _mask(side)
    for dials, lost in (([1.0, 0.5], False), ([0.5, 1.0], True)):
        cache = DynamicCache(config=model.config)
        with torch.no_grad(), localist.dial(model, dials, block=BLOCK):
            seen = None if mask is None else mask[:, :30]
            model(_tokens()[:, :30], past_key_values=cache, attention_mask=seen)
            held = cache.layers[0]
            held.keys, held.values = held.keys[:, :, 20:], held.values[:, :, 20:]
            held.get_seq_length = lambda: 30
            seen = None if mask is None else mask[:, :31]
            message = "dropped keys that the mask shows: 11 of 31 are left"
            with pytest.raises(DomainError, match=message) if lost else nullcontext():
                model(_tokens()[:, 30:31], past_key_values=cache, attention_mask=seen)


def test_our_own_gpt2_refuses_a_filled_cache_outside_dial() -> None:
    model = build_model(ModelConfig(layers=2, heads=2, width=32, context=48, vocabulary=300), LocalityConfig(), 300, 0)
    model.eval()
    with pytest.raises(DomainError, match=r"inside localist\.dial"):
        _step(model, _filled(model))


def test_generate_keeps_the_current_block(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    honest = generate.continued

    def seen(*args: Any) -> Any:
        used.append(args[-1])
        return honest(*args)

    monkeypatch.setattr(generate, "continued", seen)
    model = tiny_decoder("llama")

    class Tokenizer:
        @staticmethod
        def decode(ids: list[int], skip_special_tokens: bool) -> str:
            return " ".join(map(str, ids))

    monkeypatch.setattr(generate, "load_decoder", lambda source: model)
    monkeypatch.setattr(generate, "load_tokenizer", lambda source: Tokenizer)
    monkeypatch.setattr(generate, "_encoded", lambda tokenizer, prompt: _tokens()[:1, :PROMPT])
    hard, plain = generate.generate("any", dials=[1.0, 0.0], block=BLOCK, tokens=30, temperature=0.0)
    assert used[1] is None
    assert [layer.keys.shape[2] < BLOCK for layer in used[0].layers] == [True, True]
    with localist.dial(model, 1.0, block=BLOCK):
        expected, loss = honest(model, _tokens()[:1, :PROMPT], 30, 0.0, 0)
    assert hard.text == Tokenizer.decode(expected[0, PROMPT:].tolist(), False)
    assert (hard.loss, hard.text != plain.text) == (loss, True)
