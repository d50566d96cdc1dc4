"""Rows of a GPT-2's last layer against sums over eager attention, and what a report says of them."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import tiny_decoder
from pretrained import stock
from tiny import one_thread  # noqa: F401
from toy_tail import divergences, length, toy_tail
from toy_tail import run as run_toy
from transformers import GPT2Config, GPT2LMHeadModel

from empirical.influence.bounds import Amplification
from empirical.influence.report import influence_report, judged
from empirical.influence.rounding import EPS, Sized, end_error, logit_error
from empirical.influence.rows import LastRows, last_rows
from empirical.influence.tail import tail_of
from empirical.measuring.subject import Subject, open_subject
from empirical.training.corpus import python_topics, train_tokenizer
from theory.errors import DomainError

CONTEXT, BLOCK = 32, 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random GPT-2 whose last norms have gains and offsets of their own, with a tokenizer and a text."""
    root = tmp_path_factory.mktemp("decoders") / "gpt2"
    stock(root, "gpt2", train_tokenizer(python_topics()[:3], 300), max_position_embeddings=CONTEXT)
    model = GPT2LMHeadModel.from_pretrained(root)
    for name, weights in model.named_parameters():
        if weights.dim() == 1:
            weights.data += 0.3 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(len(name)))
    model.save_pretrained(root)
    (root / "text.txt").write_text(python_topics()[0][:600])
    return root


def opened(folder: Path, dial: float = 0.0, lengths: tuple[int, ...] = ()) -> Subject:
    """The model on two sequences, in windows or in blocks of these lengths."""
    subject = open_subject(folder, folder / "text.txt", precision="float64", sequences=2, block=BLOCK)
    ids = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths, dtype=torch.long))
    return replace(subject, dials=[0.0, dial], blocks=ids.expand(2, -1) if lengths else None)


@torch.no_grad()
def by_hand(subject: Subject, bias: float) -> tuple[Any, Any]:
    """Logits of the first sequence with a bias on the block in the last layer, and with its block alone there.

    Beside them the leak and the largest distance of projected values, by loops over heads, queries and keys.
    """
    model: Any = GPT2LMHeadModel(subject.model.config).double()
    model.load_state_dict(subject.model.state_dict())
    model.eval().set_attn_implementation("eager")
    window, blocks = subject.sequence(0)
    ids = blocks.of(window, torch.arange(CONTEXT)[None])[0]
    states = model.transformer(window, output_hidden_states=True, use_cache=False).hidden_states[-2]
    last = model.transformer.h[-1]
    query, key, value = (
        part.view(CONTEXT, 4, 8).transpose(0, 1) for part in last.attn.c_attn(last.ln_1(states))[0].split(32, -1)
    )
    scores = query @ key.transpose(-1, -2) * 8**-0.5
    same = ids[:, None] == ids
    seen = torch.ones(CONTEXT, CONTEXT, dtype=torch.bool).tril()
    dialled = (scores + bias * same).masked_fill(~seen, -torch.inf).softmax(-1)
    alone = scores.masked_fill(~(seen & same), -torch.inf).softmax(-1)
    ends = []
    for weights in (dialled, alone):
        attended = (weights @ value).transpose(0, 1).reshape(1, CONTEXT, 32)
        residual = states + last.attn.c_proj(attended)
        end = residual + last.mlp(last.ln_2(residual))
        ends.append((residual[0], end[0], model.lm_head(model.transformer.ln_f(end))[0]))
    projected = value @ last.attn.c_proj.weight.view(4, 8, 32)
    distance = np.zeros((4, CONTEXT))
    for head in range(4):
        for q in range(CONTEXT):
            pairs = [(i, j) for i in range(q + 1) for j in range(q + 1) if same[q, i] and not same[q, j]]
            moves = [projected[head, i] - projected[head, j] for i, j in pairs]
            distance[head, q] = max((float((each - each.mean()).norm()) for each in moves), default=0.0)
    return ends, (np.asarray((dialled * ~same).sum(-1)), distance)


