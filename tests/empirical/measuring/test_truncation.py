"""Truncation (H1): which layers may be computed block by block, and how far that moves them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from families import FAMILIES, tiny_decoder
from tiny import one_thread  # noqa: F401
from torch import Tensor
from transformers import PreTrainedModel

import localist
from empirical.attention.attach import Attachment
from empirical.attention.attention_call import AttentionCall
from empirical.attention.block_kinds import WindowBlocks
from empirical.attention.schedule import of_heads
from empirical.attention.truncation import truncated, value_distance
from empirical.measuring.measure_command import measure as command
from empirical.measuring.rows import RowMeter
from empirical.measuring.subject import open_subject
from empirical.measuring.truncation import ENTRIES, REPORT_NAME, measure_truncation
from empirical.training.corpus import python_topics, train_tokenizer
from theory.errors import DomainError

CONTEXT, BLOCK, SEQUENCES = 48, 8, 6
# Random rows leak less than LEVEL at this dial, and one of each head leaks more at 0.9.
NEAR, LEVEL = 1 - 1e-15, 1e-3


def _tokens() -> Tensor:
    return torch.randint(3, 90, (2, 40), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def _logits(model: PreTrainedModel, dials: Any, truncate: float | None = None, **options: Any) -> Tensor:
    with localist.dial(model, dials, block=BLOCK, truncate=truncate):
        return model(_tokens(), use_cache=False, **options).logits


def _calls(model: PreTrainedModel, dials: Any, **options: Any) -> list[AttentionCall]:
    calls: list[AttentionCall] = []
    with torch.no_grad(), Attachment(model, WindowBlocks(BLOCK), dials, calls.append).attached():
        model(_tokens(), use_cache=False, **options)
    return calls


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("padded", [False, True])
def test_heads_below_the_level_are_those_of_dial_1(family: str, padded: bool) -> None:
    model, mask = tiny_decoder(family, torch.float64), torch.ones(2, 40, dtype=torch.long)
    mask[1, : 7 if padded else 0] = 0
    real, options = mask.bool(), {"attention_mask": mask}
    dials = [0.9999, 0.0]
    first, last = (
        call.rows(ranges=False).leak.masked_fill(~real[:, None], 0).amax((0, 2)).tolist()
        for call in _calls(model, dials, **options)
    )
    assert 1e-6 < min(first) < max(first) < max(last)
    middle = sorted(first)[1]
    some = tuple(1.0 if leak <= middle else 0.9999 for leak in first)
    assert len(set(some)) == 2
    plans = (dials, [some, 0.0], [1.0, 0.0], [1.0, 1.0])
    plain, two, one, both = (_logits(model, each, **options)[real] for each in plans)
    # A head of the last layer may leak as little as those of the first.
    levels = [(1e-12, plain), (middle, two), *([(max(first), one)] if max(first) < min(last) else [])]
    for level, expected in (*levels, (1 - 1e-12, both)):
        # The pass that measures the leak gives its output to the layer, which differs by rounding.
        found = _logits(model, dials, level, **options)[real]
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)
    assert torch.equal(found, both)
    assert float((plain - one).abs().max()) > 1e-3
    assert float((one - both).abs().max()) > 1e-3


def test_one_row_above_the_level_keeps_the_head() -> None:
    (call, _) = _calls(tiny_decoder("llama", torch.float64), 0.999)
    leaks = call.rows(ranges=False).leak.amax((0, 2))
    assert truncated(call, float(leaks.max())).bias == math.inf
    below = float(np.nextafter(float(leaks.max()), 0))
    assert truncated(call, below).bias == tuple(call.bias if leak == leaks.max() else math.inf for leak in leaks)
    assert truncated(call, float(leaks.min()) / 2) is call
    broken = replace(call, query=call.query.clone())
    broken.query[0, :, -1] = math.nan
    assert truncated(broken, 0.5) is broken


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_oss"])
def test_distance_bounds_that_of_any_two_values(family: str) -> None:
    for call in _calls(tiny_decoder(family), 0.0):
        value = call.value.double().repeat_interleave(call.query.shape[1] // call.value.shape[1], dim=1)
        if call.sinks is not None:
            value = torch.cat((value, torch.zeros_like(value[:, :, :1])), dim=2)
        right = torch.cdist(value, value, compute_mode="donot_use_mm_for_euclid_dist").amax((-1, -2))
        found, longest = value_distance(call)
        assert (found >= right).all()
        assert (found <= 2 * right).all()
        assert torch.equal(longest, value.norm(dim=-1).amax(-1))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("decoders")
    tokenizer = train_tokenizer(python_topics()[:3], 300)
    (root / "text.txt").write_text(python_topics()[0][:3000])
    for family in ("llama", "gemma2", "gpt_oss", "mistral"):
        tiny_decoder(family, vocabulary=300).save_pretrained(root / family)
        tokenizer.save(str(root / family / "tokenizer.json"))
    return root


def _options(folders: Path, **changes: Any) -> dict[str, Any]:
    options = {"text": folders / "text.txt", "block": BLOCK, "context": CONTEXT, "sequences": SEQUENCES}
    return {**options, **changes}


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt_oss", "mistral"])
def test_heads_move_within_the_bound(family: str, precision: str, folders: Path, tmp_path: Path) -> None:
    given = _options(folders, values=[0.0, 0.9, NEAR], precision=precision, out_dir=tmp_path)
    report = measure_truncation(folders / family, LEVEL, **given)
    assert json.loads((tmp_path / REPORT_NAME).read_text()) == {k: v for k, v in report.items() if k != "path"}
    assert len(report["heads"]) == 3 * 2 * 4
    for head in report["heads"]:
        assert set(head) == {"dial_largest", *ENTRIES}
        assert head["violations"] == head["undecided"] == 0
        assert head["allowed"] is (head["leak_max"] <= LEVEL)
        assert head["rows"] > 0
        if not head["allowed"]:
            # Far above the rounding error, and not vacuous.
            assert 0.01 < head["share_max"] <= 1
            assert 0 < head["shift_mean"] <= head["bound_mean"]
    allowed = np.array([head["allowed"] for head in report["heads"]]).reshape(3, 2, 4)
    for found, layers in zip(report["passes"], allowed, strict=True):
        expected = np.where(layers, 1.0, np.array(found["dials"])[:, None])
        assert [of_heads(dial, 4) for dial in found["truncated_dials"]] == expected.tolist()
    assert not allowed[:2].any()
    assert allowed[2].any()
    losses = [(each["loss"], each["truncated_loss"]) for each in report["passes"]]
    assert losses[0][0] == losses[0][1]
    assert abs(losses[2][0] - losses[2][1]) < 1e-3


def test_numbers_are_those_of_the_definition(folders: Path, tmp_path: Path) -> None:
    report = measure_truncation(
        folders / "llama", LEVEL, **_options(folders, sequences=2, precision="float64", out_dir=tmp_path)
    )
    subject = open_subject(
        folders / "llama", folders / "text.txt", block=BLOCK, context=CONTEXT, sequences=2, precision="float64"
    )
    calls: list[AttentionCall] = []
    with torch.no_grad(), Attachment(subject.model, WindowBlocks(BLOCK), 0.0, calls.append).attached():
        subject.model(subject.windows, use_cache=False)
    for call in calls:
        key, value = (each.repeat_interleave(2, dim=1) for each in (call.key, call.value))
        future = torch.ones(CONTEXT, CONTEXT).triu(1).bool()
        weights = (call.query @ key.transpose(-1, -2) * call.scale).masked_fill(future, -math.inf).softmax(-1)
        block = torch.arange(CONTEXT) // BLOCK
        inside = weights * (block[:, None] == block)
        leak = (weights - inside).sum(-1)
        moved = ((inside / inside.sum(-1, keepdim=True) - weights) @ value).norm(dim=-1)[:, :, BLOCK:]
        lines = [head for head in report["heads"] if head["layer"] == call.layer]
        assert [head["leak_max"] for head in lines] == pytest.approx(leak.amax((0, 2)).tolist())
        assert [head["shift_max"] for head in lines] == pytest.approx(moved.amax((0, 2)).tolist())
        assert [head["shift_mean"] for head in lines] == pytest.approx(moved.mean((0, 2)).tolist())


def test_a_head_that_moves_too_far_is_found(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundredth of the leak, as by a lost factor, no longer bounds the movement."""
    honest = RowMeter.__call__
    monkeypatch.setattr(
        RowMeter, "__call__", lambda self, call: replace(rows := honest(self, call), leak=rows.leak / 100)
    )
    report = measure_truncation(folders / "llama", LEVEL, **_options(folders, out_dir=tmp_path))
    assert all(head["violations"] for head in report["heads"])
    with pytest.raises(typer.Exit) as caught:
        command(str(folders / "llama"), truncate=LEVEL, out=tmp_path, as_json=True, **_options(folders))
    assert caught.value.exit_code == 1


