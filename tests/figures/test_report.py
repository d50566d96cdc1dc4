"""`localist report`: every kind of folder, numbers equal to the records, equal bytes, the command."""

import json
import re
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from recorded import REFERENCE, recorded, recorded_rows, summarised
from reports import PROMISE, TIME, Page, alter, read, tops
from tiny import one_thread, tiny  # noqa: F401
from typer.testing import CliRunner

from empirical.measuring.measure import measure, measure_dial
from empirical.measuring.records import read_records
from empirical.sweep.summary import read_summary
from figures.report import page
from figures.report.calibrated import why_not_kept
from figures.report.page import LIMIT, report
from localist.cli import app
from theory.errors import InputError
from theory.files import read_json


def test_a_run_shows_every_record_in_it_and_its_figures(made):
    found = report(made, TIME)
    assert found.kinds == ("run", "audit", "calibration", "rows", "truncation")
    assert len(found.html.encode()) <= LIMIT
    shown = Page(found.html)
    pictures = [value for name, value in shown.attributes if name == "src"]
    assert len(pictures) == 4
    assert all(each.startswith("data:image/svg+xml;base64,") for each in pictures)
    labels = [value for name, value in shown.attributes if name == "alt"]
    assert [each.split(".")[0] for each in labels] == [
        f"Figure {name}" for name in ("layers", "dial", "unseen", "heads")
    ]
    assert found.verdicts[0].said.startswith(f"Promise “{PROMISE}”: broken as measured")
    assert found.faults
    # Nothing is loaded from elsewhere: no address but that of the figures, and a policy that forbids others.
    assert not re.search(r"https?:|url\(|@import", found.html)
    assert {value for name, value in shown.attributes if name == "href"} == {
        *(f"#part-{at}" for at in range(6)),
        "#figures",
        "#files",
        "#commands",
    }
    assert "default-src 'none'" in found.html


@pytest.mark.usefixtures("plain")
def test_numbers_of_the_heads_are_those_of_the_records(made):
    records = read_records(made / "measured")
    shown = read(made / "measured")
    for line in records.rows.to_dict("records"):
        head = shown.rows(f"heads of layer {line['layer']}")[line["head"]]
        assert head["rows"] == line["rows"]
        columns = ("fidelity_mean", "fidelity_min", "bound_fidelity_margin", "entropy_mean", "entropy_max")
        names = ("fidelity", "least row", "A2: at least", "entropy", "largest row")
        for column, name in zip(columns, names, strict=True):
            # The last layer has the hard mask's neighbour: undefined numbers are empty cells.
            assert head[name] == ("" if np.isnan(line[column]) else pytest.approx(line[column], rel=1e-15))
    for layer in shown.rows("layers"):
        part = records.rows[records.rows["layer"] == layer["layer"]]
        assert layer["rows"] == part["rows"].sum()
        assert layer["fidelity"] == pytest.approx(np.average(part["fidelity_mean"], weights=part["rows"]), rel=1e-14)


@pytest.mark.usefixtures("plain")
def test_worst_rows_are_those_of_the_row_file(made):
    shown, rows = read(made / "measured"), pd.read_parquet(made / "measured" / "rows.parquet")
    for layer in range(3):
        listed = shown.rows("worst rows", layer)
        for head in range(2):
            part = rows[(rows["layer"] == layer) & (rows["head"] == head)].sort_values(
                ["fidelity", "sequence", "position"]
            )
            found = [each for each in listed if each["head"] == head]
            assert [each["fidelity"] for each in found] == list(part["fidelity"][:3])
            assert [each["position"] for each in found] == list(part["position"][:3])


@pytest.mark.usefixtures("plain")
def test_numbers_of_the_other_records_are_theirs(made):
    shown = read(made)
    truncation = read_json(made / "truncated" / "truncation.json")["heads"]
    assert [each["largest leak"] for each in shown.rows("truncation")] == [each["leak_max"] for each in truncation]
    calibration = read_json(made / "calibrated" / "calibration.json")
    assert [each["dial chosen"] for each in shown.rows("dials")] == calibration["dials"]
    shares = [each["share of its rows that keep the fidelity"] for each in shown.rows("windows")]
    assert shares == calibration["check"]["shares"]
    audit = read_json(made / "audited" / "report.json")
    least = [each["measured"]["fidelity_least"] for each in audit["heads"] if each["layer"] == 0]
    assert [each["least row"] for each in shown.rows("heads of layer 0")] == least
    losses = read_json(made / "training.json")["losses"]
    assert [each["training loss (nats)"] for each in shown.rows("losses")] == [each["loss"] for each in losses]


