"""Records of a measured run: their numbers, precision and memory, and the runs that `measure` refuses."""

import json
import shutil
import weakref

import numpy as np
import pandas as pd
import pytest
import torch
import typer
from eager import eager_rows
from safetensors.torch import load_file, save_file
from tiny import Layer, one_thread, tiny  # noqa: F401

from empirical.measuring.measure import LEAST_KEPT, kept_numbers, measure, measure_dial
from empirical.measuring.records import BOUNDS, COLUMNS, QUANTITIES, read_records
from empirical.measuring.rows import RowMeter
from empirical.measuring.summary import SERIES, LayerSummary
from empirical.seal import SEAL_NAME
from empirical.training.train import train
from theory.errors import DomainError, InputError, LocalistError

WINDOWS = 39


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(tiny(), tmp_path_factory.mktemp("measured") / "run", progress=False)


@pytest.fixture(scope="module")
def records(run, tmp_path_factory):
    """Records outside of the run, which no test may change."""
    return measure(run, sequences=WINDOWS, out_dir=tmp_path_factory.mktemp("records") / "measured", progress=False)


@pytest.fixture(autouse=True, scope="module")
def untouched(run):
    """Checks that no test of this file changes the shared run."""
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    yield
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


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
    again = measure(run, sequences=WINDOWS, out_dir=tmp_path, progress=False)
    assert (tmp_path / "rows.csv").read_bytes() == (records.folder / "rows.csv").read_bytes()
    assert again.digest == records.digest


def test_records_go_into_the_run_by_default(run, tmp_path):
    mine = shutil.copytree(run, tmp_path / "run")
    assert measure(mine, sequences=1, progress=False).folder == mine / "measured"
    assert measure_dial(mine, [0.5], sequences=1, progress=False).folder == mine / "dial"
    assert read_records(mine / "dial").manifest["kind"] == "dial"


# Numbers stored per series.
KEPT = 128


@pytest.mark.slow
def test_memory_does_not_grow_with_dials_or_rows(run, tmp_path, monkeypatch):
    """Counts the live arrays: one dial's summaries, and the rows of one sequence."""
    monkeypatch.setattr("empirical.measuring.measure.SUMMARY_NUMBERS", 0)
    monkeypatch.setattr("empirical.measuring.measure.LEAST_KEPT", KEPT)
    summaries: weakref.WeakSet[LayerSummary] = weakref.WeakSet()
    arrays: dict[int, weakref.ref] = {}
    most: list[tuple[int, int, int]] = []
    whole, start, meter = LayerSummary.add, LayerSummary.__init__, RowMeter.__call__

    def begun(self, *args):
        start(self, *args)
        summaries.add(self)

    def metered(self, call):
        rows = meter(self, call)
        arrays[id(rows)] = weakref.ref(rows.leak.base)
        return rows

    def noted(self, judged):
        whole(self, judged)
        rows = {id(array()): array().nbytes for array in arrays.values() if array() is not None}
        most.append((len(summaries), sum(each.quantiles.nbytes for each in summaries), sum(rows.values())))

    monkeypatch.setattr(LayerSummary, "__init__", begun)
    monkeypatch.setattr(LayerSummary, "add", noted)
    monkeypatch.setattr(RowMeter, "__call__", metered)
    layers, series = 3, 2 * len(SERIES)
    found = []
    for dials, windows in ((1, 8), (4, 8), (1, 20)):
        most.clear()
        options = {"sequences": windows, "out_dir": tmp_path / f"{dials} {windows}", "progress": False}
        measure_dial(run, [0.1 * number for number in range(dials)], **options)
        found.append([max(each) for each in zip(*most, strict=True)])
        assert len(most) == dials * layers * windows
    for count, kept, rows in found:
        assert count == layers, "one dial at a time"
        assert layers * series * KEPT * 2 <= kept <= layers * series * KEPT * 8
        # Rows at dial 0 of all layers have seven numbers each, those of the compared layer eleven.
        assert rows == (layers * 7 + 11) * 8 * 2 * 56


