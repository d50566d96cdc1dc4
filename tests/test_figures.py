"""Figures: drawn from rows alone, stamped with them, the same bytes again; planted errors show or are refused."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.special
import scipy.stats
import typer
from matplotlib.figure import Figure
from PIL import Image
from recorded import recorded, recorded_rows

import localist
from empirical.sweep_summary import read_summary
from figures import dial, layers, leak_and_entropy, schedules, thresholds
from figures.commands import NAMES, figures
from figures.stamp import Source, csv_bytes, digest, save
from figures.style import ALARM
from theory import bounds
from theory.errors import DomainError, InputError

MODULES = {module.NAME: module for module in (thresholds, leak_and_entropy, dial, layers, schedules)}
REFERENCE = Path(__file__).parents[1] / "records" / "reference"


@pytest.fixture(scope="module")
def random_rows():
    return leak_and_entropy.make_rows()


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    recorded(folder / "distributed-0" / "measured", configuration="distributed")
    recorded(folder / "quintic-0" / "measured")
    recorded(folder / "quintic-0" / "dial", kind="dial")
    shutil.copytree(REFERENCE, folder / "swept")
    # A sweep's tasks are its own: they are not records to draw beside the others.
    recorded(folder / "swept" / "tasks" / "linear-0.9-0" / "measured")
    return folder


def rows_of(name):
    """Rows that the figure is drawn from."""
    if name == "leak-and-entropy":
        return leak_and_entropy.make_rows(per_family=20)
    if name == "thresholds":
        return thresholds.make_rows()
    if name == "schedules":
        return read_summary(REFERENCE).summary
    rows = recorded_rows(dials=(0.0, 0.5, 1.0)) if name == "dial" else recorded_rows()
    return pd.concat([rows.assign(configuration=each) for each in ("linear", "quintic")], ignore_index=True)


def drawn_in_red(figure):
    return [line for axis in figure.axes for line in axis.lines if line.get_color() == ALARM]


def texts(figure):
    found = [axis.get_title(loc="left") for axis in figure.axes]
    return " ".join(found + [text.get_text() for axis in figure.axes for text in axis.texts])


def test_every_name_has_a_module_and_the_other_way():
    assert set(MODULES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_says_what_it_shows_and_writes_nothing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = rows_of(name)
    before = rows.copy()
    figure = MODULES[name].draw(rows)
    assert isinstance(figure, Figure)
    pd.testing.assert_frame_equal(rows, before)
    assert not list(tmp_path.iterdir())
    first_column = [axis for axis in figure.axes if axis.get_subplotspec().is_first_col()]
    assert all(axis.get_ylabel() for axis in first_column)
    assert all(axis.get_xlabel() for axis in figure.axes if axis.get_subplotspec().is_last_row())
    assert name == "schedules" or any("nats" in axis.get_ylabel() for axis in first_column)
    assert figure.legends or any(axis.get_legend() for axis in figure.axes)
    assert MODULES[name].faults(rows) == []
    assert not drawn_in_red(figure)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_rows_give_the_same_bytes_with_their_stamp(name, tmp_path):
    rows = rows_of(name)
    sha256 = digest(csv_bytes(rows))
    sources = (Source("rows.csv of a $run", sha256),)
    pairs = [save(MODULES[name].draw(rows), name, sources, tmp_path / which) for which in ("one", "two")]
    for first, second in zip(*pairs, strict=True):
        assert first.read_bytes() == second.read_bytes()
    with Image.open(pairs[0][0]) as image:
        assert sha256 in image.text["Source"]
        assert not any("ime" in key for key in image.text)
    assert sha256.encode() in pairs[0][1].read_bytes()
    assert b"CreationDate" not in pairs[0][1].read_bytes()


def test_the_footer_is_visible(tmp_path):
    figure = leak_and_entropy.draw(rows_of("leak-and-entropy"))
    save(figure, "shown", (Source("a.csv", "0123456789abcdef" * 4),), tmp_path)
    assert figure.get_supxlabel() == "a.csv  sha256 0123456789abcdef"


def test_random_rows_agree_with_scipy():
    generator = np.random.default_rng(5)
    scores = generator.normal(size=(200, 16)) * generator.uniform(0, 9, (200, 1))
    numbers = leak_and_entropy.row_numbers(scores, 4)
    weights = scipy.special.softmax(scores, axis=1)
    np.testing.assert_allclose(numbers["leak"], weights[:, 4:].sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(numbers["entropy"], scipy.stats.entropy(weights, axis=1), atol=1e-11)
    np.testing.assert_array_equal(numbers["separation"], scores[:, :4].min(axis=1) - scores[:, 4:].max(axis=1))


def test_rows_at_equality_touch_the_curves(random_rows):
    part = random_rows[random_rows["family"] == "two-level"]
    n, m, d = (part[name].to_numpy(dtype=float) for name in ("n", "m", "separation"))
    np.testing.assert_allclose(part["leak"], bounds.leak_max(n, m, d), rtol=leak_and_entropy.LEAK_ERROR)
    above = d >= 0
    error = leak_and_entropy.ENTROPY_ERROR
    np.testing.assert_allclose(part["entropy"][above], bounds.entropy_max(n, m, d)[above], atol=error, rtol=0)
    pair = random_rows[random_rows["family"] == "one pair"]
    n, m, d = (pair[name].to_numpy(dtype=float) for name in ("n", "m", "separation"))
    assert (d <= 1e-15).all()
    np.testing.assert_allclose(pair["entropy"], bounds.entropy_max(n, m, d), atol=error, rtol=0)


def test_the_seed_decides_the_random_rows(random_rows):
    assert leak_and_entropy.make_rows(0).equals(random_rows)
    assert not leak_and_entropy.make_rows(1).equals(random_rows)
    assert leak_and_entropy.faults(leak_and_entropy.make_rows(1)) == []


@pytest.mark.parametrize(
    ("family", "column", "change"),
    [
        ("two-level", "leak", lambda value: value * (1 + 1e-11)),
        ("two-level", "entropy", lambda value: value + 1e-10),
        ("one pair", "entropy", lambda value: value + 1e-10),
        ("Gaussian", "leak", lambda value: np.nan),
    ],
)
def test_a_row_above_the_curve_is_marked(random_rows, family, column, change):
    rows = random_rows.copy()
    # The largest separation of the family: there both curves bound.
    index = rows.loc[rows["family"] == family, "separation"].idxmax()
    rows.loc[index, column] = change(rows.loc[index, column])
    assert leak_and_entropy.faults(rows) == [f"rows above the {column} bound: 1"]
    figure = leak_and_entropy.draw(rows)
    assert len(drawn_in_red(figure)) == 1
    assert "ABOVE THE BOUND: 1" in texts(figure)


def test_the_negative_branch_is_the_smaller_one():
    """Below separation 0 the bound is log(n - 2 + e^h), not log n: a row between the two must be noticed."""
    rows = rows_of("leak-and-entropy").iloc[:1].copy()
    rows[["separation", "leak", "entropy"]] = [-6.0, 0.5, np.log(16) - 0.02]
    assert leak_and_entropy.faults(rows) == ["rows above the entropy bound: 1"]


def test_rows_of_two_sizes_have_no_common_curve(random_rows):
    with pytest.raises(DomainError, match="same n and m"):
        leak_and_entropy.draw(random_rows.assign(n=np.arange(len(random_rows)) + 16))
    with pytest.raises(DomainError, match="per_family"):
        leak_and_entropy.make_rows(per_family=0)


@pytest.mark.parametrize(
    ("name", "column", "value", "fault"),
    [
        ("layers", "violations", 3, "rows that violate a bound: 3"),
        ("layers", "entropy_mean", 4.001, "outside its bounds, layer 1, head 0"),
        ("layers", "entropy_mean", 1.999, "outside its bounds, layer 1, head 0"),
        ("dial", "violations", 3, "rows that violate a bound: 3"),
        ("schedules", "violations", 3, "rows that violate a bound: 3"),
        ("dial", "prediction_error_fidelity", 3e-4, "off its prediction by 3.0e-04"),
        ("dial", "prediction_error_fidelity", np.nan, "off its prediction by nan"),
    ],
)
def test_a_record_that_contradicts_a_bound_is_marked(name, column, value, fault):
    rows = rows_of(name)
    # The second layer for `layers`, the first one for `dial`, which alone has an exact prediction.
    rows.loc[2 if name == "layers" else 0, column] = value
    found = MODULES[name].faults(rows)
    assert len(found) == 1
    panel = "same largest dial: " if name == "schedules" else "linear: "
    assert found[0].startswith(panel)
    assert fault in found[0]
    figure = MODULES[name].draw(rows)
    wrapped = " ".join(texts(figure).split())
    assert found[0].removeprefix(panel) in wrapped
    assert name == "dial" or drawn_in_red(figure)


def test_deeper_layers_may_drift():
    rows = rows_of("dial")
    rows.loc[rows["layer"] > 0, "prediction_error_fidelity"] = 0.9
    assert dial.faults(rows) == []


@pytest.mark.parametrize("name", ["dial", "layers"])
def test_one_head_many_heads_and_awkward_names(name, tmp_path):
    for count, label in ((1, "$x$ & _y_"), (12, "a\\b {")):
        rows = recorded_rows(count, count, (0.0, 1.0) if name == "dial" else (None,))
        figure = MODULES[name].draw(rows.assign(configuration=label))
        save(figure, name, (Source(label, "0" * 64),), tmp_path)
        assert all((tmp_path / f"{name}{suffix}").stat().st_size > 0 for suffix in (".png", ".pdf"))


def test_records_of_the_wrong_kind_cannot_be_drawn():
    with pytest.raises(DomainError, match="no predictions"):
        dial.draw(recorded_rows().assign(configuration="q"))
    with pytest.raises(DomainError, match="no entropies"):
        layers.draw(recorded_rows().assign(configuration="q", entropy_mean=np.nan))


def test_command_draws_all_with_verifiable_stamps(runs, tmp_path, capsys):
    out = tmp_path / "out"
    figures(records=[runs], out=out, as_json=True)
    shown = json.loads(capsys.readouterr().out)["figures"]
    assert list(shown) == list(NAMES)
    csv = {
        "thresholds": [out / "thresholds.csv"],
        "leak-and-entropy": [out / "leak-and-entropy.csv"],
        "schedules": [runs / "swept" / "summary.csv"],
        "dial": [runs / "quintic-0" / "dial" / "rows.csv"],
        "layers": [runs / run / "measured" / "rows.csv" for run in ("distributed-0", "quintic-0")],
    }
    for name, files in csv.items():
        stamps = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
        assert [source["sha256"] for source in shown[name]["drawn_from"]] == stamps
        with Image.open(shown[name]["png"]) as image:
            assert all(stamp in image.text["Source"] for stamp in stamps)
        assert shown[name]["faults"] == []
    assert not list(out.glob("*.partial"))


def test_without_names_what_there_are_records_for_is_drawn(runs, tmp_path, capsys):
    figures(records=[runs / "distributed-0"], out=tmp_path / "out")
    shown = capsys.readouterr().out
    assert "not drawn: figure 'dial' needs records" in shown
    assert "not drawn: figure 'schedules' needs records" in shown
    drawn = {path.stem for path in (tmp_path / "out").glob("*.png")}
    assert drawn == {"thresholds", "leak-and-entropy", "layers"}


def test_a_sweep_is_one_figure_and_two_are_too_many(runs, tmp_path):
    figures(["schedules"], records=[runs / "swept"], out=tmp_path / "out")
    assert (tmp_path / "out" / "schedules.pdf").is_file()
    shutil.copytree(REFERENCE, runs / "again")
    with pytest.raises(InputError, match="2 records of kind 'sweep' are more than the 1 that fits"):
        figures(["schedules"], records=[runs], out=tmp_path / "out")
    with pytest.raises(DomainError, match="one sweep"):
        schedules.draw(pd.concat([rows_of("schedules")] * 2, ignore_index=True))
    with pytest.raises(DomainError, match="lacks the configuration 'distributed'"):
        schedules.draw(rows_of("schedules").query("configuration != 'distributed'"))


def test_a_sharp_threshold_above_the_weaker_one_is_a_fault():
    rows = rows_of("thresholds")
    assert thresholds.faults(rows) == []
    rows.loc[0, "y"] += 5
    assert thresholds.faults(rows) == ["sharp thresholds above the exponential ones: 1"]
    with pytest.raises(DomainError, match="no curve for the panel 'range'"):
        thresholds.draw(rows[rows["panel"] != "range"])


def test_command_prints_where_the_pictures_are(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    figures(["layers"])
    assert "runs/figures/layers.png" in capsys.readouterr().out
    figures(["layers", str(runs / "quintic-0")], records=[runs / "distributed-0"])
    assert (tmp_path / "runs" / "figures" / "layers.pdf").is_file()


def test_equal_configurations_keep_names_apart(tmp_path):
    from figures.sources import material, read_all

    for run, seed in (("a", 0), ("b", 1), ("c", 1)):
        recorded(tmp_path / run / "measured", seed=seed)
    names = material(read_all([tmp_path, tmp_path / "a"]), "rows", "layers").rows["configuration"].unique()
    assert list(names) == ["quintic, seed 0, a", "quintic, seed 1, b", "quintic, seed 1, c"]


def test_a_record_with_violations_is_drawn_and_ends_in_1(tmp_path, capsys):
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
    ("spoil", "message"),
    [
        (lambda run: alter(run / "measured" / "rows.csv", "3.1", "3.2"), "does not match its manifest"),
        (lambda run: (run / "measured" / "rows.csv").write_bytes(b"\xff\x00"), "does not match its manifest"),
        (lambda run: (run / "measured" / "rows.csv").unlink(), "rows.csv is missing"),
        (lambda run: (run / "measured" / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda run: (run / "measured" / "manifest.json").write_text("{"), "is not JSON"),
        (lambda run: alter(run / "measured" / "manifest.json", '"rows"', '"cows"'), "needs records of kind 'rows'"),
    ],
)
def test_a_spoilt_record_is_refused_before_anything_is_drawn(tmp_path, spoil, message):
    recorded(tmp_path / "run" / "measured")
    spoil(tmp_path / "run")
    with pytest.raises(InputError, match=message) as caught:
        figures(["leak-and-entropy", "layers"], records=[tmp_path / "run"], out=tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["layer"], "figure 'layer' must be one of thresholds, leak-and-entropy, dial, layers, schedules"),
        (["layers"], "needs records of kind 'rows'"),
        (["layers", "--records", "none"], "no folder of records at none"),
        (["layers", "--records", "empty"], "no records in empty"),
        (["layers", "--records", "empty", "layer"], "'layer' is neither a figure"),
        (["leak-and-entropy", "--out", "file/out"], "cannot write file/out"),
    ],
)
def test_a_mistake_is_one_clear_line_and_status_2(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("sys.argv", ["localist", "figures", *words])
    with pytest.raises(SystemExit) as ended:
        localist.main()
    assert ended.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert message in lines[0]


def test_too_many_records_for_a_page(tmp_path):
    for index in range(7):
        recorded(tmp_path / f"run{index}" / "measured")
    with pytest.raises(InputError, match="7 records of kind 'rows' are more than the 6"):
        figures(["layers"], records=[tmp_path], out=tmp_path / "out")
