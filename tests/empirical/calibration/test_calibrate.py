"""`localist calibrate`: the promise is kept as measured, what is killed is taken up again, dials are replayed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from families import tiny_decoder
from repository import ROOT
from tiny import one_thread  # noqa: F401

import localist
from empirical.attention.schedule import of_heads
from empirical.calibration import windows
from empirical.calibration.calibrate import FILE_NAME, JOURNAL_NAME, Calibration, calibrate
from empirical.calibration.command import calibrate as command
from empirical.measuring.dial_file import blocks_for, read_dials
from empirical.model import load_decoder
from empirical.training.corpus import load_tokenizer, python_topics, train_tokenizer
from theory.errors import DomainError, InputError

CONTEXT, BLOCK = 32, 8
OPTIONS: dict[str, Any] = {"block": BLOCK, "context": CONTEXT, "fit": 3, "check": 4, "progress": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama with a tokenizer, and texts."""
    root = tmp_path_factory.mktemp("decoder")
    tokenizer = train_tokenizer(python_topics()[:3], 300)
    tiny_decoder("llama", vocabulary=300).save_pretrained(root / "llama")
    tokenizer.save(str(root / "llama" / "tokenizer.json"))
    (root / "text.txt").write_text(python_topics()[0][:3000])
    return root


