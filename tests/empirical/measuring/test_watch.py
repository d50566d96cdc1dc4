"""`localist.watch`: totals over the rows of a decoder, beside its eager maps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from families import tiny_decoder
from torch import Tensor

import localist
from empirical.attention.attach import Attachment
from empirical.attention.attention_call import AttentionCall
from empirical.attention.block_kinds import TokenBlocks, WindowBlocks
from empirical.measuring import watch as watching
from empirical.measuring.checks import Check
from empirical.measuring.rows import RowMeter, Rows
from empirical.measuring.watch import COLUMNS
from theory.errors import DomainError

TOKENS, BLOCK = 40, 8


def _tokens() -> Tensor:
    return torch.randint(3, 90, (2, TOKENS), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt_oss"])
def test_the_frame_holds_the_means_of_the_eager_maps(family: str) -> None:
    model = tiny_decoder(family)
    with torch.no_grad():
        maps = model(_tokens(), output_attentions=True).attentions
        with localist.watch(model, block=BLOCK) as rows:
            model(_tokens())
    frame = rows.frame().set_index(["layer", "head"])
    assert [*rows.frame().columns] == [*COLUMNS]
    sink = family == "gpt_oss"
    for layer, weights in enumerate(maps):
        for head in range(4):
            entropies, inside, least = [], [], []
            for text in range(2):
                for query in range(TOKENS):
                    row = weights[text, head, query].double().numpy()
                    same = np.arange(TOKENS) // BLOCK == query // BLOCK
                    if row[~same].any() or sink:
                        row = np.append(row, max(0.0, 1 - row.sum())) if sink else row
                        entropies.append(-(row[row > 0] * np.log(row[row > 0])).sum())
                        inside.append(row[:TOKENS][same].sum())
                        logits = np.log(row[row > 0])
                        own = np.append(same, False)[: len(row)][row > 0]
                        least.append(logits[own].min() - logits[~own].max())
            found = frame.loc[(layer, head)]
            assert found["rows"] == len(entropies)
            assert found["entropy"] == pytest.approx(np.mean(entropies), abs=1e-5)
            assert found["effective_keys"] == pytest.approx(np.mean(np.exp(entropies)), rel=1e-5)
            assert found["fidelity"] == pytest.approx(np.mean(inside), abs=1e-5)
            assert found["leak"] == pytest.approx(1 - np.mean(inside), abs=1e-5)
            # A sink's weight is what the others leave of 1.
            close = 1e-2 if sink else 1e-4
            assert found["margin"] == pytest.approx(np.mean(least), abs=close)
            assert found["least_margin"] == pytest.approx(np.min(least), abs=close)
            assert found["violations"] == found["undecided"] == 0
            assert found["entropy_slack"] >= -1e-5
            assert found["leak_slack"] >= -1e-6
            assert found["entropy_bound"] > found["entropy"]
            assert found["leak_bound"] >= found["sink_leak_bound"] > found["leak"]
            assert found["sink_leak_slack"] >= -1e-6


def test_totals_add_up_over_passes_and_can_be_cleared() -> None:
    model = tiny_decoder("llama")
    with torch.no_grad(), localist.watch(model, block=BLOCK) as rows:
        model(_tokens())
        once = rows.frame()
        model(_tokens())
        twice = rows.frame()
        rows.clear()
        assert rows.frame().empty
    assert (twice["rows"] == 2 * once["rows"]).all()
    for name in set(COLUMNS) - {"rows"}:
        assert np.allclose(twice[name], once[name])


def test_generation_is_watched_token_by_token() -> None:
    model = tiny_decoder("mistral")
    prompt = _tokens()[:1, :10]
    plain = model.generate(prompt, max_new_tokens=20, do_sample=False)
    with localist.watch(model, block=BLOCK) as rows:
        watched = model.generate(prompt, max_new_tokens=20, do_sample=False)
    assert torch.equal(plain, watched)
    # Queries 8 to 28: the first window has no complement, and the last token is not run.
    assert (rows.frame()["rows"] == 21).all()


def test_dials_move_the_rows() -> None:
    model = tiny_decoder("llama")
    found = []
    for dial in (0.0, 0.9, 1.0):
        with torch.no_grad(), localist.watch(model, block=BLOCK, dials=[dial, 0.0]) as rows:
            model(_tokens())
        found.append(rows.frame()["fidelity"][0])
        assert (rows.frame()["dial"][:4] == dial).all()
    assert found[0] < found[1] < found[2] == pytest.approx(1, abs=1e-6)


def test_a_bound_that_is_too_small_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = watching.check_rows

    def sharper(rows: Rows) -> dict[str, Check]:
        return honest(replace(rows, margin=rows.margin + 1))

    monkeypatch.setattr(watching, "check_rows", sharper)
    model = tiny_decoder("llama")
    with torch.no_grad(), localist.watch(model, block=BLOCK) as rows:
        model(_tokens())
    assert rows.frame()["violations"].sum() > 0


def test_scores_that_are_not_numbers_are_refused() -> None:
    model = tiny_decoder("llama")
    with torch.no_grad():
        next(each for name, each in model.named_parameters() if "q_proj" in name).fill_(torch.nan)
    refused = pytest.raises(DomainError, match="the attention scores of layer 0 are not numbers")
    with refused, torch.no_grad(), localist.watch(model, block=BLOCK):
        model(_tokens())
    assert model.config._attn_implementation == "eager"


@pytest.mark.parametrize("options", [{}, {"block": 8, "blocks": TokenBlocks.starting_at([5])}])
def test_blocks_must_be_said_once(options: dict[str, object]) -> None:
    with pytest.raises(DomainError, match="say what a block is"), localist.watch(tiny_decoder("llama"), **options):
        pass


def test_a_training_step_is_watched_before_dropout() -> None:
    model = tiny_decoder("llama")
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    frames, gradients = [], []
    for training in (False, True):
        model.train(training)
        torch.manual_seed(0)
        with localist.watch(model, block=BLOCK) as rows:
            model(_tokens(), labels=_tokens()).loss.backward()
        frames.append(rows.frame())
        gradients.append(model.model.layers[0].self_attn.q_proj.weight.grad.clone())
        model.zero_grad()
    # The second layer's inputs differ by the dropout of the first.
    first = [frame[frame["layer"] == 0].drop(columns="layer") for frame in frames]
    assert np.allclose(*first)
    assert not torch.allclose(*gradients)


def test_a_pass_that_was_broken_off_does_not_count() -> None:
    model = tiny_decoder("llama")
    broken = model.model.layers[1].register_forward_pre_hook(lambda *args: 1 / 0)
    with torch.no_grad(), localist.watch(model, block=BLOCK) as rows:
        with pytest.raises(ZeroDivisionError):
            model(_tokens())
        assert rows.frame().empty
        broken.remove()
        model(_tokens())
    assert rows.frame()["rows"].nunique() == 1


def test_a_sink_has_no_share_at_dial_1() -> None:
    model = tiny_decoder("gpt_oss")
    with torch.no_grad(), localist.watch(model, block=BLOCK, dials=[1.0, 1.0]) as rows:
        model(_tokens())
    assert (rows.frame()["sink_share"] == 0).all()


def test_the_first_tokens_share_keeps_its_precision_under_autocast() -> None:
    model = tiny_decoder("llama")
    frames = []
    for enabled in (False, True):
        calls: list[AttentionCall] = []
        meter = RowMeter()
        autocast = torch.autocast("cpu", torch.bfloat16, enabled=enabled)
        with torch.no_grad(), autocast, Attachment(model, WindowBlocks(BLOCK), on_call=calls.append).attached():
            model(_tokens())
        with torch.autocast("cpu", torch.bfloat16):
            frames.append([meter(call).sink_share for call in calls])
        exact = [meter(replace(call, query=call.query.double(), key=call.key.double())).sink_share for call in calls]
        for found, right in zip(frames[-1], exact, strict=True):
            assert np.abs(found - right).max() < 1e-5
