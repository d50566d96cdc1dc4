"""Evidence on disk: statuses are recomputed, forged evidence does not count, and `CLAIMS.md` is current."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache, partial

import pytest
from repository import ROOT
from sympy import Ge, Interval, Symbol, oo

from proofs_check import evidence, gathering, kernel
from proofs_check.claims_page import claims_page, line
from proofs_check.deciding.vacuity import check_vacuity
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
from proofs_check.verification import verify
from theory.errors import InputError
from theory.statements.catalogue import CATALOGUE, find

EVIDENCE = ROOT / "evidence"
EFFORT = Effort(samples=2000, seconds_per_lemma=20, seed=0)


@pytest.fixture(scope="module", autouse=True)
def _without_coq():
    """Hides Coq, so that the tests give the same results with and without it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("proofs_check.kernel.coq_version", lambda: None)
        yield


@cache
def recomputed(key):
    return verify(find(key), ROWS, 0), check_vacuity(find(key), 0)


@pytest.fixture
def known(monkeypatch):
    """Replaces the quick methods by results that are computed once for all tests."""
    monkeypatch.setattr(evidence, "verify", lambda statement, rows, seed: recomputed(statement.id)[0])
    monkeypatch.setattr(evidence, "check_vacuity", lambda statement, seed: recomputed(statement.id)[1])


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


def recorded(key):
    return json.loads((EVIDENCE / f"{key}.json").read_text())


def stands(key, document, folder):
    """The standing of a statement whose file of evidence is this document."""
    (folder / f"{key}.json").write_text(json.dumps(document))
    return standing(find(key), folder)


def edited(document, place, value):
    """A copy with one entry replaced or added; removed if the value is `...`."""
    copied = json.loads(json.dumps(document))
    target = copied
    for key in place[:-1]:
        target = target[key]
    if value is ...:
        del target[place[-1]]
    else:
        target[place[-1]] = value
    return copied


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


