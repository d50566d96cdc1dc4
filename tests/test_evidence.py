"""Evidence on disk: statuses are computed from it, stale evidence counts for nothing, and `CLAIMS.md` is current."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from proofs_check.certificates import speaks_of
from proofs_check.evidence import CERTIFICATES, claims_page, gather, read, statement_hash, status
from proofs_check.lemmas import lemmas_of
from proofs_check.replay import replay
from theory.catalogue import CATALOGUE, find
from theory.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
EVIDENCE = ROOT / "evidence"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evidence")
    return folder, gather(find("A6"), folder, rows=20, samples=2000, seconds=5, seed=0)


def test_what_was_gathered_is_kept(found):
    folder, first = found
    path = folder / "A6.json"
    assert read(path) == first
    before = path.stat().st_mtime_ns
    assert gather(find("A6"), folder, rows=20, samples=2000, seconds=5, seed=0) == first
    assert path.stat().st_mtime_ns == before
    assert status(first, find("A6")) == "certified"


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
]


@pytest.mark.parametrize(("place", "value", "expected"), PLANTED, ids=str)
def test_the_status_follows_from_the_evidence(found, place, value, expected):
    planted = json.loads(json.dumps(found[1]))
    target = planted
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    assert status(planted, find("A6")) == expected


def test_evidence_about_another_statement_is_stale(found):
    changed = replace(find("A6"), claim=find("A6").claim[:1])
    assert statement_hash(changed) != statement_hash(find("A6"))
    assert status(found[1], changed) == "stale"


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_broken_file_is_one_line(tmp_path, text):
    path = tmp_path / "A6.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"A6\.json"):
        read(path)


def test_the_page_of_claims_is_current():
    assert (ROOT / "CLAIMS.md").read_text(encoding="utf-8") == claims_page(CATALOGUE, EVIDENCE)


@pytest.mark.parametrize("statement", CATALOGUE, ids=lambda s: s.id)
def test_the_recorded_evidence_is_of_todays_statements_and_in_their_favour(statement):
    recorded = read(EVIDENCE / f"{statement.id}.json")
    assert status(recorded, statement) in ("certified", "derived", "sampled")


@pytest.mark.parametrize("statement", CATALOGUE, ids=lambda s: s.id)
def test_every_certificate_speaks_of_its_inequality(statement):
    for lemma in lemmas_of(statement):
        assert speaks_of(EVIDENCE / CERTIFICATES / f"{lemma.name}.json", lemma.claim, lemma.domain)


def test_every_recorded_certificate_replays():
    names = {
        lemma["certificate"]
        for statement in CATALOGUE
        for lemma in read(EVIDENCE / f"{statement.id}.json")["interval"]
        if lemma["verdict"] == "proved"
    }
    assert names == {path.name for path in (EVIDENCE / CERTIFICATES).glob("*.json")}
    failed = {name: found.reason for name in names if not (found := replay(EVIDENCE / CERTIFICATES / name)).holds}
    assert failed == {}
