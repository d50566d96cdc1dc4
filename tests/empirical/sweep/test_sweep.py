"""A sweep: its numbers after a kill, its statistics, and one line for whatever is wrong."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError
from repository import ROOT
from scipy import stats
from tiny import one_thread  # noqa: F401

from empirical.config import load_config
from empirical.sweep.command import sweep as command
from empirical.sweep.plan import BASELINE, load_sweep, plan, sweep_config
from empirical.sweep.summary import SUMMARY, interval, read_summary
from empirical.sweep.sweep import KILLED, _answers, run_task, sweep
from empirical.training.checkpoints import newest_checkpoint
from empirical.training.corpus import python_topics
from empirical.training.train import LocalistTrainer
from theory.errors import DomainError, InputError, LocalistError

TINY = """
seeds = [0, 1]
configurations = ["distributed", "quintic"]
measure_sequences = 2
[model]
layers = 2
heads = 2
width = 16
context = 32
vocabulary = 300
[locality]
block = 4
[base]
steps = 3
batch = 4
[training]
steps = 4
batch = 4
"""


@pytest.fixture(scope="module", autouse=True)
def short_text(tmp_path_factory):
    """A text that is tokenised at once."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n\n".join(python_topics())[:40000])
    global TEXT
    TEXT = f'[corpus]\ntext = ["{path}"]\n'


def tiny_sweep(tmp_path, text=TINY, corpus=True):
    path = tmp_path / "SWEEP.toml"
    path.write_text(text + TEXT * corpus)
    return load_sweep(path)


def numbers(folder):
    """What must not depend on how often a sweep was interrupted."""
    tasks = json.loads((folder / "manifest.json").read_text())["tasks"]
    kept = [{name: task[name] for name in ("name", "loss", "violations", "weights_sha256")} for task in tasks]
    return kept, (folder / "summary.csv").read_bytes(), (folder / "rows.parquet").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    return sweep(tiny_sweep(folder), folder / "out", progress=False)


def test_a_whole_sweep_leaves_its_summary(whole):
    assert list(whole.summary.columns) == list(SUMMARY)
    assert len(whole.summary) == 4
    assert whole.summary["violations"].sum() == 0
    baseline = whole.summary[whole.summary["configuration"] == BASELINE]
    assert (baseline["ratio"] == 1).all()
    assert whole.manifest["failed"] == {}
    assert len(whole.manifest["tasks"]) == 4
    again = read_summary(whole.folder)
    np.testing.assert_allclose(again.summary["perplexity"], whole.summary["perplexity"], rtol=1e-9)
    assert not list(whole.folder.glob("tasks/*/checkpoints"))


def test_perplexities_are_those_of_the_tasks(whole):
    losses = {(task["configuration"], task["seed"]): task["loss"] for task in whole.manifest["tasks"]}
    line = whole.summary[whole.summary["configuration"] == "quintic"].iloc[0]
    ours = [losses["quintic", seed] for seed in (0, 1)]
    differences = [losses["quintic", seed] - losses[BASELINE, seed] for seed in (0, 1)]
    assert line["perplexity"] == pytest.approx(math.exp(np.mean(ours)))
    assert line["ratio"] == pytest.approx(math.exp(np.mean(differences)))
    low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert (line["ratio_low"], line["ratio_high"]) == pytest.approx((math.exp(low), math.exp(high)))


def test_one_seed_has_no_interval():
    mean, low, high = interval([2.5])
    assert mean == 2.5
    assert math.isnan(low)
    assert math.isnan(high)


def test_a_second_call_trains_nothing(whole, monkeypatch):
    before = numbers(whole.folder)

    def never(*args, **kwargs):
        raise AssertionError("a finished task was trained again")

    monkeypatch.setattr(LocalistTrainer, "training_step", never)
    sweep(tiny_sweep(whole.folder.parent), whole.folder, progress=False)
    assert numbers(whole.folder) == before


