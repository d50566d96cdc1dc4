"""Fixtures of the tests of evidence."""

import pytest
from evidence_files import recomputed

from proofs_check import evidence


@pytest.fixture(scope="module")
def without_coq():
    """Hides Coq, so that the tests give the same results with and without it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("proofs_check.kernel.coq_version", lambda: None)
        yield


@pytest.fixture
def known(monkeypatch):
    """Replaces the quick methods by results that are computed once for all tests."""
    monkeypatch.setattr(evidence, "verify", lambda statement, rows, seed: recomputed(statement.id)[0])
    monkeypatch.setattr(evidence, "check_vacuity", lambda statement, seed: recomputed(statement.id)[1])
