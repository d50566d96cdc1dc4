"""A sweep: its summary, statistics and command, and the sweeps that it refuses."""

import json
import math
import os

import numpy as np
import pytest
from repository import ROOT
from scipy import stats
from sweeps import TINY
from tiny import one_thread  # noqa: F401

from empirical.sweep.command import sweep as command
from empirical.sweep.plan import BASELINE, load_sweep, plan, sweep_config
from empirical.sweep.summary import SUMMARY, interval, read_summary
from empirical.sweep.sweep import run_task, sweep
from theory.errors import DomainError, InputError, LocalistError


def test_sweep_writes_its_summary(whole):
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


def test_summary_perplexities_come_from_task_losses(whole):
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


def test_sweep_of_pretrained_weights_trains_no_base(whole, tmp_path, tiny_sweep):
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


def test_second_call_may_change_seeds_only(whole, tiny_sweep):
    folder = whole.folder.parent
    before = (whole.folder / "sweep.json").read_text()
    with pytest.raises(DomainError, match="another training"):
        sweep(tiny_sweep(folder, TINY.replace("steps = 4", "steps = 5")), whole.folder, progress=False)
    assert (whole.folder / "sweep.json").read_text() == before
    fewer = sweep(tiny_sweep(folder, TINY.replace("[0, 1]", "[1]")), whole.folder, progress=False)
    assert set(fewer.summary["seeds"]) == {1}
    sweep(tiny_sweep(folder), whole.folder, progress=False)


def test_refuses_a_folder_in_use(whole, tiny_sweep):
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
def test_malformed_file_is_one_line(tmp_path, text, message, tiny_sweep):
    with pytest.raises(LocalistError, match=message) as caught:
        tiny_sweep(tmp_path, text, corpus=False)
    assert "\n" not in str(caught.value)


def test_refuses_unreachable_means_wrong_jobs_and_bad_folders(tmp_path, tiny_sweep):
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


def test_failed_task_returns_one_line(tmp_path):
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


def test_refuses_a_changed_summary(whole, tmp_path):
    for name in ("summary.csv", "manifest.json", "rows.parquet"):
        (tmp_path / name).write_bytes((whole.folder / name).read_bytes())
    read_summary(tmp_path)
    (tmp_path / "summary.csv").write_text("budget\n")
    with pytest.raises(InputError, match=r"summary.csv .*does not match"):
        read_summary(tmp_path)


def test_recorded_reference_sweep_is_complete():
    """The recorded sweep has every task of its SWEEP.toml, no failure and no violation."""
    folder = ROOT / "records" / "reference"
    config = load_sweep(folder / "SWEEP.toml")
    found = read_summary(folder)
    assert sweep_config(found.manifest["sweep"], recorded=True) == config
    assert [task["name"] for task in found.manifest["tasks"]] == [task.name for task in plan(config, 4)]
    assert found.manifest["failed"] == {}
    assert found.summary["violations"].sum() == 0
    assert (found.summary["seeds"] == len(config.seeds)).all()
