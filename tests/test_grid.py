"""Sweeps: the vectorised grid says at each point what the check of one run says there."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest
from runs import RUN, run_values

import localist
from theory.errors import DomainError, LocalistError
from theory.grid import make_grid, parse_axis, write_grid
from theory.needed import Standing
from theory.run_check import check_run
from theory.run_file import parse_run


def points(grid):
    chunks = list(grid.chunks())
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def test_every_point_agrees_with_the_check_of_its_run():
    values = run_values(optimizer=None, rules=None)
    texts = ["locality.margin=-2:8:2.5", "locality.dial=0,0.5,0.99", "targets.fidelity=0.3,0.9", "locality.block=1,32"]
    grid = make_grid(values, [parse_axis(text) for text in texts])
    found = points(grid)
    assert grid.points == found["leak_max"].size == 5 * 3 * 2 * 2
    for i in range(grid.points):
        run = parse_run(
            run_values(
                optimizer=None,
                rules=None,
                locality__margin=float(found["locality.margin"][i]),
                locality__dial=float(found["locality.dial"][i]),
                locality__block=int(found["locality.block"][i]),
                targets__fidelity=float(found["targets.fidelity"][i]),
            )
        )
        answer = check_run(run)
        top = answer.layers[-1]
        assert found["leak_max"][i] == pytest.approx(top.leak_max, rel=1e-12)
        assert found["entropy_max_nats"][i] == pytest.approx(top.entropy_max_nats, rel=1e-12)
        kept = sum(layer.standing is Standing.GUARANTEED for layer in answer.layers)
        assert found["localised_layers"][i] == kept
        assert found["guaranteed"][i] == answer.guaranteed


def test_entropy_targets_are_swept_too():
    values = run_values(optimizer=None, rules=None, targets__fidelity=None)
    grid = make_grid(values, [parse_axis("targets.entropy_bits=4,5.0,5.5,8"), parse_axis("locality.margin=0:12:3")])
    found = points(grid)
    by_target = found["localised_layers"].reshape(4, 5)
    assert by_target[0].max() == 0
    assert by_target[1].max() == 0
    assert by_target[2].max() == 6
    assert by_target[3].min() == 6


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_files_hold_what_was_computed(tmp_path, monkeypatch, capsys, suffix):
    run, out = tmp_path / "RUN.toml", tmp_path / f"grid{suffix}"
    run.write_text(RUN)
    words = ["--grid", "locality.dial=0:0.9:0.1", "--grid", "locality.margin=0:10:1", "--out", str(out), "--json"]
    monkeypatch.setattr(sys, "argv", ["localist", "check", str(run), *words])
    with pytest.raises(SystemExit) as stop:
        localist.main()
    assert stop.value.code == 0
    summary = json.loads(capsys.readouterr().out)
    table = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
    assert summary["points"] == len(table) == 110
    assert summary["guaranteed"] == int(table["guaranteed"].sum())
    assert table["locality.dial"].max() == pytest.approx(0.9)
    assert not list(tmp_path.glob("*.partial"))


def test_an_interrupted_sweep_leaves_nothing_half_written(tmp_path):
    grid = make_grid(run_values(), [parse_axis("locality.margin=0:10:1")])

    def interrupt(rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_grid(grid, tmp_path / "grid.csv", interrupt)
    assert list(tmp_path.iterdir()) == []


BAD = [
    ["locality.colour=0:1:0.1"],
    ["locality.dial"],
    ["locality.dial=0:1"],
    ["locality.dial=0:1:0"],
    ["locality.dial=1:0:0.1"],
    ["locality.dial=a,b"],
    ["locality.dial=0,nan"],
    ["locality.block=1.5,2"],
    ["locality.dial=0:1:1e-12"],
    ["locality.dial=0:1:0.5"],
    ["locality.block=8,256"],
    ["locality.margin=0:1:0.5", "locality.margin=0:1:0.5"],
]


@pytest.mark.parametrize("texts", BAD, ids=str)
def test_bad_grids_are_one_line(texts):
    with pytest.raises(LocalistError) as caught:
        make_grid(run_values(), [parse_axis(text) for text in texts])
    assert "\n" not in str(caught.value)


def test_a_block_that_outgrows_the_context_inside_the_grid_is_named():
    axes = [parse_axis("model.context=64,512"), parse_axis("locality.block=8,128")]
    grid = make_grid(run_values(rules=None), axes)
    with pytest.raises(DomainError, match=r"locality.block=128 must be smaller than model.context=64"):
        points(grid)
