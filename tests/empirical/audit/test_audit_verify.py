"""A repeated audit finds every edit of the report and every change of a file."""

import copy
import gzip
import json
import random
import shutil

import pytest
import torch
from audits import RULES, audited

from empirical.audit import exceptions
from empirical.audit.files import FILE_NAME, PAGE_NAME, written
from empirical.audit.report import content_hash
from empirical.audit.verify import verify_report
from theory.errors import DomainError, InputError


@pytest.fixture
def report(decoder):
    """`report.json` of an audit with rules."""
    return audited(decoder, rules=decoder.parent / "RULES.toml", sequences=4)[1] / "report.json"


def places(report, **given):
    return [each.place for each in verify_report(report, progress=False, **given).differences]


def edited(report, change, rehash=True):
    """Edit the report, its hash and its page with it."""
    about = json.loads(report.read_text())
    change(about)
    if rehash:
        about["sha256"] = content_hash(about)
        (report.parent / PAGE_NAME).unlink(missing_ok=True)
    report.write_text(written(about))


def test_an_untouched_report_is_the_same(report):
    before = torch.get_num_threads()
    found = verify_report(report, progress=False)
    assert (found.same, found.repeated, found.differences) == (True, True, ())
    assert torch.get_num_threads() == before


def test_it_may_lie_elsewhere_with_the_paths_given(report, decoder, tmp_path):
    moved = tmp_path / "far" / "away" / "a.json"
    moved.parent.mkdir(parents=True)
    shutil.copy(report, moved)
    with pytest.raises(InputError, match=r"llama is not found near .*: say with MODEL where it is"):
        verify_report(moved, progress=False)
    given = {"model": decoder, "text": decoder.parent / "text.txt", "rules": decoder.parent / "RULES.toml"}
    assert verify_report(moved, progress=False, **given).same


def test_a_copy_with_another_name_differs_in_the_name_alone(report, decoder):
    other = shutil.copy(decoder.parent / "text.txt", decoder.parent / "other.txt")
    found = verify_report(report, text=other, progress=False)
    assert found.repeated
    assert [each.place for each in found.differences] == ["manifest.command", "manifest.files.text.name"]


def test_a_model_of_the_hub_must_be_named(report):
    edited(report, lambda about: about["manifest"]["files"].update(model={}))
    with pytest.raises(InputError, match=r"was no folder: say with MODEL where it is"):
        verify_report(report, progress=False)


def fidelity(about):
    about["heads"][3]["measured"]["fidelity_least"] += 1e-9


def removed(about):
    about["exceptions"]["rows"].pop(5)


def flipped(about):
    about["promises"][0]["verdict"] = "kept"


def sentence(about):
    about["methods"]["measured"] = "Holds for every text."


def renamed(about):
    about["heads"][0]["more"] = about["heads"][0].pop("rows")


def typed(about):
    about["measured"]["violations"] = False


EDITS = {
    fidelity: "heads[3].measured.fidelity_least",
    removed: "exceptions.rows[5]",
    flipped: "promises[0].verdict",
    sentence: "methods.measured",
    renamed: "heads[0].rows",
    typed: "measured.violations",
}


@pytest.mark.parametrize("change", EDITS, ids=lambda each: each.__name__)
def test_an_edit_is_found_also_with_a_new_hash(report, change):
    edited(report, change)
    found = places(report)
    assert any(place.startswith(EDITS[change]) for place in found)
    assert "sha256" not in found


def test_an_edit_without_a_new_hash_differs_in_the_hash_and_the_page(report):
    edited(report, flipped, rehash=False)
    assert places(report) == ["sha256", "promises[0].verdict", PAGE_NAME]


def test_an_edited_hash_is_found(report):
    def change(about):
        about["sha256"] = "0" * 64

    edited(report, change, rehash=False)
    assert "sha256" in places(report)


def test_an_edited_page_is_found(report):
    shown = report.parent / PAGE_NAME
    shown.write_text(shown.read_text().replace("NOT KEPT", "kept"))
    assert places(report) == [PAGE_NAME]


def test_an_edited_time_is_no_difference(report):
    def change(about):
        about["time"] = "2020-01-01T00:00:00+00:00"

    edited(report, change)
    assert places(report) == []


def test_edited_exceptions_beside_the_report_are_found(decoder, monkeypatch):
    monkeypatch.setattr(exceptions, "INLINE", 5)
    monkeypatch.setattr("empirical.audit.files.INLINE", 5)
    report = audited(decoder, sequences=4)[1] / "report.json"
    assert places(report) == []
    path = report.parent / FILE_NAME
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(lines[1:])))
    assert places(report) == [FILE_NAME]
    path.write_bytes(path.read_bytes()[:50])
    assert places(report) == [FILE_NAME]
    path.unlink()
    assert places(report) == [FILE_NAME]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("llama/config.json", "manifest.files.model.config.json"),
        ("llama/tokenizer.json", "manifest.files.model.tokenizer.json"),
        ("text.txt", "manifest.files.text.sha256"),
        ("RULES.toml", "manifest.files.rules.sha256"),
    ],
)
def test_a_changed_file_is_named_and_nothing_repeated(report, decoder, name, place):
    path = decoder.parent / name
    path.write_text(path.read_text() + "\n")
    found = verify_report(report, progress=False)
    assert [each.place for each in found.differences] == [place]
    assert (found.repeated, found.same) == (False, False)


