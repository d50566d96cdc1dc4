"""Record folders are written completely and checked when read."""

import errno
import json
import math
import os
from pathlib import Path

import pandas as pd
import pytest

from empirical.csv_table import read_table
from empirical.measuring.records import (
    COLUMNS,
    COUNTS,
    LATER_COLUMNS,
    read_records,
    records_reserved,
    write_records,
)
from empirical.reserve import reserved
from theory.errors import InputError
from theory.files import sha256_of


def table():
    row = dict.fromkeys(COLUMNS, 0.1) | dict.fromkeys(COUNTS, 0) | {"head": 1, "rows": 7}
    return pd.DataFrame([row, row | {"head": 2, "margin_mean": math.nan}], columns=list(COLUMNS))


def test_records_round_trip(tmp_path):
    written = write_records(tmp_path / "deep" / "folder", table(), {"seed": 3})
    read = read_records(tmp_path / "deep" / "folder")
    pd.testing.assert_frame_equal(read.rows, table())
    assert read.manifest == written.manifest
    assert (read.manifest["seed"], read.measured_rows, read.violations) == (3, 14, 0)
    assert read.digest == written.digest
    assert not list(tmp_path.rglob("*.partial"))


def test_reads_records_without_the_bounds_added_later(tmp_path):
    """Their rows have no such bound and no violation of it."""
    write_records(tmp_path, table(), {})
    path = tmp_path / "rows.csv"
    pd.read_csv(path).drop(columns=list(LATER_COLUMNS)).to_csv(path, index=False)
    edit_manifest(tmp_path, rows_csv={"sha256": sha256_of(path)})
    with pytest.raises(InputError, match=f"{len(LATER_COLUMNS)} columns are missing, first 'violations_leak_sink'"):
        read_records(tmp_path)
    edit_manifest(tmp_path, schema=2)
    rows = read_records(tmp_path).rows
    assert list(rows.columns) == list(COLUMNS)
    assert (rows["violations_leak_sink"] == 0).all()
    assert rows["bound_leak_sink"].isna().all()
    pd.testing.assert_frame_equal(rows.drop(columns=list(LATER_COLUMNS)), table().drop(columns=list(LATER_COLUMNS)))


def test_refuses_a_changed_row(tmp_path):
    write_records(tmp_path, table(), {})
    path = tmp_path / "rows.csv"
    path.write_text(path.read_text().replace("0.1", "0.2", 1))
    with pytest.raises(InputError, match="does not match its manifest"):
        read_records(tmp_path)


def edit_manifest(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "rows.csv").unlink(), "rows.csv is missing"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "is not JSON"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "must hold one JSON object"),
        (lambda folder: (folder / "manifest.json").write_text('{"schema": 99}'), "schema is 99"),
        (lambda folder: (folder / "manifest.json").write_text('{"schema": 2}'), "does not match"),
        (lambda folder: edit_manifest(folder, configuration=None), "configuration must be text, found None"),
        (lambda folder: edit_manifest(folder, violations=1), "violations is 1, the rows of rows.csv add up to 0"),
        (lambda folder: edit_manifest(folder, undecided=None), "undecided is None, the rows of rows.csv add up to 0"),
        (lambda folder: edit_manifest(folder, rows=15), "rows is 15, the rows of rows.csv add up to 14"),
        (lambda folder: edit_manifest(folder, kind=["rows"]), "kind must be text, found"),
    ],
)
def test_damaged_folder_is_one_line(tmp_path, damage, message):
    write_records(tmp_path, table(), {})
    damage(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        read_records(tmp_path)
    assert "\n" not in str(caught.value)


def test_refuses_a_missing_folder_or_column(tmp_path):
    with pytest.raises(InputError, match="no record folder"):
        read_records(tmp_path / "none")
    with pytest.raises(InputError, match="'entropy_mean'"):
        write_records(tmp_path, table().drop(columns="entropy_mean"), {})
    with pytest.raises(InputError, match="no rows"):
        write_records(tmp_path, table().iloc[:0], {})


def test_manifest_is_strict_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_records(tmp_path, table(), {"perplexity": math.nan})
    write_records(tmp_path, table(), {})
    json.loads((tmp_path / "manifest.json").read_text())


def test_refuses_an_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_records(tmp_path / "file" / "records", table(), {})


@pytest.mark.parametrize("failing", [0, 1])
def test_full_disk_is_reported_before_the_work(tmp_path, monkeypatch, failing):
    """Either of the two files may be the one that does not fit."""
    asked = []

    def full(descriptor, start, size):
        asked.append(size)
        if len(asked) == failing + 1:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    name = ("rows.csv", "manifest.json")[failing]
    with (
        pytest.raises(InputError, match=rf"^cannot write .*{name}: No space left on device$"),
        records_reserved(tmp_path / "deep" / "folder", 2, 0),
    ):
        raise AssertionError("work started on a full disk")
    assert not list(tmp_path.iterdir())


def test_reserved_size_suffices(tmp_path, monkeypatch):
    taken = {}
    whole = os.posix_fallocate

    def noted(descriptor, start, size):
        taken[Path(os.readlink(f"/proc/self/fd/{descriptor}")).name.split(".")[0]] = size
        whole(descriptor, start, size)

    monkeypatch.setattr("os.posix_fallocate", noted)
    long = table().map(lambda value: -1.2345678901234567e-300 if value == 0.1 else value)
    write_records(tmp_path, long, {})
    for name in ("rows.csv", "manifest.json"):
        assert 0 < (tmp_path / name).stat().st_size <= taken[name.split(".")[0]]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS])
