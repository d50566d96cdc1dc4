"""`localist figures`: the records it draws, the stamps it writes, the input it refuses."""

import hashlib
import json
import shutil

import pandas as pd
import pytest
import typer
from PIL import Image
from recorded import REFERENCE, recorded, recorded_rows

from empirical.sweep.summary import read_summary
from figures.commands import figures
from figures.names import NAMES
from figures.pictures import schedules
from figures.sources import LONGEST_NAME, material, read_all
from localist import cli
from theory.errors import DomainError, InputError
from theory.statements.catalogue import find


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    recorded(folder / "distributed-0" / "measured", configuration="distributed")
    recorded(folder / "quintic-0" / "measured")
    recorded(folder / "quintic-0" / "dial", kind="dial")
    shutil.copytree(REFERENCE, folder / "swept")
    # The tasks of a sweep belong to the sweep and are not drawn separately.
    recorded(folder / "swept" / "tasks" / "linear-0.9-0" / "measured")
    return folder


@pytest.mark.parametrize("names", [["leak", "dial", "schedules"], pytest.param(None, marks=pytest.mark.slow)])
def test_command_draws_figures_with_stamps(runs, tmp_path, capsys, names):
    out = tmp_path / "out"
    figures(names, records=[runs], out=out, as_json=True)
    shown = json.loads(capsys.readouterr().out)["figures"]
    csv = {
        "thresholds": [out / "thresholds.csv"],
        "leak": [out / "leak.csv"],
        "entropy": [out / "entropy.csv"],
        "schedules": [runs / "swept" / "summary.csv", runs / "swept" / "rows.parquet"],
        "dial": [runs / "quintic-0" / "dial" / "rows.csv"],
        "layers": [runs / run / "measured" / "rows.csv" for run in ("distributed-0", "quintic-0")],
    }
    assert {*shown} == {*(names or NAMES)} - {"paths", "rules", "unseen", "cost", "measured", "rowdial", "maps"}
    for name in {*csv} & {*shown}:
        files = csv[name]
        stamps = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
        assert [source["sha256"] for source in shown[name]["drawn_from"]] == stamps
        with Image.open(shown[name]["png"]) as image:
            assert all(stamp in image.text["Source"] for stamp in stamps)
        assert shown[name]["faults"] == []
        stored = json.loads((out / f"{name}.json").read_text())
        assert stored["caption"] == image.text["Description"]
        assert stored["values_sha256"] == image.text["Values"]
        assert stored["values_sha256"].encode() in (out / f"{name}.svg").read_bytes()
        for id in stored["statements"]:
            assert f"**{id} ({find(id).name}): {find(id).title}.**" in (out / f"{name}.md").read_text()
    assert not list(out.glob("*.partial"))


