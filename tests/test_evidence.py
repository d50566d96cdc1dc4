"""Evidence on disk: statuses are computed from it, stale evidence counts for nothing, and `CLAIMS.md` is current."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sympy import Ge, Interval, Symbol, oo

import localist
from proofs_check import gathering
from proofs_check.commands import gather_one
from proofs_check.evidence import CERTIFICATES, GOOD, KERNEL, claims_page, statement_hash, status
from proofs_check.gathering import Effort, gather
from proofs_check.intervals.certificates import Certificate, speaks_of
from proofs_check.intervals.interval import certify
from proofs_check.intervals.lemmas import lemmas_of
from proofs_check.kernel import KernelResult
from proofs_check.replay import replay
from proofs_check.running import each
from proofs_check.tables import print_full, print_kernel
from proofs_check.verdict import Verdict
from theory.catalogue import CATALOGUE, find
from theory.errors import InputError
from theory.files import read_json, sha256_of

ROOT = Path(__file__).resolve().parent.parent
EVIDENCE = ROOT / "evidence"
EFFORT = Effort(rows=20, samples=2000, seconds_per_lemma=5, seed=0)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evidence")
    return folder, gather(find("A6"), folder, EFFORT)


@pytest.fixture
def copied(found, tmp_path):
    """The evidence in a folder of its own, to spoil."""
    shutil.copytree(found[0], tmp_path / "evidence")
    return tmp_path / "evidence", json.loads(json.dumps(found[1]))


def test_what_was_gathered_is_kept(found):
    folder, first = found
    path = folder / "A6.json"
    assert read_json(path) == first
    before = path.stat().st_mtime_ns
    assert gather(find("A6"), folder, EFFORT) == first
    assert path.stat().st_mtime_ns == before
    assert status(first, find("A6"), folder) == "certified"


PLANTED = [
    (("symbolic", "verdict"), "refuted", "refuted"),
    (("random", "verdict"), "refuted", "refuted"),
    (("vacuity", "verdict"), "vacuous", "vacuous"),
    (("screen", "verdict"), "refuted", "refuted"),
    (("adversarial", 0, "verdict"), "refuted", "refuted"),
    (("interval", 0, "verdict"), "refuted", "refuted"),
    (("interval", 0, "verdict"), "undecided", "derived"),
    (("symbolic", "verdict"), "undecided", "sampled"),
    (("random", "clean"), False, "undecided"),
    (("statement_sha256",), "0" * 64, "stale"),
    (("format",), "localist evidence 1", "stale"),
    (("interval", 0, "sha256"), "0" * 64, "stale"),
    (("interval", 0, "sha256"), None, "stale"),
    (("interval", 0, "certificate"), "A6-1.json", "stale"),
    (("interval", 0, "lemma"), "A6-7", "stale"),
    (("interval",), [], "stale"),
    (("interval",), None, "stale"),
    (("random",), {}, "stale"),
]


@pytest.mark.parametrize(("place", "value", "expected"), PLANTED, ids=str)
def test_the_status_follows_from_the_evidence(found, place, value, expected):
    planted = json.loads(json.dumps(found[1]))
    target = planted
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    assert status(planted, find("A6"), found[0]) == expected


def test_the_kernels_record_raises_the_status_and_only_while_it_is_current(copied):
    folder, planted = copied
    record = folder / KERNEL / "A6.json"
    record.parent.mkdir()
    shutil.copy(EVIDENCE / KERNEL / "A6.json", record)
    assert status(planted, find("A6"), folder) == "kernel-checked"
    for method in ("symbolic", "screen"):
        against = planted | {method: planted[method] | {"verdict": "refuted"}}
        assert status(against, find("A6"), folder) == "refuted"
    record.write_text(record.read_text().replace('"Row.v": "', '"Row.v": "0'))
    assert status(planted, find("A6"), folder) == "certified"


def test_without_coq_the_kernel_cannot_be_asked_again(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.argv", ["localist", "verify", "A6", "--kernel"])
    with pytest.raises(SystemExit) as ended:
        localist.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: coqc is not installed")


def test_the_table_of_the_kernel_names_what_is_open(capsys):
    proved = KernelResult("A6", Verdict.PROVED, ("margin", "leak"), coq="8.16.1")
    left = KernelResult("A2", Verdict.UNDECIDED, ("margin",), {"exponential": "no"}, coq="8.16.1")
    print_kernel([proved, left])
    shown = capsys.readouterr().out
    assert "2/2" in shown
    assert "1/2" in shown
    assert "A2, exponential: no" in shown


def test_the_table_shows_the_screens_speed_and_the_status(found, capsys):
    planted = json.loads(json.dumps(found[1])) | {"status": "certified"}
    planted["screen"] |= {"rows_per_second": 1_234_567, "softmax_ratio": 1.875, "left": 3}
    print_full([planted])
    shown = capsys.readouterr().out
    for part in ("1,235k", "1.88x", "2,000, 3 left", "2/2", "certified"):
        assert part in shown
    planted["random"]["clean"] = False
    print_full([planted])
    assert "not clean" in capsys.readouterr().out


def test_evidence_of_an_older_form_is_stale_and_gathered_anew(copied):
    folder, old = copied
    del old["format"], old["interval"][0]["sha256"]
    (folder / "A6.json").write_text(json.dumps(old))
    assert status(old, find("A6"), folder) == "stale"
    assert "| stale |" in claims_page([find("A6")], folder)
    assert status(gather(find("A6"), folder, EFFORT), find("A6"), folder) == "certified"


def foreign():
    """A certificate that replays, of something else."""
    x = Symbol("x", positive=True)
    return certify(Ge(x + 1, 1, evaluate=False), {x: Interval.open(0, oo)}).certificate.to_bytes()


def flipped(raw):
    return raw[:300] + bytes([raw[300] ^ 1]) + raw[301:]


def forged(raw):
    """Of the same lemma, hashed anew, with a box left out."""
    payload = json.loads(raw)["payload"]
    payload["domain"] = {}
    payload["tree"] = {"cut": ["p", "1", "low"], "parts": []}
    return Certificate(payload).to_bytes()


SPOILT = {"deleted": lambda raw: None, "a byte flipped": flipped, "swapped": lambda raw: foreign(), "forged": forged}


@pytest.mark.parametrize("how", SPOILT)
def test_a_certificate_that_is_not_the_one_recorded_takes_the_status(copied, how):
    folder, recorded = copied
    path = folder / CERTIFICATES / "A6-0.json"
    spoilt = SPOILT[how](path.read_bytes())
    path.unlink()
    if spoilt is not None:
        path.write_bytes(spoilt)
    assert status(recorded, find("A6"), folder) == "stale"
    assert gather(find("A6"), folder, EFFORT) != recorded or replay(path).holds
    assert status(read_json(folder / "A6.json"), find("A6"), folder) == "certified"


@pytest.mark.parametrize("how", ["swapped", "forged"])
def test_the_hash_alone_does_not_certify(copied, how):
    folder, recorded = copied
    path = folder / CERTIFICATES / "A6-0.json"
    path.write_bytes(SPOILT[how](path.read_bytes()))
    recorded["interval"][0]["sha256"] = sha256_of(path)
    assert status(recorded, find("A6"), folder) == "stale"


def test_a_run_broken_off_leaves_what_is_finished_and_goes_on(tmp_path, monkeypatch):
    calls = []

    def slow(statement, effort, folder):
        calls.append(statement.id)
        if calls == ["A6", "C1"]:
            raise KeyboardInterrupt
        return {"verdict": "proved"}

    monkeypatch.setattr(gathering, "METHODS", {**gathering.METHODS, "vacuity": slow})
    # A machine with Coq and one without find the same here.
    monkeypatch.setattr("proofs_check.kernel.coq_version", lambda: None)
    work = partial(gather_one, folder=tmp_path, effort=EFFORT)
    broken = each(work, ["A6", "C1"], "verifying", jobs=1)
    assert broken.interrupted
    assert [found["id"] for found in broken.found] == ["A6"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["A6.json", CERTIFICATES]
    assert len(list((tmp_path / CERTIFICATES).glob("A6-*.json"))) == 2
    whole = each(work, ["A6", "C1"], "verifying", jobs=1)
    assert not whole.interrupted
    assert calls == ["A6", "C1", "C1"]
    assert [status(found, find(found["id"]), tmp_path) for found in whole.found] == ["certified", "certified"]


def test_evidence_about_another_statement_is_stale(found):
    changed = replace(find("A6"), claim=find("A6").claim[:1])
    assert statement_hash(changed) != statement_hash(find("A6"))
    assert status(found[1], changed, found[0]) == "stale"


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
def test_a_broken_file_is_one_line(tmp_path, text):
    (tmp_path / "A6.json").write_text(text)
    with pytest.raises(InputError, match=r"A6\.json"):
        gather(find("A6"), tmp_path, EFFORT)


def test_the_page_of_claims_is_current():
    assert (ROOT / "CLAIMS.md").read_text(encoding="utf-8") == claims_page(CATALOGUE, EVIDENCE)


@pytest.mark.parametrize("statement", CATALOGUE, ids=lambda s: s.id)
def test_the_recorded_evidence_is_of_todays_statements_and_in_their_favour(statement):
    recorded = read_json(EVIDENCE / f"{statement.id}.json")
    assert status(recorded, statement, EVIDENCE) in GOOD


@pytest.mark.parametrize("statement", CATALOGUE, ids=lambda s: s.id)
def test_every_certificate_speaks_of_its_inequality(statement):
    for lemma in lemmas_of(statement):
        assert speaks_of(EVIDENCE / CERTIFICATES / f"{lemma.name}.json", lemma.claim, lemma.domain)


def test_every_recorded_certificate_replays():
    names = {
        lemma["certificate"]
        for statement in CATALOGUE
        for lemma in read_json(EVIDENCE / f"{statement.id}.json")["interval"]
        if lemma["verdict"] == "proved"
    }
    assert names == {path.name for path in (EVIDENCE / CERTIFICATES).glob("*.json")}
    failed = {name: found.reason for name in names if not (found := replay(EVIDENCE / CERTIFICATES / name)).holds}
    assert failed == {}
