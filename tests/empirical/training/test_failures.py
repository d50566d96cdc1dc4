"""Errors of disk, files, numbers and names are one clear line each, and finished work stays usable."""

import contextlib
import json
import resource
import shutil
import sys
from pathlib import Path

import pytest
import torch
from failing import full, truncate
from safetensors.torch import load_file, save_file
from tiny import one_thread, tiny  # noqa: F401

from empirical.config import CorpusConfig
from empirical.locality import LocalityConfig
from empirical.measuring.measure import measure
from empirical.training.checkpoints import SEAL_NAME, newest_checkpoint, seal
from empirical.training.corpus import load_corpus, train_tokenizer
from empirical.training.segments import window_blocks
from empirical.training.train import LocalistTrainer, is_finished, train
from localist import cli

SMALL = "--layers 1 --heads 2 --width 16 --context 32 --vocabulary 300 --block 4 --steps 4 --batch 2"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, text):
    """A finished run, for tests to copy and damage."""
    config = tiny(corpus={"text": [str(text)]}, training={"steps": 2})
    return train(config, tmp_path_factory.mktemp("finished") / "run", progress=False)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", [], "is empty"),
        (" \n\t\n", [], "is empty"),
        ("A few words. " * 4000, ["--context", "4096"], "tokens are fewer than the context of 4096"),
        ("A few words.", [], "too few to hold out"),
        ("A few words. " * 4000, ["--block", "32"], "--block 32 must be below the --context 32"),
        ("A few words. " * 4000, ["--block", "64"], "--block 64 must be below the --context 32"),
        ("A few words. " * 4000, ["--learning-rate", "1e30"], "Try a smaller --learning-rate"),
    ],
)
def test_train_refuses_unusable_text_and_settings(tmp_path, line, content, options, message):
    (tmp_path / "text.txt").write_text(content)
    words = ["train", tmp_path / "run", *SMALL.split(), "--text", tmp_path / "text.txt", *options]
    assert message in line(*words)
    assert not is_finished(tmp_path / "run")


def test_refuses_a_block_beyond_the_end_of_its_text(tmp_path, line, text):
    whole = len(text.read_text())
    marks = tmp_path / "marks.json"
    words = ["train", tmp_path / "run", *SMALL.replace("--block 4", "").split(), "--text", text]
    for places, first in (([0, 50, whole], whole), ([whole + 1, whole + 7], whole + 1), ([10**18], 10**18)):
        marks.write_text(json.dumps({str(text): places}))
        found = line(*words, "--blocks", "file", "--block-file", marks)
        assert f"at character {first}: it must be below the text's {whole} characters" in found
        assert str(text) in found
        assert not is_finished(tmp_path / "run")
    corpus = load_corpus(CorpusConfig(text=(str(text),)))
    tokenizer = train_tokenizer(corpus.training, 300)
    last = max((*corpus.training_pieces, *corpus.held_out_pieces), key=lambda piece: piece.start)
    assert last.start + len(last.text) == last.whole == whole
    marks.write_text(json.dumps({str(text): [0, whole - 1]}))
    locality = LocalityConfig(blocks="file", block_file=str(marks))
    ids = torch.zeros(1, len(tokenizer.encode(last.text)) + 1, dtype=torch.long)
    blocks = window_blocks(locality, tokenizer, [last], ids)
    assert blocks is not None
    assert blocks[0, -3:].tolist() == [0, 1, 1]


def test_train_reports_unreachable_weights(tmp_path, line, text, monkeypatch):
    for module in ("model", "training.corpus"):
        monkeypatch.setattr(f"empirical.{module}.hub_is_reachable", lambda: False)
    words = ["train", tmp_path / "run", "--text", text, "--model", "nobody-has/a-model-of-this-name"]
    assert "cannot be reached" in line(*words)
    assert not is_finished(tmp_path / "run")


def test_non_finite_weights_are_not_saved(tmp_path, line, text, monkeypatch):
    whole = LocalistTrainer.training_step

    def damage(self, model, *args, **kwargs):
        loss = whole(self, model, *args, **kwargs)
        if self.state.global_step == 3:
            model.transformer.wte.weight.grad[0, 0] = torch.nan
        return loss

    monkeypatch.setattr(LocalistTrainer, "training_step", damage)
    assert "is not finite after step 4" in line("train", tmp_path / "run", *SMALL.split(), "--text", text)
    assert not (tmp_path / "run" / "model.safetensors").exists()


