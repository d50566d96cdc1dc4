"""What localist attention refuses inside decoders, and the state that it leaves behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from families import tiny_decoder
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertLMHeadModel,
    DiffLlamaConfig,
    DynamicCache,
    LlamaForCausalLM,
)

import localist
from empirical.attention.attach import Attachment
from empirical.attention.block_kinds import GivenBlocks, TokenBlocks, WindowBlocks
from theory.errors import DomainError

BLOCK = 8
STARTS = TokenBlocks.starting_at(range(5, 13))


def _tokens(batch: int = 2, tokens: int = 40) -> Tensor:
    return torch.randint(3, 90, (batch, tokens), generator=torch.Generator().manual_seed(1))


def _bert(**options: Any) -> BertLMHeadModel:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    return BertLMHeadModel(BertConfig(vocab_size=97, **sizes, **options)).eval()


@pytest.mark.parametrize("mask", [None, torch.ones(2, 40).index_fill(1, torch.tensor([0]), 0)])
def test_an_encoder_is_refused(mask: Tensor | None) -> None:
    model = _bert()
    refused = pytest.raises(DomainError, match=r"not causal|see later ones")
    with refused, torch.no_grad(), localist.watch(model, block=BLOCK):
        model(_tokens(), attention_mask=mask)


def test_a_mask_that_shows_later_tokens_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_decoder("llama")
    everything = torch.ones(1, 1, 40, 40, dtype=torch.bool)
    monkeypatch.setattr("empirical.attention.attach.sdpa_mask", lambda **options: everything)
    with pytest.raises(DomainError, match="lets a token see later ones"), localist.watch(model, block=BLOCK):
        model(_tokens())


def test_an_encoder_beside_a_decoder_is_refused() -> None:
    sizes = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": 97}
    heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
    model = BartForConditionalGeneration(BartConfig(**sizes, **heads)).eval()
    refused = pytest.raises(DomainError, match="BartForConditionalGeneration has an encoder")
    with refused, localist.watch(model, block=BLOCK):
        model(_tokens(), decoder_input_ids=_tokens())


def test_layers_that_call_attention_twice_are_refused() -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = DiffLlamaConfig(vocab_size=97, **sizes, num_key_value_heads=2)
    model = AutoModelForCausalLM.from_config(config).eval()
    refused = pytest.raises(DomainError, match="layer 0 calls attention more than once per pass")
    with refused, localist.watch(model, block=BLOCK):
        model(_tokens())


def test_packed_texts_are_refused() -> None:
    restarting = torch.cat((torch.arange(17), torch.arange(23))).unsqueeze(0)
    with pytest.raises(DomainError, match="position_ids that restart"):
        _rows_with(restarting)


def _rows_with(positions: Tensor | None) -> np.ndarray[Any, Any]:
    model = tiny_decoder("llama")
    with torch.no_grad(), localist.watch(model, block=BLOCK) as rows:
        model(_tokens(1), position_ids=positions)
    return rows.frame().to_numpy(float)


def test_shifted_positions_are_accepted() -> None:
    """Rotary scores depend on differences of positions only."""
    assert np.allclose(_rows_with(torch.arange(3, 43).unsqueeze(0)), _rows_with(None), atol=1e-5)


@pytest.mark.parametrize("inner", [localist.watch, lambda model, block: localist.dial(model, 0.5, block)])
def test_one_attachment_at_a_time(inner: Any) -> None:
    model = tiny_decoder("llama")
    with localist.watch(model, block=BLOCK) as rows:
        with pytest.raises(DomainError, match="watched or dialled already"), inner(model, block=BLOCK):
            pass
        with torch.no_grad():
            model(_tokens())
    assert not rows.frame().empty
    with torch.no_grad():
        model(_tokens())


def test_exits_out_of_order_leave_a_model_that_runs() -> None:
    model = tiny_decoder("llama")
    first, second = (localist.watch(model, block=BLOCK) for _ in range(2))
    first.__enter__()
    with pytest.raises(DomainError, match="watched or dialled already"):
        second.__enter__()
    first.__exit__(None, None, None)
    with torch.no_grad():
        model(_tokens())


def _dialled_scores(sequences: Tensor, model: LlamaForCausalLM, prompt: int) -> Tensor:
    logits = model(sequences).logits.log_softmax(-1)[:, prompt - 1 : -1]
    return logits.gather(-1, sequences[:, prompt:, None]).squeeze(-1).mean(-1)


@torch.no_grad()
def test_blocks_follow_the_beams_of_a_search() -> None:
    model = tiny_decoder("llama")
    beams = {"num_beams": 3, "num_return_sequences": 3, "max_new_tokens": 12, "do_sample": False}
    ending = {"pad_token_id": 0, "eos_token_id": None, "return_dict_in_generate": True, "output_scores": True}
    with localist.dial(model, 0.9, blocks=STARTS):
        found = model.generate(_tokens(1, 20), **beams, **ending)
        again = _dialled_scores(found.sequences, model, 20)
    torch.testing.assert_close(found.sequences_scores, again, rtol=0, atol=1e-5)


@torch.no_grad()
def test_blocks_follow_the_cache_of_each_text() -> None:
    model, (one, other) = tiny_decoder("llama"), _tokens().split(1)
    step = torch.tensor([[50]])
    with localist.dial(model, 0.9, blocks=STARTS):
        cache = model(one[:, :20], past_key_values=DynamicCache(config=model.config)).past_key_values
        model(other[:, :20])
        found = model(step, past_key_values=cache).logits[:, -1]
        torch.testing.assert_close(found, model(torch.cat((one[:, :20], step), 1)).logits[:, -1], rtol=0, atol=1e-5)
        cache.crop(-6)
        found = model(step, past_key_values=cache).logits[:, -1]
        torch.testing.assert_close(found, model(torch.cat((one[:, :15], step), 1)).logits[:, -1], rtol=0, atol=1e-5)
    assert "crop" not in vars(cache)
    unseen = DynamicCache(config=model.config)
    model(one[:, :20], past_key_values=unseen)
    with localist.dial(model, 0.9, blocks=STARTS), pytest.raises(DomainError, match="holds 20, of which 0 were seen"):
        model(step, past_key_values=unseen)


@pytest.mark.parametrize(
    ("dials", "reason"),
    [
        ([], "0 dials were given for 2 layers"),
        (None, "dials None must be a number"),
        ("0.9", "dials '0.9' must be a number"),
        (["0.9", "0.5"], "must be a number, or one per layer or per head"),
        ([None, None], "must be a number, or one per layer or per head"),
        ([0.5, 1.5], r"dial 1.5 must lie in \[0, 1\]"),
        (float("nan"), r"dial nan must lie in \[0, 1\]"),
    ],
)
def test_dials_that_cannot_be_are_refused(dials: Any, reason: str) -> None:
    model = tiny_decoder("llama")
    with pytest.raises(DomainError, match=reason), localist.dial(model, dials, block=BLOCK):
        model(_tokens())


@pytest.mark.parametrize(
    "dials", [np.array([0.9, 0.9]), torch.tensor([0.9, 0.9]), np.float64(0.9), torch.tensor(0.9), (0.9, 0.9)]
)
def test_dials_of_numpy_and_torch_are_understood(dials: Any) -> None:
    model = tiny_decoder("llama")
    found = []
    for each in (0.9, dials):
        with torch.no_grad(), localist.dial(model, each, block=BLOCK):
            found.append(model(_tokens()).logits)
    torch.testing.assert_close(*found)


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        (lambda: WindowBlocks(0), "block 0 must be an integer from 1"),
        (lambda: WindowBlocks(2.5), "block 2.5 must be an integer from 1"),  # type: ignore[arg-type]
        (lambda: WindowBlocks("8"), "block '8' must be an integer from 1"),  # type: ignore[arg-type]
        (lambda: WindowBlocks(True), "block True must be an integer from 1"),
        (lambda: WindowBlocks(10**30), "must be an integer from 1 to 2147483647"),
        (lambda: TokenBlocks.starting_at([]), "no token is given"),
        (lambda: TokenBlocks.starting_at(5), "tokens 5 must be a collection"),  # type: ignore[arg-type]
        (lambda: TokenBlocks.starting_at(["a"]), "token 'a' must be an integer"),  # type: ignore[list-item]
        (lambda: TokenBlocks.starting_at([-1]), "token -1 must be an integer from 0"),
        (lambda: GivenBlocks(torch.full((1, 40), -1)), "block id -1 must be at least 0"),
        (lambda: GivenBlocks(torch.zeros(1, 40)), "must be integers"),
        (lambda: GivenBlocks(torch.zeros(1, 40, dtype=torch.bool)), "must be integers"),
        (lambda: GivenBlocks(torch.zeros(1, 40, dtype=torch.complex64)), "must be integers"),
    ],
)
def test_blocks_that_cannot_be_are_refused(blocks: Any, reason: str) -> None:
    with pytest.raises(DomainError, match=reason):
        blocks()


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        (np.zeros((1, 40), dtype=int), "blocks must be a tensor of ids or a kind of blocks, found ndarray"),
        ([0, 1], "blocks must be a tensor of ids or a kind of blocks, found list"),
        (torch.zeros(3, 40, dtype=torch.long), r"block ids of shape \(3, 40\) do not fit 2 sequences"),
        (torch.zeros(1, 5, dtype=torch.long), r"block ids of shape \(1, 5\) do not fit"),
    ],
)
def test_blocks_of_another_kind_are_refused(blocks: Any, reason: str) -> None:
    model = tiny_decoder("llama")
    with pytest.raises(DomainError, match=reason), localist.watch(model, blocks=blocks):
        model(_tokens())


@pytest.mark.parametrize("model", [None, torch.nn.Linear(3, 3)])
def test_what_is_no_model_is_refused(model: Any) -> None:
    with pytest.raises(DomainError, match="is not a transformers model"), localist.watch(model, block=BLOCK):
        pass


def test_dials_of_another_number_are_refused() -> None:
    with pytest.raises(DomainError, match="3 dials were given for 2 layers"):
        Attachment(tiny_decoder("llama"), WindowBlocks(BLOCK), dials=[0.0, 0.5, 1.0])
