"""Records of a measured run, dial predictions, and the command's manners."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import typer
from safetensors.torch import load_file, save_file
from tiny import Layer, one_thread, tiny  # noqa: F401

from empirical.attention import localist_attention
from empirical.blocks import fixed_windows
from empirical.held_out import load_held_out
from empirical.measure import dial_values, measure, measure_dial
from empirical.model import load_model
from empirical.passes import run_dial, run_pass
from empirical.records import BOUNDS, COLUMNS, read_records
from empirical.reference import reference_rows
from empirical.row_store import room
from empirical.rows import RowMeter
from empirical.schedule import dial_bias
from empirical.shift import ShiftMeter
from empirical.training import train
from theory import bounds
from theory.errors import DomainError, InputError, LocalistError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(tiny(), tmp_path_factory.mktemp("measured") / "run", progress=False)


@pytest.fixture(scope="module")
def records(run):
    return measure(run, progress=False)


def test_records_of_a_run(run, records):
    frame = records.rows
    assert list(frame.columns) == list(COLUMNS)
    assert len(frame) == 3 * 2
    windows = records.manifest["held_out_windows"]
    assert (frame["rows"] == windows * (64 - 8)).all()
    assert records.violations == 0
    assert (frame["fidelity_mean"] >= frame["bound_fidelity_margin"]).all()
    assert (frame["entropy_mean"] <= frame["bound_entropy_fidelity"]).all()
    assert (frame["entropy_mean"] >= frame["bound_entropy_range"]).all()
    assert frame.loc[frame["layer"] == 2, "dial"].eq(0.9).all()
    assert 1 < records.manifest["perplexity"] < 400
    again = read_records(records.folder)
    pd.testing.assert_frame_equal(again.rows, frame)


def test_measuring_again_gives_the_same_bytes(run, records, tmp_path):
    again = measure(run, out_dir=tmp_path, progress=False)
    assert (tmp_path / "rows.csv").read_bytes() == (records.folder / "rows.csv").read_bytes()
    assert again.digest == records.digest


@pytest.fixture
def spilled(monkeypatch):
    """Every array of rows is too large for memory; the list of those that were made in a file."""
    made = []

    def noted(shape, folder):
        made.append(room(shape, folder))
        return made[-1]

    monkeypatch.setattr("empirical.row_store.IN_MEMORY_BYTES", 0)
    monkeypatch.setattr("empirical.row_store.room", noted)
    return made


def test_rows_too_many_for_memory_give_the_same_numbers(run, records, tmp_path, spilled):
    measure(run, out_dir=tmp_path / "rows", progress=False)
    assert (tmp_path / "rows" / "rows.csv").read_bytes() == (records.folder / "rows.csv").read_bytes()
    assert [type(each) for each in spilled] == [np.memmap]
    whole = measure_dial(run, [0.0, 0.5], sequences=2, out_dir=tmp_path / "dial", progress=False)
    assert len(spilled) == 1 + 1 + 2 * 2, "numbers of base and of each dial, and the shifts of each dial"
    assert whole.rows["prediction_error_shift"].max() > 0
    assert {path.name for path in (tmp_path / "rows").iterdir()} == {"rows.csv", "manifest.json"}


@pytest.mark.usefixtures("spilled")
def test_a_disk_without_room_for_the_rows_is_one_clear_line(run, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with pytest.raises(InputError, match=r"the rows take 0.0 GiB on the disk of .*No space left.*--sequences"):
        measure(run, out_dir=tmp_path, progress=False)


def test_bounds_have_quantiles(records):
    frame = records.rows
    for name in (*BOUNDS, "fidelity_margin"):
        low, middle, high = (frame[f"bound_{name}_{label}"] for label in ("q05", "q50", "q95"))
        assert ((low <= middle) & (middle <= high)).all()
        assert (low <= frame[f"bound_{name}"] + 1e-12).all()
    assert (frame["bound_leak_margin_q05"] < frame["bound_leak_margin_q95"]).any()


def test_dial_curve_of_the_first_layer_is_predicted(run):
    records = measure_dial(run, dial_values("0:1:0.25"), sequences=8, progress=False)
    first = records.rows[records.rows["layer"] == 0]
    assert first["prediction_error_fidelity"].max() < 1e-5
    assert first["prediction_error_entropy"].max() < 1e-5
    assert first["prediction_error_shift"].max() < 1e-5
    assert records.violations == 0
    deeper = records.rows[(records.rows["layer"] == 2) & (records.rows["dial_largest"] == 0.75)]
    assert (deeper["prediction_error_fidelity"] > 1e-5).all(), "deeper layers' inputs move, so they must drift"
    assert np.isnan(records.rows.loc[records.rows["dial"] == 1, "margin_mean"]).all()
    curve = first.groupby("dial_largest")["fidelity_mean"].mean()
    assert curve.is_monotonic_increasing
    assert curve.iloc[-1] == pytest.approx(1, abs=1e-6)


def test_prediction_is_b1_row_by_row(run, tmp_path):
    from empirical.measure import predicted

    model, windows = load_model(run), load_held_out(run)[0][:2]
    base = run_pass(model, windows, [0.0] * 3, conditionals=True, folder=tmp_path).layers[0]
    moved = run_pass(model, windows, [0.8] * 3, folder=tmp_path).layers[0]
    fidelity, entropy = predicted(base, 0.8)
    odds = moved.fidelity / moved.leak / (base.fidelity / base.leak)
    np.testing.assert_allclose(odds, 5.0, rtol=2e-5)
    np.testing.assert_allclose(moved.leak, bounds.dialled_leak(base.leak, 0.8), atol=1e-6)
    np.testing.assert_allclose(fidelity, moved.fidelity, atol=1e-5)
    np.testing.assert_allclose(entropy, moved.entropy, atol=1e-5)


def test_the_output_moves_as_b3_says(run, tmp_path):
    """In float64 the first layer's shift is B3's to rounding; deeper layers' inputs move, so they drift."""
    model, windows = load_model(run).double(), load_held_out(run)[0][:3]
    _, (moved, masked) = run_dial(model, windows, [[0.8] * 3, [1.0] * 3], folder=tmp_path)
    for done in (moved, masked):
        first = done.shifts[0]
        assert first.measured.shape == done.layers[0].leak.shape
        assert first.measured.max() > 1e-3
        np.testing.assert_allclose(first.measured, first.predicted, rtol=1e-9, atol=1e-12)
        assert first.error.max() < 1e-12
        assert done.shifts[2].error.max() > 1e-6


