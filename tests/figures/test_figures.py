"""Figures are functions of rows, stamped with their hash. A row that contradicts a bound is marked."""

import numpy as np
import pandas as pd
import pytest
from drawn_rows import committed, rows_of
from matplotlib.figure import Figure
from pictures import drawn_in_red, texts
from PIL import Image
from recorded import recorded_rows

from figures.caption import Caption
from figures.catalogue import MODULES
from figures.names import JOINED, MADE, NAMES, RANDOM
from figures.pictures import dial, layers, schedules, thresholds
from figures.pictures.style import WHITE
from figures.sources import material
from figures.stamp import Source, csv_bytes, digest, save
from theory.errors import DomainError

# Their quantities are shares, counts and ratios.
WITHOUT_NATS = ("depth", "maps", "schedules", "frontier", "rules", "unseen", "cost")


def test_figure_names_match_modules():
    assert tuple(MODULES) == NAMES
    assert {name for name in NAMES if not hasattr(MODULES[name], "KIND")} == set(MADE)
    assert set(RANDOM) <= set(MADE)
    assert {name for name in NAMES if hasattr(MODULES[name], "ALSO")} == set(JOINED) <= set(MADE)


@pytest.mark.parametrize("name", NAMES)
def test_draw_labels_the_figure_and_writes_no_file(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = rows_of(name)
    before = rows.copy()
    figure = MODULES[name].draw(rows)
    assert isinstance(figure, Figure)
    pd.testing.assert_frame_equal(rows, before)
    assert not list(tmp_path.iterdir())
    # A colour bar has no place of its own.
    placed = [axis for axis in figure.axes if axis.get_subplotspec()]
    first_column = [axis for axis in placed if axis.get_subplotspec().is_first_col()]
    assert all(axis.get_ylabel() for axis in first_column)
    assert all(axis.get_xlabel() for axis in placed if axis.get_subplotspec().is_last_row())
    labels = [label for axis in figure.axes for label in (axis.get_xlabel(), axis.get_ylabel())]
    assert name in WITHOUT_NATS or any("nats" in label for label in labels)
    assert figure.legends or any(axis.get_legend() or axis.texts for axis in figure.axes)
    assert MODULES[name].faults(rows) == []
    assert not drawn_in_red(figure)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "schedules" else pytest.mark.slow) for name in NAMES]
)
def test_equal_rows_give_equal_stamped_bytes(name, tmp_path):
    rows = rows_of(name)
    sha256 = digest(csv_bytes(rows))
    sources = (Source("rows.csv of a $run", sha256),)
    caption = Caption(MODULES[name].SHOWS, MODULES[name].STATEMENTS)
    pairs = [save(MODULES[name].draw(rows), name, sources, tmp_path / which, caption) for which in ("one", "two")]
    for suffix, first in pairs[0].items():
        assert first.read_bytes() == pairs[1][suffix].read_bytes()
        assert sha256.encode() in first.read_bytes()
    with Image.open(pairs[0]["png"]) as image:
        assert sha256 in image.text["Source"]
        assert caption.text == image.text["Description"]
        assert not any("ime" in key for key in image.text)
    assert b"CreationDate" not in pairs[0]["pdf"].read_bytes()
    assert b"<dc:date>" not in pairs[0]["svg"].read_bytes()


def test_footer_is_visible(tmp_path):
    figure = thresholds.draw(rows_of("thresholds"))
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


def test_nothing_joins_schedules_and_seeds_are_stated():
    rows = material(committed(), "sweep", "schedules").rows
    figure = schedules.draw(rows)
    lines = [line for axis in figure.axes for line in axis.lines]
    bars = [line for line in lines if line.get_label().endswith(", interval")]
    # A ratio and two fidelities for each of five schedules under each of two budgets.
    assert len(bars) == 30
    assert all(len({*line.get_xdata()}) == 1 for line in bars)
    joined = [line for line in lines if len(line.get_xdata()) > 1 and line not in bars]
    assert {line.get_linestyle() for line in joined} == {":"}
    assert "6 seeds" in texts(figure)
    low, high = (rows[f"fidelity_{end}"] for end in ("low", "high"))
    assert ((low < rows["fidelity"]) & (rows["fidelity"] < high)).all()


