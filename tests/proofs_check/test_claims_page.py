"""`CLAIMS.md` is what the evidence gives today."""

from __future__ import annotations

import re

import pytest
from evidence_files import EVIDENCE
from repository import ROOT

from proofs_check.claims_page import claims_page, line
from proofs_check.evidence import standing
from proofs_check.statuses import Status
from theory.statements.catalogue import CATALOGUE

pytestmark = pytest.mark.usefixtures("without_coq")


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