def test_kept_numbers_of_large_models_fit_the_limit():
    for layers, heads, rows in ((12, 12, 10**6), (48, 25, 10**7), (4, 4, 10**4)):
        kept = kept_numbers(layers, heads, rows)
        assert LEAST_KEPT <= kept <= rows
        assert 8 * layers * heads * len(SERIES) * kept <= max(2**28, 8 * layers * heads * len(SERIES) * LEAST_KEPT)
    assert kept_numbers(2, 2, 30) == 30


def test_quantiles_of_many_rows_state_their_rank_error(run, records, tmp_path, monkeypatch, capsys):
    from empirical.measuring.measure_command import measure as command

    assert records.manifest["quantiles"] == {"method": "exact", "rank_error": 0.0}
    monkeypatch.setattr("empirical.measuring.measure.SUMMARY_NUMBERS", 0)
    monkeypatch.setattr("empirical.measuring.measure.LEAST_KEPT", 512)
    path = tmp_path / "rows.parquet"
    command(model=run, sequences=WINDOWS, out=tmp_path / "out", rows=path, as_json=True)
    found = read_records(tmp_path / "out")
    stated = found.manifest["quantiles"]
    assert stated["method"] == "Munro-Paterson sketch"
    assert stated["numbers_kept"] == 512
    assert json.loads(capsys.readouterr().out)["quantiles"] == stated
    assert 0.001 < stated["rank_error"] < 0.05
    drawn = [name for name in COLUMNS if name.endswith(("q05", "q25", "q50", "q75", "q95"))]
    pd.testing.assert_frame_equal(found.rows.drop(columns=drawn), records.rows.drop(columns=drawn))
    assert not found.rows[drawn].equals(records.rows[drawn])
    rows = pd.read_parquet(path)
    for line in found.rows.to_dict("records"):
        part = rows[(rows["layer"] == line["layer"]) & (rows["head"] == line["head"])]
        for name in (*QUANTITIES, *(f"bound_{bound}" for bound in BOUNDS)):
            for share in (0.05, 0.5, 0.95):
                value, ordered = line[f"{name}_q{round(100 * share):02}"], np.sort(part[name])
                low, high = (np.searchsorted(ordered, value, side) / len(part) for side in ("left", "right"))
                assert low - stated["rank_error"] <= share <= high + stated["rank_error"], name
    command(model=run, sequences=20, out=tmp_path / "shown")
    assert "quantiles: from a sketch, each rank within 0.0" in capsys.readouterr().out


def test_loss_has_the_requested_precision(run, tmp_path):
    """The float64 loss agrees with the independent model to 1e-14; the float32 loss does not."""
    options = {"sequences": 5, "progress": False}
    fine = measure(run, precision="float64", out_dir=tmp_path / "fine", **options).manifest["passes"][0]
    coarse = measure(run, out_dir=tmp_path / "coarse", **options).manifest["passes"][0]
    _, exact = eager_rows(run, fine["dials"], 5)
    assert fine["loss"] == pytest.approx(exact, rel=1e-14)
    assert fine["perplexity"] == pytest.approx(np.exp(exact), rel=1e-13)
    assert 1e-12 < abs(coarse["loss"] - exact) < 1e-5


def test_bounds_have_quantiles(records):
    frame = records.rows
    for name in (*BOUNDS, "fidelity_margin"):
        low, middle, high = (frame[f"bound_{name}_{label}"] for label in ("q05", "q50", "q95"))
        assert ((low <= middle) & (middle <= high)).all()
        assert (low <= frame[f"bound_{name}"] + 1e-12).all()
    assert (frame["bound_leak_margin_q05"] < frame["bound_leak_margin_q95"]).any()


