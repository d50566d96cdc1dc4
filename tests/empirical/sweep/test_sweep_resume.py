"""An interrupted sweep, or one with failed tasks, continues to the numbers of an uninterrupted one."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError
from repository import ROOT
from sweeps import TINY, numbers
from tiny import one_thread  # noqa: F401

from empirical.config import load_config
from empirical.sweep.summary import read_summary
from empirical.sweep.sweep import KILLED, _answers, sweep
from empirical.training.checkpoints import newest_checkpoint
from empirical.training.train import LocalistTrainer
from theory.errors import LocalistError


def test_second_call_trains_nothing(whole, monkeypatch, tiny_sweep):
    before = numbers(whole.folder)

    def never(*args, **kwargs):
        raise AssertionError("a finished task was trained again")

    monkeypatch.setattr(LocalistTrainer, "training_step", never)
    sweep(tiny_sweep(whole.folder.parent), whole.folder, progress=False)
    assert numbers(whole.folder) == before


def test_moved_sweep_continues(whole, tmp_path, monkeypatch, tiny_sweep):
    moved = tmp_path / "elsewhere"
    shutil.copytree(whole.folder, moved)
    config = tiny_sweep(tmp_path)
    ordinary, trained = LocalistTrainer.training_step, []

    def counting(self, *args, **kwargs):
        trained.append(Path(self.args.output_dir).parent.name)
        return ordinary(self, *args, **kwargs)

    monkeypatch.setattr(LocalistTrainer, "training_step", counting)
    sweep(config, moved, progress=False)
    assert trained == []
    lost = moved / "tasks" / "quintic-0.9-1"
    for name in ("training.json", "model.safetensors"):
        (lost / name).unlink()
    # The task is trained again from the base's new place.
    monkeypatch.chdir(tmp_path)
    again = sweep(config, "elsewhere", progress=False)
    assert set(trained) == {lost.name}
    assert numbers(again.folder) == numbers(whole.folder)
    assert load_config(lost / "run.json").model.pretrained == str(moved / "base")


def test_task_with_changed_records_is_measured_again(whole, tiny_sweep):
    before = numbers(whole.folder)
    rows = next(whole.folder.glob("tasks/*/measured/rows.csv"))
    rows.write_text(rows.read_text().replace("0.", "1.", 1))
    sweep(tiny_sweep(whole.folder.parent), whole.folder, progress=False)
    assert numbers(whole.folder) == before


@pytest.mark.slow
def test_sigkill_loses_at_most_the_current_step(whole, tmp_path, tiny_sweep):
    """Kills the real command with two worker processes in the middle of a task."""
    tiny_sweep(tmp_path, TINY.replace("steps = 4", "steps = 4000"))
    code = "from localist import cli; cli.main()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, "sweep", "SWEEP.toml", "out", "--jobs", "2"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )

    def saved():
        return {
            folder.parent.parent.name: int(folder.name[11:])
            for folder in (tmp_path / "out").glob("tasks/*/checkpoints/checkpoint-*")
            if (folder / "trainer_state.json").exists() and folder.name[11:].isdigit()
        }

    deadline = time.monotonic() + 120
    while (len(saved()) < 2 or min(saved().values()) < 5) and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    time.sleep(2)
    after = saved()
    assert len(after) == 2
    time.sleep(1)
    assert saved() == after, "workers must not outlive the sweep"
    for name, step in after.items():
        newest = newest_checkpoint(tmp_path / "out" / "tasks" / name)
        # The last checkpoint may be truncated, but not the one before it.
        assert int(newest.name[11:]) >= step - 1


def test_resumed_sweep_has_the_numbers_of_an_uninterrupted_one(whole, tmp_path, monkeypatch, tiny_sweep):
    class CutError(Exception):
        pass

    ordinary = LocalistTrainer.training_step
    count = 0

    def dying(self, *args, **kwargs):
        nonlocal count
        count += 1
        # Interrupts the base, then the second task.
        if count in (2, 12):
            raise CutError
        return ordinary(self, *args, **kwargs)

    monkeypatch.setattr(LocalistTrainer, "training_step", dying)
    config = tiny_sweep(tmp_path)
    for _ in range(2):
        with pytest.raises(CutError):
            sweep(config, tmp_path / "out", progress=False)
    sweep(config, tmp_path / "out", progress=False)
    assert count == 3 + 4 * 4 + 2, "each interruption costs only the current step"
    mine, theirs = numbers(tmp_path / "out"), numbers(whole.folder)
    assert mine == theirs


def test_failed_task_does_not_stop_the_others(tmp_path, monkeypatch, tiny_sweep):
    config = tiny_sweep(tmp_path)
    ordinary = LocalistTrainer.training_step

    def diverging(self, *args, **kwargs):
        loss = ordinary(self, *args, **kwargs)
        if "quintic-0.9-1" in str(self.args.output_dir):
            raise LocalistError("the loss is nan at step 1")
        return loss

    monkeypatch.setattr(LocalistTrainer, "training_step", diverging)
    with pytest.raises(LocalistError, match=r"1 of 4 tasks failed, first quintic-0.9-1: the loss is nan") as caught:
        sweep(config, tmp_path / "out", progress=False)
    assert "\n" not in str(caught.value)
    found = read_summary(tmp_path / "out")
    assert list(found.manifest["failed"]) == ["quintic-0.9-1"]
    assert found.summary.set_index(["budget", "configuration"]).loc[("mean", "quintic"), "seeds"] == 1
    monkeypatch.setattr(LocalistTrainer, "training_step", ordinary)
    assert sweep(config, tmp_path / "out", progress=False).manifest["failed"] == {}


def test_task_out_of_memory_does_not_stop_the_others(whole, tmp_path, monkeypatch, tiny_sweep):
    shutil.copytree(whole.folder, tmp_path / "out")
    for task in ("quintic-0.9-0", "quintic-0.9-1"):
        shutil.rmtree(tmp_path / "out" / "tasks" / task)
    ordinary = LocalistTrainer.training_step

    def greedy(self, *args, **kwargs):
        if "quintic-0.9-0" in str(self.args.output_dir):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return ordinary(self, *args, **kwargs)

    monkeypatch.setattr(LocalistTrainer, "training_step", greedy)
    with pytest.raises(LocalistError, match=r"1 of 4 tasks failed, first quintic-0.9-0: out of memory.* --batch.$"):
        sweep(tiny_sweep(tmp_path), tmp_path / "out", progress=False)
    assert list(read_summary(tmp_path / "out").manifest["failed"]) == ["quintic-0.9-0"]

    def large(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(LocalistTrainer, "training_step", ordinary)
    monkeypatch.setattr("empirical.sweep.sweep.measure", large)
    with pytest.raises(LocalistError, match=r"out of memory: not enough for measuring. Try fewer --jobs.$"):
        sweep(tiny_sweep(tmp_path), tmp_path / "out", progress=False)


def test_killed_process_fails_its_task_and_the_rest_continue(monkeypatch):
    """A stand-in for joblib whose first pool answers once and is then killed."""
    pools = []

    class Pool:
        def __init__(self, **options):
            pools.append(self)

        def __call__(self, calls):
            for index, (function, arguments, _) in enumerate(calls):
                if len(pools) == 1 and index:
                    next(calls)
                    raise TerminatedWorkerError("a worker was terminated")
                yield function(*arguments)

    monkeypatch.setattr("empirical.sweep.sweep.Parallel", Pool)
    calls = {name: (lambda: None,) for name in "abcdef"}
    found = dict(_answers(calls, 2, lambda name: name == "c"))
    assert found == {"a": None, "b": KILLED, "c": None, "d": None, "e": None, "f": None}
    assert len(pools) == 2


@pytest.mark.slow
def test_worker_killed_by_the_system_fails_its_task(whole, tmp_path, monkeypatch, tiny_sweep):
    """One of two real processes dies in the first of three tasks."""
    shutil.copytree(whole.folder, tmp_path / "out")
    for task in ("distributed-0-0", "distributed-0-1", "quintic-0.9-0"):
        shutil.rmtree(tmp_path / "out" / "tasks" / task)

    def dying(name, function, *arguments):
        if name == "distributed-0-0":
            os.kill(os.getpid(), signal.SIGKILL)
        return name, function(*arguments)

    monkeypatch.setattr("empirical.sweep.sweep._named", dying)
    with pytest.raises(LocalistError, match=r"of 4 tasks failed, first distributed-0-0: .* was killed") as caught:
        sweep(tiny_sweep(tmp_path), tmp_path / "out", n_jobs=2, progress=False)
    assert "\n" not in str(caught.value)
    found = read_summary(tmp_path / "out")
    assert "quintic-0.9-0" not in found.manifest["failed"]
    monkeypatch.undo()
    again = sweep(tiny_sweep(tmp_path), tmp_path / "out", progress=False)
    assert numbers(again.folder) == numbers(whole.folder)
