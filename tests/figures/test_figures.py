"""Figures are functions of rows, stamped with their hash. A row that contradicts a bound is marked."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from pictures import drawn_in_red, texts
from PIL import Image
from recorded import REFERENCE, recorded_rows

from empirical.sweep.summary import read_summary
from figures import dial, layers, leak_and_entropy, schedules, thresholds
from figures.commands import NAMES
from figures.stamp import Source, csv_bytes, digest, save
from theory.errors import DomainError

MODULES = {module.NAME: module for module in (thresholds, leak_and_entropy, dial, layers, schedules)}


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


def test_figure_names_match_modules():
    assert set(MODULES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_draw_labels_the_figure_and_writes_no_file(name, tmp_path, monkeypatch):
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
def test_equal_rows_give_equal_stamped_bytes(name, tmp_path):
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


def test_footer_is_visible(tmp_path):
    figure = leak_and_entropy.draw(rows_of("leak-and-entropy"))
    save(figure, "shown", (Source("a.csv", "0123456789abcdef" * 4),), tmp_path)
    assert figure.get_supxlabel() == "a.csv  sha256 0123456789abcdef"


@pytest.mark.parametrize(
    ("name", "column", "value", "fault"),
    [
        ("layers", "violations", 3, "rows that violate a bound: 3"),
        ("layers", "entropy_mean", 4.001, "outside its bounds, layer 1, head 0"),
        ("layers", "entropy_mean", 1.999, "outside its bounds, layer 1, head 0"),
        ("dial", "violations", 3, "rows that violate a bound: 3"),
        ("schedules", "violations", 3, "rows that violate a bound: 3"),
        ("layers", "undecided", 3, "rows left undecided: 3"),
        ("dial", "undecided", 3, "rows left undecided: 3"),
        ("schedules", "undecided", 3, "rows left undecided: 3"),
        ("dial", "prediction_error_fidelity", 3e-4, "off its prediction by 3.0e-04"),
        ("dial", "prediction_error_fidelity", np.nan, "off its prediction by nan"),
    ],
)
def test_contradicting_record_is_marked(name, column, value, fault):
    rows = rows_of(name)
    # `layers` checks every layer; `dial` checks only the first, whose prediction is exact.
    rows.loc[2 if name == "layers" else 0, column] = value
    found = MODULES[name].faults(rows)
    assert len(found) == 1
    panel = "same largest dial: " if name == "schedules" else found[0].split()[0] + " "
    assert found[0].startswith(panel)
    assert fault in found[0]
    figure = MODULES[name].draw(rows)
    wrapped = " ".join(texts(figure).split())
    assert found[0].removeprefix(panel) in wrapped
    assert name == "dial" or column == "undecided" or drawn_in_red(figure)


def test_contradicting_sweep_lines_are_named():
    rows = rows_of("schedules")
    places = {(row["budget"], row["configuration"]): index for index, row in rows.iterrows()}
    rows.loc[places["largest", "linear"], "violations"] = 1
    rows.loc[places["mean", "cubic"], "violations"] = 7
    rows.loc[places["mean", "linear"], "undecided"] = 1
    rows.loc[places["largest", "distributed"], "undecided"] = 2
    expected = [
        "same largest dial: distributed: rows left undecided: 2",
        "same largest dial: linear: rows that violate a bound: 1",
        "same mean dial: cubic: rows that violate a bound: 7",
        "same mean dial: linear: rows left undecided: 1",
    ]
    assert sorted(schedules.faults(rows)) == expected
    figure = schedules.draw(rows)
    red = [line.get_xdata().tolist() for line in drawn_in_red(figure)]
    assert [len(places) for places in red] == [1, 1]


def test_dial_curve_is_the_mean_over_heads_weighted_by_rows():
    rows = recorded_rows(layers=2, heads=2, dials=(0.0, 0.5)).assign(configuration="q")
    first = rows["head"] == 0
    rows.loc[first, "rows"], rows.loc[~first, "rows"] = 10, 30
    heads = {
        "predicted_fidelity": (0.1, 0.5),
        "fidelity_mean": (0.2, 0.6),
        "predicted_entropy": (1.0, 2.0),
        "entropy_mean": (3.0, 1.0),
        "prediction_error_fidelity": (1e-3, 1e-2),
    }
    # Every dial and layer has its own numbers; those of the second layer are twice as large.
    factor = (1 + rows["dial"]) * (1 + rows["layer"])
    for name, (one, other) in heads.items():
        rows[name] = np.where(first, one, other) * factor
    figure = dial.draw(rows)
    # Each layer has a line (predicted) and markers (measured).
    for panel, values in ((0, [0.4, 0.5]), (1, [1.75, 1.5]), (2, [1e-2])):
        lines = [line for line in figure.axes[panel].lines if len(line.get_xdata()) and line.get_linestyle() != ":"]
        wanted = [[value * layer, 1.5 * value * layer] for layer in (1, 2) for value in values]
        assert [line.get_xdata().tolist() for line in lines] == [[0.0, 0.5]] * len(wanted)
        for line, points in zip(lines, wanted, strict=True):
            assert line.get_ydata().tolist() == pytest.approx(points, rel=1e-12)


def test_undecided_rows_contradict_no_bound():
    for name in ("layers", "dial"):
        rows = rows_of(name)
        rows.loc[0, ["tolerance_entropy_max", "tolerance_leak_max"]] = np.nan
        rows.loc[0, ["undecided", "rows"]] = 5, 10
        assert MODULES[name].faults(rows) == ["linear: rows left undecided: 5"]


def test_undecided_rows_do_not_change_the_prediction_error():
    rows = rows_of("dial")
    rows.loc[0, "prediction_error_fidelity"] = 3e-4
    rows.loc[1, ["undecided", "prediction_error_fidelity", "tolerance_leak_max"]] = 5, 0.9, np.nan
    assert dial.faults(rows)[1] == "linear: the first layer is off its prediction by 3.0e-04"


def dotted(figure, panel):
    (line,) = [line for line in figure.axes[panel].lines if line.get_linestyle() == ":"]
    return line


def test_no_rounding_bound_is_drawn_at_dials_with_undecided_rows():
    rows = rows_of("dial")
    half = (rows["configuration"] == "linear") & (rows["dial"] == 0.5)
    rows.loc[rows.index[half][0], ["undecided", "tolerance_leak_max"]] = 5, np.nan
    quintic = rows["configuration"] == "quintic"
    rows.loc[quintic, "undecided"], rows.loc[quintic, "tolerance_leak_max"] = 5, np.nan
    figure = dial.draw(rows)
    assert np.isfinite(dotted(figure, 4).get_ydata()).tolist() == [True, False, True]
    assert not np.isfinite(dotted(figure, 5).get_ydata()).any()
    assert [len(figure.axes[panel].texts) for panel in (4, 5)] == [1, 0]


def test_head_with_undecided_rows_has_a_hollow_marker():
    rows = rows_of("layers")
    # Only in the second configuration, whose panel shares the legend of the first.
    rows.loc[rows.index[-1], "undecided"] = 5
    figure = layers.draw(rows)
    hollow = [line for axis in figure.axes for line in axis.lines if line.get_markerfacecolor() == "white"]
    assert [list(line.get_ydata()) for line in hollow] == [[rows["entropy_mean"].iloc[-1]]]
    assert "measured, some rows undecided" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_deeper_layers_may_drift():
    rows = rows_of("dial")
    rows.loc[rows["layer"] > 0, "prediction_error_fidelity"] = 0.9
    assert dial.faults(rows) == []


@pytest.mark.parametrize("name", ["dial", "layers"])
def test_draws_one_head_many_heads_and_names_with_symbols(name, tmp_path):
    for count, label in ((1, "$x$ & _y_"), (12, "a\\b {")):
        rows = recorded_rows(count, count, (0.0, 1.0) if name == "dial" else (None,))
        figure = MODULES[name].draw(rows.assign(configuration=label))
        save(figure, name, (Source(label, "0" * 64),), tmp_path)
        assert all((tmp_path / f"{name}{suffix}").stat().st_size > 0 for suffix in (".png", ".pdf"))


def test_draw_refuses_records_of_another_kind():
    with pytest.raises(DomainError, match="no predictions"):
        dial.draw(recorded_rows().assign(configuration="q"))
    with pytest.raises(DomainError, match="no entropies"):
        layers.draw(recorded_rows().assign(configuration="q", entropy_mean=np.nan))


def test_sharp_threshold_above_a_weaker_one_is_a_fault():
    rows = rows_of("thresholds")
    assert thresholds.faults(rows) == []
    rows.loc[0, "y"] += 5
    assert thresholds.faults(rows) == ["sharp thresholds above the exponential ones: 1"]
    with pytest.raises(DomainError, match="no curve for the panel 'range'"):
        thresholds.draw(rows[rows["panel"] != "range"])
