"""Record folders: written whole, read checked."""

import json
import math

import pandas as pd
import pytest

from empirical.records import COLUMNS, COUNTS, read_records, write_records
from theory.errors import InputError


def table():
    row = dict.fromkeys(COLUMNS, 0.1) | dict.fromkeys(COUNTS, 0) | {"head": 1, "rows": 7}
    return pd.DataFrame([row, row | {"head": 2, "margin_mean": math.nan}], columns=list(COLUMNS))


def test_round_trip(tmp_path):
    written = write_records(tmp_path / "deep" / "folder", table(), {"seed": 3})
    read = read_records(tmp_path / "deep" / "folder")
    pd.testing.assert_frame_equal(read.rows, table())
    assert read.manifest == written.manifest
    assert (read.manifest["seed"], read.measured_rows, read.violations) == (3, 14, 0)
    assert read.digest == written.digest
    assert not list(tmp_path.rglob("*.partial"))


def test_a_changed_row_is_refused(tmp_path):
    write_records(tmp_path, table(), {})
    path = tmp_path / "rows.csv"
    path.write_text(path.read_text().replace("0.1", "0.2", 1))
    with pytest.raises(InputError, match="does not match its manifest"):
        read_records(tmp_path)


def edit_manifest(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "rows.csv").unlink(), "rows.csv is missing"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "is not JSON"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "must hold one JSON object"),
        (lambda folder: (folder / "manifest.json").write_text('{"schema": 99}'), "schema is 99"),
        (lambda folder: (folder / "manifest.json").write_text('{"schema": 2}'), "does not match"),
        (lambda folder: edit_manifest(folder, configuration=None), "configuration must be a text, found None"),
        (lambda folder: edit_manifest(folder, kind=["rows"]), "kind must be a text, found"),
    ],
)
def test_a_spoilt_folder_is_one_clear_line(tmp_path, spoil, message):
    write_records(tmp_path, table(), {})
    spoil(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        read_records(tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_folder_and_missing_column(tmp_path):
    with pytest.raises(InputError, match="no record folder"):
        read_records(tmp_path / "none")
    with pytest.raises(InputError, match="'entropy_mean'"):
        write_records(tmp_path, table().drop(columns="entropy_mean"), {})
    with pytest.raises(InputError, match="no rows"):
        write_records(tmp_path, table().iloc[:0], {})


def test_a_manifest_is_strict_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_records(tmp_path, table(), {"perplexity": math.nan})
    write_records(tmp_path, table(), {})
    json.loads((tmp_path / "manifest.json").read_text())


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_records(tmp_path / "file" / "records", table(), {})
