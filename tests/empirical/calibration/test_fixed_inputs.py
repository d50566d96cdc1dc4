"""Passes in which one layer moves, beside whole passes with the same dials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from families import FAMILIES, tiny_decoder
from torch import Tensor
from transformers import PreTrainedModel

import localist
from empirical.attention.block_kinds import GivenBlocks, WindowBlocks
from empirical.attention.schedule import LayerDial
from empirical.calibration import fixed_inputs as module
from empirical.calibration.fixed_inputs import FixedInputs, fixed_inputs
from empirical.measuring.passes import loss_of
from theory.errors import DomainError

BLOCK = WindowBlocks(8)
MOVES: list[tuple[int, LayerDial]] = [(0, 0.5), (1, 0.9), (0, 1.0), (1, 1.0), (0, (0.0, 0.9, 0.0, 1.0)), (1, 0.0)]


def _tokens() -> Tensor:
    return torch.randint(3, 90, (1, 40), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def _whole(model: PreTrainedModel, layer: int, dial: LayerDial, **blocks: Any) -> float:
    dials: list[LayerDial] = [0.0, 0.0]
    dials[layer] = dial
    with localist.dial(model, dials, **(blocks or {"block": 8})):
        return loss_of(model(_tokens()).logits, _tokens()).mean


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_is_that_of_a_whole_pass(family: str) -> None:
    model = tiny_decoder(family)
    with fixed_inputs(model, _tokens(), BLOCK) as fixed:
        found = [fixed.loss_at(*move) for move in MOVES]
    expected = [_whole(model, *move) for move in MOVES]
    assert found == pytest.approx(expected, abs=2e-5)
    # Else a pass that moves nothing would do.
    assert max(expected) - min(expected) > 1e-3


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_oss"])
def test_float64_agrees_to_rounding(family: str) -> None:
    model = tiny_decoder(family, torch.float64)
    ids = torch.tensor([[0, 0, 1, 1, 1, 2, 0, 2] * 5])
    with fixed_inputs(model, _tokens(), GivenBlocks(ids)) as fixed:
        found = [fixed.loss_at(*move) for move in MOVES]
    assert found == pytest.approx([_whole(model, *move, blocks=ids) for move in MOVES], abs=1e-12)


def test_layers_below_the_moved_one_do_not_run() -> None:
    model, ran = tiny_decoder("llama"), []
    with fixed_inputs(model, _tokens(), BLOCK) as fixed:
        hooks = [
            layer.mlp.register_forward_hook(lambda *_, i=i: ran.append(i)) for i, layer in enumerate(model.model.layers)
        ]
        fixed.loss_at(1, 0.5)
        assert ran == [1]
        fixed.loss_at(0, 0.5)
        assert ran == [1, 0, 1]
    for hook in hooks:
        hook.remove()
    assert not any("forward" in vars(layer) for layer in model.model.layers)


def test_a_model_whose_layers_cannot_be_told_runs_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_decoder_layers", lambda model: [])
    model = tiny_decoder("qwen3")
    with fixed_inputs(model, _tokens(), BLOCK) as fixed:
        found = fixed.loss_at(1, 0.9)
    assert found == pytest.approx(_whole(model, 1, 0.9), abs=2e-5)


def test_layers_that_do_more_than_their_output_says_are_not_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: what is given for a skipped layer is not what it gave."""
    monkeypatch.setattr(module, "_given", lambda output, *args, **kwargs: torch.zeros_like(output))
    model = tiny_decoder("llama")
    with fixed_inputs(model, _tokens(), BLOCK) as fixed:
        found = fixed.loss_at(1, 0.9)
    assert found == pytest.approx(_whole(model, 1, 0.9), abs=2e-5)


def _without_fidelity(self: FixedInputs, call: Any, dial: Any) -> Tensor:
    """A gate of the dial itself, as if the fidelity were 1."""
    honest = FixedInputs._held_mixed(self, call, 0.0)  # type: ignore[attr-defined]
    assert self._held is not None
    return honest + self._held[2] * dial


def test_a_wrong_gate_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest: Callable[..., Tensor] = FixedInputs._mixed
    monkeypatch.setattr(FixedInputs, "_held_mixed", honest, raising=False)
    monkeypatch.setattr(FixedInputs, "_mixed", _without_fidelity)
    model = tiny_decoder("llama")
    with fixed_inputs(model, _tokens(), BLOCK) as fixed:
        found = fixed.loss_at(0, 0.5)
    assert abs(found - _whole(model, 0, 0.5)) > 1e-3


def test_a_diverged_model_is_refused() -> None:
    model = tiny_decoder("llama")
    model.lm_head.weight.data[5, 0] = float("nan")
    with pytest.raises(DomainError, match="the loss is nan"), fixed_inputs(model, _tokens(), BLOCK):
        pass