@pytest.mark.usefixtures("plain")
def test_a_sweep_shows_its_summary_and_heads():
    found = report(REFERENCE, TIME)
    shown, summary = Page(found.html), read_summary(REFERENCE).summary
    assert found.kinds == ("sweep",)
    assert not found.faults
    for line, row in zip(shown.rows("summary"), summary.to_dict("records"), strict=True):
        assert line["schedule"] == row["configuration"]
        for name, column in (("perplexity", "perplexity"), ("ratio low", "ratio_low"), ("fidelity", "fidelity")):
            assert line[name] == row[column]
    tasks = read_json(REFERENCE / "manifest.json")["tasks"]
    assert sum(each["rows"] for each in shown.rows("tasks")) == sum(each["rows"] for each in tasks)
    assert f"{sum(each['rows'] for each in tasks):,} rows of {len(tasks)} tasks" in found.verdicts[0].said
    rows = pd.read_parquet(REFERENCE / "rows.parquet")
    first = rows[(rows["configuration"] == "distributed") & (rows["layer"] == 0) & (rows["head"] == 0)]
    head = shown.rows("heads of layer 0")[0]
    assert head["fidelity"] == pytest.approx(first["fidelity_mean"].mean(), rel=1e-14)
    assert head["least row"] == first["fidelity_min"].min()


@pytest.mark.usefixtures("plain")
def test_a_planted_violation_and_an_undecided_row_stand_at_the_top(tmp_path):
    rows = recorded_rows()
    rows.loc[3, ["violations", "violations_leak_margin"]] = 2
    rows.loc[1, "undecided"] = 5
    recorded(tmp_path / "run" / "measured", rows)
    first, second, *others = tops(tmp_path / "run")
    assert first == ("bad", "2 of 360,000 measured rows violate a bound.")
    assert second == ("open", "5 of 360,000 measured rows are undecided.")
    assert "good" not in [tone for tone, _ in others]
    shown = read(tmp_path / "run")
    assert shown.text.index("Problem:") < shown.text.index("Undecided:")
    assert {"Not as it should be: a bound, a promise or a record. See the problems below.", "2 violated"} <= set(
        shown.text
    )
    assert shown.rows("bounds")[0]["rows that violate it"] == 2


@pytest.mark.usefixtures("plain")
def test_undecided_rows_alone_are_no_success(tmp_path):
    rows = recorded_rows()
    rows.loc[1, "undecided"] = 5
    recorded(tmp_path / "run" / "measured", rows)
    found = report(tmp_path / "run")
    assert [each.tone for each in found.faults] == ["open"]
    result = CliRunner().invoke(app, ["report", str(tmp_path / "run"), "--no-open", "--out", str(tmp_path / "a.html")])
    assert result.exit_code == 1
    assert "5 of 360,000 measured rows are undecided." in result.output


def test_what_a_figure_finds_wrong_stands_at_the_top(tmp_path):
    rows = recorded_rows(dials=(0.0, 0.5, 1.0))
    rows.loc[rows["layer"] == 0, "prediction_error_fidelity"] = 0.4
    recorded(tmp_path / "run" / "dial", rows, kind="dial")
    # Also beside a record that is wrong in another way.
    wrong = recorded_rows()
    wrong.loc[3, "violations"] = 2
    recorded(tmp_path / "run" / "measured", wrong)
    first, second, *_ = report(tmp_path / "run").verdicts
    assert (first.tone, second.tone) == ("bad", "bad")
    assert first.said == "2 of 360,000 measured rows violate a bound."
    assert "the first layer is off its prediction by 4.0e-01" in second.why


