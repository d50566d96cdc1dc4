"""`measure --rows`: every row of the file against an independent eager model, and disks that fail."""

import hashlib
import json
import math
import os
import shutil
from collections import namedtuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from eager import eager_bounds, eager_rows
from tiny import one_thread, tiny  # noqa: F401

from empirical.measuring.measure import measure, measure_dial
from empirical.measuring.records import BOUNDS, QUANTITIES
from empirical.measuring.row_file import MOVED_COLUMNS, ROW_COLUMNS, ROWS_KEY, VERDICTS, RowFile
from empirical.training.held_out import load_held_out
from empirical.training.train import train
from theory.errors import DomainError, InputError

WINDOWS = 6


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = tiny(locality={"largest_dial": 0.9, "temperature": 0.7}, training={"steps": 30})
    return train(config, tmp_path_factory.mktemp("rows") / "run", progress=False)


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    """The file and the records of the run with its own dials, in float64."""
    folder = tmp_path_factory.mktemp("written")
    path = folder / "rows.parquet"
    options = {"sequences": WINDOWS, "precision": "float64", "out_dir": folder / "measured", "progress": False}
    return path, measure(run, rows_file=path, **options)


def expected(layers, dials):
    """The oracle's rows, in the file's order within a layer."""
    parts = []
    for layer, numbers in enumerate(layers):
        heads, sequences, positions = np.meshgrid(*map(np.arange, numbers["leak"].shape), indexing="ij")
        columns = {name: each.ravel() for name, each in numbers.items() if name != "output"}
        places = {"head": heads.ravel(), "sequence": sequences.ravel(), "position": positions.ravel()}
        parts.append(pd.DataFrame(places | columns).assign(layer=layer, dial=dials[layer]))
    return pd.concat(parts).dropna(subset="leak").set_index(["layer", "head", "sequence", "position"]).sort_index()


def indexed(frame):
    return frame.set_index(["layer", "head", "sequence", "position"]).sort_index()


DIALS = [0.0, 0.9 * 0.5**5, 0.9]


def test_rows_match_their_definitions(run, written):
    path, _ = written
    frame, (layers, _) = pd.read_parquet(path), eager_rows(run, DIALS, WINDOWS)
    assert list(frame.columns) == list(ROW_COLUMNS)
    rows, exact = indexed(frame), expected(layers, DIALS)
    assert rows.index.equals(exact.index), "each row with a complement appears exactly once"
    assert len(rows) == 3 * 2 * WINDOWS * (64 - 8)
    for name in ("n", "m", "dial", *QUANTITIES):
        np.testing.assert_allclose(rows[name], exact[name], rtol=1e-10, atol=1e-11, err_msg=name)
    assert (rows["dial_largest"] == 0.9).all()
    tokens = load_held_out(run)[0].numpy()
    assert (frame["token"] == tokens[frame["sequence"], frame["position"]]).all()


def test_bounds_match_their_formulas(run, written):
    path, _ = written
    rows, exact = indexed(pd.read_parquet(path)), expected(eager_rows(run, DIALS, WINDOWS)[0], DIALS)
    bounds = pd.DataFrame([eager_bounds(row) for row in exact.to_dict("records")], index=exact.index)
    assert set(bounds) == {f"bound_{name}" for name in ("fidelity_margin", *BOUNDS)}
    for name in bounds:
        np.testing.assert_allclose(rows[name], bounds[name], rtol=1e-9, atol=1e-10, err_msg=name)
    assert (rows["verdict"] == "not violated").all()
    assert (rows["violates"] == "").all()
    for name in ("tolerance_entropy", "tolerance_leak"):
        assert rows[name].between(1e-16, 1e-10).all()