def test_a_sweep_that_was_moved_goes_on(whole, tmp_path, monkeypatch):
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
    # Trained anew from the base where it is now, not from where it was.
    monkeypatch.chdir(tmp_path)
    again = sweep(config, "elsewhere", progress=False)
    assert set(trained) == {lost.name}
    assert numbers(again.folder) == numbers(whole.folder)
    assert load_config(lost / "run.json").model.pretrained == str(moved / "base")


def test_a_task_that_was_tampered_with_is_measured_again(whole):
    before = numbers(whole.folder)
    rows = next(whole.folder.glob("tasks/*/measured/rows.csv"))
    rows.write_text(rows.read_text().replace("0.", "1.", 1))
    sweep(tiny_sweep(whole.folder.parent), whole.folder, progress=False)
    assert numbers(whole.folder) == before


@pytest.mark.slow
def test_kill_9_loses_at_most_the_step_in_progress(whole, tmp_path):
    """The real command, two worker processes, killed in the middle of a task and started again."""
    text = TINY.replace("steps = 4", "steps = 4000")
    (tmp_path / "SWEEP.toml").write_text(text + TEXT)
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
        # The last one may be cut, never the one before it.
        assert int(newest.name[11:]) >= step - 1


def test_a_resumed_sweep_has_the_numbers_of_an_uninterrupted_one(whole, tmp_path, monkeypatch):
    class CutError(Exception):
        pass

    ordinary = LocalistTrainer.training_step
    count = 0

    def dying(self, *args, **kwargs):
        nonlocal count
        count += 1
        # In the base, and then in the middle of the second task.
        if count in (2, 12):
            raise CutError
        return ordinary(self, *args, **kwargs)

    monkeypatch.setattr(LocalistTrainer, "training_step", dying)
    config = tiny_sweep(tmp_path)
    for _ in range(2):
        with pytest.raises(CutError):
            sweep(config, tmp_path / "out", progress=False)
    sweep(config, tmp_path / "out", progress=False)
    assert count == 3 + 4 * 4 + 2, "each interruption costs the step in progress"
    mine, theirs = numbers(tmp_path / "out"), numbers(whole.folder)
    assert mine == theirs


def test_a_task_that_fails_does_not_take_the_others_with_it(tmp_path, monkeypatch):
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


def test_a_task_that_runs_out_of_memory_does_not_take_the_others_with_it(whole, tmp_path, monkeypatch):
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


def test_killed_processes_fail_their_tasks_and_the_rest_go_on(monkeypatch):
    """A stand-in for joblib, whose first processes answer once and are killed in the next two calls."""
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
def test_a_worker_that_the_system_kills(whole, tmp_path, monkeypatch):
    """Two real processes, one of which dies in the first of three tasks."""
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


def test_pretrained_weights_need_no_base(whole, tmp_path):
    base = whole.folder / "base"
    shape = TINY[TINY.index("layers") : TINY.index("context")]
    text = TINY.replace(shape, f'pretrained = "{base}"\n').replace("vocabulary = 300\n", "")
    text = text.replace("seeds = [0, 1]", "seeds = [0]").replace("[base]\nsteps = 3\nbatch = 4\n", "")
    done = sweep(tiny_sweep(tmp_path, text), tmp_path / "out", progress=False)
    assert done.manifest["base"] is None
    assert [task["loss"] for task in done.manifest["tasks"]] == [
        task["loss"] for task in whole.manifest["tasks"] if task["seed"] == 0
    ]
    penalised = f"{text}[objective]\ngroup_penalty = 1.0\nfeature_blocks = 3\n"
    with pytest.raises(DomainError, match="feature_blocks 3 must divide the width 16"):
        sweep(tiny_sweep(tmp_path, penalised), tmp_path / "penalised", progress=False)