@pytest.fixture(scope="module")
def found(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Calibration:
    return calibrate(
        folder / "llama", text=folder / "text.txt", compare=True, out_dir=tmp_path_factory.mktemp("out"), **OPTIONS
    )


def _share(folder: Path, windows: list[int], dials: Any, fidelity: float) -> list[float]:
    """Each window's share of rows with this fidelity, from eager maps of our own."""
    tokens = load_tokenizer(str(folder / "llama")).encode((folder / "text.txt").read_text()).ids
    model, shares = load_decoder(folder / "llama"), []
    for window in windows:
        part = torch.tensor(tokens[window * CONTEXT : (window + 1) * CONTEXT]).unsqueeze(0)
        maps: list[Any] = []
        with torch.no_grad(), localist.watch(model, block=BLOCK, dials=dials) as rows:
            rows.add = lambda call, _, maps=maps: maps.append(_eager(call))  # type: ignore[method-assign,misc]
            model(part)
        own = np.concatenate([each[:, BLOCK:].ravel() for each in maps])
        shares.append(float((own >= fidelity).mean()))
    return shares


def _eager(call: Any) -> Any:
    """Fidelity `(heads, queries)` from all scores."""
    shared = call.query.shape[1] // call.key.shape[1]
    scores = call.query[0].double() @ call.key[0].repeat_interleave(shared, 0).double().transpose(-1, -2) * call.scale
    place = torch.arange(CONTEXT)
    same = place[:, None] // BLOCK == place // BLOCK
    biases = torch.tensor(of_heads(call.bias, len(scores))).clamp(max=1e4)[:, None, None]
    scores = (scores + same * biases).masked_fill(place[:, None] < place, -torch.inf)
    return (scores.softmax(-1) * same).sum(-1).numpy()


def test_the_promise_is_kept_where_it_was_made(folder: Path, found: Calibration) -> None:
    choice = found.about["choice"]
    expected = _share(folder, choice["windows"], found.dials, 0.9)
    # A row at the border may be counted differently in float64.
    assert choice["shares"] == pytest.approx(expected, abs=0.003)
    assert min(choice["shares"]) >= 0.95
    assert choice["least_window"] == choice["windows"][int(np.argmin(choice["shares"]))]


def test_the_check_uses_other_windows(folder: Path, found: Calibration) -> None:
    check = found.about["check"]
    assert not set(check["windows"]) & set(found.about["choice"]["windows"])
    assert check["shares"] == pytest.approx(_share(folder, check["windows"], found.dials, 0.9), abs=0.003)
    assert check["perplexity_after"] == pytest.approx(check["perplexity_before"] * np.exp(check["rise"]))
    assert found.reached == (check["share"] >= 0.95 and check["rise"] <= 0.02)


def test_the_dials_are_read_again(found: Calibration) -> None:
    assert read_dials(found.path) == found.dials
    assert json.loads(found.path.read_text())["dials"] == found.dials


def test_cheaper_dials_of_the_grid_keep_fewer_rows(folder: Path, found: Calibration) -> None:
    """One level down in any layer falls short on the windows that chose, or costs no less."""
    levels, choice = found.about["levels"], found.about["choice"]
    assert choice["from"] == "curves"
    compared = 0
    for layer, dial in enumerate(found.dials):
        at = levels.index(dial)
        losses = found.about["curves"][layer]["losses"]
        if at == 0 or losses[at - 1] >= losses[at]:
            continue
        fewer = list(found.dials)
        fewer[layer] = levels[at - 1]
        met = sum(each["met"][levels.index(dial)] for each, dial in zip(found.about["curves"], fewer, strict=True))
        compared += 1
        assert met < choice["rows_asked"] * sum(each["rows"] for each in found.about["curves"])
    assert compared


def test_dials_per_head(folder: Path, tmp_path: Path) -> None:
    options = OPTIONS | {"fit": 1, "check": 2}
    found = calibrate(folder / "llama", text=folder / "text.txt", per_head=True, out_dir=tmp_path, **options)
    assert [len(of_heads(dial, 4)) for dial in found.dials] == [4, 4]
    assert len({value for dial in found.dials for value in of_heads(dial, 4)}) > 1
    assert min(_share(folder, found.about["choice"]["windows"], found.dials, 0.9)) >= 0.94
    assert read_dials(found.path) == found.dials


KILLED = """
import sys
from empirical.calibration.calibrate import calibrate
calibrate(sys.argv[1], text=sys.argv[2], out_dir=sys.argv[3], block=8, context=32, fit=3, check=4, progress=False)
"""


def test_a_killed_calibration_is_taken_up_again(
    folder: Path, tmp_path: Path, found: Calibration, monkeypatch: Any
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED, str(folder / "llama"), str(folder / "text.txt"), str(out)]
    child = subprocess.Popen(command, cwd=ROOT)
    journal = out / JOURNAL_NAME
    until = time.monotonic() + 120
    # The header alone has fewer bytes; entries of curves and outcomes are longer.
    while (not journal.exists() or journal.stat().st_size < 1200) and child.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (out / FILE_NAME).exists()
    measured: list[str] = []
    honest = windows.Finished.of

    def counted(self: Any, about: Any, compute: Any) -> Any:
        def computing() -> Any:
            measured.append(str(about))
            return compute()

        return honest(self, about, computing)

    monkeypatch.setattr(windows.Finished, "of", counted)
    again = calibrate(folder / "llama", text=folder / "text.txt", out_dir=out, **OPTIONS)
    assert again.dials == found.dials
    assert again.about["check"] == found.about["check"]
    assert str({"curves": again.about["choice"]["windows"][0]}) not in measured
    assert not journal.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fidelity": 1.0}, r"fidelity 1 must lie in \(0, 1\)"),
        ({"rows": 0.0}, r"rows 0 must lie in \(0, 1\)"),
        ({"max_loss": -0.1}, "max_loss -0.1 must be finite and at least 0"),
        ({"max_loss": float("nan")}, "max_loss nan must be finite and at least 0"),
        ({"max_loss": float("inf")}, "max_loss inf must be finite and at least 0"),
        ({"levels": (0.0, 0.5)}, "levels 0, 0.5 must rise from dial 0 to dial 1"),
        ({"fit": 0}, "fit 0 must be at least 1"),
        ({"check": 4000}, "are more than the text's"),
        ({"seed": -1}, "seed -1 must lie in"),
        ({"text": None}, "is for a text"),
        ({"block": 32}, r"block 32 must lie in \[1, 32\)"),
    ],
)
def test_bad_input_is_refused(changes: dict[str, Any], message: str, folder: Path, tmp_path: Path) -> None:
    options = {"text": folder / "text.txt", **OPTIONS, "out_dir": tmp_path / "out"} | changes
    with pytest.raises(DomainError, match=message):
        calibrate(folder / "llama", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "`dials` must be a list"),
        ('{"dials": []}', "`dials` must be a list"),
        ('{"dials": [0.5, 2]}', r"dial 2.0 must lie in \[0, 1\]"),
        ('{"dials": [0.5, "x"]}', r"dial 'x' must be a number"),
        ('{"dials": [0.5, true]}', r"dial True must be a number"),
        ('{"dials": [0.5, []]}', "layer 1 was given an empty list"),
        ("[0.5]", "must hold one JSON object"),
    ],
)
def test_a_file_without_dials_is_refused(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "dials.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_dials(path)


def test_the_command_prints_what_holds(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {name: value for name, value in OPTIONS.items() if name != "progress"}
    text = folder / "text.txt"
    command(model=str(folder / "llama"), text=text, max_loss=100, rows=0.5, out=tmp_path, **options)
    shown = capsys.readouterr().out
    for part in (
        "dials of llama",
        "binding window",
        "other windows",
        "assumes the random draw alone",
        "nothing is said",
    ):
        assert part in shown
    with pytest.raises(typer.Exit) as ended:
        command(model=str(folder / "llama"), text=text, max_loss=0, out=tmp_path, as_json=True, **options)
    assert ended.value.exit_code == 1
    assert json.loads(capsys.readouterr().out)["reached"] is False


def test_sentences_are_recorded_and_windows_without_rows_are_counted(folder: Path, tmp_path: Path) -> None:
    options = OPTIONS | {"block": None, "blocks": "sentences", "max_loss": 100.0}
    found = calibrate(folder / "llama", text=folder / "text.txt", out_dir=tmp_path, **options)
    assert found.about["model"]["blocks"] == "sentences"
    assert found.about["model"]["block"] is None
    assert blocks_for(found.path, None, None) == (None, "sentences")
    (tmp_path / "none.txt").write_text("alpha beta gamma delta " * 300)
    with pytest.raises(DomainError, match="no row has keys off its block"):
        calibrate(folder / "llama", text=tmp_path / "none.txt", out_dir=tmp_path, **options)


def test_blocks_of_the_calibration_are_used_or_named(found: Calibration, capsys: pytest.CaptureFixture[str]) -> None:
    assert blocks_for(found.path, None, None) == (BLOCK, None)
    assert blocks_for(found.path, BLOCK, None) == (BLOCK, None)
    assert capsys.readouterr().err == ""
    assert blocks_for(found.path, 64, None) == (64, None)
    assert f"were chosen for blocks of {BLOCK} tokens, not for blocks of 64 tokens" in capsys.readouterr().err


def test_rows_too_large_for_float32_are_refused(folder: Path, tmp_path: Path) -> None:
    model = load_decoder(folder / "llama")
    model.model.layers[1].self_attn.q_proj.weight.data *= 1e30
    model.save_pretrained(tmp_path / "huge")
    (tmp_path / "huge" / "tokenizer.json").write_bytes((folder / "llama" / "tokenizer.json").read_bytes())
    with pytest.raises(
        DomainError, match="rows of layer 1 have scores too large for float32: give --precision float64"
    ):
        calibrate(tmp_path / "huge", text=folder / "text.txt", out_dir=tmp_path / "out", **OPTIONS)
