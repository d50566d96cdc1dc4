"""Training lowers the loss, resumes to the same numbers, and reports every failure in one line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from repository import ROOT
from safetensors.torch import load_file
from tiny import one_thread, tiny  # noqa: F401

from empirical.config import load_config, run_config
from empirical.locality import LocalityConfig
from empirical.measuring.measure import measure
from empirical.model import build_model, load_model
from empirical.training.checkpoints import SEAL_NAME, newest_checkpoint
from empirical.training.command import train as command
from empirical.training.train import LocalistTrainer, is_finished, train, training_summary
from theory.errors import DomainError, InputError, LocalistError


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_training_lowers_the_loss_and_writes_a_complete_run(tmp_path):
    folder = train(tiny(), tmp_path / "run", progress=False)
    summary = training_summary(folder)
    losses = [entry["loss"] for entry in summary["losses"]]
    assert losses[-1] < losses[0] - 0.3
    assert summary["steps"] == 40
    assert summary["final_loss"] == losses[-1]
    assert is_finished(folder)
    assert load_model(folder).config.localist["dials"][-1] == 0.9
    assert load_config(folder / "run.json") == tiny()


def test_same_seed_gives_same_weights(tmp_path):
    short = {"steps": 4}
    first = train(tiny(training=short), tmp_path / "first", progress=False)
    second = train(tiny(training=short), tmp_path / "second", progress=False)
    other = train(tiny(training=short, seed=1), tmp_path / "other", progress=False)
    assert same(weights(first), weights(second))
    assert not same(weights(first), weights(other))


def test_half_precision_keeps_float32_weights(tmp_path):
    short, objective = {"steps": 30}, {"off_block_penalty": 0.1}
    half = train(tiny(training=short | {"precision": "bfloat16"}, objective=objective), tmp_path / "a", progress=False)
    full = train(tiny(training=short, objective=objective), tmp_path / "b", progress=False)
    assert not same(weights(half), weights(full))
    assert {each.dtype for each in weights(half).values()} == {torch.float32}
    losses = [training_summary(folder)["final_loss"] for folder in (half, full)]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert measure(half, sequences=2, progress=False).violations == 0


def test_refuses_half_precision_where_unsupported(tmp_path, monkeypatch):
    def refuse(**options):
        if options["bf16"]:
            raise ValueError("Your setup doesn't support bf16/gpu.\nMore advice.")

    monkeypatch.setattr("empirical.training.train.TrainingArguments", refuse)
    with pytest.raises(DomainError, match=r"bfloat16 is not available on this device: Your setup .* bf16/gpu.$"):
        train(tiny(training={"precision": "bfloat16"}), tmp_path / "run", progress=False)


class _CutError(Exception):
    pass


def cut_at(monkeypatch, step):
    """Makes training end at this step, as a kill would."""
    whole = LocalistTrainer.training_step

    def dying(self, *args, **kwargs):
        if self.state.global_step == step:
            raise _CutError
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(LocalistTrainer, "training_step", dying)
    return lambda: monkeypatch.setattr(LocalistTrainer, "training_step", whole)


def test_resumed_run_has_the_numbers_of_an_uninterrupted_one(tmp_path, monkeypatch):
    config = tiny(training={"steps": 14, "checkpoint_steps": 4}, model={"dropout": 0.1})
    whole = train(config, tmp_path / "whole", progress=False)
    heal = cut_at(monkeypatch, 10)
    with pytest.raises(_CutError):
        train(config, tmp_path / "cut", progress=False)
    heal()
    assert newest_checkpoint(tmp_path / "cut").name == "checkpoint-8"
    resumed = train(config, tmp_path / "cut", resume=True, progress=False)
    assert same(weights(whole), weights(resumed))
    assert training_summary(resumed)["losses"] == training_summary(whole)["losses"]


@pytest.mark.slow
def test_truncated_checkpoint_is_skipped(tmp_path, monkeypatch):
    config = tiny(training={"steps": 14, "checkpoint_steps": 4})
    whole = train(config, tmp_path / "whole", progress=False)
    heal = cut_at(monkeypatch, 10)
    with pytest.raises(_CutError):
        train(config, tmp_path / "cut", progress=False)
    heal()
    newest = newest_checkpoint(tmp_path / "cut")
    optimizer = newest / "optimizer.pt"
    optimizer.write_bytes(optimizer.read_bytes()[:1000])
    assert newest_checkpoint(tmp_path / "cut").name == "checkpoint-4"
    assert same(weights(whole), weights(train(config, tmp_path / "cut", resume=True, progress=False)))


def test_finished_run_is_not_changed(tmp_path):
    config = tiny(training={"steps": 2})
    folder = train(config, tmp_path / "run", progress=False)
    before = (folder / "model.safetensors").stat().st_mtime_ns
    train(config, folder, resume=True, progress=False)
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="already holds a run"):
        train(config, folder, progress=False)
    with pytest.raises(DomainError, match="keeps its own"):
        train(tiny(training={"steps": 3}), folder, resume=True, progress=False)


def test_time_limit_ends_the_run(tmp_path):
    config = tiny(training={"steps": None, "max_seconds": 0.5})
    folder = train(config, tmp_path / "run", progress=False)
    summary = training_summary(folder)
    assert 0.5 <= summary["seconds"] < 30
    assert summary["steps"] >= 1
    assert summary["final_loss"] is not None


def test_interrupt_leaves_a_checkpoint_to_resume_from(tmp_path):
    """Sends Ctrl-C to the real command in a separate process."""
    code = "import torch; torch.set_num_threads(1); from localist import cli; cli.main()"
    options = [
        "--layers",
        "2",
        "--heads",
        "2",
        "--width",
        "32",
        "--context",
        "64",
        "--vocabulary",
        "400",
        "--block",
        "8",
        "--steps",
        "100000",
    ]
    child = subprocess.Popen(
        [sys.executable, "-c", code, "train", str(tmp_path / "run"), *options],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "held_out.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in errors
    assert newest_checkpoint(tmp_path / "run") is not None


def test_checkpoint_is_sealed_after_every_process_has_written(tmp_path, monkeypatch):
    """Another process writes its random state before the barrier."""

    def meet(self):
        for checkpoint in (tmp_path / "run" / "checkpoints").glob("checkpoint-*"):
            (checkpoint / "rng_state_1.pth").touch()

    monkeypatch.setattr("accelerate.Accelerator.wait_for_everyone", meet)
    train(tiny(training={"steps": 2, "checkpoint_steps": 2}), tmp_path / "run", progress=False)
    checkpoint = newest_checkpoint(tmp_path / "run")
    assert "rng_state_1.pth" in json.loads((checkpoint / SEAL_NAME).read_text())
    (checkpoint / "rng_state_1.pth").write_text("cut")
    assert newest_checkpoint(tmp_path / "run") is None


@pytest.mark.slow
def test_two_processes_train_like_one(tmp_path):
    """torchrun with two processes of 4 sequences each takes the steps of one process with 8."""
    options = ["--layers", "2", "--heads", "2", "--width", "32", "--context", "64", "--vocabulary", "400"]
    options += ["--block", "8", "--schedule", "linear", "--off-block-penalty", "0.5", "--optimizer", "sgd"]
    options += ["--steps", "6", "--learning-rate", "0.1", "--checkpoint-steps", "3"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "localist"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for words in (
        [*launch, "train", str(tmp_path / "two"), "--batch", "4", *options],
        [sys.executable, "-m", "localist", "train", str(tmp_path / "one"), "--batch", "8", *options],
    ):
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.count("trained") == 1
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    start = build_model(load_config(tmp_path / "one" / "run.json").model, LocalityConfig(), 400, 0).state_dict()
    moved = max((one[name] - start[name]).abs().max() for name in one)
    assert moved > 1e-3
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=0, atol=1e-3 * float(moved))
    assert training_summary(tmp_path / "two")["steps"] == 6
    sealed = json.loads((newest_checkpoint(tmp_path / "two") / SEAL_NAME).read_text())
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= sealed.keys()


def test_nan_loss_advises_a_smaller_learning_rate(tmp_path):
    with pytest.raises(LocalistError, match=r"the loss is nan at step [^1].* Try a smaller --learning-rate"):
        train(tiny(training={"learning_rate": 1e12, "warmup_steps": 0}), tmp_path / "run", progress=False)


def test_nan_loss_before_the_first_update_does_not_blame_the_learning_rate(tmp_path):
    with pytest.raises(LocalistError, match=r"at step 1. Try a temperature nearer 1 and smaller penalties.$"):
        train(tiny(locality={"temperature": 1e-300}), tmp_path / "run", progress=False)


@pytest.mark.parametrize(
    ("part", "choice"),
    [
        ("model", {"layers": True}),
        ("model", {"width": "8"}),
        ("training", {"steps": "5"}),
        ("training", {"steps": 5.0}),
        ("locality", {"largest_dial": True}),
        ("objective", {"fidelity_floor": "0.5"}),
        ("corpus", {"text": [3]}),
    ],
)
def test_refuses_a_value_of_another_type(part, choice):
    (name,) = choice
    with pytest.raises(DomainError, match=rf"{part}\.{name}.* should be a valid (integer|number|string)"):
        run_config({part: choice})


def more_than_there_is(*args, **kwargs):
    return torch.empty(2**60)


def on_a_gpu(*args, **kwargs):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nMore advice.")


def another_error(*args, **kwargs):
    raise RuntimeError("shapes do not fit")


@pytest.mark.parametrize("step", [more_than_there_is, on_a_gpu])
def test_out_of_memory_advises_a_smaller_batch(tmp_path, monkeypatch, step):
    monkeypatch.setattr(LocalistTrainer, "training_step", step)
    with pytest.raises(LocalistError, match=r"^out of memory: .* for 8 sequences per step. Try a smaller --batch.$"):
        train(tiny(), tmp_path / "run", progress=False)


def test_other_errors_are_not_reported_as_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(LocalistTrainer, "training_step", another_error)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        train(tiny(), tmp_path / "run", progress=False)


def test_unwritable_checkpoint_is_one_line(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("transformers.trainer.Trainer._save_optimizer_and_scheduler", full)
    config = tiny(training={"steps": 4, "checkpoint_steps": 2})
    with pytest.raises(InputError, match=r"cannot write checkpoint .*No space left"):
        train(config, tmp_path / "run", progress=False)
    assert not list((tmp_path / "run" / "checkpoints").glob("checkpoint-*"))


def test_command_accepts_options_and_files(tmp_path, capsys):
    settings = tmp_path / "run.toml"
    settings.write_text("seed = 3\n[model]\nlayers = 2\nheads = 2\nwidth = 32\ncontext = 64\nvocabulary = 400\n")
    text = tmp_path / "text.txt"
    text.write_text("One sentence follows another, and so does this. " * 1500)
    command(run=tmp_path / "run", config=settings, schedule="linear", block=8, steps=2, text=[text], as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["schedule"], shown["steps"]) == ("linear", 2)
    saved = load_config(tmp_path / "run" / "run.json")
    assert (saved.seed, saved.model.layers, saved.corpus.text) == (3, 2, (str(text),))
    command(run=tmp_path / "run", resume=True)
    assert "linear" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content"), [("run.toml", f"seed = {'[' * 100_000}"), ("run.json", '{"seed":' * 100_000)]
)
def test_settings_nested_too_deeply_are_one_line(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match="nested too deeply"):
        command(run=tmp_path / "run", config=tmp_path / name)


@pytest.mark.parametrize("options", [{}, {"max_seconds": 3.0}])
def test_settings_part_that_is_no_table_is_one_line(tmp_path, options):
    (tmp_path / "run.toml").write_text("training = 3\n")
    with pytest.raises(DomainError, match=r"run.toml: training=3 must be a table$"):
        command(run=tmp_path / "run", config=tmp_path / "run.toml", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resume": True}, "--resume needs the folder"),
        ({"resume": True, "layers": 3}, "drop --layers"),
        ({"resume": True, "run": Path("nowhere")}, "not a run"),
        ({"schedule": "steep"}, "must be one of"),
        ({"config": Path("nowhere.toml")}, "cannot read nowhere.toml"),
        ({"run": Path("a"), "more_text": [Path("b")]}, "only one run folder"),
        ({"run": Path(__file__)}, "is a file"),
    ],
)
def test_command_refuses_conflicting_arguments(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LocalistError, match=message):
        command(**options)