@contextlib.contextmanager
def disk_full_after(size):
    """Every file ends at `size` bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("size", "place"), [(100, "run.json"), (2_000, "tokenizer.json"), (40_000, "checkpoint-2"), (0, "run.json")]
)
def test_full_disk_while_training_is_one_line(tmp_path, line, text, size, place):
    words = ["train", tmp_path / "run", *SMALL.split(), "--text", text, "--checkpoint-steps", "2", "--batch", "4"]
    with disk_full_after(size):
        found = line(*words)
    assert found.startswith("error: cannot write")
    assert place in found
    assert not is_finished(tmp_path / "run")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("empirical.training.held_out.save_file", "held_out.safetensors"),
        ("transformers.trainer.Trainer._save_rng_state", "checkpoint-4"),
        ("transformers.GPT2LMHeadModel.save_pretrained", "cannot write"),
        ("empirical.seal.write_text_atomically", "checkpoint-2"),
    ],
)
def test_resumes_from_the_checkpoint_before_the_disk_was_full(tmp_path, line, text, monkeypatch, place, message):
    words = ["train", tmp_path / "run", *SMALL.split(), "--text", text, "--checkpoint-steps", "2"]
    whole = train(tiny_of(text), tmp_path / "whole", progress=False)
    with monkeypatch.context() as broken:
        if "rng" in place:
            first = True
            original = LocalistTrainer._save_rng_state

            def second_time(*args, **kwargs):
                nonlocal first
                if first:
                    first = False
                    return original(*args, **kwargs)
                return full()

            broken.setattr(place, second_time)
        else:
            broken.setattr(place, full)
        assert message in line(*words)
    newest = newest_checkpoint(tmp_path / "run")
    assert (newest is not None) == ("rng" in place)
    monkeypatch.setattr(sys, "argv", ["localist", "train", str(tmp_path / "run"), "--resume"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    left, right = (load_file(each / "model.safetensors") for each in (whole, tmp_path / "run"))
    assert all(torch.equal(left[name], right[name]) for name in left)


def tiny_of(text):
    return tiny(
        model={"layers": 1, "heads": 2, "width": 16, "context": 32, "vocabulary": 300},
        locality={"block": 4, "schedule": "distributed"},
        corpus={"text": [str(text)]},
        training={"steps": 4, "batch": 2, "learning_rate": 2e-3},
    )


def garble(path):
    middle = path.stat().st_size // 2
    path.write_bytes(path.read_bytes()[:middle] + b"\xff" * 8 + path.read_bytes()[middle + 8 :])


@pytest.mark.parametrize("damage", [truncate, garble, Path.unlink, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", SEAL_NAME])
def test_damaged_checkpoint_is_skipped(tmp_path, capsys, damage, name):
    checkpoints = {}
    for step in (2, 4):
        folder = tmp_path / "checkpoints" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        for each in ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"):
            (folder / each).write_bytes(bytes(range(200)))
        seal(folder)
        checkpoints[step] = folder
    assert newest_checkpoint(tmp_path) == checkpoints[4]
    assert capsys.readouterr().err == ""
    damage(checkpoints[4] / name)
    assert newest_checkpoint(tmp_path) == checkpoints[2]
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "checkpoint-4" in said
    assert "resuming from checkpoint-2" in said
    damage(checkpoints[2] / name)
    assert newest_checkpoint(tmp_path) is None
    assert "starting again" in capsys.readouterr().err


def test_resume_refuses_a_changed_text(tmp_path, line, text):
    mine = tmp_path / "mine.txt"
    shutil.copy(text, mine)
    run = tmp_path / "run"
    train(tiny_of(mine), run, progress=False)
    (run / "training.json").unlink()
    mine.write_text(mine.read_text() + "More. ")
    assert "was started on another text: mine.txt has changed" in line("train", run, "--resume")


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("model.safetensors", truncate, "cannot load decoder weights"),
        ("model.safetensors", Path.unlink, "holds no .safetensors"),
        ("config.json", truncate, "cannot load decoder weights"),
        ("held_out.safetensors", truncate, "cannot read"),
        ("held_out.safetensors", Path.unlink, "cannot read"),
        ("training.json", truncate, "is not JSON"),
        ("run.json", truncate, "is not JSON"),
        ("run.json", Path.unlink, "is missing"),
    ],
)
def test_measure_refuses_a_damaged_run(tmp_path, line, finished, name, damage, message):
    run = shutil.copytree(finished, tmp_path / "run")
    (run / SEAL_NAME).unlink()
    damage(run / name)
    assert message in line("measure", run)
    assert not (run / "measured").exists()


def test_measure_refuses_nan_weights(tmp_path, line, finished):
    run = shutil.copytree(finished, tmp_path / "run")
    weights = load_file(run / "model.safetensors")
    weights["transformer.ln_f.weight"][0] = torch.nan
    save_file(weights, run / "model.safetensors", {"format": "pt"})
    (run / SEAL_NAME).unlink()
    assert "the held-out loss is nan" in line("measure", run)


def test_measure_reports_a_full_disk(tmp_path, line, finished, monkeypatch):
    run = shutil.copytree(finished, tmp_path / "run")
    before = measure(run, sequences=1, progress=False).digest
    with monkeypatch.context() as patched:
        # Reported before the work, not after it.
        patched.setattr("empirical.measuring.measure.run_windows", None)
        for size in (0, 1000, 12_000):
            with disk_full_after(size):
                assert "cannot write" in line("measure", run, "--sequences", "2")
                assert "cannot write" in line("measure", run, "--sequences", "2", "--dial", "0.5")
    assert sorted(path.name for path in (run / "measured").iterdir()) == ["manifest.json", "rows.csv"]
    assert not (run / "dial").exists()
    assert measure(run, sequences=1, out_dir=tmp_path / "again", progress=False).digest == before


def test_generate_refuses_damaged_folders_and_long_prompts(tmp_path, line, finished, monkeypatch):
    for module in ("model", "training.corpus"):
        monkeypatch.setattr(f"empirical.{module}.hub_is_reachable", lambda: False)
    assert "cannot be reached" in line("generate", "nobody-has/a-model-of-this-name")
    run = shutil.copytree(finished, tmp_path / "run")
    (run / SEAL_NAME).unlink()
    truncate(run / "tokenizer.json")
    assert "cannot load a tokenizer" in line("generate", run)
    truncate(run / "model.safetensors")
    assert "cannot load decoder weights" in line("generate", run)
    assert "exceed the model's 64 positions" in line("generate", finished, "--tokens", "100")
