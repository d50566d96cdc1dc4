"""Reports and stated numbers: read into tables, and `--check` names figures whose record was changed by hand."""

import json
import shutil

import pytest
import typer
from drawn_rows import rows_of
from pictures import texts
from recorded import REFERENCE

from figures.commands import figures
from figures.pictures import frontier
from figures.reports import is_report, read_report
from figures.sources import material, read_all
from figures.stated import STATED_NAME, read_stated
from theory.errors import InputError

RECORDS = REFERENCE.parent


def changed(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_check_names_the_figures_of_changed_values(tmp_path, capsys):
    names = ["paths", "rules"]
    (tmp_path / "figures").mkdir()
    for name in names:
        shutil.copytree(RECORDS / name, tmp_path / name)
        shutil.copy(RECORDS / "figures" / f"{name}.json", tmp_path / "figures")
    record = json.loads((tmp_path / "paths" / "adamw-2.json").read_text())
    changed(tmp_path / "paths" / "adamw-2.json", str(record["groups"][0]["norms"][-1]), "0.2")
    log = (tmp_path / "rules" / "firings.jsonl").read_text().splitlines()
    after = next(json.loads(each) for each in log if '"firing"' in each)["after"]
    changed(tmp_path / "rules" / "firings.jsonl", f'"after": {after}', f'"after": {after + 1e-3}')
    with pytest.raises(typer.Exit):
        figures(names, records=[tmp_path], out=tmp_path / "figures", check=True)
    lines = capsys.readouterr().out.splitlines()
    (path,) = [each for each in lines if each.startswith("paths: ")]
    assert path.startswith("paths: panel 4 (norm at the end / at the start), line")
    assert [each.split(",")[:2] for each in lines if each.startswith("rules: ")] == [
        ["rules: panel 1 (attention on the target (share))", " line 'after'"]
    ]


def test_a_group_of_many_files_has_one_source():
    (source,) = material(read_all([RECORDS / "paths"]), "groups", "paths").sources
    # sha256sum * | sha256sum
    assert source.name.startswith("paths: 16 files")
    assert source.sha256 == "e1fb4a475e9e6da3412a77cd205c827f5e73ce2ad1835b2085d889033fb79e44"


def test_groups_without_norms_are_no_report(tmp_path):
    path = tmp_path / "groups.json"
    record = json.loads((RECORDS / "paths" / "adamw-2.json").read_text())
    path.write_text(json.dumps(record))
    assert is_report(path)
    assert read_report(path)[0] == "groups"
    path.write_text(json.dumps({name: value for name, value in record.items() if name != "norms_every"}))
    assert not is_report(path)
    record["groups"][0]["norms"] = record["groups"][0]["norms"][1:]
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match="is not a report of kind 'groups': ValueError"):
        read_report(path)


def test_a_log_without_firings_is_refused(tmp_path):
    lines = (RECORDS / "rules" / "firings.jsonl").read_text().splitlines(True)
    path = tmp_path / "firings.jsonl"
    path.write_text("".join(lines[:3]))
    with pytest.raises(InputError, match="holds no firing of a rule"):
        read_report(path)
    path.write_text('{"event": "text"}\n')
    assert not is_report(path)


def test_a_log_in_several_files_is_read_whole(tmp_path):
    lines = (RECORDS / "rules" / "firings.jsonl").read_text().splitlines(True)
    path = tmp_path / "firings.jsonl"
    path.write_text("".join(lines[:200]))
    (tmp_path / "firings.jsonl.1").write_text("".join(lines[200:]))
    whole = read_report(RECORDS / "rules" / "firings.jsonl")
    parts = read_report(path)
    assert parts[1].equals(whole[1])
    assert parts[3] == whole[3]


def test_stated_numbers_are_marked_with_their_version():
    shown = " ".join(texts(frontier.draw(rows_of("frontier"))).split())
    assert "quintic “only 1.89 times worse than the fully distributed baseline”, arXiv 2511.18375v1" in shown
    # Other sweeps are drawn without the file.
    bare = material(read_all([REFERENCE]), "sweep tasks", "frontier").rows
    assert "stated" not in bare
    assert "stated" not in texts(frontier.draw(bare))


def test_a_stated_number_must_be_in_its_quotation(tmp_path):
    path = shutil.copy(RECORDS / STATED_NAME, tmp_path / STATED_NAME)
    assert read_stated(path)["value"].tolist() == [14.64, 1.89, 6.6, 84.2]
    changed(path, "value = 1.89", "value = 1.88")
    with pytest.raises(InputError, match=r"1\.88 is not in the quotation 'only 1\.89 times worse than"):
        read_stated(path)
    changed(path, "value = 1.88", "valeu = 1.88")
    with pytest.raises(InputError, match="does not hold stated numbers: KeyError 'value'"):
        read_stated(path)