def test_command_prints_what_is_allowed(folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(str(folders / "llama"), truncate=LEVEL, dial=f"0.5,{NEAR}", out=tmp_path, **_options(folders))
    shown = capsys.readouterr().out
    lines = [line.split() for line in shown.splitlines()]
    assert [line[:4] for line in lines if line[3:4] == ["heads"]] == [
        ["0", "0.5", "0/4", "heads"],
        ["1", "0.5", "0/4", "heads"],
        ["0", "1-1e-15", "4/4", "heads"],
        ["1", "1-1e-15", "4/4", "heads"],
    ]
    assert "with dials 0.5, 0.5" in shown
    assert "with dials 1, 1" in shown
    assert max(map(len, shown.splitlines()[:-1])) <= 80


@pytest.mark.parametrize("level", [0.0, 1.0, -1e-6, math.nan, math.inf, "1e-6", True])
def test_refuses_a_level_that_is_none(level: Any, folders: Path, tmp_path: Path) -> None:
    message = r"^truncate .* must lie in \(0, 1\)"
    with pytest.raises(DomainError, match=message):
        measure_truncation(folders / "llama", level, **_options(folders, out_dir=tmp_path))
    with pytest.raises(DomainError, match=message), localist.dial(tiny_decoder("llama"), 0.5, BLOCK, truncate=level):
        pass


def test_refuses_rows_beside_truncation(folders: Path, tmp_path: Path) -> None:
    with pytest.raises(DomainError, match=r"rows .*: leave one of them out"):
        command(str(folders / "llama"), truncate=LEVEL, rows=tmp_path / "x.parquet", **_options(folders))