HASH = "0" * 64
AXIOM = "A2.bad"
# What is edited in the evidence of A6, the status that is left, and why.
FORGED = [
    # What says whose evidence it is.
    (("id",), "A2", Status.STALE, "it is about A2"),
    (("id",), 7, Status.STALE, "id: Input should be a valid string"),
    (("format",), "localist evidence 2", Status.STALE, "has the format 'localist evidence 2'"),
    (("format",), "mine", Status.STALE, "must be evidence of this toolkit"),
    (("statement_sha256",), HASH, Status.STALE, "the statement has changed since"),
    (("symbolic",), {"verdict": "proved", "steps": 3, "open_steps": []}, Status.STALE, "symbolic: Extra inputs"),
    (("status",), "kernel-checked", Status.STALE, "status: Extra inputs"),
    (("effort",), ..., Status.STALE, "effort: Field required"),
    (("effort", "samples"), -1, Status.STALE, "effort.samples"),
    (("effort", "rows"), 60, Status.STALE, "effort.rows: Extra inputs"),
    # Measurements can only count against it.
    (("screen",), None, Status.STALE, "a screen and a search for the tightest row must be present"),
    (("screen", "verdict"), "refuted", Status.REFUTED, "refuted by the screen"),
    (("screen", "verdict"), "surely", Status.STALE, "screen.verdict"),
    (("screen", "clean"), False, Status.KERNEL_CHECKED, ""),
    (("screen", "clean"), "yes", Status.STALE, "screen.clean"),
    (("screen", "rows"), "1,000,000 | 9", Status.STALE, "screen.rows"),
    (("screen", "left"), -3, Status.STALE, "screen.left"),
    (("screen", "rows_per_second"), float("nan"), Status.STALE, "screen.rows_per_second"),
    (("adversarial",), None, Status.STALE, "a screen and a search for the tightest row must be present"),
    (("adversarial",), [], Status.STALE, "of other clauses"),
    (("adversarial", 0, "verdict"), "refuted", Status.REFUTED, "refuted by the tightest row of 'margin'"),
    (("adversarial", 0, "clause"), "leak", Status.STALE, "of other clauses"),
    (("adversarial", 0, "tightness"), float("inf"), Status.STALE, "adversarial.0.tightness"),
    # Lemmas and their certificates.
    (("interval",), [], Status.STALE, "its lemmas are not today's"),
    (("interval",), None, Status.STALE, "interval: Input should be a valid array"),
    (("interval", 0, "lemma"), "A6-7", Status.STALE, "its lemmas are not today's"),
    (("interval", 0, "because"), "it is plain", Status.STALE, "its lemmas are not today's"),
    (("interval", 0, "verdict"), "refuted", Status.STALE, "A6-0 is said to be refuted and has a certificate"),
    (("interval", 0, "verdict"), "undecided", Status.STALE, "A6-0 is said to be undecided and has a certificate"),
    (("interval", 0, "certificate"), None, Status.STALE, "A6-0 is said to be proved and has no certificate"),
    (("interval", 0, "certificate"), {}, Status.STALE, "A6-0: the certificate speaks of another claim"),
    (("interval", 0, "certificate", "sha256"), HASH, Status.STALE, "A6-0: the hash does not match"),
    (("interval", 0, "certificate", "payload", "boxes"), 2, Status.STALE, "A6-0: the hash does not match"),
    (("interval", 0, "certificate", "payload", "tree"), None, Status.STALE, "A6-0: the hash does not match"),
    (("interval", 0, "boxes"), 1, Status.STALE, "interval.0.boxes: Extra inputs"),
    # The kernel's record.
    (("kernel",), None, Status.CERTIFIED, ""),
    (("kernel",), ["proved"], Status.STALE, "kernel: Input should be"),
    (("kernel",), {}, Status.CERTIFIED, "id: Field required"),
    (("kernel", "id"), "A2", Status.CERTIFIED, "it is about A2"),
    (("kernel", "verdict"), "refuted", Status.CERTIFIED, "it says 'refuted' with 0 clauses open"),
    (("kernel", "verdict"), True, Status.CERTIFIED, "verdict: Input should be a valid string"),
    (("kernel", "proved"), ["margin"], Status.CERTIFIED, "its clauses are not the statement's"),
    (("kernel", "proved"), ["margin"] * 2, Status.CERTIFIED, "its clauses are not the statement's"),
    (("kernel", "proved"), [["margin"]], Status.CERTIFIED, "proved.0: Input should be a valid string"),
    (("kernel", "open"), {"margin": "no"}, Status.CERTIFIED, "its clauses are not the statement's"),
    (("kernel", "axioms"), [AXIOM], Status.CERTIFIED, f"the axiom '{AXIOM}' is not allowed"),
    (("kernel", "axioms"), ["Classical_Prop.classic", AXIOM], Status.CERTIFIED, f"'{AXIOM}' is not allowed"),
    (("kernel", "axioms"), [], Status.CERTIFIED, "it names no axiom"),
    (("kernel", "coq"), None, Status.CERTIFIED, "coq: Input should be a valid string"),
    (("kernel", "coq"), "mine", Status.CERTIFIED, "'mine' is not a version of Coq"),
    (("kernel", "reason"), "not quite", Status.CERTIFIED, "it says 'proved' with 0 clauses open"),
    (("kernel", "sha256"), {}, Status.CERTIFIED, "A6.v"),
    (("kernel", "sha256", "clause margin"), HASH, Status.CERTIFIED, "clause margin changed since"),
    (("kernel", "sha256", "clause margin"), ..., Status.CERTIFIED, "clause margin changed since"),
    (("kernel", "sha256", "clause other"), HASH, Status.CERTIFIED, "clause other changed since"),
    (("kernel", "sha256", "A6.v"), HASH, Status.CERTIFIED, "A6.v changed since"),
    (("kernel", "sha256", "Row.v"), ..., Status.CERTIFIED, "Row.v changed since"),
    (("kernel", "seconds"), 10**400, Status.CERTIFIED, "seconds: Extra inputs"),
]


