"""Dials per head: each head is what it would be if its dial were that of all."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from families import tiny_decoder
from torch import Tensor

import localist
from empirical.attention.attach import Attachment
from empirical.attention.attention_call import AttentionCall
from empirical.attention.block_kinds import WindowBlocks
from empirical.attention.schedule import LayerDial
from empirical.measuring.rows import RowMeter, Rows
from theory.errors import DomainError

DIALS = (0.0, 1.0, 0.9, 0.0)
BLOCK = 8


def _tokens() -> Tensor:
    return torch.randint(3, 90, (2, 40), generator=torch.Generator().manual_seed(1))


def _padding(side: str) -> Tensor | None:
    mask = torch.ones(2, 40, dtype=torch.long)
    mask[1, :7] = 0
    return {"none": None, "left": mask}[side]


@torch.no_grad()
def _first_layer(family: str, dial: LayerDial, side: str, measured: bool = True) -> tuple[Tensor, Rows | None]:
    """Output and rows of the first layer, whose inputs do not depend on any dial."""
    found: dict[int, tuple[Tensor, Rows | None]] = {}
    meter = RowMeter()

    def take(call: AttentionCall) -> None:
        rows = meter(call) if measured else None
        found[call.layer] = call.output, rows

    model, mask = tiny_decoder(family), _padding(side)
    with Attachment(model, WindowBlocks(BLOCK), [dial, 0.0], on_call=take).attached():
        model(_tokens(), attention_mask=mask)
    output, rows = found[0]
    return output if mask is None else output * mask[:, None, :, None], rows


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("side", ["none", "left"])
@pytest.mark.parametrize("family", ["gpt2", "llama", "mistral", "gemma2", "gpt_oss"])
def test_each_head_equals_that_of_a_layer_with_its_dial(family: str, side: str, measured: bool) -> None:
    output, rows = _first_layer(family, DIALS, side, measured)
    for head, dial in enumerate(DIALS):
        expected, alike = _first_layer(family, dial, side, measured)
        assert torch.allclose(output[:, head], expected[:, head], atol=1e-6)
        if rows is None or alike is None:
            continue
        for each in fields(Rows):
            values, wanted = getattr(rows, each.name), getattr(alike, each.name)
            if isinstance(values, np.ndarray):
                assert np.allclose(values[head], wanted[head], rtol=1e-6, atol=1e-6), each.name


def test_heads_in_the_wrong_order_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = _first_layer("llama", DIALS, "none")[0]
    monkeypatch.setattr(AttentionCall, "_order", torch.arange(4))
    assert not torch.allclose(_first_layer("llama", DIALS, "none")[0], honest, atol=1e-6)


@torch.no_grad()
def test_watch_and_dial_take_dials_per_head() -> None:
    model = tiny_decoder("llama")
    dials = [0.5, DIALS]
    with localist.watch(model, block=BLOCK, dials=dials) as rows:
        watched = model(_tokens()).logits
    with localist.dial(model, torch.tensor([[0.5] * 4, DIALS]), block=BLOCK):
        dialled = model(_tokens()).logits
    assert torch.allclose(watched, dialled, atol=1e-5)
    frame = rows.frame()
    assert frame["dial"].tolist() == [0.5] * 4 + list(DIALS)
    assert (frame["leak"] == 0).tolist() == [False] * 5 + [True, False, False]


def test_leak_and_fidelity_have_gradients_at_dials_per_head() -> None:
    query, key, value = (torch.randn(1, 4, 24, 8, dtype=torch.float64, requires_grad=True) for _ in range(3))
    ids = torch.arange(24).unsqueeze(0) // BLOCK

    def call(dial: LayerDial) -> AttentionCall:
        bias = [np.inf if each == 1 else -np.log1p(-each) for each in ([dial] if isinstance(dial, float) else dial)]
        return AttentionCall(0, query, key, value, ids, ids, 0.3, tuple(bias) if len(bias) > 1 else bias[0])

    heads = (0.0, 0.9, 0.5, 0.9)
    whole = call(heads)
    (whole.leak.sum() + whole.output.sum()).backward()
    gradient, query.grad = query.grad, None
    assert gradient is not None
    for head, dial in enumerate(heads):
        alone = call(dial)
        query.grad = None
        (alone.leak.sum() + alone.output.sum()).backward()
        assert query.grad is not None
        assert torch.allclose(gradient[:, head], query.grad[:, head], atol=1e-12)


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        ([0.5, (0.1, 0.2, 0.3)], "3 dials were given for 4 heads"),
        ([0.5, ()], "layer 1 was given an empty list of dials"),
        ([0.5, (0.1, 0.2, 0.3, 1.5)], r"dial 1.5 must lie in \[0, 1\]"),
        ([0.5, (0.1, 0.2, 0.3, "0.4")], "must be a number, or one per layer or per head"),
        ([(0.5,) * 4], "1 dials were given for 2 layers"),
    ],
)
def test_dials_that_do_not_fit_the_heads_are_refused(dials: list[LayerDial], message: str) -> None:
    model = tiny_decoder("llama")
    with pytest.raises(DomainError, match=message), torch.no_grad(), localist.dial(model, dials, block=BLOCK):
        model(_tokens())