@pytest.mark.usefixtures("plain")
def test_rows_of_another_measurement_are_not_shown(run):
    measure_dial(
        run, [0.0], sequences=1, out_dir=run / "dial", rows_file=run / "measured" / "rows.parquet", progress=False
    )
    html = report(run / "measured").html
    assert "rows.parquet belongs to another measurement" in html
    assert "Worst recorded rows" not in html
    (run / "measured" / "rows.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"rows\.parquet is no table"):
        report(run / "measured")
    # One folder up it need not be theirs.
    (run / "measured" / "rows.parquet").rename(run / "other.parquet")
    assert "Single rows were not kept" in report(run / "measured").html


@pytest.mark.usefixtures("plain")
def test_a_sample_of_rows_is_not_searched_for_the_worst_ones(run):
    measure(run, rows_file=run / "measured" / "rows.parquet", sample=5, sequences=3, progress=False)
    html = report(run / "measured").html
    assert "rows.parquet holds a sample of the rows, so it does not show the worst ones" in html
    assert "Worst recorded rows" not in html


@pytest.mark.usefixtures("plain")
def test_equal_folders_give_equal_bytes_but_for_the_time(made, run):
    first, second = report(made, TIME).html, report(run, datetime(2026, 5, 6, tzinfo=UTC)).html
    assert first != second
    blank = re.compile(r"<time>[^<]*</time>")
    assert blank.sub("", first) == blank.sub("", second)
    assert len(blank.findall(first)) == 1


def test_figures_are_equal_bytes_too(tmp_path):
    for name in ("a", "b"):
        recorded(tmp_path / name / "run" / "measured")
    assert report(tmp_path / "a" / "run", TIME).html == report(tmp_path / "b" / "run", TIME).html


@pytest.mark.usefixtures("plain")
def test_a_record_made_from_other_weights_is_out_of_date(run):
    manifest = run / "measured" / "manifest.json"
    digest = read_json(manifest)["files"]["model.safetensors"]
    (run / "measured" / "rows.parquet").unlink()
    alter(manifest, digest, "0" * 64)
    found = [each for each in report(run).verdicts if "out of date" in each.said]
    assert [each.tone for each in found] == ["warn"]
    assert "another model.safetensors than the folder holds now" in found[0].why
    assert "measured: rows" in found[0].said


@pytest.mark.usefixtures("plain")
def test_an_unfinished_run_and_failed_tasks_are_said_so(run, tmp_path):
    for path in (run / "training.json", run / "sha256.json"):
        path.unlink()
    assert ("warn", "The run is not finished.") in tops(run)
    folder = summarised(tmp_path / "swept", rows=0)
    manifest = read_json(folder / "manifest.json")
    (folder / "manifest.json").write_text(json.dumps(manifest | {"failed": {"quintic-0": "diverged"}, "tasks": []}))
    assert ("bad", "The task quintic-0 failed and is missing from every mean.") in tops(folder)


@pytest.mark.usefixtures("plain")
def test_commands_repeat_the_records(made):
    html = report(made, TIME).html
    commands = [re.sub("<[^>]*>", "", each) for each in re.findall(r'<pre class="command".*?</pre>', html)]
    assert "localist measure run --sequences 3 --rows rows.parquet" in commands
    assert "localist measure run --sequences 3 --dial 0,0.5" in commands
    assert "localist measure run --truncate 0.9 --sequences 3" in [each.split("  #")[0] for each in commands]
    assert any(
        each.startswith("localist calibrate run --fidelity 0.9 --rows 0.95 --max-loss 0.02 --fit 1")
        for each in commands
    )
    assert "localist audit --verify run/audited/report.json" in commands
    assert "localist train runs/again --config run/run.json" in commands
    assert commands[-1] == "localist report run"


def called(*words):
    return CliRunner().invoke(app, ["report", *map(str, words)])


@pytest.mark.usefixtures("plain")
def test_the_command_writes_the_page_and_prints_its_verdicts(tmp_path, monkeypatch):
    recorded(tmp_path / "run" / "measured")
    monkeypatch.chdir(tmp_path)
    result = called("run", "--no-open", "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert (shown["file"], shown["opened"], shown["kinds"]) == ("run-report.html", False, ["rows"])
    assert shown["bytes"] == (tmp_path / "run-report.html").stat().st_size
    assert shown["verdicts"][0]["tone"] == "good"
    assert called("run/measured", "--no-open", "--out", "b.htm").stdout == "b.htm\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nosuch"], "nosuch is neither a folder nor a file"),
        (["empty"], "nothing to report in empty: looked for run.json (a run), manifest.json with rows.csv"),
        (["run", "--out", "a.pdf"], "--out a.pdf must end in .html"),
        (["run", "--out", "audited/report.html"], "is the page of an audit"),
        (["other.json"], "other.json: kind is 'bench', which must be one of audit, calibration, truncation"),
        (["broken.json"], "broken.json is not JSON"),
        (["unfinished"], "unfinished holds a sweep without results"),
    ],
)
def test_bad_input_is_refused_in_one_line(tmp_path, monkeypatch, words, line):
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "audited", "unfinished"):
        (tmp_path / name).mkdir()
    (tmp_path / "audited" / "report.json").write_text("{}")
    (tmp_path / "unfinished" / "sweep.json").write_text("{}")
    (tmp_path / "other.json").write_text('{"kind": "bench"}')
    (tmp_path / "broken.json").write_text("{")
    recorded(tmp_path / "run" / "measured")
    result = called(*words, "--no-open")
    assert isinstance(result.exception, InputError)
    assert line in str(result.exception)
    assert "\n" not in str(result.exception)


def test_figures_that_do_not_fit_are_named(tmp_path, monkeypatch):
    recorded(tmp_path / "run" / "measured")
    monkeypatch.setattr(page, "LIMIT", 120_000)
    found = report(tmp_path / "run")
    assert len(found.html.encode()) <= 120_000
    assert "`localist figures layers` draws it" in found.html
    monkeypatch.setattr(page, "LIMIT", 1000)
    with pytest.raises(InputError, match=r"more than 1,000: report"):
        report(tmp_path / "run")


@pytest.mark.parametrize(
    ("share", "rise", "said"),
    [
        (0.9, 0.01, "NOT KEPT: only 0.9 of the rows keep it"),
        (0.96, 0.0425, "NOT KEPT: the loss rises by 0.0425 nats per token, more than the 0.02 allowed"),
        (0.9, 0.3, "NOT KEPT: only 0.9 of the rows keep it and the loss rises by 0.3 nats per token, more than"),
    ],
)
def test_a_calibration_that_is_not_kept_says_why(share, rise, said):
    about = {"rows": 0.95, "max_loss": 0.02, "check": {"share": share, "rise": rise}}
    assert why_not_kept(about).startswith(said)