def test_unwritable_folder_is_refused_before_the_work(run, tmp_path, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("measured before the folder was checked")

    monkeypatch.setattr("empirical.measuring.measure.run_windows", never)
    (tmp_path / "file").write_text("")
    for call in (measure, lambda *a, **k: measure_dial(*a, [0.5], **k)):
        with pytest.raises(InputError, match=r"cannot make the folder .*file: File exists"):
            call(run, out_dir=tmp_path / "file", progress=False)


def test_out_of_memory_is_one_line(run, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr("empirical.measuring.measure.run_windows", full)
    with pytest.raises(LocalistError, match=r"not enough for measuring. Measure fewer sequences with --sequences.$"):
        measure(run, out_dir=tmp_path / "new", progress=False)


def test_refuses_a_folder_that_is_no_finished_run(tmp_path):
    with pytest.raises(InputError, match="not a run"):
        measure(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match="not finished"):
        measure(tmp_path)


def unsealed(run, folder):
    """A copy of a run that a test may change."""
    copy = shutil.copytree(run, folder)
    (copy / SEAL_NAME).unlink()
    return copy


IDS = torch.arange(64, dtype=torch.int32)[None] // 8


@pytest.mark.parametrize(
    ("windows", "blocks", "message"),
    [
        (torch.full((1, 64), 400), None, "token 400 must lie in .0, 400., the vocabulary"),
        (torch.full((1, 64), -1), None, "token -1 must lie in .0, 400., the vocabulary"),
        (torch.zeros(1, 65, dtype=torch.int32), None, "sequences of 65 tokens exceed the model's 64"),
        (torch.zeros(1, 64), None, r"windows must hold whole numbers .* found float32 .1, 64."),
        (torch.zeros(64, dtype=torch.int32), None, r"windows must hold whole numbers .* found int32 .64,."),
        (torch.zeros(0, 64, dtype=torch.int32), None, r"windows must hold whole numbers .* found int32 .0, 64."),
        (torch.zeros(2, 64, dtype=torch.int32), IDS, r"block ids int32 .1, 64. must be one per token of int32 .2, 64."),
        (torch.zeros(1, 64, dtype=torch.int32), IDS, "holds its own block ids: the model has blocks 'windows'"),
        (torch.zeros(1, 8, dtype=torch.int32), None, "block 8 must be below the context 8"),
    ],
)
def test_held_out_sequences_that_do_not_fit_the_model_are_one_line(run, tmp_path, windows, blocks, message):
    copy = unsealed(run, tmp_path / "run")
    save_file({"windows": windows} | ({} if blocks is None else {"block_ids": blocks}), copy / "held_out.safetensors")
    with pytest.raises((InputError, DomainError), match=message) as caught:
        measure(copy, progress=False)
    assert "\n" not in str(caught.value)
    assert not (copy / "measured").exists()


def test_refuses_missing_ids_of_blocks_that_follow_the_text(run, tmp_path):
    copy = unsealed(run, tmp_path / "run")
    stated = json.loads((copy / "config.json").read_text())
    stated["localist"]["blocks"] = "sentences"
    (copy / "config.json").write_text(json.dumps(stated))
    with pytest.raises(InputError, match="holds no block ids: the model has blocks 'sentences'"):
        measure(copy, progress=False)


def test_huge_scores_are_undecided_until_float64(run, tmp_path, capsys):
    from empirical.measuring.measure_command import measure as command

    huge = tmp_path / "huge"
    shutil.copytree(run, huge)
    weights = load_file(huge / "model.safetensors")
    for name in weights:
        if name.endswith("attn.c_attn.weight"):
            weights[name][:, :64] *= 300
    save_file(weights, huge / "model.safetensors", {"format": "pt"})
    (huge / SEAL_NAME).unlink()
    with pytest.raises(typer.Exit) as ended:
        command(model=huge, sequences=2)
    assert ended.value.exit_code == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "0 violations" in shown
    assert "too large for float32. Measure with --precision float64." in shown
    assert read_records(huge / "measured").undecided > 0
    command(model=huge, sequences=2, precision="float64", as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["violations"], shown["undecided"]) == (0, 0)
    assert read_records(huge / "measured").manifest["dtype"] == "float64"
    with pytest.raises(DomainError, match="precision 'float8' must be one of float32, float64"):
        measure(huge, precision="float8")


def test_command_prints_a_table_and_json(run, tmp_path, capsys):
    from empirical.measuring.measure_command import measure as command

    command(model=run, sequences=2, out=tmp_path / "own", as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert shown["violations"] == 0
    assert shown["rows"] == 2 * 56 * 6
    assert shown["seal"] == "intact"
    command(model=run, dial="0,1", sequences=2, out=tmp_path / "moved")
    shown = capsys.readouterr().out
    assert "perplexity" in shown
    assert "sketch" not in shown
    assert "unsealed" not in shown