def test_records_summarise_the_rows(written):
    path, records = written
    groups = pd.read_parquet(path).groupby(["layer", "head"])
    for (layer, head), rows in groups:
        (record,) = records.rows.query(f"layer == {layer} and head == {head}").to_dict("records")
        assert record["rows"] == len(rows)
        assert record["dial"] == rows["dial"].iloc[0]
        for name in QUANTITIES:
            values = rows[name].to_numpy()
            assert (record[f"{name}_min"], record[f"{name}_max"]) == (values.min(), values.max())
            assert record[f"{name}_mean"] == pytest.approx(math.fsum(values) / len(values), rel=1e-13)
            for share in (5, 25, 50, 75, 95):
                assert record[f"{name}_q{share:02}"] == np.quantile(values, share / 100)
        for name in BOUNDS:
            bound = rows[f"bound_{name}"]
            measured = rows["leak" if name.startswith("leak") else "entropy"]
            slack = measured - bound if name == "entropy_range" else bound - measured
            assert record[f"slack_{name}_min"] == slack.min()
            for share in (5, 50, 95):
                assert record[f"slack_{name}_q{share:02}"] == np.quantile(slack, share / 100)
        for name in ("fidelity_margin", *BOUNDS):
            bound = rows[f"bound_{name}"].to_numpy()
            assert record[f"bound_{name}"] == pytest.approx(math.fsum(bound) / len(bound), rel=1e-13)
            for share in (5, 50, 95):
                assert record[f"bound_{name}_q{share:02}"] == np.quantile(bound, share / 100)
        assert record["tolerance_entropy_max"] == rows["tolerance_entropy"].max() > 0
        assert record["tolerance_leak_max"] == rows["tolerance_leak"].max() > 0
        assert record["tolerance_leak_max"] > rows["tolerance_leak"].min()


def test_metadata_names_the_records(written):
    path, records = written
    about = json.loads(pq.read_metadata(path).metadata[ROWS_KEY])
    assert about["manifest_sha256"] == hashlib.sha256((records.folder / "manifest.json").read_bytes()).hexdigest()
    assert about["rows_csv_sha256"] == records.digest
    assert about["rows"] == pq.read_metadata(path).num_rows == records.measured_rows
    assert about["manifest"] == records.manifest
    field = pq.read_schema(path).field("margin")
    assert field.metadata[b"meaning"].decode() == QUANTITIES["margin"]


