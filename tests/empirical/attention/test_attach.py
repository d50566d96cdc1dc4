"""Localist attention inside decoders of many families, beside their own eager attention."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from families import FAMILIES, UNDISPATCHED, tiny_decoder
from scipy.stats import entropy
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from empirical.attention import attach
from empirical.attention.attach import Attachment
from empirical.attention.attention_call import AttentionCall
from empirical.attention.block_kinds import Blocks, GivenBlocks, TokenBlocks, WindowBlocks
from empirical.measuring.rows import RowMeter, Rows
from theory.errors import DomainError

BATCH, TOKENS, BLOCK = 2, 40, 8
PADDED = 7


def _tokens(tokens: int = TOKENS) -> Tensor:
    return torch.randint(3, 90, (BATCH, tokens), generator=torch.Generator().manual_seed(1))


def _mask(side: str) -> Tensor | None:
    mask = torch.ones(BATCH, TOKENS, dtype=torch.long)
    mask[1, :PADDED] = 0
    return {"none": None, "left": mask, "right": mask.flip(-1)}[side]


class _Seen:
    """Rows and calls of every layer."""

    def __init__(self) -> None:
        self.meter = RowMeter()
        self.rows: list[tuple[int, Rows, np.ndarray[Any, Any]]] = []
        self.calls: list[AttentionCall] = []

    def __call__(self, call: AttentionCall) -> None:
        self.calls.append(call)
        self.rows.append((call.layer, self.meter(call), self.meter.places))


@torch.no_grad()
def _run(model: PreTrainedModel, tokens: Tensor, blocks: Blocks | None = None, **options: Any) -> tuple[Tensor, _Seen]:
    seen = _Seen()
    with Attachment(model, blocks or WindowBlocks(BLOCK), on_call=seen).attached():
        logits = model(tokens, **options).logits
    return logits, seen


def _largest_error(seen: _Seen, maps: tuple[Tensor, ...], mask: Tensor | None) -> float:
    """Largest difference of entropy, fidelity, leak, sink share and counts from the maps of eager attention."""
    worst = 0.0
    real = torch.ones(BATCH, TOKENS).bool() if mask is None else mask.bool()
    position = (real.long().cumsum(-1) - 1).numpy()
    for layer, rows, places in seen.rows:
        weights = maps[layer].double().numpy()
        sink = seen.calls[layer].sinks is not None
        for index, place in enumerate(places):
            text, query = divmod(int(place), TOKENS)
            same = (position[text] // BLOCK == position[text, query] // BLOCK) & real[text].numpy()
            for head in range(weights.shape[1]):
                row = weights[text, head, query]
                lost = max(0.0, 1 - row.sum()) if sink else 0.0
                first = int(real[text].long().argmax())
                expected = [entropy([*row, lost]), row[same].sum(), row[~same].sum() + lost]
                expected.append(lost if sink else row[first])
                found = [getattr(rows, name)[head, index] for name in ("entropy", "fidelity", "leak", "sink_share")]
                worst = max(worst, float(np.abs(np.subtract(found, expected)).max()))
                visible = int((row > 0).sum()) + sink
                worst = max(worst, abs(visible - rows.keys[head, index]))
                worst = max(worst, abs(int((row[same] > 0).sum()) - rows.block_keys[head, index]))
    return worst


@pytest.mark.parametrize("side", [pytest.param("none", marks=pytest.mark.slow), "left", "right"])
@pytest.mark.parametrize("family", FAMILIES)
def test_rows_and_logits_equal_those_of_eager_attention(family: str, side: str) -> None:
    model, mask = tiny_decoder(family), _mask(side)
    with torch.no_grad():
        expected = model(_tokens(), attention_mask=mask, output_attentions=True)
    logits, seen = _run(model, _tokens(), attention_mask=mask)
    kept = slice(None) if mask is None else mask.bool()
    assert torch.allclose(logits[kept], expected.logits[kept], atol=2e-5)
    assert _largest_error(seen, expected.attentions, mask) < 2e-5
    assert len(seen.calls) == 2
    assert all(rows.leak.size for _, rows, _ in seen.rows)


@pytest.mark.parametrize(
    ("family", "planted"),
    [("gemma2", ["softcap"]), ("gpt_oss", ["s_aux"]), ("mistral", ["attention_mask", "sliding_window"])],
)
def test_an_ignored_feature_is_found_by_the_comparison(
    family: str, planted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_decoder(family)
    with torch.no_grad():
        expected = model(_tokens(), output_attentions=True)
    honest = Attachment._attend

    def ignoring(self: Attachment, module: Any, query: Any, key: Any, value: Any, mask: Any, **kwargs: Any) -> Any:
        given = {"attention_mask": mask, **kwargs, **dict.fromkeys(planted)}
        return honest(self, module, query, key, value, **given)

    monkeypatch.setattr(Attachment, "_attend", ignoring)
    _, seen = _run(model, _tokens())
    assert _largest_error(seen, expected.attentions, None) > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt_oss", "mistral"])
def test_float64_rows_equal_the_definition(family: str) -> None:
    model = tiny_decoder(family, torch.float64)
    _, seen = _run(model, _tokens(), attention_mask=_mask("left"))
    for call, (_, rows, places) in zip(seen.calls, seen.rows, strict=True):
        key = call.key.repeat_interleave(call.query.shape[1] // call.key.shape[1], dim=1)
        scores = call.query @ key.transpose(-1, -2) * call.scale
        if call.softcap is not None:
            scores = call.softcap * torch.tanh(scores / call.softcap)
        assert call.visible is not None
        scores = scores.masked_fill(~call.visible[:, None], -torch.inf)
        if call.sinks is not None:
            scores = torch.cat((scores, call.sinks[None, :, None, None].expand(BATCH, -1, TOKENS, 1)), dim=-1)
        found = torch.distributions.Categorical(logits=scores.transpose(0, 1).flatten(1, 2)[:, places])
        assert np.abs(found.entropy().numpy() - rows.entropy).max() < 1e-12
        same = torch.zeros_like(scores, dtype=torch.bool)
        same[..., :TOKENS] = (call.own[..., None] == call.ids[:, None])[:, None]
        flat = scores.transpose(0, 1).flatten(1, 2)[:, places]
        inside = same.transpose(0, 1).flatten(1, 2)[:, places] & flat.isfinite()
        outside = ~same.transpose(0, 1).flatten(1, 2)[:, places] & flat.isfinite()
        low, high = flat.masked_fill(~inside, torch.inf).amin(-1), flat.masked_fill(~outside, -torch.inf).amax(-1)
        assert np.abs((low - high).numpy() - rows.margin).max() < 1e-12
        widest = flat.amax(-1) - flat.masked_fill(flat.isinf(), torch.inf).amin(-1)
        assert np.abs(widest.numpy() - rows.logit_range).max() < 1e-12


@pytest.mark.parametrize("family", ["gpt2", "llama", "mistral", "gemma2", "gemma3_text", "gpt_oss"])
def test_a_cache_gives_the_rows_of_the_whole_text(family: str) -> None:
    model, tokens = tiny_decoder(family), _tokens()
    whole_logits, whole = _run(model, tokens, use_cache=False)
    seen, cache = _Seen(), DynamicCache(config=model.config)
    with torch.no_grad(), Attachment(model, WindowBlocks(BLOCK), on_call=seen).attached():
        begin = model(tokens[:, :30], past_key_values=cache, use_cache=True).logits
        steps = [model(tokens[:, [place]], past_key_values=cache).logits for place in range(30, TOKENS)]
    assert torch.allclose(torch.cat((begin, *steps), dim=1), whole_logits, atol=2e-5)
    for layer in range(2):
        _, expected, places = whole.rows[layer]
        for name in ("entropy", "fidelity", "leak", "margin", "logit_range", "sink_share", "keys", "block_keys"):
            table = np.full((4, BATCH, TOKENS), np.nan)
            table[:, places // TOKENS, places % TOKENS] = getattr(expected, name)
            at = 0
            for number, tokens_seen in enumerate([30, *[1] * 10]):
                _, rows, found = seen.rows[2 * number + layer]
                columns = found // tokens_seen, at + found % tokens_seen
                if name == "sink_share":
                    # A sliding cache has dropped the first token, which is then invisible as well.
                    assert np.isfinite(getattr(rows, name)).all()
                assert np.allclose(getattr(rows, name), table[:, columns[0], columns[1]], atol=1e-5), (name, number)
                at += tokens_seen


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", ["llama", "gpt_oss"])
def test_half_formats_are_measured_in_float32(family: str, dtype: torch.dtype) -> None:
    model = tiny_decoder(family, dtype)
    _, seen = _run(model, _tokens())
    for call, (_, rows, _) in zip(seen.calls, seen.rows, strict=True):
        assert call.query.dtype == dtype
        assert rows.arithmetic.dtype == torch.float32
        assert not rows.undecided.any()


def test_outputs_have_the_gradients_of_eager_attention() -> None:
    for family in ("llama", "gemma2", "gpt_oss", "mistral"):
        model, gradients = tiny_decoder(family), []
        for attached in (False, True):
            model.zero_grad()
            if attached:
                with Attachment(model, WindowBlocks(BLOCK), on_call=lambda call: None).attached():
                    loss = model(_tokens(), labels=_tokens()).loss
            else:
                loss = model(_tokens(), labels=_tokens()).loss
            loss.backward()
            gradients.append(torch.cat([each.grad.flatten() for each in model.parameters() if each.grad is not None]))
        assert torch.allclose(*gradients, atol=1e-5), family


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt_oss"])
def test_a_dial_of_one_isolates_blocks(family: str) -> None:
    model, tokens = tiny_decoder(family), _tokens()
    changed = tokens.clone()
    changed[:, :16] = changed[:, :16].flip(-1)
    found = []
    for each in (tokens, changed):
        with torch.no_grad(), Attachment(model, WindowBlocks(BLOCK), dials=[1.0, 1.0]).attached():
            found.append(model(each, use_cache=False).logits)
    assert torch.equal(found[0][:, 16:], found[1][:, 16:])
    assert not torch.allclose(found[0][:, :16], found[1][:, :16])


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt_oss"])
def test_the_dial_multiplies_the_odds_of_the_block(family: str) -> None:
    model = tiny_decoder(family, torch.float64)
    _, plain = _run(model, _tokens())
    seen = _Seen()
    with torch.no_grad(), Attachment(model, WindowBlocks(BLOCK), [0.75, 0.75], seen).attached():
        model(_tokens())
    (_, before, _), (_, after, _) = plain.rows[0], seen.rows[0]
    assert np.allclose(after.fidelity / after.leak, 4 * before.fidelity / before.leak, rtol=1e-9)


def test_blocks_follow_tokens_also_with_a_cache() -> None:
    model, tokens = tiny_decoder("llama"), _tokens()
    tokens[:, [5, 19, 33]] = 95
    for blocks, start in ((TokenBlocks.starting_at([95]), [5, 19, 33]), (TokenBlocks.ending_at([95]), [6, 20, 34])):
        ids = torch.zeros(1, TOKENS, dtype=torch.long)
        ids[0, start] = 1
        _, whole = _run(model, tokens, blocks)
        _, given = _run(model, tokens, GivenBlocks(ids.cumsum(-1)))
        assert np.array_equal(whole.rows[1][1].fidelity, given.rows[1][1].fidelity)
        seen, cache = _Seen(), DynamicCache(config=model.config)
        with torch.no_grad(), Attachment(model, blocks, on_call=seen).attached():
            model(tokens[:, :39], past_key_values=cache)
            model(tokens[:, 39:], past_key_values=cache)
        last = whole.rows[1][2] % TOKENS == TOKENS - 1
        assert np.allclose(seen.rows[3][1].fidelity, whole.rows[1][1].fidelity[:, last], atol=1e-6)
        with Attachment(model, blocks).attached(), pytest.raises(DomainError, match="were seen"):
            model(tokens[:, 39:], past_key_values=cache)


@pytest.mark.parametrize("family", UNDISPATCHED)
def test_a_model_that_does_not_dispatch_is_refused_by_name(family: str) -> None:
    model = tiny_decoder(family)
    with pytest.raises(DomainError, match=f"{type(model).__name__} does not dispatch"), _attached(model):
        model(_tokens())


def _attached(model: PreTrainedModel) -> Any:
    return Attachment(model, WindowBlocks(BLOCK)).attached()


def test_a_model_that_calls_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_decoder("llama")
    attention = type(model.model.layers[0].self_attn)
    monkeypatch.setattr(attention, "forward", lambda self, hidden_states, **kwargs: (hidden_states, None))
    with pytest.raises(DomainError, match="does not dispatch"), _attached(model):
        model(_tokens())


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_models_own_attention_is_restored(attention: str) -> None:
    model = tiny_decoder("llama", attention=attention)
    with torch.no_grad():
        expected = model(_tokens()).logits
    before = set(attach.AttentionInterface._global_mapping), len(model._forward_hooks), len(model._forward_pre_hooks)
    with pytest.raises(DomainError, match="must be of shape"), _attached(model):
        model(_tokens(), attention_mask=torch.ones(BATCH, 3))
    assert model.config._attn_implementation == attention
    after = set(attach.AttentionInterface._global_mapping), len(model._forward_hooks), len(model._forward_pre_hooks)
    assert after == before
    with torch.no_grad():
        assert torch.equal(model(_tokens()).logits, expected)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"attention_mask": torch.ones(BATCH, 3)}, r"attention_mask \(2, 3\) must be of shape"),
        ({"attention_mask": torch.ones(BATCH, 1, TOKENS, TOKENS)}, "must be of shape"),
        ({"output_attentions": True}, "output_attentions"),
        ({"unheard_of": 3}, "the keyword argument unheard_of is unknown"),
        ({"is_causal": False}, "is_causal=False"),
    ],
)
def test_what_is_not_understood_is_refused(options: dict[str, Any], reason: str) -> None:
    model = tiny_decoder("llama")
    with pytest.raises(DomainError, match=reason), _attached(model):
        model(_tokens(), **options)


def test_a_sliding_window_without_its_mask_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attach, "sdpa_mask", lambda **options: None)
    with pytest.raises(DomainError, match="40 keys came without a mask for a sliding window of 12"):
        _run(tiny_decoder("mistral"), _tokens())


def test_a_preallocated_cache_is_refused() -> None:
    from transformers import StaticCache

    model = tiny_decoder("llama")
    cache = StaticCache(config=model.config, max_cache_len=64)
    with torch.no_grad(), _attached(model), pytest.raises(DomainError, match="grows with the text"):
        model(_tokens(), past_key_values=cache)
