"""Whatever goes wrong with disk, files, numbers or names ends in one clear line, and what was done stays usable."""

import contextlib
import errno
import json
import resource
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import one_thread, tiny  # noqa: F401

import localist
from empirical.checkpoints import SEAL_NAME, newest_checkpoint, seal
from empirical.config import CorpusConfig, LocalityConfig
from empirical.corpus import load_corpus, train_tokenizer
from empirical.measure import measure
from empirical.segments import window_blocks
from empirical.training import LocalistTrainer, is_finished, train

SMALL = "--layers 1 --heads 2 --width 16 --context 32 --vocabulary 300 --block 4 --steps 4 --batch 2"
SHAPE = "layers = 1\nheads = 2\nwidth = 16\ncontext = 32\nvocabulary = 300"
NOBODYS = 'pretrained = "nobody-has/a-model-of-this-name"\n[locality]\nblock = 4'
SWEEP = f"""
seeds = [0]
configurations = ["distributed", "quintic"]
measure_sequences = 1
[model]
{SHAPE}
[locality]
block = 4
[base]
steps = 2
batch = 2
[training]
steps = 2
batch = 2
"""


@pytest.fixture
def line(monkeypatch, capsys):
    """Runs the program with these words; the one line with which it refuses."""

    def run(*words, status=2):
        monkeypatch.setattr(sys, "argv", ["localist", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            localist.main()
        assert ended.value.code == status
        errors = capsys.readouterr().err
        assert "Traceback" not in errors
        (found,) = [each for each in errors.splitlines() if each.startswith("error: ")]
        return found

    return run


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n\n".join(f"Sentence {index} follows another. " * 60 for index in range(20)))
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory, text):
    """A finished run, to be copied and spoilt."""
    config = tiny(corpus={"text": [str(text)]}, training={"steps": 2})
    return train(config, tmp_path_factory.mktemp("finished") / "run", progress=False)


def sweep_file(folder, text, extra=""):
    path = folder / "SWEEP.toml"
    path.write_text(f'{extra}{SWEEP}[corpus]\ntext = ["{text}"]\n')
    return path


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
def test_train(tmp_path, line, content, options, message):
    (tmp_path / "text.txt").write_text(content)
    words = ["train", tmp_path / "run", *SMALL.split(), "--text", tmp_path / "text.txt", *options]
    assert message in line(*words)
    assert not is_finished(tmp_path / "run")


def test_a_block_that_begins_beyond_its_text(tmp_path, line, text):
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


def test_train_from_weights_that_cannot_be_looked_up(tmp_path, line, text, monkeypatch):
    for module in ("model", "corpus"):
        monkeypatch.setattr(f"empirical.{module}.hub_is_reachable", lambda: False)
    words = ["train", tmp_path / "run", "--text", text, "--model", "nobody-has/a-model-of-this-name"]
    assert "cannot be reached" in line(*words)
    assert not is_finished(tmp_path / "run")


def test_weights_that_the_last_step_broke_are_not_kept(tmp_path, line, text, monkeypatch):
    whole = LocalistTrainer.training_step

    def spoil(self, model, *args, **kwargs):
        loss = whole(self, model, *args, **kwargs)
        if self.state.global_step == 3:
            model.transformer.wte.weight.grad[0, 0] = torch.nan
        return loss

    monkeypatch.setattr(LocalistTrainer, "training_step", spoil)
    assert "is not finite after step 4" in line("train", tmp_path / "run", *SMALL.split(), "--text", text)
    assert not (tmp_path / "run" / "model.safetensors").exists()


@contextlib.contextmanager
def disk_full_after(size):
    """Every file ends at `size` bytes, as one does that meets the end of the disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("size", "place"), [(100, "run.json"), (2_000, "tokenizer.json"), (40_000, "checkpoint-2"), (0, "run.json")]
)
def test_a_disk_that_is_full_while_training(tmp_path, line, text, size, place):
    words = ["train", tmp_path / "run", *SMALL.split(), "--text", text, "--checkpoint-steps", "2", "--batch", "4"]
    with disk_full_after(size):
        found = line(*words)
    assert found.startswith("error: cannot write")
    assert place in found
    assert not is_finished(tmp_path / "run")


def full(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("empirical.held_out.save_file", "held_out.safetensors"),
        ("transformers.trainer.Trainer._save_rng_state", "checkpoint-4"),
        ("transformers.GPT2LMHeadModel.save_pretrained", "cannot write"),
        ("empirical.seal.write_text_atomically", "checkpoint-2"),
    ],
)
def test_what_was_saved_before_the_disk_was_full_is_gone_on_from(tmp_path, line, text, monkeypatch, place, message):
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
        localist.main()
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


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garble(path):
    middle = path.stat().st_size // 2
    path.write_bytes(path.read_bytes()[:middle] + b"\xff" * 8 + path.read_bytes()[middle + 8 :])


@pytest.mark.parametrize("spoil", [truncate, garble, Path.unlink, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", SEAL_NAME])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, capsys, spoil, name):
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
    spoil(checkpoints[4] / name)
    assert newest_checkpoint(tmp_path) == checkpoints[2]
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "checkpoint-4" in said
    assert "going on from checkpoint-2" in said
    spoil(checkpoints[2] / name)
    assert newest_checkpoint(tmp_path) is None
    assert "beginning anew" in capsys.readouterr().err


def test_a_text_that_changed_since_is_not_gone_on_with(tmp_path, line, text):
    mine = tmp_path / "mine.txt"
    shutil.copy(text, mine)
    run = tmp_path / "run"
    train(tiny_of(mine), run, progress=False)
    (run / "training.json").unlink()
    mine.write_text(mine.read_text() + "More. ")
    assert "was begun on another text: mine.txt has changed" in line("train", run, "--resume")


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("model.safetensors", truncate, "cannot load GPT-2 weights"),
        ("model.safetensors", Path.unlink, "holds no .safetensors"),
        ("config.json", truncate, "cannot load GPT-2 weights"),
        ("held_out.safetensors", truncate, "cannot read"),
        ("held_out.safetensors", Path.unlink, "cannot read"),
        ("training.json", truncate, "is not JSON"),
        ("run.json", truncate, "is not JSON"),
        ("run.json", Path.unlink, "is missing"),
    ],
)
def test_measure_of_a_spoilt_run(tmp_path, line, finished, name, spoil, message):
    run = shutil.copytree(finished, tmp_path / "run")
    (run / SEAL_NAME).unlink()
    spoil(run / name)
    assert message in line("measure", run)
    assert not (run / "measured").exists()


def test_measure_of_weights_that_are_no_numbers(tmp_path, line, finished):
    run = shutil.copytree(finished, tmp_path / "run")
    weights = load_file(run / "model.safetensors")
    weights["transformer.ln_f.weight"][0] = torch.nan
    save_file(weights, run / "model.safetensors", {"format": "pt"})
    (run / SEAL_NAME).unlink()
    assert "the held-out loss is nan" in line("measure", run)


def test_measure_on_a_disk_that_is_full(tmp_path, line, finished, monkeypatch):
    run = shutil.copytree(finished, tmp_path / "run")
    before = measure(run, sequences=1, progress=False).digest
    with monkeypatch.context() as patched:
        # Told before the work, not after it.
        patched.setattr("empirical.measure.run_pass", None)
        patched.setattr("empirical.measure.run_dial", None)
        for size in (0, 1000, 12_000):
            with disk_full_after(size):
                assert "cannot write" in line("measure", run, "--sequences", "2")
                assert "cannot write" in line("measure", run, "--sequences", "2", "--dial", "0.5")
    assert sorted(path.name for path in (run / "measured").iterdir()) == ["manifest.json", "rows.csv"]
    assert not (run / "dial").exists()
    assert measure(run, sequences=1, out_dir=tmp_path / "again", progress=False).digest == before


def test_generate(tmp_path, line, finished, monkeypatch):
    for module in ("model", "corpus"):
        monkeypatch.setattr(f"empirical.{module}.hub_is_reachable", lambda: False)
    assert "cannot be reached" in line("generate", "nobody-has/a-model-of-this-name")
    run = shutil.copytree(finished, tmp_path / "run")
    (run / SEAL_NAME).unlink()
    truncate(run / "tokenizer.json")
    assert "cannot load a tokenizer" in line("generate", run)
    truncate(run / "model.safetensors")
    assert "cannot load GPT-2 weights" in line("generate", run)
    assert "exceed the model's 64 positions" in line("generate", finished, "--tokens", "100")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("block = 4", "block = 40"), "block 40 must be below the context 32"),
        (("steps = 2\nbatch = 2\n[training]", "steps = 2\nlearning_rate = 1e30\n[training]"), "smaller learning rate"),
        (("context = 32", "context = 20000"), "fewer than the context"),
        ((SHAPE, 'pretrained = "nobody-has/a-model-of-this-name"'), "base is not trained where the tasks start from"),
        ((f"{SHAPE}\n[locality]\nblock = 4\n[base]\nsteps = 2\nbatch = 2", NOBODYS), "cannot be reached"),
    ],
)
def test_sweep(tmp_path, line, text, monkeypatch, change, message):
    for module in ("model", "corpus"):
        monkeypatch.setattr(f"empirical.{module}.hub_is_reachable", lambda: False)
    path = sweep_file(tmp_path, text)
    path.write_text(path.read_text().replace(*change))
    assert message in line("sweep", path, tmp_path / "out")


def test_a_sweep_goes_on_once_the_disk_has_room(tmp_path, line, text, monkeypatch):
    path = sweep_file(tmp_path, text)
    whole = LocalistTrainer._save_checkpoint

    def later(self, *args, **kwargs):
        if "quintic" in str(self.args.output_dir):
            with monkeypatch.context() as broken:
                broken.setattr("transformers.trainer.Trainer._save_rng_state", full)
                return whole(self, *args, **kwargs)
        return whole(self, *args, **kwargs)

    with monkeypatch.context() as broken:
        broken.setattr(LocalistTrainer, "_save_checkpoint", later)
        assert "1 of 2 tasks failed" in line("sweep", path, tmp_path / "out")
    with monkeypatch.context() as broken:
        broken.setattr("pathlib.Path.write_bytes", full)
        assert "cannot write" in line("sweep", path, tmp_path / "out")
    monkeypatch.setattr(sys, "argv", ["localist", "sweep", str(path), str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        localist.main()
    assert ended.value.code == 0


def localist_again(path, out, monkeypatch):
    """The sweep's command once more, which must succeed."""
    monkeypatch.setattr(sys, "argv", ["localist", "sweep", str(path), str(out)])
    with pytest.raises(SystemExit) as ended:
        localist.main()
    assert ended.value.code == 0


def test_a_sweep_whose_base_or_text_was_spoilt(tmp_path, line, text, monkeypatch):
    path = sweep_file(tmp_path, text)
    monkeypatch.setattr(sys, "argv", ["localist", "sweep", str(path), str(tmp_path / "out")])
    with pytest.raises(SystemExit):
        localist.main()
    shutil.rmtree(tmp_path / "out" / "tasks")
    before = text.read_text()
    text.write_text(before + "More.")
    assert "was begun on another text" in line("sweep", path, tmp_path / "out")
    text.write_text(before)
    localist_again(path, tmp_path / "out", monkeypatch)
    task = sorted((tmp_path / "out" / "tasks").iterdir())[0]
    weights = (task / "model.safetensors").read_bytes()
    (task / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    assert f"{task.name}/model.safetensors was changed" in line("sweep", path, tmp_path / "out")
    (task / "model.safetensors").write_bytes(weights)
    localist_again(path, tmp_path / "out", monkeypatch)
    shutil.rmtree(tmp_path / "out" / "tasks")
    truncate(tmp_path / "out" / "base" / "model.safetensors")
    assert "base/model.safetensors was changed: SHA-256" in line("sweep", path, tmp_path / "out")
    (tmp_path / "out" / "base" / SEAL_NAME).unlink()
    assert "2 of 2 tasks failed, first" in line("sweep", path, tmp_path / "out")