@pytest.mark.parametrize(("place", "value", "expected", "reason"), FORGED, ids=str)
def test_an_edited_entry_does_not_count(known, tmp_path, place, value, expected, reason):
    assert stands("A6", recorded("A6"), tmp_path).status is Status.KERNEL_CHECKED
    found = stands("A6", edited(recorded("A6"), place, value), tmp_path)
    assert found.status is expected
    assert reason in " ".join(found.reasons)
    assert bool(found.reasons) == bool(reason)


def test_every_entry_of_the_file_is_forged_by_a_test():
    """New entries must be forged too. One entry stands for all entries of a list or a certificate."""

    def entries(value, place=()):
        if isinstance(value, dict) and place[2:] != ("certificate",) and place[-1:] != ("sha256",):
            for key, inner in value.items():
                yield from entries(inner, (*place, key))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from entries(value[0], (*place, 0))
        else:
            yield place

    tried = {place for place, *_ in FORGED}
    # They are shown, and nothing else.
    shown = {("screen", name) for name in ("suspicious", "decided", "counterexample")}
    shown |= {("adversarial", 0, "row"), ("interval", 0, "reason"), ("effort", "seconds_per_lemma"), ("effort", "seed")}
    assert set(entries(recorded("A6"))) - tried == shown


def test_a_record_without_proofs_does_not_make_a_statement_kernel_checked(known, tmp_path):
    """E1 and G1 have no file of proofs: a record with the right clauses and hashes is refused."""
    for key, left in (("E1", Status.CERTIFIED), ("G1", Status.SAMPLED)):
        statement = find(key)
        record = recorded("A6")["kernel"] | {"id": key, "proved": [clause.name for clause in statement.claim]}
        for sha256 in (kernel.hashes(statement), record["sha256"], {}):
            document = recorded(key) | {"kernel": record | {"sha256": sha256}}
            found = stands(key, document, tmp_path)
            assert found.status is left
            assert f"there is no file of proofs {key}.v" in found.reasons[-1]


def test_a_record_needs_a_hash_of_every_clause(monkeypatch):
    statement, record = find("A6"), recorded("A6")["kernel"]
    honest = kernel.propositions
    dropped = {name: text for name, text in honest(statement).items() if name != "margin"}
    monkeypatch.setattr(kernel, "propositions", lambda statement: dropped)
    found = kernel.recorded(statement, record | {"sha256": kernel.hashes(statement)})
    assert found.verdict is Verdict.UNDECIDED
    assert "the clause 'margin' has no proposition in Coq" in found.reason


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


@pytest.mark.parametrize("statement", CATALOGUE, ids=lambda s: s.id)
def test_the_page_of_claims_is_current(statement):
    found = standing(statement, EVIDENCE)
    assert found.status.holds, found.reasons
    assert f"\n{line(found)}\n" in (ROOT / "CLAIMS.md").read_text(encoding="utf-8")


def test_the_page_of_claims_has_the_current_head_and_every_statement(known):
    page = (ROOT / "CLAIMS.md").read_text(encoding="utf-8")
    assert page.startswith(claims_page([]))
    ids = re.findall(r"^\| (\w\d) \|", page, flags=re.MULTILINE)
    assert ids == [statement.id for statement in CATALOGUE]


def test_every_status_is_defined_on_the_page():
    page = (ROOT / "CLAIMS.md").read_text(encoding="utf-8")
    for status in Status:
        assert f"**{status.value}**: {status.meaning}" in page
    assert [status for status in Status if status.strict] == [Status.KERNEL_CHECKED, Status.CERTIFIED]
    assert [status for status in Status if status.holds][2:] == [Status.DERIVED, Status.SAMPLED]


def test_every_certificate_is_of_its_lemma_and_replays():
    for statement in CATALOGUE:
        lemmas = lemmas_of(statement)
        found = recorded(statement.id)["interval"]
        assert [each["lemma"] for each in found] == [lemma.name for lemma in lemmas]
        for each_found, lemma in zip(found, lemmas, strict=True):
            assert replayed(each_found["certificate"], lemma).reason == ""
