"""Runs measured at other dials: B1, B2 and B3 predict the first layer; values of `--dial`."""

import numpy as np
import pytest
import torch
from tiny import Layer, one_thread, tiny  # noqa: F401

from empirical.attention.attention import localist_attention
from empirical.attention.blocks import fixed_windows
from empirical.attention.reference import reference_rows
from empirical.attention.schedule import dial_bias
from empirical.measuring.measure import dial_values, measure_dial
from empirical.measuring.passes import run_dial, run_pass
from empirical.measuring.rows import RowMeter
from empirical.measuring.shift import ShiftMeter
from empirical.measuring.summary import predicted
from empirical.model import load_model
from empirical.training.held_out import load_held_out
from empirical.training.train import train
from theory.errors import DomainError
from theory.numbers import bounds


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(tiny(), tmp_path_factory.mktemp("measured") / "run", progress=False)


def test_first_layer_matches_the_predicted_dial_curve(run, tmp_path):
    records = measure_dial(run, dial_values("0:1:0.25"), sequences=8, out_dir=tmp_path, progress=False)
    first = records.rows[records.rows["layer"] == 0]
    assert first["prediction_error_fidelity"].max() < 1e-5
    assert first["prediction_error_entropy"].max() < 1e-5
    assert first["prediction_error_shift"].max() < 1e-5
    assert records.violations == 0
    deeper = records.rows[(records.rows["layer"] == 2) & (records.rows["dial_largest"] == 0.75)]
    assert (deeper["prediction_error_fidelity"] > 1e-5).all(), "deeper layers must drift, because their inputs move"
    assert np.isnan(records.rows.loc[records.rows["dial"] == 1, "margin_mean"]).all()
    curve = first.groupby("dial_largest")["fidelity_mean"].mean()
    assert curve.is_monotonic_increasing
    assert curve.iloc[-1] == pytest.approx(1, abs=1e-6)


def test_prediction_matches_b1_row_by_row(run):
    model, windows = load_model(run), load_held_out(run)[0][:1]
    taken = []
    run_pass(model, windows, [0.0] * 3, taken.append, conditionals=True)
    run_pass(model, windows, [0.8] * 3, taken.append)
    base, moved = taken[0].rows, taken[3].rows
    fidelity, entropy = predicted(base, np.array([0.8]))
    odds = moved.fidelity / moved.leak / (base.fidelity / base.leak)
    np.testing.assert_allclose(odds, 5.0, rtol=2e-5)
    np.testing.assert_allclose(moved.leak, bounds.dialled_leak(base.leak, 0.8), atol=1e-6)
    np.testing.assert_allclose(fidelity, moved.fidelity, atol=1e-5)
    np.testing.assert_allclose(entropy, moved.entropy, atol=1e-5)


def test_output_shift_matches_b3(run):
    """In float64 the first layer's shift equals B3's up to rounding; deeper layers drift, because their inputs move."""
    model, windows = load_model(run).double(), load_held_out(run)[0][:3]
    for dial in (0.8, 1.0):
        taken = []
        run_dial(model, windows, [dial] * 3, taken.append)
        assert [each.layer for each in taken] == [0, 1, 2] * 3
        first = taken[0].shift
        assert first.measured.shape == taken[0].rows.leak.shape
        assert first.measured.max() > 1e-3
        np.testing.assert_allclose(first.measured, first.predicted, rtol=1e-9, atol=1e-12)
        assert first.error.max() < 1e-12
        assert taken[2].shift.error.max() > 1e-6


def test_wrong_gain_is_found(run, monkeypatch):
    monkeypatch.setattr("empirical.measuring.shift.dial_gain", lambda leak, dial: dial * leak)
    model, windows = load_model(run).double(), load_held_out(run)[0][:1]
    taken = []
    run_dial(model, windows, [0.8] * 3, taken.append)
    assert taken[0].shift.error.max() > 1e-4


def test_shifts_match_the_reference():
    generator = torch.Generator().manual_seed(3)
    query, key, value = (torch.randn(2, 2, 24, 8, generator=generator, dtype=torch.float64) for _ in range(3))
    ids = fixed_windows(24, 6)
    outputs = [reference_rows(query, key, value, ids, 8**-0.5, dial_bias(dial)).output for dial in (0.0, 0.7)]
    calls = []
    for dial in (0.0, 0.7):
        localist_attention(Layer(dial, block=6), query, key, value, None, row_sink=calls.append)
    meter, shifts = RowMeter(), ShiftMeter()
    leak = meter(calls[0]).leak
    shifts.hold(calls[0])
    found = shifts.compare(calls[1], leak, np.array([0.7]), meter)
    exact = torch.linalg.vector_norm(outputs[1] - outputs[0], dim=-1)[:, :, 6:].transpose(0, 1).flatten(1)
    np.testing.assert_allclose(found.measured, exact.numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.predicted, exact.numpy(), rtol=1e-11, atol=1e-14)
    with pytest.raises(DomainError, match="must have dial 0"):
        ShiftMeter().hold(calls[1])
    with pytest.raises(DomainError, match="no pass at dial 0"):
        ShiftMeter().compare(calls[1], leak, np.array([0.7]), meter)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0:1:0.5", [0, 0.5, 1]),
        ("0.5", [0.5]),
        ("0,0.9", [0, 0.9]),
        ("0:0.3:0.1", [0, 0.1, 0.2, 0.3]),
        ("0:1:0.6", [0, 0.6]),
        ("0.5,0,0.5", [0.5, 0]),
        # A dial just below 1 is not rounded to 1.
        ("0.9999999999999", [1 - 1e-13]),
    ],
)
def test_dial_values_of_ranges_and_lists(text, values):
    assert dial_values(text) == values


@pytest.mark.parametrize(
    "text", ["", "a", "0:1", "0:2:1", "1:0:0.1", "0:1:0", "-0.1", "nan", "0:inf:1", "0:1:nan", "0:1:1e-12"]
)
def test_dial_values_refuses_malformed_text(text):
    with pytest.raises(DomainError, match="dial"):
        dial_values(text)
