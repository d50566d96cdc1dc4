"""Evidence on disk: statuses are recomputed, finished work is kept, stale evidence is gathered again."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import pytest
from evidence_files import (
    AXIOM,
    EFFORT,
    EVIDENCE,
    HASH,
    edited,
    recomputed,
    recorded,
    stands,
)
from sympy import Ge, Interval, Symbol, oo

from proofs_check import evidence, gathering, kernel
from proofs_check.evidence import ROWS, on_file, standing, statement_hash
from proofs_check.findings import Effort, path_of
from proofs_check.gathering import gather
from proofs_check.inequalities.search.interval import certify
from proofs_check.inequalities.verdict import Verdict
from proofs_check.kernel import KernelResult
from proofs_check.methods.lemmas import lemmas_of, replayed
from proofs_check.methods.running import each
from proofs_check.modes import gather_one, kernel_one
from proofs_check.statuses import Status
from proofs_check.tables import print_full, print_kernel
from theory.errors import InputError
from theory.statements.catalogue import CATALOGUE, find

pytestmark = pytest.mark.usefixtures("without_coq")


@pytest.fixture(scope="module")
def gathered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evidence")
    return folder, gather(find("A6"), folder, EFFORT)


@pytest.fixture
def unmeasured(monkeypatch):
    """Replaces the measurements by the recorded ones, for tests of other parts of the evidence."""
    found = on_file(find("A6"), EVIDENCE)[0]
    monkeypatch.setattr(gathering, "_screened", lambda s, *_: found.screen if s.about == "row" else None)
    monkeypatch.setattr(gathering, "_attacked", lambda s, *_: found.adversarial if s.about == "row" else None)


def test_finished_evidence_is_not_gathered_again(gathered):
    folder, first = gathered
    path = path_of("A6", folder)
    before = path.read_bytes(), path.stat().st_mtime_ns
    assert gather(find("A6"), folder, EFFORT) == first
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_another_effort_measures_again_and_keeps_certificates(gathered, monkeypatch, tmp_path):
    first = gathered[1]
    monkeypatch.setattr(gathering, "_attacked", lambda *_: first.adversarial)
    path_of("A6", tmp_path).write_bytes(path_of("A6", gathered[0]).read_bytes())
    second = gather(find("A6"), tmp_path, Effort(samples=3000, seconds_per_lemma=20, seed=0))
    assert (first.screen.rows, second.screen.rows) == (2000, 3000)
    assert second.interval == first.interval


def test_a_cited_result_stays_sampled(known, tmp_path):
    assert stands("G1", recorded("G1"), tmp_path).status is Status.SAMPLED
    for place, value in [
        (("symbolic",), {"verdict": "proved", "steps": 3, "open_steps": []}),
        (("interval",), [recorded("A6")["interval"][0]]),
        (("interval",), [{"lemma": "G1-0", "because": "", "verdict": "proved", "reason": "", "certificate": {}}]),
    ]:
        assert stands("G1", edited(recorded("G1"), place, value), tmp_path).status is Status.STALE


def test_recomputed_findings_count_against_a_statement_whatever_is_recorded(monkeypatch, tmp_path):
    quick, vacuity = recomputed("A6")
    vacuous = replace(vacuity, witnesses=dict.fromkeys(vacuity.witnesses))
    refuted = replace(quick.symbolic.steps[0], verdict=Verdict.REFUTED)
    undecided = replace(quick.symbolic.steps[0], verdict=Verdict.UNDECIDED)
    # A clause that never applied, and one that was not decided, at the instances drawn anew.
    never = replace(quick.random, verdicts={"margin": type(quick.random.verdicts["margin"])()})
    unclear = replace(
        quick.random, verdicts={**quick.random.verdicts, "more": {Verdict.PROVED: 1, Verdict.UNDECIDED: 1}}
    )
    planted = [
        (replace(quick, symbolic=replace(quick.symbolic, steps=(refuted,))), vacuity, Status.REFUTED),
        (replace(quick, symbolic=replace(quick.symbolic, steps=(undecided,))), vacuity, Status.SAMPLED),
        (replace(quick, random=never), vacuity, Status.VACUOUS),
        (replace(quick, random=unclear), vacuity, Status.UNDECIDED),
        (quick, vacuous, Status.VACUOUS),
    ]
    document = recorded("A6") | {"kernel": None}
    for verification, vacuity_result, expected in planted:
        monkeypatch.setattr(evidence, "verify", lambda *_, made=verification: made)
        monkeypatch.setattr(evidence, "check_vacuity", lambda *_, made=vacuity_result: made)
        assert stands("A6", document, tmp_path).status is expected


def test_the_kernels_record_does_not_outweigh_a_refutation(known, tmp_path):
    document = edited(recorded("A6"), ("screen", "verdict"), "refuted")
    found = stands("A6", document, tmp_path)
    assert found.kernel.verdict is Verdict.PROVED
    assert found.status is Status.REFUTED


def test_a_lemma_without_certificate_leaves_the_statement_derived(known, tmp_path):
    document = edited(recorded("A6"), ("interval", 1, "certificate"), None)
    document["interval"][1]["verdict"] = "undecided"
    found = stands("A6", document | {"kernel": None}, tmp_path)
    assert (found.status, found.reasons) == (Status.DERIVED, ("no certificate of A6-1",))


def test_missing_evidence_is_missing_and_a_folder_in_its_place_is_stale(known, tmp_path):
    found = standing(find("A6"), tmp_path)
    assert (found.status, found.reasons) == (Status.MISSING, ("there is no file of evidence",))
    (tmp_path / "A6.json").mkdir()
    assert standing(find("A6"), tmp_path).status is Status.STALE


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"format": ' + "9" * 5000 + "}", "\x00"])
def test_a_broken_file_is_stale_and_not_overwritten(known, tmp_path, text):
    path = tmp_path / "A6.json"
    path.write_text(text)
    found = standing(find("A6"), tmp_path)
    assert found.status is Status.STALE
    assert "A6.json" in found.reasons[0]
    with pytest.raises(InputError, match=r"A6\.json"):
        gather(find("A6"), tmp_path, EFFORT)
    assert path.read_text() == text


def test_a_file_nested_too_deeply_is_stale(known, tmp_path):
    deep = json.dumps(recorded("A6")).replace('"tree": {', '"tree": {"deep": ' + "[" * 900 + "]" * 900 + ", ", 1)
    (tmp_path / "A6.json").write_text(deep)
    assert standing(find("A6"), tmp_path).status is Status.STALE


def foreign():
    """A certificate of another claim, which replays."""
    x = Symbol("x", positive=True)
    return certify(Ge(x + 1, 1, evaluate=False), {x: Interval.open(0, oo)}).certificate.document


def test_a_certificate_of_another_claim_certifies_nothing(known, tmp_path):
    document = edited(recorded("A6"), ("interval", 0, "certificate"), foreign())
    found = stands("A6", document, tmp_path)
    assert (found.status, found.reasons[0]) == (Status.STALE, "A6.json: A6-0: the certificate speaks of another claim")


@pytest.mark.parametrize(
    "place", [("format",), ("interval", 0, "certificate", "sha256"), ("statement_sha256",)], ids=str
)
def test_stale_evidence_is_gathered_again(gathered, known, unmeasured, tmp_path, place):
    document = json.loads(path_of("A6", gathered[0]).read_text())
    stale = edited(document, place, "localist evidence 2" if place == ("format",) else HASH)
    assert stands("A6", stale, tmp_path).status is Status.STALE
    gather(find("A6"), tmp_path, EFFORT)
    assert standing(find("A6"), tmp_path).status.strict


def test_a_forged_record_is_not_carried_over(unmeasured, tmp_path):
    document = recorded("A6")
    document["kernel"]["axioms"] = [AXIOM]
    (tmp_path / "A6.json").write_text(json.dumps(document | {"statement_sha256": HASH}))
    assert gather(find("A6"), tmp_path, EFFORT).kernel is None
    (tmp_path / "A6.json").write_text(json.dumps(recorded("A6") | {"statement_sha256": HASH}))
    assert gather(find("A6"), tmp_path, EFFORT).kernel == recorded("A6")["kernel"]


def test_a_recheck_that_fails_is_recorded(monkeypatch, known, tmp_path):
    assert stands("A6", recorded("A6"), tmp_path).status is Status.KERNEL_CHECKED
    clauses = {clause.name: "Coq says no" for clause in find("A6").claim}
    refused = KernelResult("A6", Verdict.UNDECIDED, (), clauses, ("Classical_Prop.classic",), "8.16.1", reason="no")
    refused = replace(refused, sha256=kernel.hashes(find("A6")))
    monkeypatch.setattr(kernel, "check", lambda statement: refused)
    assert kernel_one("A6", lambda part: None, tmp_path) == (refused, "")
    found = standing(find("A6"), tmp_path)
    assert (found.status, found.kernel.open) == (Status.CERTIFIED, clauses)
    # Where Coq could not be asked, what is recorded stays.
    before = (tmp_path / "A6.json").read_bytes()
    monkeypatch.setattr(kernel, "check", lambda statement: replace(refused, coq=None))
    kernel_one("A6", lambda part: None, tmp_path)
    assert (tmp_path / "A6.json").read_bytes() == before


def test_the_kernel_records_only_in_current_evidence(monkeypatch, tmp_path):
    monkeypatch.setattr(kernel, "check", lambda statement: KernelResult("A6", Verdict.UNDECIDED, coq="8.16.1"))
    assert "A6 is not recorded: there is no evidence" in kernel_one("A6", lambda part: None, tmp_path)[1]
    (tmp_path / "A6.json").write_text(json.dumps(recorded("A6") | {"statement_sha256": HASH}))
    assert "A6 is not recorded: A6.json: the statement has changed" in kernel_one("A6", lambda part: None, tmp_path)[1]


def test_the_table_of_the_kernel_names_open_clauses(capsys):
    proved = KernelResult("A6", Verdict.PROVED, ("margin", "leak"), coq="8.16.1")
    left = KernelResult("A2", Verdict.UNDECIDED, ("margin",), {"exponential": "no"}, coq="8.16.1")
    print_kernel([proved, left])
    shown = capsys.readouterr().out
    assert "2/2" in shown
    assert "1/2" in shown
    assert "A2, exponential: no" in shown


def test_the_table_shows_the_screens_speed_and_the_status(known, tmp_path, capsys):
    document = recorded("A6") | {"kernel": {}}
    document["screen"] |= {"rows": 2000, "rows_per_second": 1_234_567, "left": 3}
    found = stands("A6", document, tmp_path)
    print_full([found])
    shown = capsys.readouterr().out
    for part in ("1,235k", "2,000, 3 left", "2/2", "certified", "A6, certified: the kernel's record does not"):
        assert part in shown


def test_an_interrupted_run_keeps_what_is_finished_and_resumes(unmeasured, known, tmp_path, monkeypatch):
    calls = []

    def slow(statement, effort, report):
        calls.append(statement.id)
        if calls == ["A6", "C2"]:
            raise KeyboardInterrupt

    honest = gathering._certified

    def certified(statement, *rest):
        slow(statement, *rest[:2])
        return honest(statement, *rest)

    monkeypatch.setattr(gathering, "_certified", certified)
    work = partial(gather_one, folder=tmp_path, effort=EFFORT, rows=ROWS)
    broken = each(work, ["A6", "C2"], "verifying", jobs=1)
    assert broken.interrupted
    assert [found.statement.id for found in broken.found] == ["A6"]
    assert [path.name for path in tmp_path.iterdir()] == ["A6.json"]
    whole = each(work, ["A6", "C2"], "verifying", jobs=1)
    assert not whole.interrupted
    assert calls == ["A6", "C2", "C2"]
    assert [found.status for found in whole.found] == [Status.CERTIFIED, Status.CERTIFIED]


def test_evidence_about_another_statement_is_stale(known, monkeypatch, tmp_path):
    changed = replace(find("A6"), claim=find("A6").claim[:1])
    assert statement_hash(changed) != statement_hash(find("A6"))
    (tmp_path / "A6.json").write_text(json.dumps(recorded("A6")))
    assert on_file(changed, tmp_path) == (None, "A6.json: the statement has changed since")


def test_every_certificate_is_of_its_lemma_and_replays():
    for statement in CATALOGUE:
        lemmas = lemmas_of(statement)
        found = recorded(statement.id)["interval"]
        assert [each["lemma"] for each in found] == [lemma.name for lemma in lemmas]
        for each_found, lemma in zip(found, lemmas, strict=True):
            assert replayed(each_found["certificate"], lemma).reason == ""