def test_changed_and_added_weights_are_named(report, decoder):
    weights = decoder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    (decoder / "model-2.safetensors").write_bytes(b"")
    assert places(report) == [f"manifest.files.model.{name}" for name in ("model.safetensors", "model-2.safetensors")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda about: about.update(schema=2), "must be a report of kind 'audit' and schema 1, found \"audit\" and 2"),
        (lambda about: about.update(kind="rows"), "must be a report of kind 'audit' and schema 1"),
        (lambda about: about.update(manifest=[]), "manifest must be an object with files"),
        (lambda about: about["manifest"].update(threads="1"), 'manifest.threads is "1", which must be an integer'),
        (lambda about: about["manifest"]["options"].update(block="8"), "block='8'"),
        (lambda about: about["manifest"]["options"].update(more=1), "more is not an option"),
        (lambda about: about["manifest"]["options"].update(confidence=2.0), "confidence=2.0"),
        (lambda about: about["manifest"]["files"]["text"].update(name="../x"), 'text.name is "../x"'),
        (lambda about: about["manifest"]["model"].update(name=3), "manifest.model.name is 3"),
    ],
)
def test_what_is_no_report_is_refused(report, change, message):
    edited(report, change)
    with pytest.raises(InputError) as refused:
        verify_report(report, progress=False)
    assert message in str(refused.value)


def leaves(value):
    """Every place in a JSON value, with its holder."""
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(each, dict | list):
            yield from leaves(each)


def test_no_mutated_report_is_the_same_or_a_traceback(report, monkeypatch):
    """Each of 300 mutations is a difference or one line; the repetition is that of the untouched report."""
    original = json.loads(report.read_text())
    monkeypatch.setattr("empirical.audit.verify.audit", lambda *given, **named: copy.deepcopy(original))
    draw = random.Random(0)
    refused = []
    for number in range(300):
        about = copy.deepcopy(original)
        about.pop("time")
        holder, key = draw.choice(list(leaves(about)))
        value = draw.choice([None, True, -1, 1e300, "", "x" * 99, [], {}, [[]], {"a": 1}])
        if draw.random() < 0.2:
            del holder[key]
        elif type(holder[key]) is type(value) and holder[key] == value:
            continue
        else:
            holder[key] = value
        about["time"] = original["time"]
        if number % 2 and "sha256" in about:
            about["sha256"] = content_hash(about)
        report.write_text(json.dumps(about))
        try:
            assert not verify_report(report, progress=False).same, key
        except (InputError, DomainError) as error:
            refused.append(str(error))
    assert len(refused) > 3
    assert not any("\n" in each for each in refused)


def test_edited_options_repeat_another_audit(report):
    def change(about):
        about["manifest"]["options"]["seed"] = 5

    edited(report, change)
    found = places(report)
    assert any(place.startswith("manifest.windows.measured") for place in found)
    assert "manifest.command" in found


def test_rules_that_the_audit_had_not_are_refused(decoder):
    report = audited(decoder, sequences=1)[1] / "report.json"
    (decoder.parent / "RULES.toml").write_text(RULES)
    with pytest.raises(DomainError, match=r"--rules .* must be left out: the audit of .* had none"):
        verify_report(report, rules=decoder.parent / "RULES.toml", progress=False)


def test_a_changed_file_of_anchors_is_named(decoder):
    folder = decoder.parent
    anchor = {"text": "sentence", "id": None, "confirmed": True}
    about = {"kind": "anchors", "schema": 1, "model": None, "labels": [{"label": "x", "anchors": [anchor]}]}
    (folder / "A.json").write_text(json.dumps(about))
    rules = folder / "ANCHORED.toml"
    rules.write_text(
        '[anchors]\nx = { file = "A.json" }\n[[rule]]\nname = "r"\nwhen = "position > 2"\n'
        "target = 'anchors(\"x\")'\nstrength = 1.0\n"
    )
    report = audited(decoder, rules=rules, sequences=2)[1] / "report.json"
    assert verify_report(report, progress=False).same
    (folder / "A.json").write_text(json.dumps(about | {"note": "another file"}))
    found = verify_report(report, progress=False)
    assert not found.repeated
    assert [each.place for each in found.differences] == ["manifest.files.rules.anchors.x.sha256"]
