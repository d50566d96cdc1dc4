"""A sweep's summary file round-trips, and a damaged one is one clear line."""

import hashlib
import json

import pandas as pd
import pytest
from recorded import summarised

from empirical.csv_table import read_table
from empirical.sweep.summary import SUMMARY, read_summary
from figures.sources import read_all
from localist import cli
from theory.errors import InputError


def restamped(folder, old, new):
    """Changes the summary and updates the stated hash."""
    path = folder / "summary.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["summary_csv"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def stated(folder, **entries):
    """Changes the manifest; None removes an entry."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text()) | entries
    path.write_text(json.dumps({name: value for name, value in manifest.items() if value is not None}))


def test_summary_is_read_with_its_types(tmp_path):
    found = read_summary(summarised(tmp_path / "swept"))
    assert list(found.summary) == list(SUMMARY)
    assert list(found.summary["configuration"]) == ["distributed", "quintic"]
    assert {str(found.summary[name].dtype) for name in ("rows", "violations", "undecided", "seeds")} == {"int64"}
    assert {str(found.summary[name].dtype) for name in ("perplexity", "ratio_low")} == {"float64"}
    assert found.summary["ratio_low"].isna().all()
    assert found.digest == hashlib.sha256((tmp_path / "swept" / "summary.csv").read_bytes()).hexdigest()


def test_summary_without_finished_tasks_has_no_rows(tmp_path):
    found = read_summary(summarised(tmp_path / "swept", rows=0))
    assert len(found.summary) == 0
    assert list(found.summary) == list(SUMMARY)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: stated(folder, summary_csv=None), "summary_csv must state the sha256"),
        (lambda folder: stated(folder, summary_csv="x"), "summary_csv must state the sha256"),
        (lambda folder: stated(folder, summary_csv={"name": "x"}), "summary_csv must state the sha256"),
        (lambda folder: stated(folder, summary_csv={"sha256": "x"}), r"summary\.csv is missing or does not match"),
        (lambda folder: stated(folder, rows_parquet=None), "rows_parquet must state the sha256"),
        (lambda folder: stated(folder, rows_parquet=["x"]), "rows_parquet must state the sha256"),
        (lambda folder: (folder / "summary.csv").unlink(), r"summary\.csv is missing or does not match"),
        (lambda folder: (folder / "rows.parquet").unlink(), r"rows\.parquet is missing or does not match"),
        (lambda folder: (folder / "rows.parquet").write_bytes(b""), r"rows\.parquet is missing or does not match"),
        (lambda folder: restamped(folder, ",undecided", ",cows"), "1 columns are missing, first 'undecided'"),
        (lambda folder: restamped(folder, "0.5", "half"), "column 'largest_dial' must hold numbers, found 'half'"),
        (lambda folder: restamped(folder, ",3,", ",3.5,"), "column 'seeds' must hold integers from 0, found '3.5'"),
        (lambda folder: restamped(folder, ",3,", ",,"), "column 'seeds' must hold integers from 0, found ''"),
        (lambda folder: restamped(folder, ",3,", ",-3,"), "column 'seeds' must hold integers from 0, found '-3'"),
        (lambda folder: restamped(folder, ",3,", f",{10**30},"), "column 'seeds' must hold integers from 0"),
        (lambda folder: restamped(folder, "0.5,", "0.5,0.5,"), "row 1: "),
    ],
)
def test_damaged_summary_is_one_line(tmp_path, damage, message, monkeypatch, capsys):
    folder = summarised(tmp_path / "swept")
    damage(folder)
    with pytest.raises(InputError, match=message) as caught:
        read_summary(folder)
    assert "\n" not in str(caught.value)
    monkeypatch.setattr("sys.argv", ["localist", "figures", "schedules", "--records", str(folder)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "\n", '"', "a\0b"])
def test_refuses_a_summary_that_the_manifest_does_not_state(tmp_path, content):
    (tmp_path / "manifest.json").write_text('{"kind": "sweep"}')
    (tmp_path / "summary.csv").write_text(content)
    with pytest.raises(InputError, match="summary_csv must state"):
        read_all([tmp_path])
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / "summary.csv", SUMMARY, ())
    assert "\n" not in str(caught.value)


def test_numbers_are_read_exactly(tmp_path):
    value = 0.1 + 0.2
    pd.DataFrame({"a": [value, 1e-320], "b": [2**63 - 1, 0], "c": ["x, y\nz", ""], "d": [1, 2]}).to_csv(
        tmp_path / "t.csv", index=False, float_format="%.17g"
    )
    table = read_table(tmp_path / "t.csv", ("a", "b", "c"), ("b",), ("c",))
    assert list(table["a"]) == [value, 1e-320]
    assert list(table["b"]) == [2**63 - 1, 0]
    assert list(table["c"]) == ["x, y\nz", ""]
    assert list(table) == ["a", "b", "c"]