@pytest.mark.parametrize("lengths", [(), (1, 7, 2, 1, 12, 9)], ids=["windows", "uneven"])
@pytest.mark.parametrize("dial", [0.0, 0.999])
def test_rows_are_those_of_eager_attention(folder: Path, dial: float, lengths: tuple[int, ...]) -> None:
    subject = opened(folder, dial, lengths)
    rows = last_rows(subject, tail_of(subject.model), 0)
    (whole, cut), (leak, distance) = by_hand(subject, -np.log1p(-dial))
    places = rows.position
    assert 5 < len(places) < CONTEXT
    for found, expected in ((rows.leak, leak), (rows.distance, distance)):
        assert (found >= expected[:, places] * (1 - 1e-12)).all()
        np.testing.assert_allclose(found, expected[:, places], rtol=1e-6)
    for found, states in ((rows.before, cut[0]), (rows.after, cut[1])):
        assert (found <= length(states[places])).all()
        np.testing.assert_allclose(found, length(states[places]), rtol=1e-6)
    moves = whole[2][places] - cut[2][places]
    np.testing.assert_allclose(rows.moved, moves.amax(-1) - moves.amin(-1), atol=1e-10)
    np.testing.assert_allclose(rows.divergence, divergences(whole[2][places], cut[2][places]), atol=1e-10)
    assert (rows.moved_error < 1e-6).all()
    assert (np.abs(rows.moved - np.asarray(moves.amax(-1) - moves.amin(-1))) <= 2 * rows.moved_error).all()


def test_every_row_is_certified_at_the_dial_needed_and_its_margin_does_not_depend_on_the_dial(folder: Path) -> None:
    options: dict[str, Any] = {"text": folder / "text.txt", "block": BLOCK, "progress": False}
    plain = influence_report(folder, 0.01, **options)
    assert plain["certified"] < plain["rows"]
    assert plain["bias_needed"] > 5
    # A thousandth of a nat less does not do.
    less = influence_report(folder, 0.01, dial=1 - (1 - plain["dial_needed"]) * 1.001, **options)
    assert less["certified"] == less["rows"] - 1
    assert less["bias_needed"] == pytest.approx(1e-3, rel=1e-2)
    at = influence_report(folder, 0.01, dial=plain["dial_needed"], **options)
    assert at["certified"] == at["rows"] == plain["rows"]
    assert (at["violations"], at["vacuous"], at["bias_needed"]) == (0, 0, 0)
    assert 0 < at["divergence_share_max"] <= 1
    assert 0 < at["range_share_max"] <= 1
    assert at["divergence"]["1"] <= at["divergence_bound"]["1"] <= 0.01
    # The lengths are those of the truncated pass, which no bias on the block changes.
    assert at["margin_needed"] == pytest.approx(plain["margin_needed"], rel=1e-9)


def test_at_dial_1_nothing_moves(folder: Path) -> None:
    about = influence_report(folder, 0.01, text=folder / "text.txt", block=BLOCK, dial=1.0, progress=False)
    assert about["certified"] == about["rows"]
    assert (about["violations"], about["dial_needed"]) == (0, 1.0)
    # Two ways of summing over the block.
    assert about["divergence"]["1"] < 1e-25


def test_planted_violations_are_counted(folder: Path) -> None:
    subject = opened(folder, 1 - 1e-6)
    tail = tail_of(subject.model)
    rows, amplification = last_rows(subject, tail, 0), Amplification.of(tail)
    assert judged(rows, amplification, 0.01)["violations"] == 0
    for name in ("moved", "divergence"):
        planted = getattr(rows, name).copy()
        planted[3] = 1.0
        assert judged(replace(rows, **{name: planted}), amplification, 0.01)["violations"] == 1
    # Leaks that are taken for 0 leave no room for the moves that were measured.
    without = judged(replace(rows, leak=0 * rows.leak), amplification, 0.01)
    assert without["violations"] == without["rows"]


def test_the_binding_row_is_named(folder: Path) -> None:
    subject = opened(folder, 1 - 1e-9)
    tail = tail_of(subject.model)
    rows = LastRows.joined([last_rows(subject, tail, number) for number in range(2)])
    leak = rows.leak.copy()
    place = int(np.flatnonzero(rows.window == 1)[4])
    leak[2, place] = 0.5
    about = judged(replace(rows, leak=leak), Amplification.of(tail), 0.01)
    named = about["binding"]
    assert (named["window"], named["position"], named["head"]) == (1, int(rows.position[place]), 2)
    assert not named["certified"]
    assert named["margin"] < named["margin_needed"]
    assert (about["certified"], about["violations"]) == (about["rows"] - 1, 0)


def test_rows_without_a_known_leak_are_vacuous(folder: Path) -> None:
    subject = opened(folder, 1 - 1e-9)
    tail = tail_of(subject.model)
    rows = last_rows(subject, tail, 0)
    unknown = replace(rows, leak=np.ones_like(rows.leak), before=0 * rows.before, after=0 * rows.after)
    about = judged(unknown, Amplification.of(tail), 0.01)
    assert (about["vacuous"], about["certified"], about["bias_needed"]) == (about["rows"], 0, None)
    assert set(about["margin_needed"].values()) == {None}
    assert (about["binding"]["margin"], about["binding"]["margin_needed"]) == (None, None)