def test_without_names_draws_every_figure_that_has_records(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("figures.commands.NAMES", ("phases", "dial", "layers", "schedules"))
    figures(records=[runs / "distributed-0"], out=tmp_path / "out")
    shown = capsys.readouterr().out
    assert "not drawn: figure 'dial' needs records" in shown
    assert "not drawn: figure 'schedules' needs records" in shown
    drawn = {path.stem for path in (tmp_path / "out").glob("*.png")}
    assert drawn == {"phases", "layers"}


def test_draws_one_sweep_and_refuses_two(runs, tmp_path):
    figures(["schedules"], records=[runs / "swept"], out=tmp_path / "out")
    assert (tmp_path / "out" / "schedules.pdf").is_file()
    shutil.copytree(REFERENCE, runs / "again")
    with pytest.raises(InputError, match="2 records of kind 'sweep' are more than the 1 that fits"):
        figures(["schedules"], records=[runs], out=tmp_path / "out")
    rows = read_summary(REFERENCE).summary
    with pytest.raises(DomainError, match="one sweep"):
        schedules.draw(pd.concat([rows] * 2, ignore_index=True))
    with pytest.raises(DomainError, match="lacks the configuration 'distributed'"):
        schedules.draw(rows.query("configuration != 'distributed'"))


def test_command_prints_paths_of_figures(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    figures(["layers"])
    assert "runs/figures/layers.png" in capsys.readouterr().out
    figures(["layers", str(runs / "quintic-0")], records=[runs / "distributed-0"])
    assert (tmp_path / "runs" / "figures" / "layers.pdf").is_file()


def test_equal_configurations_get_distinct_names(tmp_path):
    for run, seed in (("a", 0), ("b", 1), ("c", 1)):
        recorded(tmp_path / run / "measured", seed=seed)
    names = material(read_all([tmp_path, tmp_path / "a"]), "rows", "layers").rows["configuration"].unique()
    assert list(names) == ["quintic, seed 0, a", "quintic, seed 1, b", "quintic, seed 1, c"]


def test_runs_with_equal_shortened_names_are_numbered(tmp_path):
    for place in ("a", "b"):
        recorded(tmp_path / place / "run" / "measured", seed=10**40)
    names = material(read_all([tmp_path]), "rows", "layers").rows["configuration"].unique()
    assert list(names) == ["quintic, seed 10000000000 #1", "quintic, seed 10000000000 #2"]
    assert {len(name) for name in names} == {LONGEST_NAME}


def test_record_with_violations_is_drawn_with_status_1(tmp_path, capsys):
    rows = recorded_rows()
    rows.loc[3, "violations"] = 2
    recorded(tmp_path / "run" / "measured", rows)
    with pytest.raises(typer.Exit) as ended:
        figures(["layers"], records=[tmp_path / "run"], out=tmp_path / "out")
    assert ended.value.exit_code == 1
    assert "rows that violate a bound: 2" in capsys.readouterr().out
    assert (tmp_path / "out" / "layers.png").is_file()


def alter(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: alter(run / "measured" / "rows.csv", "3.1", "3.2"), "does not match its manifest"),
        (lambda run: (run / "measured" / "rows.csv").write_bytes(b"\xff\x00"), "does not match its manifest"),
        (lambda run: (run / "measured" / "rows.csv").unlink(), "rows.csv is missing"),
        (lambda run: (run / "measured" / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda run: (run / "measured" / "manifest.json").write_text("{"), "is not JSON"),
        (lambda run: alter(run / "measured" / "manifest.json", '"rows"', '"cows"'), "needs records of kind 'rows'"),
    ],
)
def test_damaged_record_is_refused_before_drawing(tmp_path, damage, message):
    recorded(tmp_path / "run" / "measured")
    damage(tmp_path / "run")
    with pytest.raises(InputError, match=message) as caught:
        figures(["leak", "layers"], records=[tmp_path / "run"], out=tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["layer"], f"figure 'layer' must be one of {', '.join(NAMES)}"),
        (["layers"], "needs records of kind 'rows'"),
        (["layers", "--records", "none"], "no folder of records at none"),
        (["layers", "--records", "empty"], "no records in empty"),
        (["layers", "--records", "empty", "layer"], "'layer' is neither a figure"),
        (["leak", "--out", "file/out"], "cannot write file/out"),
        (["thresholds", "--records", "nosuch"], "--records nosuch: thresholds is drawn without records"),
        (["leak", "--records", "empty"], "no records in empty"),
        (["measured", "--records", "empty"], "no records in empty"),
        (["thresholds", "dial", "--records", "nosuch"], "no folder of records at nosuch"),
        (["--records", "nosuch"], "no folder of records at nosuch"),
        (["thresholds", "--seed", "3"], "--seed 3: only leak and entropy draw rows at random, not thresholds"),
        (["leak", "--seed", "-1"], "--seed -1: must be greater than or equal to 0"),
    ],
)
def test_bad_input_is_one_line_with_status_2(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("sys.argv", ["localist", "figures", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert message in lines[0]


def test_figures_without_records_are_drawn_beside_an_empty_folder_of_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    figures(["leak"], as_json=True)
    (source,) = json.loads(capsys.readouterr().out)["figures"]["leak"]["drawn_from"]
    assert source["rows"] == "leak.csv"
    with pytest.raises(InputError, match="no records in runs"):
        figures(["leak", "measured"])


def test_refuses_more_records_than_fit_a_page(tmp_path):
    for index in range(4):
        recorded(tmp_path / f"run{index}" / "measured")
    with pytest.raises(InputError, match="4 records of kind 'rows' are more than the 3"):
        figures(["layers"], records=[tmp_path], out=tmp_path / "out")
