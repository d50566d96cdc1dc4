"""Attention at dial 1, computed block by block, beside the masked form of the definition."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tiny import one_thread  # noqa: F401
from torch import Tensor

from empirical.attention import attention, local
from empirical.attention.attention_call import AttentionCall

BATCH, HEADS, TOKENS, HEAD, BLOCK = 3, 4, 37, 8, 8
ERROR = {torch.float64: 1e-14, torch.float32: 2e-6, torch.bfloat16: 2e-2}
# Padding in front of the texts, after them, and between their tokens; the second text has none.
PADDINGS = {
    "none": [[], [], []],
    "left": [range(5), [], range(20)],
    "right": [range(30, TOKENS), [], range(9, TOKENS)],
    "between": [range(10, 13), [], range(2, 21)],
}


def _sight(padding: str, sliding: int | None, queries: int) -> dict[str, Tensor]:
    """What the last `queries` tokens of padded texts see, as transformers' masks say it."""
    real = torch.ones(BATCH, TOKENS, dtype=torch.bool)
    for text, places in enumerate(PADDINGS[padding]):
        real[text, list(places)] = False
    places = torch.arange(TOKENS)
    visible = (places <= places[:, None]) & real[:, None]
    if sliding is not None:
        visible = visible & (places > places[:, None] - sliding)
    ids = (real.long().cumsum(-1) - 1).clamp(min=0) // BLOCK
    # A padding query may see the tokens before it.
    return {"ids": ids, "own": ids[:, -queries:], "visible": visible[:, -queries:], "real": real[:, -queries:]}


def _call(sight: dict[str, Any], dtype: torch.dtype, key_heads: int = HEADS, **options: Any) -> AttentionCall:
    generator = torch.Generator().manual_seed(0)
    shapes = [(HEADS, sight["own"].shape[1]), (key_heads, TOKENS), (key_heads, TOKENS)]
    states = [torch.randn(BATCH, *shape, HEAD, generator=generator, dtype=torch.float64) for shape in shapes]
    query, key, value = (each.to(dtype).requires_grad_() for each in states)
    return AttentionCall(0, 3 * query, key, value, scale=0.4, bias=math.inf, **{**sight, **options})


def _masked(call: AttentionCall) -> Tensor:
    """The definition: all scores, and those of other blocks masked."""
    shared = HEADS // call.key.shape[1]
    key, value = (each.double().repeat_interleave(shared, dim=1) for each in (call.key, call.value))
    scores = call.query.double() @ key.transpose(-1, -2) * call.scale
    if call.softcap is not None:
        scores = call.softcap * torch.tanh(scores / call.softcap)
    visible = torch.ones(TOKENS, TOKENS).tril().bool() if call.visible is None else call.visible
    kept = visible & (call.own[..., None] == call.ids[:, None])
    return torch.nan_to_num(scores.masked_fill(~kept[:, None], -math.inf).softmax(-1)) @ value


def _error(call: AttentionCall) -> float:
    found, right = call.output.double(), _masked(call)
    if call.real is not None:
        found, right = (each.masked_fill(~call.real[:, None, :, None], 0) for each in (found, right))
    return float((found - right).detach().abs().max())


@pytest.mark.parametrize("dtype", ERROR)
@pytest.mark.parametrize("sliding", [None, 5, 12])
@pytest.mark.parametrize("queries", [TOKENS, 11, 1])
@pytest.mark.parametrize("padding", PADDINGS)
def test_blocks_equal_the_masked_form(padding: str, queries: int, sliding: int | None, dtype: torch.dtype) -> None:
    sight = _sight(padding, sliding, queries)
    for options in ({}, {"key_heads": 2}, {"softcap": 2.0}, {"sinks": torch.ones(HEADS)}):
        assert _error(_call(sight, dtype, **options)) < ERROR[dtype], options
    if sliding is None and padding == "none" and queries == TOKENS:
        for window in (BLOCK, None):
            for options in ({}, {"key_heads": 2}, {"softcap": 2.0}, {"sinks": torch.ones(HEADS)}):
                whole = {"visible": None, "real": None, "window": window}
                assert _error(_call(sight, dtype, **whole, **options)) < ERROR[dtype], options


@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize("padding", PADDINGS)
def test_gradients_equal_those_of_the_masked_form(padding: str, softcap: float | None) -> None:
    call = _call(_sight(padding, 12, TOKENS), torch.float64, 2, softcap=softcap)
    leaves = [call.key, call.value]
    weight = torch.linspace(-1, 1, TOKENS, dtype=torch.float64)[:, None]
    real = call.real[:, None, :, None]
    found, right = (
        torch.autograd.grad(((each.sin() * weight).masked_fill(~real, 0)).sum(), leaves, retain_graph=True)
        for each in (call.output, _masked(call))
    )
    for one, other in zip(found, right, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-13)


def test_the_comparison_can_fail() -> None:
    sight = _sight("left", None, TOKENS)
    moved = _call(sight, torch.float64)
    # The last block begins one token late.
    moved.ids = moved.own = sight["ids"].roll(1, dims=1)
    moved.real = sight["real"]
    difference = (moved.output - _masked(_call(sight, torch.float64))).masked_fill(~moved.real[:, None, :, None], 0)
    assert float(difference.detach().abs().max()) > 1e-3


@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize("whole", [True, False])
def test_dropout_acts_on_the_weights_of_the_block(whole: bool, softcap: float | None) -> None:
    """With values that name their keys, the output shows the weights: each is dropped or twice as large."""
    sight = _sight("none", None, TOKENS)
    if whole:
        sight |= {"visible": None, "real": None, "window": BLOCK}  # type: ignore[dict-item]
    plain, lost = (_call(sight, torch.float64, softcap=softcap, dropout=each) for each in (0.0, 0.5))
    for call in (plain, lost):
        call.value = torch.eye(TOKENS, dtype=torch.float64).expand(BATCH, HEADS, -1, -1)
    torch.manual_seed(0)
    ratio = (lost.output / plain.output)[plain.output > 0]
    assert set(ratio.detach().round(decimals=9).tolist()) == {0.0, 2.0}
    assert float((ratio == 0).double().mean()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("padding", PADDINGS)
def test_scores_of_other_blocks_are_not_computed(padding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    computed = []
    honest = local.scaled_dot_product_attention

    def counted(query: Tensor, key: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        computed.append(query.shape[0] * query.shape[2] * key.shape[2])
        return honest(query, key, *args, **kwargs)

    monkeypatch.setattr(local, "scaled_dot_product_attention", counted)
    monkeypatch.setattr(attention, "scaled_dot_product_attention", None)
    assert _call(_sight(padding, None, TOKENS), torch.float32).output.isfinite().all()
    # Blocks of one length meet at most twice as many keys as their own.
    assert 0 < sum(computed) <= 2 * BATCH * TOKENS * BLOCK


def test_layers_that_share_a_mask_share_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    honest = local._met
    monkeypatch.setattr(local, "_met", lambda *args: found.append(1) or honest(*args))
    sight = _sight("left", None, TOKENS)
    right = _call(sight, torch.float64).output
    assert torch.equal(_call(sight, torch.float64).output, right)
    assert len(found) == 1
    other = {**sight, "ids": sight["ids"] // 2, "own": sight["own"] // 2}
    assert not torch.equal(_call(other, torch.float64).output, right)
    assert len(found) == 2
    del sight, other
    assert not local._KNOWN