def test_writes_to_a_file_system_without_reservation(tmp_path, monkeypatch, number):
    def unknown(descriptor, start, size):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.posix_fallocate", unknown)
    with records_reserved(tmp_path, 2, 0) as write:
        (partial,) = tmp_path.glob("rows.csv.*.partial")
        assert partial.stat().st_size == 3 * len(COLUMNS) * 25
        write(table(), {})
    pd.testing.assert_frame_equal(read_records(tmp_path).rows, table())


def test_without_a_write_no_file_is_left(tmp_path):
    with records_reserved(tmp_path / "deep" / "folder", 2, 0):
        assert len(list(tmp_path.rglob("*.partial"))) == 2
    assert not list(tmp_path.iterdir())
    write_records(tmp_path, table(), {"seed": 1})
    with pytest.raises(KeyboardInterrupt), records_reserved(tmp_path, 2, 0):
        raise KeyboardInterrupt
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "rows.csv"]
    assert read_records(tmp_path).manifest["seed"] == 1


def test_keeps_links_and_writes_to_devices(tmp_path):
    (tmp_path / "kept").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    with reserved(tmp_path / "link", 100) as write:
        assert (tmp_path / "kept").read_text() == "old"
        write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "kept").read_bytes() == b"new"
    with reserved(Path("/dev/null"), 100) as write:
        write(b"gone")
    assert not Path("/dev/null").is_file()
    with reserved(Path("/dev/full"), 100) as write, pytest.raises(InputError, match="cannot write /dev/full: No space"):
        write(b"gone")
    with pytest.raises(InputError, match="Is a directory"), reserved(tmp_path, 100):
        pass


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3\n", "row 2: 1 cells must be 2"),
        ("a\n1\n", "1 columns are missing, first 'b'"),
        ("a,b,a\n1,2,3\n", "column 'a' appears more than once"),
        ("a,b\n1.5,2\n", "column 'a' must hold integers from 0, found '1.5'"),
        ("a,b\n-1,2\n", "column 'a' must hold integers from 0, found '-1'"),
        ("a,b\n1,x\n", "column 'b' must hold numbers, found 'x'"),
        ('a,b\n"1,2\n', "is not a CSV table"),
        ("", "2 columns are missing"),
    ],
)
def test_malformed_table_is_one_line(tmp_path, text, message):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_table(path, ("a", "b"), ("a",))
    path.write_bytes(b"a,b\n1,\xff\n")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_table(path, ("a", "b"), ("a",))
    with pytest.raises(InputError, match=r"cannot read .*none.csv"):
        read_table(tmp_path / "none.csv", ("a", "b"), ("a",))


def test_reads_only_the_requested_columns(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('c,a,more,b\n"x\ny",1,9,0.1\n,2,9,\n')
    found = read_table(path, ("a", "b", "c"), ("a",), ("c",))
    expected = pd.DataFrame({"a": [1, 2], "b": [0.1, math.nan], "c": pd.Series(["x\ny", ""], dtype=object)})
    pd.testing.assert_frame_equal(found, expected)