def test_seeds_may_be_added_and_nothing_else_changed(whole):
    folder = whole.folder.parent
    before = (whole.folder / "sweep.json").read_text()
    with pytest.raises(DomainError, match="another training"):
        sweep(tiny_sweep(folder, TINY.replace("steps = 4", "steps = 5")), whole.folder, progress=False)
    assert (whole.folder / "sweep.json").read_text() == before
    fewer = sweep(tiny_sweep(folder, TINY.replace("[0, 1]", "[1]")), whole.folder, progress=False)
    assert set(fewer.summary["seeds"]) == {1}
    sweep(tiny_sweep(folder), whole.folder, progress=False)


def test_two_sweeps_in_one_folder_are_refused(whole):
    fcntl = pytest.importorskip("fcntl")
    with (whole.folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process is at work in"):
            sweep(tiny_sweep(whole.folder.parent), whole.folder, progress=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds = [", "is not TOML"),
        ("seeds = " + "[" * 100_000, "nested too deeply"),
        ("seeds = []", "seeds"),
        ("seeds = [1, 1]", "must not repeat a value"),
        ("seeds = [-1]", "seed -1 must lie"),
        ('configurations = ["distributed", "steep"]', "'steep' must be one of"),
        ('configurations = ["cubic"]', "must include 'distributed'"),
        ("largest_dial = 1.5", "largest_dial=1.5"),
        ("[locality]\nschedule = 'cubic'", "locality.schedule is what a sweep varies"),
        ("[training]\nstep = 3", "training.step is not an option"),
        ("colour = 3", "colour is not an option"),
        ("[objective]\ngroup_penalty = 1.0\nfeature_blocks = 7", "feature_blocks 7 must divide the width 128"),
        ('[model]\npretrained = "gpt2"\nheads = 3', "heads is decided by the weights of gpt2"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path, text, message):
    with pytest.raises(LocalistError, match=message) as caught:
        tiny_sweep(tmp_path, text, corpus=False)
    assert "\n" not in str(caught.value)


def test_refuses(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        load_sweep(tmp_path / "none.toml")
    with pytest.raises(DomainError, match="Give a smaller mean_dial"):
        plan(sweep_config({"mean_dial": 0.5}), 4)
    for jobs in (0, -5):
        with pytest.raises(DomainError, match=f"jobs {jobs} must be at least 1, or -1"):
            command(tmp_path / "none.toml", jobs=jobs)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the folder"):
        sweep(tiny_sweep(tmp_path), tmp_path / "file" / "out", progress=False)


def test_a_task_answers_in_one_line(tmp_path):
    message = run_task({"model": {"layers": 0}}, str(tmp_path / "task"), None, 1, os.getpid())
    assert "model.layers=0" in message
    (tmp_path / "file").write_text("")
    assert "Not a directory" in run_task({}, str(tmp_path / "file" / "task"), None, 1, os.getpid())


def test_command_prints_a_table_and_json(whole, capsys):
    plan_file = whole.folder.parent / "SWEEP.toml"
    command(plan_file, whole.folder)
    shown = capsys.readouterr().out
    assert "quintic" in shown
    assert "±" in shown
    command(plan_file, whole.folder, as_json=True)
    assert len(json.loads(capsys.readouterr().out)["summary"]) == 4


def test_a_changed_summary_is_refused(whole, tmp_path):
    for name in ("summary.csv", "manifest.json", "rows.parquet"):
        (tmp_path / name).write_bytes((whole.folder / name).read_bytes())
    read_summary(tmp_path)
    (tmp_path / "summary.csv").write_text("budget\n")
    with pytest.raises(InputError, match=r"summary.csv .*does not match"):
        read_summary(tmp_path)


def test_the_reference_sweep_is_whole():
    """The records kept in the repository are those of their own SWEEP.toml, every task and row of it."""
    folder = ROOT / "records" / "reference"
    config = load_sweep(folder / "SWEEP.toml")
    found = read_summary(folder)
    assert sweep_config(found.manifest["sweep"], recorded=True) == config
    assert [task["name"] for task in found.manifest["tasks"]] == [task.name for task in plan(config, 4)]
    assert found.manifest["failed"] == {}
    assert found.summary["violations"].sum() == 0
    assert (found.summary["seeds"] == len(config.seeds)).all()
