"""`localist report`: every kind of folder, numbers equal to the records, refusals, escaping, equal bytes."""

import gzip
import json
import re
import shutil
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from recorded import REFERENCE, recorded, recorded_rows, summarised
from tiny import one_thread, tiny  # noqa: F401
from typer.testing import CliRunner

from empirical.audit.files import write_audit
from empirical.audit.manifest import Options
from empirical.audit.report import content_hash
from empirical.calibration.calibrate import calibrate
from empirical.measuring.measure import measure, measure_dial
from empirical.measuring.records import read_records
from empirical.measuring.truncation import measure_truncation
from empirical.sweep.summary import read_summary
from empirical.training.train import train
from figures.report import page
from figures.report.page import LIMIT, report
from localist.cli import app
from theory.errors import InputError
from theory.files import read_json

EVIL = '<script>alert("x")</script>&\'<img src=http://evil>'
PROMISE = "fidelity>=0.9 in layers 1"
TIME = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run with every record inside."""
    run = train(tiny(training={"steps": 2}), tmp_path_factory.mktemp("made") / "run", progress=False)
    few = {"sequences": 3, "progress": False}
    measure(run, rows_file=run / "measured" / "rows.parquet", **few)
    measure_dial(run, [0.0, 0.5], **few)
    measure_truncation(run, 0.9, sequences=3)
    calibrate(run, fit=1, check=2, levels=(0.0, 0.5, 1.0), progress=False)
    write_audit(run, options=Options(sequences=3, promises=(PROMISE,)), progress=False)
    return run


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "run")


@pytest.fixture
def plain(monkeypatch):
    """Without figures, which take most of the time."""
    monkeypatch.setattr(page, "figures_of", lambda paths, room: ("", []))


class Page(HTMLParser):
    """Tags, attributes and text of a page, and its tables by name: dictionaries from heading to (text, value)."""

    def __init__(self, html):
        super().__init__()
        self.open, self.seen, self.attributes, self.text, self.tables, self.cell = [], [], [], [], {}, None
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "img"):
            self.open.append(tag)
        if tag == "table":
            self.table = self.tables.setdefault(about["data-table"], [])
            self.table.append([])
        elif tag == "tr":
            self.table[-1].append([])
        elif tag in ("td", "th"):
            self.cell = ["", about.get("data-value")]
            self.table[-1][-1].append(self.cell)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag in ("td", "th"):
            self.cell = None

    def handle_data(self, data):
        self.text.append(data)
        if self.cell is not None:
            self.cell[0] += data

    def rows(self, name, number=0):
        """Rows of a table: values of numbers, else texts."""
        head, *body = self.tables[name][number]
        names = [text for text, _ in head]
        return [
            dict(zip(names, (text if value is None else float(value) for text, value in row), strict=True))
            for row in body
        ]


def read(folder):
    return Page(report(folder, TIME).html)


def tops(folder):
    return [(each.tone, each.said) for each in report(folder, TIME).verdicts]


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


def texts(value, place=""):
    """Holder, key and place of every text in a JSON value, and of every key."""
    for key, each in list(value.items() if isinstance(value, dict) else enumerate(value)):
        inner = f"{place}.{key}" if isinstance(value, dict) else f"{place}[]"
        if isinstance(each, str):
            yield value, key, inner
        elif isinstance(each, dict | list):
            yield from texts(each, inner)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    ("file", "step"),
    [
        ("audited/report.json", 5),
        ("calibrated/calibration.json", 3),
        ("truncated/truncation.json", 3),
        *(
            pytest.param(f"{name}.json", 1, marks=pytest.mark.slow)
            for name in ("audited/report", "calibrated/calibration")
        ),
    ],
)
def test_hostile_texts_of_a_report_are_escaped(run, file, step):
    """Every `step`-th text is replaced by markup, one at a time."""
    path, tags, reached = run / file, set(read(run).seen), 0
    original = read_json(path)
    for place in sorted({place for _, _, place in texts(original)})[::step]:
        planted = json.loads(json.dumps(original))
        holder, key = next((holder, key) for holder, key, each in texts(planted) if each == place)
        holder[key] = EVIL
        if "sha256" in planted:
            planted["sha256"] = content_hash(planted)
        path.write_text(json.dumps(planted))
        try:
            html = report(path, TIME).html
        except InputError:
            # Words that decide something, such as the kind, and hashes.
            continue
        assert EVIL not in html
        assert set(Page(html).seen) <= tags
        reached += "&lt;script&gt;" in html
    assert reached >= 10 / step


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("place", ["layer", "head", "dial", "rows", "violations", "undecided"])
def test_markup_in_the_place_of_a_number_is_refused(run, place):
    path = run / "audited" / "report.json"
    planted = read_json(path)
    for each in planted["heads"]:
        each[place] = EVIL
    path.write_text(json.dumps(planted | {"sha256": content_hash(planted)}))
    with pytest.raises(InputError, match="is no record of kind 'audit'"):
        report(path)


@pytest.mark.usefixtures("plain")
def test_hostile_names_are_escaped(tmp_path):
    name = EVIL.replace("/", "\u2215")
    recorded(tmp_path / name / "measured", configuration=EVIL, run=EVIL, seal="unsealed", versions={EVIL: EVIL})
    html = report(tmp_path / name, TIME).html
    assert EVIL not in html
    assert name not in html
    assert html.count("&lt;script&gt;") > 5
    assert Page(html).seen.count("script") == 1
    assert "unsealed" in html


def test_an_unescaped_text_would_be_found(tmp_path, monkeypatch, plain):
    monkeypatch.setattr("theory.pages.escape", str)
    recorded(tmp_path / "run" / "measured", configuration=EVIL)
    assert EVIL in report(tmp_path / "run").html


def alter(path, old, new):
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))


def alter_row(run):
    path = run / "measured" / "rows.parquet"
    table = pq.read_table(path)
    rows = table.to_pandas()
    rows.loc[rows["fidelity"].idxmin(), "fidelity"] = 0.5
    metadata = pq.read_metadata(path).metadata
    changed = table.from_pandas(rows, preserve_index=False).replace_schema_metadata(metadata)
    pq.write_table(changed, path)


def alter_exceptions(run):
    report_path = run / "audited" / "report.json"
    about = read_json(report_path)
    about["exceptions"]["file"] = "exceptions.jsonl.gz"
    about["sha256"] = content_hash(about)
    report_path.write_text(json.dumps(about))
    with gzip.open(run / "audited" / "exceptions.jsonl.gz", "wt") as file:
        file.write("{}\n")


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    ("change", "named", "why"),
    [
        (lambda run: alter(run / "training.json", '"steps": 2', '"steps": 3'), "training.json", "was changed: SHA-256"),
        (lambda run: alter(run / "measured" / "rows.csv", "0.", "1."), "rows.csv", "does not match its manifest"),
        (
            lambda run: alter(run / "measured" / "manifest.json", '"violations": 0', '"violations": 1'),
            "manifest.json",
            "the rows of rows.csv add up to 0",
        ),
        (
            lambda run: alter(run / "audited" / "report.json", '"rows_kept"', '"rows_kapt"'),
            "report.json",
            "was changed",
        ),
        (alter_row, "rows.parquet", "its records state"),
        (alter_exceptions, "exceptions.jsonl.gz", "was changed: SHA-256"),
        (
            lambda run: (run / "truncated" / "truncation.json").write_text('{"kind": "truncation"}'),
            "truncation",
            "KeyError",
        ),
        (lambda run: (run / "measured" / "manifest.json").unlink(), "manifest.json", "is missing"),
    ],
)
def test_a_changed_record_is_named_and_refused(run, change, named, why):
    change(run)
    with pytest.raises(InputError, match=re.escape(why)) as refused:
        report(run)
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("plain")
def test_a_changed_sweep_is_refused(tmp_path):
    folder = shutil.copytree(REFERENCE, tmp_path / "swept")
    alter(folder / "summary.csv", "53.18", "43.18")
    with pytest.raises(InputError, match=r"summary\.csv is missing or does not match its manifest"):
        report(folder)


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
