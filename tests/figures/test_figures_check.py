"""`localist figures --check`: committed figures against the values of the records; a changed value is named."""

import json
import shutil

import pandas as pd
import pyarrow.parquet as pq
import pytest
import typer
from recorded import REFERENCE

from empirical.seal import sealed
from empirical.sweep.summary import read_summary
from figures.commands import figures
from figures.drawing import draw_all
from figures.pictures import schedules
from figures.stamp import digest
from figures.values import differences, drawn_values, to_json
from theory.errors import DomainError, InputError


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A copy of the reference sweep and its committed figure."""
    folder = tmp_path_factory.mktemp("drawn")
    shutil.copytree(REFERENCE, folder / "reference")
    draw_all(["schedules"], [folder], folder / "figures")
    return folder


@pytest.fixture
def committed(drawn, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(drawn, tmp_path / "records")


def check(committed, capsys, status):
    """Lines of `--check` on the copy; asserts its exit status."""
    try:
        figures(["schedules"], records=[committed], out=committed / "figures", check=True)
        ended = 0
    except typer.Exit as exit:
        ended = exit.exit_code
    assert ended == status
    return capsys.readouterr().out.splitlines()


def change(folder, column, change, *, restamp):
    """Changes a value of `summary.csv` by hand; with `restamp` its manifest too."""
    path = folder / "reference" / "summary.csv"
    table = pd.read_csv(path)
    table.loc[2, column] = change(table.loc[2, column])
    table.to_csv(path, index=False, float_format="%.10g", lineterminator="\n")
    if restamp:
        manifest = folder / "reference" / "manifest.json"
        stated = json.loads(manifest.read_text())
        stated["summary_csv"]["sha256"] = digest(path.read_bytes())
        manifest.write_text(json.dumps(stated))


@pytest.mark.parametrize("restamp", [False, True])
def test_a_value_changed_by_hand_is_named(committed, capsys, restamp):
    assert check(committed, capsys, 0) == ["schedules: current"]
    change(committed, "ratio", lambda value: value + 1e-6, restamp=restamp)
    lines = check(committed, capsys, 1)
    assert any("does not match its manifest" in line for line in lines) != restamp
    where = "schedules: panel 1 (perplexity / distributed), line 'linear, ratio'"
    assert f"{where}, value 2 of 2: recorded 0.9954345261, drawn 0.9954355261" in lines


def test_a_value_moved_out_of_its_interval_is_drawn_and_a_fault(committed, capsys):
    change(committed, "ratio", lambda value: value - 0.01, restamp=True)
    assert any("drawn 0.9854345261" in line for line in check(committed, capsys, 1))
    rows = read_summary(committed / "reference").summary
    assert schedules.faults(rows) == ["same largest dial: linear: ratio outside its interval"]


def test_many_differences_are_counted(committed, capsys):
    path = committed / "figures" / "schedules.json"
    stored = json.loads(path.read_text())
    stored["values"] = [each | {"values": [None]} for each in stored["values"]]
    path.write_text(json.dumps(stored))
    lines = check(committed, capsys, 1)
    assert len(lines) == 6
    assert lines[-1] == f"schedules: and {len(stored['values']) - 5} more differences"


def test_records_that_cannot_be_drawn_are_stale(committed, capsys):
    path = committed / "reference" / "summary.csv"
    original = path.read_text()
    path.write_text(original.replace("distributed", "spread"))
    (line,) = check(committed, capsys, 1)
    assert line == (
        "schedules: committed, but cannot be drawn: "
        "summary.csv names 'spread' under the budget 'largest', which no task of the manifest has"
    )
    path.write_text(original.replace("mean,cubic", "neither,cubic"))
    (line,) = check(committed, capsys, 1)
    assert "names 'cubic' under the budget 'neither', which no task of the manifest has" in line
    path.write_text("".join(each for each in original.splitlines(True) if "distributed" not in each))
    (line,) = check(committed, capsys, 1)
    assert line.startswith("schedules: cannot be drawn any more: the summary lacks the configuration 'distributed'")
    path.write_text(original)
    manifest = committed / "reference" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed": 3', '"seed": 7'))
    (line,) = check(committed, capsys, 1)
    assert line.startswith("schedules: committed, but cannot be drawn: rows.parquet holds no rows of the task ")


@pytest.mark.slow
def test_only_figures_drawn_from_a_changed_file_are_stale(drawn, tmp_path, capsys):
    committed = shutil.copytree(drawn, tmp_path / "records")
    names = ["schedules", "frontier", "heads"]
    draw_all(names, [committed], committed / "figures")
    change(committed, "ratio", lambda value: value + 1e-6, restamp=False)
    with pytest.raises(typer.Exit):
        figures(names, records=[committed], out=committed / "figures", check=True, as_json=True)
    stale = json.loads(capsys.readouterr().out)["stale"]
    assert list(stale) == ["schedules"]
    assert stale["schedules"][0] == "summary.csv does not match its manifest"


def test_a_changed_value_that_is_not_drawn_leaves_the_figure_current(committed, capsys):
    change(committed, "slack_leak_margin_min", lambda value: value + 1, restamp=True)
    assert check(committed, capsys, 0) == ["schedules: current"]


def test_other_copies_are_stale(committed, capsys):
    path = committed / "figures" / "schedules.json"
    original = path.read_text()
    stored = json.loads(original)
    stored["values"][3]["values"][0] += 0.5
    path.write_text(json.dumps(stored))
    assert ", value 1 of " in check(committed, capsys, 1)[0]
    path.write_text(original.replace(stored["values_sha256"], "0" * 64))
    names = [f"schedules.{suffix}" for suffix in ("png", "pdf", "svg")]
    assert check(committed, capsys, 1) == [f"schedules: {name} does not show the committed values" for name in names]
    path.write_text(original.replace("perplexity", "complexity", 1))
    assert check(committed, capsys, 1) == ["schedules: the caption differs from the statements'"]
    path.unlink()
    assert check(committed, capsys, 1) == [f"schedules: {path} is missing"]


def test_figures_that_cannot_be_drawn_any_more_are_stale(committed, capsys):
    shutil.rmtree(committed / "reference")
    (committed / "bench").mkdir()
    shutil.copy(REFERENCE.parent / "bench" / "gate.json", committed / "bench")
    (line,) = check(committed, capsys, 1)
    assert line.startswith("schedules: committed, but cannot be drawn: figure 'schedules' needs records")


def test_differences_name_what_is_new_and_what_is_gone():
    rows = read_summary(REFERENCE).summary
    values = drawn_values(schedules.draw(rows))
    assert differences(to_json(values), values) == []
    assert differences(to_json(values)[:-1], values) == [f"recorded series: {len(values) - 1}, drawn: {len(values)}"]
    fewer = drawn_values(schedules.draw(rows[rows["configuration"] != "cubic"]))
    assert differences(to_json(values), fewer)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"check": True, "seed": 1}, DomainError, "--seed 1: committed figures are drawn with seed 0"),
        ({"names": ["leak"], "every": True}, DomainError, "--all draws every figure: leave out the name 'leak'"),
        ({"check": True}, InputError, "no committed figures at records/figures"),
        ({"every": True}, InputError, "no folder of records at records"),
    ],
)
def test_options_without_effect_are_refused(tmp_path, monkeypatch, options, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        figures(**options)


SEALED = "does not match the SHA-256 of its rows"


def changed_leak(path):
    """Changes a leak of a row file by hand, and keeps its metadata."""
    table, stated = pq.read_table(path), pq.read_metadata(path).metadata
    leaks = table["leak"].to_numpy().copy()
    leaks[7] += 1e-4
    place = table.column_names.index("leak")
    pq.write_table(table.set_column(place, table.field("leak"), [leaks]).replace_schema_metadata(stated), path)


def changed_text(column):
    """Changes a number of a column of a CSV table by hand."""

    def change(path):
        lines = path.read_text().splitlines()
        place = lines[0].split(",").index(column)
        cells = lines[5].split(",")
        cells[place] = str(float(cells[place]) + 1e-3)
        path.write_text("\n".join([*lines[:5], ",".join(cells), *lines[6:]]) + "\n")

    return change


@pytest.mark.parametrize(
    ("file", "change", "reason", "figures_of"),
    [
        ("distributed/measured/rows.parquet", changed_leak, SEALED, "measured leak entropy"),
        pytest.param("distributed/dial/rows.parquet", changed_leak, SEALED, "rowdial", marks=pytest.mark.slow),
        ("distributed/dial/rows.csv", changed_text("entropy_mean"), "rows.csv does not match its manifest", "dial"),
        pytest.param(
            "localist/maps/maps.csv",
            changed_text("k2"),
            "maps.csv does not match its manifest",
            "maps",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_values_of_trained_runs_changed_by_hand_are_named(tmp_path, capsys, file, change, reason, figures_of):
    names = ["leak", "entropy", "dial", "rowdial", "measured", "maps"]
    shutil.copytree(REFERENCE.parent / "trained", tmp_path / "trained")
    change(tmp_path / "trained" / file)
    with pytest.raises(typer.Exit):
        figures(names, records=[tmp_path], out=REFERENCE.parent / "figures", check=True, as_json=True)
    stale = json.loads(capsys.readouterr().out)["stale"]
    assert sorted(stale) == sorted(figures_of.split())
    for name, lines in stale.items():
        assert reason in lines[0]
        # The first shows three other rows, the second no leak.
        assert (len(lines) == 1) if name in ("rowdial", "entropy") else "recorded " in lines[1]
    with pytest.raises(InputError, match=reason):
        figures(names, records=[tmp_path], out=tmp_path / "out")


def test_committed_figures_are_current(monkeypatch, capsys):
    monkeypatch.chdir(REFERENCE.parents[1])
    figures(check=True, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert shown["stale"] == {}
    assert {"schedules", "leak", "entropy", "thresholds"} <= {*shown["checked"]}


def test_an_edited_calibration_is_refused_and_an_unsealed_one_drawn(tmp_path, capsys):
    folder = shutil.copytree(REFERENCE.parent / "calibration", tmp_path / "calibration")
    committed = shutil.copytree(REFERENCE.parent / "figures", tmp_path / "figures")
    path = folder / "gpt2-0.9.json"
    about = sealed(json.loads(path.read_text()))
    for content in (json.loads(path.read_text()), about):
        path.write_text(json.dumps(content))
        figures(["unseen"], records=[folder], out=committed, check=True)
    assert capsys.readouterr().out.splitlines() == ["unseen: current"] * 2
    # Also a value that the figure does not draw.
    path.write_text(json.dumps(about | {"device": "another"}))
    with pytest.raises(InputError, match=r"gpt2-0\.9\.json was changed since it was written"):
        figures(["unseen"], records=[folder], out=committed, check=True)
