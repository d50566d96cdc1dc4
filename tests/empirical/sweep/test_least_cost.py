"""The schedule least-cost in checks, runs and sweeps: dials of a mean from measured curves, and the promise budget."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from failing import sweep_file

from empirical.config import run_config
from empirical.sweep.plan import load_sweep, plan, sweep_config, task_run
from empirical.sweep.sweep import sweep
from theory.design.measured_curves import least_cost_schedule
from theory.design.run_check import check_run
from theory.design.run_file import parse_run, read_run
from theory.errors import DomainError, InputError
from theory.numbers.dial_costs import least_cost_at_mean

LEVELS = [0.0, 0.5, 1.0]


@pytest.fixture
def calibration(tmp_path):
    """A file as `localist calibrate --compare` writes it, for one layer or more."""

    def write(layers=1, **changes):
        curves = [{"layer": i, "head": None, "losses": [0.0, 0.1 * (i + 1), 0.5]} for i in range(layers)]
        compare = [
            {"schedule": "uniform", "equal": "promise", "dials": [0.7] * layers},
            {"schedule": "uniform", "equal": "mean dial", "dials": [0.5] * layers},
            {"schedule": "quintic", "equal": "promise", "dials": None, "why": "no"},
        ]
        values = {"kind": "calibration", "levels": LEVELS, "curves": curves, "dials": [0.6] * layers, "fidelity": 0.6}
        path = tmp_path / "calibration.json"
        path.write_text(json.dumps(values | {"rows": 0.8, "compare": compare} | changes))
        return str(path)

    return write


@pytest.mark.parametrize("seed", range(4))
def test_no_choice_of_hundredths_with_the_sum_costs_less(seed):
    rng = np.random.default_rng(seed)
    curves = np.cumsum(rng.normal(0.1, 0.3, (2, 3)), axis=1)
    curves -= curves[:, :1]
    mean = rng.integers(0, 199) / 200
    found = least_cost_at_mean(LEVELS, curves, mean)
    units = round(200 * mean)

    def cost(dials):
        return sum(np.interp(dial, LEVELS, curve) for dial, curve in zip(dials, curves, strict=True))

    every = [(i / 100, (units - i) / 100) for i in range(100) if 0 <= units - i < 100]
    assert found.sum() == pytest.approx(2 * mean, abs=1e-12)
    assert cost(found) == pytest.approx(min(map(cost, every)), abs=1e-12)


def test_the_mean_is_met_between_hundredths():
    curves = [[0.0, 0.2, 0.9], [0.0, 0.1, 0.7], [0.0, 0.4, 0.5]]
    for mean in np.linspace(0, 0.99, 37):
        found = least_cost_at_mean(LEVELS, curves, mean)
        assert found.mean() == pytest.approx(mean, abs=1e-12)
        assert ((found >= 0) & (found < 1)).all()


@pytest.mark.parametrize(
    ("levels", "curves", "mean", "law"),
    [
        (LEVELS, [[0.0, 1.0]], 0.1, "must be items x levels"),
        ([0.0, 0.5], [[0.0, 1.0]], 0.1, "must rise from dial 0 to dial 1"),
        (LEVELS, [[0.0, 1.0, 2.0]], 1.0, r"must lie in \[0, 0.99\]"),
        (LEVELS, [[0.0, np.nan, 2.0]], 0.5, "curves"),
    ],
    ids=str,
)
def test_impossible_curves_are_refused(levels, curves, mean, law):
    with pytest.raises(DomainError, match=law):
        least_cost_at_mean(levels, curves, mean)


CHECKED = {
    "model": {"layers": 2, "context": 32},
    "locality": {"block": 8, "margin": 4.0, "schedule": "least-cost", "mean_dial": 0.4},
    "targets": {"fidelity": 0.5, "localised_layers": 1},
}


def test_check_decides_the_measured_dials(calibration):
    locality = CHECKED["locality"] | {"calibration": calibration(2)}
    answer = check_run(parse_run(CHECKED | {"locality": locality}))
    # Layer 0 costs half as much per dial up to 0.5, and then more.
    assert [layer.dial for layer in answer.layers] == pytest.approx([0.5, 0.3])
    assert answer.binding.layer == 0
    assert answer.schedule["mean_dial"] == pytest.approx(0.4)


def test_a_run_file_names_the_calibration_from_its_own_folder(calibration, tmp_path, monkeypatch):
    calibration(2)
    (tmp_path / "RUN.toml").write_text(
        '[model]\nlayers = 2\ncontext = 32\n[locality]\nblock = 8\nmargin = 4.0\nschedule = "least-cost"\n'
        'calibration = "calibration.json"\nmean_dial = 0.4\n'
    )
    monkeypatch.chdir("/")
    assert check_run(read_run(tmp_path / "RUN.toml")).schedule["budget"] == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"mean_dial": None}, "mean_dial must be given with schedule='least-cost'"),
        ({"schedule": "quintic"}, "calibration must be given with schedule='least-cost', and with no other"),
        ({"dial": 0.5}, "dial has no effect with schedule='least-cost'"),
    ],
    ids=str,
)
def test_a_check_refuses_half_a_schedule(calibration, changes, law):
    locality = CHECKED["locality"] | {"calibration": calibration(2)} | changes
    with pytest.raises(InputError, match=law):
        parse_run(CHECKED | {"locality": {name: value for name, value in locality.items() if value is not None}})


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"kind": "bench"}, "must be a calibration.json"),
        ({"curves": [{"layer": 0, "head": 1, "losses": [0, 0, 0]}]}, "has curves of heads"),
        ({"curves": [{"layer": 1, "head": None, "losses": [0, 0, 0]}]}, "one curve for each layer, in their order"),
        ({"curves": [{"layer": 0, "head": None, "losses": ["a", 0, 0]}]}, "one number for each level"),
        ({"levels": [0, 0.5, 0.9]}, "must rise from dial 0 to dial 1"),
    ],
    ids=str,
)
def test_a_damaged_calibration_is_refused(calibration, changes, law):
    with pytest.raises(InputError, match=law):
        least_cost_schedule.__wrapped__(calibration(1, **changes), 0.5)


def test_a_calibration_of_another_model_is_refused(calibration):
    locality = CHECKED["locality"] | {"calibration": calibration(3)}
    with pytest.raises(InputError, match=r"has curves of 3 layers, and model.layers=2"):
        check_run(parse_run(CHECKED | {"locality": locality}))


def test_a_run_records_its_measured_dials(calibration):
    given = {"schedule": "least-cost", "calibration": calibration(2), "mean_dial": 0.4}
    config = run_config({"locality": given})
    assert config.locality.dials(2) == pytest.approx([0.5, 0.3])
    with pytest.raises(DomainError, match="2 dials were given for 3 layers"):
        config.locality.dials(3)
    recorded = config.model_dump(mode="json")
    recorded["locality"]["calibration"] = "gone.json"
    assert run_config(recorded, recorded=True).locality.dials(2) == config.locality.dials(2)


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"mean_dial": None}, "mean_dial must be given with schedule 'least-cost'"),
        ({"largest_dial": 0.5}, "largest_dial has no effect with schedule 'least-cost'"),
        ({"layer_dials": [0.5, 0.5]}, "layer_dials is what calibration and mean_dial give"),
        ({"schedule": "cubic"}, "calibration must be given with schedule 'least-cost', and with no other"),
    ],
    ids=str,
)
def test_a_run_refuses_half_a_schedule(calibration, changes, law):
    given = {"schedule": "least-cost", "calibration": calibration(2), "mean_dial": 0.4} | changes
    with pytest.raises(DomainError, match=law):
        run_config({"locality": {name: value for name, value in given.items() if value is not None}})


NAMES = ["distributed", "localist", "quintic", "least-cost"]


def test_a_sweep_compares_at_equal_mean_dial_and_at_the_same_promise(calibration):
    values = {"configurations": NAMES, "seeds": [0], "mean_dial": 0.2, "calibration": calibration(4)}
    config = sweep_config(values)
    tasks = plan(config, 4)
    found = {(task.configuration, task.budgets): task.dials(4) for task in tasks}
    assert found["distributed", ("largest", "mean", "promise")] == [0.0] * 4
    assert found["localist", ("mean",)] == [0.2] * 4
    assert found["localist", ("promise",)] == [0.7] * 4
    assert sum(found["least-cost", ("mean",)]) == pytest.approx(0.8)
    assert found["least-cost", ("promise",)] == [0.6] * 4
    # The calibration says that quintic cannot keep the promise.
    assert not any(name == "quintic" and "promise" in budgets for name, budgets in found)
    assert len({task.name for task in tasks}) == len(tasks)
    for task in tasks:
        assert task_run(config, task, "base").locality.dials(4) == task.dials(4)


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"calibration": None}, "'least-cost' needs a calibration of the base"),
        ({"locality": {"largest_dial": 0.3}}, "locality.largest_dial is what a sweep varies"),
    ],
    ids=str,
)
def test_a_sweep_refuses_what_it_cannot_plan(calibration, changes, law):
    values = {"configurations": NAMES, "calibration": calibration(4)} | changes
    with pytest.raises(DomainError, match=law):
        sweep_config({name: value for name, value in values.items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"compare": None}, "localist calibrate --compare"),
        ({"dials": [[0.1]]}, "dials must be one number per layer"),
        ({"dials": [2.0]}, "dial 2.0 must lie in"),
    ],
    ids=str,
)
def test_a_calibration_without_promised_dials_is_refused(calibration, changes, law):
    with pytest.raises(InputError, match=law):
        sweep_config({"configurations": NAMES, "model": {"layers": 1}, "calibration": calibration(1, **changes)})


@pytest.mark.slow
def test_a_sweep_with_three_budgets_runs_and_is_summarised(calibration, text, tmp_path):
    path = sweep_file(tmp_path, text, f'calibration = "{calibration(1)}"\n')
    path.write_text(path.read_text().replace('"quintic"]', '"localist", "least-cost"]'))
    done = sweep(load_sweep(path), tmp_path / "sweep", progress=False)
    lines = done.summary.set_index(["budget", "configuration"])
    assert set(itertools.product(["mean", "promise"], ["localist", "least-cost"])) <= set(lines.index)
    assert lines.loc[("promise", "least-cost"), "mean_dial"] == pytest.approx(0.6)
    assert done.manifest["promise"] == {"fidelity": 0.6, "rows": 0.8}