def test_a_sequence_of_one_block_has_no_rows(folder: Path) -> None:
    subject = opened(folder, lengths=(CONTEXT,))
    rows = last_rows(subject, tail_of(subject.model), 0)
    assert (rows.leak.shape, rows.before.shape, rows.divergence.shape) == ((4, 0), (0,), (0,))


def test_diverged_weights_are_refused(folder: Path) -> None:
    subject = opened(folder)
    tail = tail_of(subject.model)
    subject.model.transformer.ln_f.weight.data[0] = torch.nan
    with pytest.raises(DomainError, match="the attention of layer 1 or the logits are not a number"):
        last_rows(subject, tail, 0)


def test_joined_rows_keep_their_order(folder: Path) -> None:
    subject = opened(folder)
    parts = [last_rows(subject, tail_of(subject.model), number) for number in range(2)]
    joined = LastRows.joined(parts)
    for each in fields(LastRows):
        whole = [getattr(part, each.name) for part in parts]
        np.testing.assert_array_equal(np.split(getattr(joined, each.name), 2, axis=-1), whole)


def test_rounding_bounds_hold_in_a_coarser_format() -> None:
    """Errors of float32 are float64's times 2^29, so the bounds times that cover them."""
    tail, ratio = toy_tail(mlp=2.0), torch.finfo(torch.float32).eps / EPS
    residual = 10 * torch.randn(500, 8, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    coarse = replace(
        tail,
        **{
            name: type(tail.norm)(getattr(tail, name).weight.float(), getattr(tail, name).offset.float())
            for name in ("norm", "first", "second", "last_norm", "unembedding")
        },
    )
    exact = replace(
        tail,
        **{
            name: type(tail.norm)(getattr(coarse, name).weight.double(), getattr(coarse, name).offset.double())
            for name in ("norm", "first", "second", "last_norm", "unembedding")
        },
    )
    given = residual.float()
    end, logits = run_toy(coarse, given)
    true_end, true_logits = run_toy(exact, given.double())
    sized = Sized(np.asarray(given.double().norm(dim=-1)), np.zeros(500))
    error = end_error(exact, sized, length(given.double()), np.asarray(true_end.norm(dim=-1)))
    measured = np.asarray((end.double() - true_end).norm(dim=-1))
    assert (measured <= error * ratio).all()
    assert (error * ratio < 0.1).all()
    last = Sized(np.asarray(true_end.norm(dim=-1)), error)
    off = np.asarray((logits.double() - true_logits).abs().amax(-1))
    assert (off <= logit_error(exact, last, length(true_end)) * ratio).all()
    assert off.max() > 0


@pytest.mark.parametrize(
    ("family", "reason"),
    [
        ("llama", "its norms are LlamaRMSNorm, not layer norms"),
        ("gemma2", "its norms are Gemma2RMSNorm, not layer norms"),
        ("gpt_neox", "its MLP reads the residual before the attention, not after it"),
        ("cohere", "its MLP reads the residual before the attention, not after it"),
        ("stablelm", "its MLP is gated, not two matrices with an activation between"),
        ("opt", "the order of its norms, attention and MLP is not known to be GPT-2's"),
        ("starcoder2", "the order of its norms, attention and MLP is not known to be GPT-2's"),
    ],
)
def test_other_families_are_refused_with_the_assumption_that_they_break(family: str, reason: str) -> None:
    model = tiny_decoder(family)
    with pytest.raises(DomainError) as refused:
        tail_of(model)
    assert str(refused.value) == f"{type(model).__name__} breaks an assumption of H3: {reason}"


class Adapted(torch.nn.Module):
    """A linear module with something beside it."""


def adapted(model: Any) -> None:
    model.transformer.h[-1].mlp.c_fc = Adapted()


def gated(model: Any) -> None:
    model.config.activation_function = "relu2"


def without_last_norm(model: Any) -> None:
    model.transformer.ln_f = torch.nn.Identity()


def with_more(model: Any) -> None:
    model.transformer.h[-1].gate = torch.nn.Identity()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (adapted, "its mlp.c_fc is Adapted, as with adapters, where GPT-2 has Conv1D"),
        (gated, "no bound on the slope of its activation 'relu2' is known"),
        (without_last_norm, "its last norm is Identity, as with adapters, where GPT-2 has LayerNorm"),
        (with_more, "its last layer has gate besides norms, attention and MLP"),
    ],
)
def test_changed_gpt2_is_refused(change: Any, reason: str) -> None:
    model = GPT2LMHeadModel(GPT2Config(n_embd=8, n_head=2, n_layer=1, vocab_size=20, n_positions=16))
    assert tail_of(model).width == 8
    change(model)
    with pytest.raises(DomainError, match=f"GPT2LMHeadModel breaks an assumption of H3: {reason}"):
        tail_of(model)
