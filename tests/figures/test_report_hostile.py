"""Reports escape what records hold, and refuse records that were changed."""

import gzip
import json
import re
import shutil

import pyarrow.parquet as pq
import pytest
from recorded import REFERENCE, recorded
from reports import EVIL, TIME, Page, alter, read
from tiny import one_thread, tiny  # noqa: F401

from empirical.audit.report import content_hash
from empirical.seal import check_content, sealed
from figures.report.page import report
from theory.errors import InputError
from theory.files import read_json


def texts(value, place=""):
    """Holder, key and place of every text in a JSON value, and of every key."""
    for key, each in list(value.items() if isinstance(value, dict) else enumerate(value)):
        inner = f"{place}.{key}" if isinstance(value, dict) else f"{place}[]"
        if isinstance(each, str):
            yield value, key, inner
        elif isinstance(each, dict | list):
            yield from texts(each, inner)


def resealed(about):
    """As one would write it who edits the seal too."""
    return about | {"sha256": content_hash(about)} if about["kind"] == "audit" else sealed(about)


SEALED = ("calibrated/calibration.json", "truncated/truncation.json")


def edited(value):
    """Another value of the same type, or another text."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else "edited"


def leaves(value):
    """Holder and key of every value of a JSON value that holds no others."""
    for key, each in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if isinstance(each, dict | list) and each:
            yield from leaves(each)
        else:
            yield value, key


@pytest.mark.parametrize("file", SEALED)
def test_an_edit_of_any_value_is_noticed(run, file):
    path, about = run / file, read_json(run / file)
    assert check_content(path, about)
    found = list(leaves(about))
    assert len(found) > 60
    for holder, key in found:
        before = holder[key]
        holder[key] = edited(before)
        with pytest.raises(InputError, match="content does not match the hash in it"):
            check_content(path, about)
        holder[key] = before
    for change in ({"added": 1}, {"sha256": None}, {"sha256": [1]}):
        with pytest.raises(InputError, match="does not match"):
            check_content(path, about | change)
    assert check_content(path, about)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("file", SEALED)
def test_an_edited_report_is_refused_and_an_unsealed_one_says_so(run, file):
    path, about = run / file, read_json(run / file)
    assert "its content matches the hash in it" in report(path).html
    for name in about:
        path.write_text(json.dumps(about | {name: edited(about[name])}))
        with pytest.raises(InputError, match=rf"{path.name} (was changed|must|: kind is)|kind is 'edited'"):
            report(path)
        # In its folder it is refused too, not left out.
        with pytest.raises(InputError, match=rf"{path.name} was changed"):
            report(path.parent)
    path.write_text(json.dumps({name: value for name, value in about.items() if name != "sha256"}))
    found = [each for each in report(path).verdicts if each.said == f"{path.name} is not sealed."]
    assert [each.tone for each in found] == [""]
    assert "not sealed: shown as found" in report(path).html


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
        planted = resealed(planted)
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
@pytest.mark.parametrize("said", [None, 1, "yes", EVIL])
def test_a_calibration_whose_answer_is_not_that_of_its_numbers_is_refused(run, said):
    path = run / "calibrated" / "calibration.json"
    about = read_json(path)
    path.write_text(json.dumps(sealed(about | {"reached": not about["reached"] if said is None else said})))
    with pytest.raises(InputError, match="and its checked windows say") as refused:
        report(path)
    assert "\n" not in str(refused.value)


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
