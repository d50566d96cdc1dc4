"""Forged evidence does not count: every entry of the file is edited in turn."""

from __future__ import annotations

import pytest
from evidence_files import AXIOM, HASH, edited, recorded, stands

from proofs_check import kernel
from proofs_check.inequalities.verdict import Verdict
from proofs_check.statuses import Status
from theory.statements.catalogue import find

pytestmark = pytest.mark.usefixtures("without_coq")

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
    """D2 and G1 have no file of proofs: a record with the right clauses and hashes is refused."""
    for key, left in (("D2", Status.CERTIFIED), ("G1", Status.SAMPLED)):
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
