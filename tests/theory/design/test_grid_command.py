"""`localist check RUN.toml --grid`: the files it writes, the summary it prints, the grids it refuses."""

from __future__ import annotations

import json
import sys

import pandas as pd
import pytest
from runs import RUN, run_values
from test_grid import points, row_run

from localist import cli
from theory.design.grid import make_grid, parse_axis, write_grid
from theory.errors import DomainError, InputError, LocalistError


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_files_hold_the_computed_grid(tmp_path, monkeypatch, capsys, suffix):
    run, out = tmp_path / "RUN.toml", tmp_path / f"grid{suffix}"
    run.write_text(RUN)
    words = ["--grid", "locality.dial=0:0.9:0.1", "--grid", "locality.margin=-1:9:1", "--out", str(out), "--json"]
    monkeypatch.setattr(sys, "argv", ["localist", "check", str(run), *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    summary = json.loads(capsys.readouterr().out)
    table = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
    assert summary["points"] == len(table) == 110
    assert summary["guaranteed"] == int(table["guaranteed"].sum())
    assert table["locality.dial"].max() == pytest.approx(0.9)
    assert not list(tmp_path.glob("*.partial"))


def test_refuses_a_margin_beyond_the_range_inside_the_grid():
    values = row_run(fidelity=0.5)
    values["locality"]["logit_range"] = 9.0
    axes = [parse_axis("locality.margin=0,5"), parse_axis("locality.logit_range=3,9")]
    with pytest.raises(DomainError, match=r"locality.margin=5 must be at most locality.logit_range=3 times"):
        points(make_grid(values, axes))
    edge = [parse_axis("locality.margin=2.9999999999999996,3"), parse_axis("locality.logit_range=3,9")]
    assert points(make_grid(values, edge))["leak_max"].size == 4


def test_summary_names_the_file_and_counts_only_with_a_target(tmp_path, monkeypatch, capsys):
    run = tmp_path / "RUN.toml"
    run.write_text("[model]\nlayers = 2\ncontext = 16\n[locality]\nblock = 8\nmargin = 1.0\n")
    for targets, words, said in [
        ("", [], "2 points, with no target to guarantee"),
        ("", ["--json"], '"guaranteed": null'),
        ("[targets]\nfidelity = 0.6\n", [], "1 of 2 points guaranteed"),
    ]:
        run.write_text(run.read_text() + targets)
        out = tmp_path / "g[red]x:dog:.csv"
        words = ["--grid", "locality.margin=0,3", "--out", str(out), *words]
        monkeypatch.setattr(sys, "argv", ["localist", "check", str(run), *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        printed = capsys.readouterr().out
        assert stop.value.code == 0
        assert said in printed
        assert str(out) in printed
        assert ("guaranteed" in pd.read_csv(out)) is bool(targets)


def test_interrupted_grid_leaves_no_file(tmp_path):
    grid = make_grid(run_values(), [parse_axis("locality.margin=0:9:1")])

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
    ["locality.margin=0:9e9:1"],
    ["locality.margin=0:1:0.5", "locality.margin=0:1:0.5"],
]


@pytest.mark.parametrize("texts", BAD, ids=str)
def test_malformed_grid_is_one_line(texts):
    with pytest.raises(LocalistError) as caught:
        make_grid(run_values(), [parse_axis(text) for text in texts])
    assert "\n" not in str(caught.value)


def test_refuses_a_block_beyond_the_context_inside_the_grid():
    axes = [parse_axis("model.context=64,512"), parse_axis("locality.block=8,128")]
    grid = make_grid(run_values(rules=None), axes)
    with pytest.raises(InputError, match=r"locality.block=128 must be smaller than model.context=64"):
        points(grid)
