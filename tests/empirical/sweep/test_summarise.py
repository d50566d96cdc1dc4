"""Numbers of a sweep's summary, computed from records whose rows all differ."""

import math
import statistics

import numpy as np
import pandas as pd
import pytest

from empirical.attention.schedule import layer_dials
from empirical.measuring.records import BOUNDS, COLUMNS, COUNTS, Records
from empirical.sweep.plan import Task, sweep_config
from empirical.sweep.summary import SUMMARY, Finished, interval, summarise, write_summary
from theory.files import read_json, sha256_of

LAYERS, HEADS = 3, 2
# Quantiles of Student's t from tables.
T_975 = {1: 12.706204736, 2: 4.302652730}


def records(key, loss):
    """Records whose row counts and values differ between layers and heads."""
    generator = np.random.default_rng(key)
    rows = []
    for layer in range(LAYERS):
        for head in range(HEADS):
            row = {name: float(generator.uniform(0.1, 1)) for name in COLUMNS} | dict.fromkeys(COUNTS, 0)
            row |= {"layer": layer, "head": head, "rows": int(generator.integers(10, 1000))}
            row |= {"violations": int(generator.integers(0, 5)), "undecided": int(generator.integers(0, 5))}
            rows.append(row)
    passes = [{"loss": loss, "perplexity": math.exp(loss)}, {"loss": 99.0, "perplexity": 99.0}]
    manifest = {"passes": passes, "held_out_tokens": 7, "training": {}, "weights_sha256": "w", "corpus": {"name": "c"}}
    return Records(pd.DataFrame(rows, columns=list(COLUMNS)), manifest)


LOSSES = {
    ("distributed", 0): 4.0,
    ("distributed", 1): 4.5,
    ("distributed", 2): 5.5,
    ("quintic", 0): 4.1,
    ("quintic", 1): 4.9,
    ("quintic", 2): 5.4,
}
BOTH = ("largest", "mean")
CONFIG = sweep_config({"seeds": [0, 1, 2], "configurations": ["distributed", "quintic"], "largest_dial": 0.8})


@pytest.fixture
def finished():
    return [
        Finished(Task(name, 0.0 if name == "distributed" else 0.8, seed, BOTH), records(index, loss))
        for index, ((name, seed), loss) in enumerate(LOSSES.items())
    ]


def line(summary, budget, name):
    (found,) = summary[(summary["budget"] == budget) & (summary["configuration"] == name)].to_dict("records")
    return found


def weighted(chosen, column, layer=None):
    rows = [row for each in chosen for row in each.records.rows.to_dict("records") if layer in (None, row["layer"])]
    return sum(row[column] * row["rows"] for row in rows) / sum(row["rows"] for row in rows)


@pytest.mark.parametrize("name", ["distributed", "quintic"])
def test_line_averages_over_all_rows_of_all_seeds(finished, name):
    found = line(summarise(CONFIG, LAYERS, finished), "mean", name)
    chosen = [each for each in finished if each.task.configuration == name]
    assert found["entropy"] == pytest.approx(weighted(chosen, "entropy_mean"), rel=1e-12)
    assert found["fidelity"] == pytest.approx(weighted(chosen, "fidelity_mean"), rel=1e-12)
    assert found["last_layer_entropy"] == pytest.approx(weighted(chosen, "entropy_mean", 2), rel=1e-12)
    assert found["last_layer_fidelity"] == pytest.approx(weighted(chosen, "fidelity_mean", 2), rel=1e-12)
    for count in ("rows", "violations", "undecided"):
        assert found[count] == sum(int(each.records.rows[count].sum()) for each in chosen)
    for bound in BOUNDS:
        column = f"slack_{bound}_min"
        values = [value for each in chosen for value in each.records.rows[column]]
        assert found[column] == min(values)
        assert len(set(values)) == 3 * LAYERS * HEADS
    assert found["seeds"] == 3
    assert found["largest_dial"] == (0.8 if name == "quintic" else 0.0)
    assert found["mean_dial"] == pytest.approx(sum(layer_dials(name, LAYERS, found["largest_dial"])) / LAYERS)