@pytest.mark.slow
def test_rows_of_a_moved_dial_match_predictions(run, tmp_path):
    path, dials = tmp_path / "rows.parquet", [0.0, 0.8, 1.0]
    options = {"sequences": WINDOWS, "precision": "float64", "out_dir": tmp_path / "dial", "progress": False}
    records = measure_dial(run, dials, rows_file=path, **options)
    frame = pd.read_parquet(path)
    assert list(frame.columns) == [*ROW_COLUMNS, *MOVED_COLUMNS]
    start = eager_rows(run, [0.0] * 3, WINDOWS)[0]
    for dial, stated in zip(dials, records.manifest["passes"], strict=True):
        rows = indexed(frame[frame["dial_largest"] == dial])
        layers, loss = eager_rows(run, [dial] * 3, WINDOWS)
        exact, before = expected(layers, [dial] * 3), expected(start, [0.0] * 3)
        assert rows.index.equals(exact.index)
        assert stated["loss"] == pytest.approx(loss, rel=1e-12)
        for name in ("n", "m", "dial", *QUANTITIES):
            np.testing.assert_allclose(rows[name], exact[name], rtol=1e-9, atol=1e-10, err_msg=name)
        # B1: the odds grow by the factor 1/(1 - dial) from dial 0.
        leak = (1 - dial) * before["leak"] / (1 - dial * before["leak"])
        np.testing.assert_allclose(rows["predicted_fidelity"], 1 - leak, rtol=1e-10)
        moves = [
            np.linalg.norm(now["output"] - then["output"], axis=-1) for now, then in zip(layers, start, strict=True)
        ]
        places = rows.reset_index()[["layer", "head", "sequence", "position"]].to_numpy()
        shift = [moves[layer][head, sequence, position] for layer, head, sequence, position in places]
        np.testing.assert_allclose(rows["shift"], shift, rtol=1e-8, atol=1e-12)
        first = rows.loc[0]
        np.testing.assert_allclose(first["predicted_entropy"], first["entropy"], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(first["predicted_shift"], first["shift"], rtol=1e-8, atol=1e-12)
        assert first["shift_error"].max() < 1e-12
        if dial:
            assert rows.loc[2, "shift_error"].max() > 1e-6
        for (layer, head), part in rows.groupby(["layer", "head"]):
            chosen = f"dial_largest == {dial} and layer == {layer} and head == {head}"
            (record,) = records.rows.query(chosen).to_dict("records")
            assert record["predicted_fidelity"] == pytest.approx(part["predicted_fidelity"].mean(), rel=1e-13)
            assert record["predicted_entropy"] == pytest.approx(part["predicted_entropy"].mean(), rel=1e-13)
            assert record["shift_mean"] == pytest.approx(part["shift"].mean(), rel=1e-13, abs=1e-300)
            assert record["predicted_shift"] == pytest.approx(part["predicted_shift"].mean(), rel=1e-13, abs=1e-300)
            assert record["prediction_error_shift"] == part["shift_error"].max()
            for name in ("fidelity", "entropy"):
                assert record[f"prediction_error_{name}"] == (part[f"predicted_{name}"] - part[name]).abs().max()


def test_violated_row_names_its_bounds(run, tmp_path, monkeypatch):
    from empirical.measuring import passes

    whole = passes.RowMeter.__call__

    def corrupt(self, call):
        rows = whole(self, call)
        if call.layer == 1:
            rows.leak[1, 5] = 1.5
        return rows

    monkeypatch.setattr(passes.RowMeter, "__call__", corrupt)
    path = tmp_path / "rows.parquet"
    records = measure(run, sequences=1, rows_file=path, out_dir=tmp_path / "out", progress=False)
    frame = pd.read_parquet(path)
    (wrong,) = frame[frame["verdict"] == "violated"].to_dict("records")
    assert (wrong["layer"], wrong["head"], wrong["position"], wrong["leak"]) == (1, 1, 8 + 5, 1.5)
    assert {"leak_margin", "leak_mean_margin"} <= set(wrong["violates"].split())
    assert (frame.loc[frame["verdict"] != "violated", "violates"] == "").all()
    (line,) = records.rows[records.rows["violations"] > 0].to_dict("records")
    assert (line["layer"], line["head"], line["violations"], line["violations_leak_margin"]) == (1, 1, 1, 1)
    counted = {name for name in BOUNDS if line[f"violations_{name}"]}
    assert counted == set(wrong["violates"].split())
    assert counted < set(BOUNDS)


def test_undecided_rows_are_marked(run, tmp_path, monkeypatch):
    monkeypatch.setattr("empirical.attention.rounding.LARGEST_RELATIVE_ERROR", 0.0)
    path = tmp_path / "rows.parquet"
    records = measure(run, sequences=1, rows_file=path, out_dir=tmp_path / "out", progress=False)
    frame = pd.read_parquet(path)
    assert (frame["verdict"] == "undecided").all()
    assert np.isinf(frame["tolerance_leak"]).all()
    assert records.undecided == records.measured_rows == len(frame)
    assert records.violations == 0
    assert records.rows[["tolerance_leak_max", "tolerance_entropy_max"]].isna().all(axis=None)
    assert tuple(frame["verdict"].cat.categories) == VERDICTS


@pytest.mark.parametrize("group", [1, 300, 10**9])
def test_row_groups_are_written_when_full(run, written, tmp_path, monkeypatch, group):
    monkeypatch.setattr("empirical.measuring.row_file.GROUP_ROWS", group)
    path = tmp_path / "rows.parquet"
    options = {"sequences": WINDOWS, "precision": "float64", "out_dir": tmp_path / "out", "progress": False}
    measure(run, rows_file=path, **options)
    pd.testing.assert_frame_equal(pd.read_parquet(path), pd.read_parquet(written[0]))
    found = pq.read_metadata(path)
    sizes = [found.row_group(index).num_rows for index in range(found.num_row_groups)]
    # Six sequences with 112 rows in each of three layers.
    assert sizes == {1: [112] * 18, 300: [336] * 6, 10**9: [2016]}[group]


def left(folder):
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError])
def test_interruption_leaves_only_the_journal(run, tmp_path, monkeypatch, stop):
    monkeypatch.setattr("empirical.measuring.row_file.GROUP_ROWS", 1)
    whole = RowFile.add
    seen = []

    def interrupted(self, *args):
        whole(self, *args)
        seen.append(left(tmp_path))
        if len(seen) == 4:
            raise stop

    monkeypatch.setattr(RowFile, "add", interrupted)
    with pytest.raises((KeyboardInterrupt, Exception)) as caught:
        measure(run, sequences=8, rows_file=tmp_path / "new" / "rows.parquet", out_dir=tmp_path / "out", progress=False)
    assert caught.type is KeyboardInterrupt or "out of memory" in str(caught.value)
    assert f"rows.parquet.{os.getpid()}.partial" in seen[0]
    assert left(tmp_path) == ["out", "unfinished.journal"]