def dial_rows():
    """Two layers of two heads at two dials; every number differs, those of the second layer are twice as large."""
    rows = recorded_rows(layers=2, heads=2, dials=(0.0, 0.5)).assign(configuration="q")
    first = rows["head"] == 0
    rows.loc[first, "rows"], rows.loc[~first, "rows"] = 10, 30
    heads = {
        "predicted_fidelity": (0.1, 0.5),
        "fidelity_mean": (0.2, 0.6),
        "fidelity_q50": (0.1, 0.3),
        "predicted_entropy": (1.0, 2.0),
        "entropy_mean": (3.0, 1.0),
        "prediction_error_fidelity": (1e-3, 1e-2),
    }
    factor = (1 + rows["dial"]) * (1 + rows["layer"])
    for name, (one, other) in heads.items():
        rows[name] = np.where(first, one, other) * factor
    rows["leak_q50"] = 1 - rows["fidelity_q50"]
    return rows


def test_dial_marks_are_means_over_heads_weighted_by_rows_and_nothing_joins_them():
    figure = dial.draw(dial_rows())
    # Medians, predicted and measured entropies, the worst row and the distance of the means.
    for panel, values in ((0, [0.25]), (1, [1.75, 1.5]), (2, [1e-2, 0.1])):
        marks = [line for line in figure.axes[panel].lines if list(line.get_xdata()) == [0.0, 0.5]]
        marks = [line for line in marks if line.get_marker() != "|"]
        wanted = [[value * layer, 1.5 * value * layer] for layer in (1, 2) for value in values]
        assert [line.get_linestyle() for line in marks] == ["None"] * len(wanted)
        for line, points in zip(marks, wanted, strict=True):
            assert line.get_ydata().tolist() == pytest.approx(points, rel=1e-12)


def test_dial_curve_is_b1_at_the_medians_of_the_dial_0_pass():
    rows = dial_rows()
    curves = [line for line in dial.draw(rows).axes[0].lines if len(line.get_xdata()) > 2]
    for layer, line in enumerate(curves):
        heads = [0.1 * (1 + layer), 0.3 * (1 + layer)]
        at_half = [p / (p + (1 - p) / 2) for p in heads]
        assert line.get_ydata()[0] == pytest.approx((10 * heads[0] + 30 * heads[1]) / 40)
        assert line.get_ydata()[100] == pytest.approx((10 * at_half[0] + 30 * at_half[1]) / 40)
    assert len(curves) == 2
    later = rows[rows["dial"] > 0]
    assert dial.predicted_medians(later, [0.5]) is None
    assert not [line for line in dial.draw(later).axes[0].lines if len(line.get_xdata()) > 2]


def test_dial_names_the_worst_row_and_counts_what_the_axis_cuts_off():
    rows = dial_rows()
    rows.loc[5, "prediction_error_fidelity"] = 0.9
    shown = texts(dial.draw(rows))
    worst = rows.loc[5]
    assert f"worst row off by 0.9 (layer {worst['layer']}, head {worst['head']}, dial {worst['dial']:g})" in shown
    assert "but less" not in shown
    rows["prediction_error_fidelity"] = 0.0
    assert "but less: 4 marks" in texts(dial.draw(rows))


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


def rounding_marks(figure, panel):
    """Dials at which a rounding bound is marked."""
    return [x for line in figure.axes[panel].lines if line.get_marker() == "|" for x in line.get_xdata()]


def test_no_rounding_bound_is_drawn_at_dials_with_undecided_rows():
    rows = rows_of("dial")
    half = (rows["configuration"] == "linear") & (rows["dial"] == 0.5)
    rows.loc[rows.index[half][0], ["undecided", "tolerance_leak_max"]] = 5, np.nan
    quintic = rows["configuration"] == "quintic"
    rows.loc[quintic, "undecided"], rows.loc[quintic, "tolerance_leak_max"] = 5, np.nan
    figure = dial.draw(rows)
    assert rounding_marks(figure, 4) == [0.0, 1.0]
    assert rounding_marks(figure, 5) == []


def test_head_with_undecided_rows_has_a_hollow_marker():
    rows = rows_of("layers")
    # Only in the second configuration, whose panel shares the legend of the first.
    rows.loc[rows.index[-1], "undecided"] = 5
    figure = layers.draw(rows)
    hollow = [line for axis in figure.axes for line in axis.lines if line.get_markerfacecolor() == WHITE]
    assert [list(line.get_ydata()) for line in hollow] == [[rows["entropy_mean"].iloc[-1]]]
    assert "measured, some rows undecided" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_deeper_layers_may_drift():
    rows = rows_of("dial")
    rows.loc[rows["layer"] > 0, "prediction_error_fidelity"] = 0.9
    assert dial.faults(rows) == []


@pytest.mark.parametrize("name", ["dial", "layers"])
def test_draws_one_head_many_heads_and_names_with_symbols(name, tmp_path):
    for count, label in ((1, "$x$ & _y_"), (9, "a\\b {")):
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
