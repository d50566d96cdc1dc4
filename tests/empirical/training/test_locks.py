"""One process per folder: a second one is refused in one line, and a killed one leaves no lock."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from repository import ROOT
from tiny import one_thread, tiny  # noqa: F401

from empirical.locks import LOCK_NAME, alone_in
from empirical.measuring.measure import measure
from empirical.sweep.plan import sweep_config
from empirical.sweep.sweep import run_task, sweep
from empirical.training.train import train
from theory.errors import InputError

HOLD = """
import sys
from pathlib import Path
from empirical.locks import alone_in
with alone_in(Path(sys.argv[1]), "training"):
    print("held", flush=True)
    sys.stdin.read()
"""


class Holder:
    """Another process that holds a folder's lock until it is ended or killed."""

    def __init__(self, folder):
        self.child = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.child.stdout.readline() == "held\n"

    def end(self, number=None):
        if number is not None:
            self.child.send_signal(number)
        self.child.communicate()


@pytest.fixture
def hold():
    holders = []

    def begin(folder):
        holders.append(Holder(folder))
        return holders[-1]

    yield begin
    for holder in holders:
        if holder.child.poll() is None:
            holder.end(signal.SIGKILL)


def test_second_process_is_told_who_holds_the_folder(tmp_path, hold):
    holder = hold(tmp_path / "run")
    words = rf"^another process is at work in {tmp_path}/run \(training, process {holder.child.pid} on .*\)\. Wait"
    calls = (
        lambda: train(tiny(), tmp_path / "run", progress=False),
        lambda: sweep(sweep_config({"seeds": [0]}), tmp_path / "run", progress=False),
    )
    for call in calls:
        with pytest.raises(InputError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)
    # The refused process has neither released the lock nor written into the folder.
    assert [each.name for each in (tmp_path / "run").iterdir()] == [LOCK_NAME]
    with pytest.raises(InputError, match=words), alone_in(tmp_path / "run", "sweeping"):
        pass
    holder.end()
    assert not (tmp_path / "run").exists()


def test_lock_of_a_killed_process_is_released(tmp_path, hold):
    hold(tmp_path / "run").end(signal.SIGKILL)
    assert (tmp_path / "run" / LOCK_NAME).exists()
    with alone_in(tmp_path / "run", "training"):
        pass
    assert not (tmp_path / "run" / LOCK_NAME).exists()


def test_measure_refuses_a_folder_in_use(tmp_path, hold):
    run = train(tiny(training={"steps": 1}), tmp_path / "run", progress=False)
    hold(run / "measured")
    with pytest.raises(InputError, match=r"another process is at work in .*measured"):
        measure(run, sequences=1, progress=False)
    assert measure(run, sequences=1, out_dir=tmp_path / "other", progress=False).violations == 0
    assert not (tmp_path / "other" / LOCK_NAME).exists()


def test_task_waits_for_the_worker_of_a_killed_sweep(tmp_path, hold):
    holder = hold(tmp_path / "task")
    answers = []
    settings = tiny(training={"steps": 1}).model_dump(mode="json")
    waiting = threading.Thread(
        target=lambda: answers.append(run_task(settings, str(tmp_path / "task"), 1, 1, os.getpid()))
    )
    waiting.start()
    waiting.join(0.5)
    assert answers == []
    holder.end()
    waiting.join()
    assert answers == [None]


def test_lock_is_reentrant_within_one_thread_only(tmp_path):
    refused = []

    def try_it():
        try:
            with alone_in(tmp_path, "training"):
                pass
        except InputError as error:
            refused.append(str(error))

    with alone_in(tmp_path, "sweeping"):
        with alone_in(tmp_path, "training"):
            pass
        assert (tmp_path / LOCK_NAME).exists()
        other = threading.Thread(target=try_it)
        other.start()
        other.join()
    assert len(refused) == 1
    try_it()
    assert len(refused) == 1


def test_removes_only_empty_folders_it_made(tmp_path):
    (tmp_path / "mine").mkdir()
    with alone_in(tmp_path / "mine" / "a" / "b", "training"):
        (tmp_path / "mine" / "a" / "kept").touch()
    assert (tmp_path / "mine" / "a" / "kept").exists()
    assert not (tmp_path / "mine" / "a" / "b").exists()
    with alone_in(tmp_path / "mine" / "c", "training"):
        pass
    assert (tmp_path / "mine").exists()
    assert not (tmp_path / "mine" / "c").exists()
    (tmp_path / "old").mkdir()
    with alone_in(tmp_path / "old", "training"):
        pass
    assert (tmp_path / "old").exists()


def test_refuses_a_folder_that_cannot_be_made_or_written(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match=r"cannot make the folder .*: Not a directory"),
        alone_in(tmp_path / "file" / "a", "x"),
    ):
        pass
    (tmp_path / "a" / LOCK_NAME).mkdir(parents=True)
    with pytest.raises(InputError, match=r"cannot write .*lock: Is a directory"), alone_in(tmp_path / "a", "x"):
        pass
