"""A run's folder: a refused run leaves none, nothing is overwritten, and relative paths resume from anywhere."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from repository import ROOT
from test_train import same, weights
from tiny import one_thread, tiny  # noqa: F401
from transformers import TrainerCallback

from empirical.config import load_config
from empirical.sweep.plan import sweep_config
from empirical.sweep.sweep import sweep
from empirical.training.checkpoints import newest_checkpoint
from empirical.training.command import train as command
from empirical.training.train import RUN_FILES, check_free, is_finished, train
from theory.errors import DomainError, InputError, LocalistError

SHORT = {"steps": 2}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n\n".join(f"Sentence {index} follows another. " * 60 for index in range(20)))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"corpus": {"text": ["/nowhere.txt"]}}, "cannot read text /nowhere.txt"),
        ({"model": {"context": 9000}}, "fewer than the context"),
        ({"locality": {"blocks": "file", "block_file": "/nowhere.json"}}, "cannot read /nowhere.json"),
        ({"locality": {"blocks": "file", "block_file": "MARKS"}}, "the block file has no entry for"),
    ],
)
def test_refused_run_leaves_no_folder(tmp_path, text, changes, message):
    marks = tmp_path / "marks.json"
    marks.write_text("{}")
    changes = json.loads(json.dumps(changes).replace("MARKS", str(marks)))
    with pytest.raises(LocalistError, match=message):
        train(tiny(**{"corpus": {"text": [str(text)]}} | changes), tmp_path / "runs" / "run", progress=False)
    assert list(tmp_path.iterdir()) == [marks]


def test_unsupported_device_leaves_no_folder(tmp_path, monkeypatch):
    def refuse(**options):
        raise ValueError("Your setup doesn't support bf16/gpu.")

    monkeypatch.setattr("empirical.training.train.TrainingArguments", refuse)
    with pytest.raises(DomainError, match="bfloat16 is not available"):
        train(tiny(training={"precision": "bfloat16"}), tmp_path / "run", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_refused_sweep_leaves_no_folder(tmp_path):
    config = sweep_config({"corpus": {"text": ["/nowhere.txt"]}})
    with pytest.raises(InputError, match=r"cannot read text /nowhere.txt"):
        sweep(config, tmp_path / "out", progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*RUN_FILES, "sweep.json", "tasks"])
def test_run_overwrites_no_existing_file(tmp_path, name):
    (tmp_path / name).mkdir() if "." not in name else (tmp_path / name).write_text("mine")
    message = "already holds a run" if name == "run.json" else f"already holds {name}, which"
    with pytest.raises(InputError, match=message):
        train(tiny(), tmp_path, progress=False)
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_run_lists_every_file_it_writes(tmp_path, text):
    config = tiny(
        corpus={"text": [str(text)]},
        training={"steps": 2, "checkpoint_steps": 1},
        objective={"group_penalty": 0.1, "feature_blocks": 2},
    )
    folder = train(config, tmp_path / "run", progress=False)
    # Adapters exclude groups; `test_lora` has the files of their runs, `test_train_anchors` that of anchors.
    assert {each.name for each in folder.iterdir()} == set(RUN_FILES) - {"lora.json", "anchor_tokens.json"}
    for name in ("lora.json", "anchor_tokens.json"):
        (folder / name).write_text("{}")
    for name in RUN_FILES:
        with pytest.raises(InputError, match="already holds"):
            check_free(folder)
        if name != "checkpoints":
            (folder / name).unlink()


@pytest.mark.parametrize("name", [*RUN_FILES, "summary.csv", "rows.parquet", "manifest.json", "tasks"])
def test_sweep_refuses_a_folder_of_other_files(tmp_path, name):
    (tmp_path / name).mkdir() if "." not in name else (tmp_path / name).write_text("mine")
    with pytest.raises(
        InputError, match=rf"already holds {name}, which is not of this sweep: choose another"
    ) as caught:
        sweep(sweep_config({"seeds": [0]}), tmp_path, progress=False)
    assert "\n" not in str(caught.value)
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_sweep_refuses_the_base_of_another_sweep(tmp_path, text):
    corpus, model = {"text": [str(text)]}, {"layers": 1, "heads": 2, "width": 16, "context": 32, "vocabulary": 300}
    values = {"seeds": [0], "corpus": corpus, "model": model, "locality": {"block": 4}}
    train(tiny(corpus=corpus, training={"steps": 1}), tmp_path / "out" / "base", progress=False)
    before = (tmp_path / "out" / "base" / "run.json").read_bytes()
    with pytest.raises(DomainError, match=r"base/run.json differs from the configuration given"):
        sweep(sweep_config(values), tmp_path / "out", progress=False)
    assert (tmp_path / "out" / "base" / "run.json").read_bytes() == before
    assert not (tmp_path / "out" / "sweep.json").exists()


def test_run_with_relative_paths_resumes_from_any_folder(tmp_path, text, monkeypatch):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    (tmp_path / "here" / "mine.txt").write_text(text.read_text())
    (tmp_path / "here" / "marks.json").write_text(json.dumps({"mine.txt": list(range(0, len(text.read_text()), 40))}))
    config = tiny(
        corpus={"text": ["mine.txt"]},
        locality={"blocks": "file", "block_file": "marks.json"},
        training={"steps": 4, "checkpoint_steps": 2},
    )

    class Cut(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 3:
                raise InterruptedError

    monkeypatch.chdir(tmp_path / "here")
    whole = train(config, "whole", progress=False).absolute()
    with pytest.raises(InterruptedError):
        train(config, "run", progress=False, watchers=[Cut()])
    monkeypatch.chdir(tmp_path / "there")
    run = tmp_path / "here" / "run"
    assert load_config(run / "run.json").corpus.text == (str(tmp_path / "here" / "mine.txt"),)
    assert newest_checkpoint(run).name == "checkpoint-2"
    command(run=Path("../here/run"), resume=True)
    assert same(weights(whole), weights(run))
    # A missing text is named.
    (run / "training.json").unlink()
    (tmp_path / "here" / "mine.txt").unlink()
    with pytest.raises(InputError, match=rf"cannot read text {tmp_path}/here/mine.txt: No such file"):
        command(run=run, resume=True)


def test_recorded_relative_paths_resume_in_the_original_folder(tmp_path, text, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text(text.read_text())
    config = tiny(corpus={"text": ["mine.txt"]}, training=SHORT)
    train(config, "run", progress=False)
    values = json.loads((tmp_path / "run" / "run.json").read_text())
    values["corpus"]["text"] = ["mine.txt"]
    (tmp_path / "run" / "run.json").write_text(json.dumps(values))
    (tmp_path / "run" / "training.json").unlink()
    command(run=Path("run"), resume=True)
    assert is_finished(tmp_path / "run")


def test_resuming_a_finished_run_takes_no_lock(tmp_path, text, monkeypatch):
    config = tiny(corpus={"text": [str(text)]}, training=SHORT)
    folder = train(config, tmp_path / "run", progress=False)

    def never(*args, **kwargs):
        raise AssertionError("a finished run was locked")

    monkeypatch.setattr("empirical.training.train.alone_in", never)
    assert train(config, folder, resume=True, progress=False) == folder


@pytest.mark.slow
def test_second_process_in_a_folder_is_refused(tmp_path, text):
    """The first process finishes; the second one is refused with a message."""
    shape = ["--layers", "1", "--heads", "2", "--width", "16", "--context", "32", "--vocabulary", "300"]
    options = [*shape, "--block", "4", "--batch", "2", "--steps", "60"]
    words = [sys.executable, "-m", "localist", "train", str(tmp_path / "run"), "--text", str(text), *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    children = [subprocess.Popen([*words, "--seed", str(seed)], cwd=ROOT, **pipes) for seed in (1, 2)]
    ended = [(child.communicate(), child.returncode) for child in children]
    codes = [code for _, code in ended]
    assert sorted(codes) == [0, 2]
    errors = ended[codes.index(2)][0][1]
    assert "Traceback" not in errors
    (line,) = [each for each in errors.splitlines() if each.startswith("error: ")]
    # On a slow machine the second process may start after the first one has ended.
    assert "another process is at work in" in line or "already holds a run" in line
    assert str(tmp_path / "run") in line
    assert load_config(tmp_path / "run" / "run.json").seed == 1 + codes.index(0)


def signalled_at(step, whole_steps):
    """A signal that arrives after the callback that would stop on it has run."""

    class Signal(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == step and threading.current_thread() is threading.main_thread():
                signal.raise_signal(signal.SIGTERM)

    return tiny(training={"steps": whole_steps}), Signal()


def test_signal_after_the_last_step_loses_no_step(tmp_path):
    config, watcher = signalled_at(3, 3)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run", progress=False, watchers=[watcher])
    assert is_finished(tmp_path / "run")


@pytest.mark.slow
def test_signal_before_the_last_step_leaves_a_checkpoint(tmp_path):
    config, watcher = signalled_at(1, 4)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run", progress=False, watchers=[watcher])
    assert not is_finished(tmp_path / "run")
    assert newest_checkpoint(tmp_path / "run").name == "checkpoint-2"