def test_perplexities_and_ratios_have_student_t_intervals(finished):
    summary = summarise(CONFIG, LAYERS, finished)
    assert list(summary) == list(SUMMARY)
    for budget in BOTH:
        for name in ("distributed", "quintic"):
            found = line(summary, budget, name)
            losses = [LOSSES[name, seed] for seed in range(3)]
            against = [LOSSES[name, seed] - LOSSES["distributed", seed] for seed in range(3)]
            for label, values in (("perplexity", losses), ("ratio", against)):
                half = T_975[2] * statistics.stdev(values) / math.sqrt(3)
                mean = statistics.fmean(values)
                assert found[label] == pytest.approx(math.exp(mean), rel=1e-9)
                assert found[f"{label}_low"] == pytest.approx(math.exp(mean - half), rel=1e-8)
                assert found[f"{label}_high"] == pytest.approx(math.exp(mean + half), rel=1e-8)


def test_interval_of_two_values():
    mean, low, high = interval([1.0, 3.0])
    assert (mean, low, high) == (2.0, pytest.approx(2 - T_975[1]), pytest.approx(2 + T_975[1]))


def test_ratio_uses_seeds_that_both_finished(finished):
    without = [each for each in finished if (each.task.configuration, each.task.seed) != ("distributed", 1)]
    found = line(summarise(CONFIG, LAYERS, without), "largest", "quintic")
    assert found["seeds"] == 3
    assert found["ratio"] == pytest.approx(math.exp((0.1 - 0.1) / 2))
    assert found["ratio_high"] == pytest.approx(math.exp(T_975[1] * 0.1), rel=1e-6)
    none = [each for each in finished if each.task.configuration != "distributed"]
    found = line(summarise(CONFIG, LAYERS, none), "largest", "quintic")
    assert math.isnan(found["ratio"])
    assert found["perplexity"] == pytest.approx(math.exp((4.1 + 4.9 + 5.4) / 3))


def test_budget_has_only_its_own_tasks():
    tasks = [
        Finished(Task("distributed", 0.0, 0, BOTH), records(0, 4.0)),
        Finished(Task("quintic", 0.8, 0, ("largest",)), records(1, 4.2)),
        Finished(Task("quintic", 0.9, 0, ("mean",)), records(2, 4.7)),
    ]
    summary = summarise(CONFIG, LAYERS, tasks)
    assert list(zip(summary["budget"], summary["configuration"], strict=True)) == [
        (budget, name) for budget in BOTH for name in ("distributed", "quintic")
    ]
    assert [line(summary, budget, "quintic")["largest_dial"] for budget in BOTH] == [0.8, 0.9]
    ratios = [line(summary, budget, "quintic")["ratio"] for budget in BOTH]
    assert ratios == pytest.approx([math.exp(0.2), math.exp(0.7)])
    assert math.isnan(line(summary, "mean", "quintic")["perplexity_low"])


def test_files_hold_every_row_with_its_task_and_the_hashes(tmp_path, finished):
    done = write_summary(tmp_path, CONFIG, LAYERS, finished, {"quintic-1-7": "failed"}, finished[0].records)
    manifest = read_json(tmp_path / "manifest.json")
    assert manifest["summary_csv"]["sha256"] == sha256_of(tmp_path / "summary.csv") == done.digest
    assert manifest["rows_parquet"]["sha256"] == sha256_of(tmp_path / "rows.parquet")
    assert manifest["failed"] == {"quintic-1-7": "failed"}
    assert manifest["base"]["loss"] == 4.0
    assert manifest["corpus"] == {"name": "c"}
    for each, task in zip(finished, manifest["tasks"], strict=True):
        assert (task["name"], task["seed"], task["loss"]) == (
            each.task.name,
            each.task.seed,
            LOSSES[each.task.configuration, each.task.seed],
        )
        assert task["rows"] == each.records.rows["rows"].sum()
    rows = pd.read_parquet(tmp_path / "rows.parquet")
    assert list(rows) == ["configuration", "largest_dial", "seed", *COLUMNS]
    for each in finished:
        mine = rows[(rows["configuration"] == each.task.configuration) & (rows["seed"] == each.task.seed)]
        assert set(mine["largest_dial"]) == {each.task.largest_dial}
        pd.testing.assert_frame_equal(mine[list(COLUMNS)].reset_index(drop=True), each.records.rows)
