"""The plan of a sweep: its tasks, their dials and folders, and the sweeps recorded in the repository."""

import pytest
from repository import ROOT
from tiny import one_thread  # noqa: F401

from empirical.sweep.plan import BASELINE, load_sweep, mean_dial, plain, plan, sweep_config


def test_plan_lists_shared_tasks_once():
    config = sweep_config({"seeds": [0, 1]})
    tasks = plan(config, 12)
    assert len({task.name for task in tasks}) == len(tasks) == 2 * (2 * 5 - 2)
    for budget in ("largest", "mean"):
        assert {task.configuration for task in tasks if budget in task.budgets} == set(config.configurations)
    shared = {task.configuration for task in tasks if len(task.budgets) == 2}
    assert shared == {BASELINE, "quintic"}
    assert {task.largest_dial for task in tasks if "largest" in task.budgets} == {0.0, 0.9}


@pytest.mark.parametrize("name", ["reference", "gpt2-small"])
def test_recorded_sweeps_can_be_read(name):
    config = load_sweep(ROOT / "records" / name / "SWEEP.toml")
    assert len(plan(config, config.model.layers)) == 8 * len(config.seeds) >= 24


@pytest.mark.parametrize("mean", [0.45, 0.45 + 1e-11, 0.4500001])
def test_tasks_have_distinct_folders(mean):
    config = sweep_config({"configurations": ["distributed", "linear"], "seeds": [0], "mean_dial": mean})
    tasks = plan(config, 4)
    assert len({task.name for task in tasks}) == len(tasks)
    for budget in ("largest", "mean"):
        assert [task.configuration for task in tasks if budget in task.budgets] == ["distributed", "linear"]


def test_configuration_survives_recording():
    for choices in ({"corpus": {"text": ["a.txt"]}}, {"model": {"pretrained": "gpt2"}, "corpus": {"dataset": "b"}}):
        config = sweep_config({"seeds": [3], **choices})
        assert sweep_config(plain(config), recorded=True) == config


def test_mean_budget_gives_equal_mean_dials():
    from empirical.attention.schedule import layer_dials

    config = sweep_config({"configurations": ["distributed", "localist", "linear", "quadratic", "quintic"]})
    for task in plan(config, 6):
        if "mean" in task.budgets and task.configuration != BASELINE:
            dials = layer_dials(task.configuration, 6, task.largest_dial)
            assert sum(dials) / 6 == pytest.approx(mean_dial(config, 6), rel=1e-12)