def test_old_file_stays_until_the_new_one_is_complete(run, tmp_path, monkeypatch):
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"old")

    def broken(self, records):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(RowFile, "finish", broken)
        with pytest.raises(KeyboardInterrupt):
            measure(run, sequences=1, rows_file=path, out_dir=tmp_path / "out", progress=False)
    assert path.read_bytes() == b"old"
    measure(run, sequences=1, rows_file=path, out_dir=tmp_path / "out", progress=False)
    assert len(pd.read_parquet(path)) == 3 * 2 * 56
    assert left(tmp_path) == ["manifest.json", "out", "rows.csv", "rows.parquet"]


def test_full_disk_is_one_line(run, tmp_path, monkeypatch):
    monkeypatch.setattr("empirical.measuring.row_file.GROUP_ROWS", 1)
    whole, groups = pq.ParquetWriter.write_table, []

    def full(self, *args, **kwargs):
        groups.append(args)
        if len(groups) == 2:
            raise OSError(28, "No space left on device")
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(
        InputError, match=r"^cannot write .*rows.parquet: No space left on device. Measure fewer"
    ) as caught:
        measure(run, sequences=8, rows_file=tmp_path / "rows.parquet", out_dir=tmp_path / "out", progress=False)
    assert "\n" not in str(caught.value)
    assert len(groups) == 2, "reported at the group that did not fit"
    assert left(tmp_path) == []


def test_too_small_disk_is_reported_after_the_first_group(run, tmp_path, monkeypatch):
    monkeypatch.setattr("empirical.measuring.row_file.GROUP_ROWS", 1)
    usage = namedtuple("usage", "total used free")
    room = {"free": 10**12}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(0, 0, room["free"]))
    measure(run, sequences=8, rows_file=tmp_path / "rows.parquet", out_dir=tmp_path / "out", progress=False)
    size = (tmp_path / "rows.parquet").stat().st_size
    room["free"] = size // 4
    asked = []
    monkeypatch.setattr(RowFile, "add", lambda self, *args, add=RowFile.add: (asked.append(1), add(self, *args)))
    with pytest.raises(InputError, match=r"the remaining rows take about .* GiB, the disk has .* GiB. Measure fewer"):
        measure(run, sequences=8, rows_file=tmp_path / "more.parquet", out_dir=tmp_path / "more", progress=False)
    assert len(asked) == 1
    assert left(tmp_path) == ["manifest.json", "out", "rows.csv", "rows.parquet"]


@pytest.mark.parametrize("name", ["rows.csv", "rows", "manifest.json"])
def test_refuses_another_file_suffix(run, tmp_path, name):
    with pytest.raises(DomainError, match=rf"rows file .*{name} must end in .parquet"):
        measure(run, rows_file=tmp_path / name, out_dir=tmp_path, progress=False)
    assert left(tmp_path) == []


def test_unwritable_path_is_refused_before_the_work(run, tmp_path, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("measured before the path was checked")

    monkeypatch.setattr("empirical.measuring.measure.run_windows", never)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.parquet").mkdir()
    for path, why in ((tmp_path / "file" / "a.parquet", "File exists"), (tmp_path / "folder.parquet", "Is a dir")):
        with pytest.raises(InputError, match=f"cannot write .*{path.name}: {why}"):
            measure(run, rows_file=path, out_dir=tmp_path / "out", progress=False)
    assert left(tmp_path) == ["file", "folder.parquet"]


def test_command_writes_rows(run, tmp_path, capsys):
    from empirical.measuring.measure_command import measure as command

    command(model=run, sequences=1, out=tmp_path / "out", rows=tmp_path / "rows.parquet", as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert shown["rows_file"] == str(tmp_path / "rows.parquet")
    assert shown["rows"] == len(pd.read_parquet(tmp_path / "rows.parquet"))
    assert pa.types.is_dictionary(pq.read_schema(tmp_path / "rows.parquet").field("verdict").type)