def test_a_wrong_gain_would_be_seen(run, tmp_path, monkeypatch):
    monkeypatch.setattr("empirical.shift.dial_gain", lambda leak, dial: dial * leak)
    model, windows = load_model(run).double(), load_held_out(run)[0][:1]
    _, (moved,) = run_dial(model, windows, [[0.8] * 3], folder=tmp_path)
    assert moved.shifts[0].error.max() > 1e-4


def test_shifts_against_the_reference():
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
    found = shifts.compare(calls[1], leak, 0.7, meter)
    exact = torch.linalg.vector_norm(outputs[1] - outputs[0], dim=-1)[:, :, 6:].transpose(0, 1).flatten(1)
    np.testing.assert_allclose(found.measured, exact.numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.predicted, exact.numpy(), rtol=1e-11, atol=1e-14)
    with pytest.raises(DomainError, match="must have dial 0"):
        ShiftMeter().hold(calls[1])
    with pytest.raises(DomainError, match="no pass at dial 0"):
        ShiftMeter().compare(calls[1], leak, 0.7, meter)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0:1:0.5", [0, 0.5, 1]),
        ("0.5", [0.5]),
        ("0,0.9", [0, 0.9]),
        ("0:0.3:0.1", [0, 0.1, 0.2, 0.3]),
        ("0:1:0.6", [0, 0.6]),
        ("0.5,0,0.5", [0.5, 0]),
    ],
)
def test_dial_values(text, values):
    assert dial_values(text) == values


@pytest.mark.parametrize(
    "text", ["", "a", "0:1", "0:2:1", "1:0:0.1", "0:1:0", "-0.1", "nan", "0:inf:1", "0:1:nan", "0:1:1e-12"]
)
def test_dial_values_refuses(text):
    with pytest.raises(DomainError, match="dial"):
        dial_values(text)


def test_a_folder_that_cannot_be_written_is_told_before_the_work(run, tmp_path, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("measured what could not be kept")

    monkeypatch.setattr("empirical.measure.run_pass", never)
    monkeypatch.setattr("empirical.measure.run_dial", never)
    (tmp_path / "file").write_text("")
    for call in (measure, lambda *a, **k: measure_dial(*a, [0.5], **k)):
        with pytest.raises(InputError, match=r"cannot write .*file"):
            call(run, out_dir=tmp_path / "file", progress=False)


def test_memory_that_does_not_suffice_is_one_line(run, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr("empirical.measure.run_pass", full)
    with pytest.raises(LocalistError, match=r"not suffice for measuring. Measure fewer windows with --sequences.$"):
        measure(run, out_dir=tmp_path / "new", progress=False)


def test_refuses_what_is_no_run(tmp_path):
    with pytest.raises(InputError, match="not a run"):
        measure(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match="not finished"):
        measure(tmp_path)


def test_a_run_with_huge_scores_is_left_undecided_until_measured_in_float64(run, tmp_path, capsys):
    from empirical.measure_command import measure as command

    huge = tmp_path / "huge"
    shutil.copytree(run, huge)
    weights = load_file(huge / "model.safetensors")
    for name in weights:
        if name.endswith("attn.c_attn.weight"):
            weights[name][:, :64] *= 300
    save_file(weights, huge / "model.safetensors", {"format": "pt"})
    with pytest.raises(typer.Exit) as ended:
        command(run=huge, sequences=2)
    assert ended.value.exit_code == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "0 violations" in shown
    assert "too large for float32. Measure with --precision float64." in shown
    assert read_records(huge / "measured").undecided > 0
    command(run=huge, sequences=2, precision="float64", as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["violations"], shown["undecided"]) == (0, 0)
    assert read_records(huge / "measured").manifest["dtype"] == "float64"
    with pytest.raises(DomainError, match="precision 'float8' must be one of float32, float64"):
        measure(huge, precision="float8")


def test_command_prints_a_table_and_json(run, capsys):
    from empirical.measure_command import measure as command

    command(run=run, sequences=2, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert shown["violations"] == 0
    assert shown["rows"] == 2 * 56 * 6
    command(run=run, dial="0,1", sequences=2, out=run / "moved")
    assert "perplexity" in capsys.readouterr().out
