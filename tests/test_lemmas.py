"""Every scalar inequality of the catalogue is certified, and a run broken off goes on where it stopped."""

from __future__ import annotations

import pytest
from sympy import Interval, oo, symbols

from proofs_check.intervals import lemmas
from proofs_check.intervals.lemmas import NAMED, IntervalResult, certify_statement, domain_of, lemmas_of
from proofs_check.replay import replay
from proofs_check.verdict import Verdict
from theory.catalogue import CATALOGUE, find
from theory.derivation import AboveTangent, Positive, RisesFromZero
from theory.symbols import UNIT, eps, m, r

INEQUALITIES = Positive | RisesFromZero | AboveTangent


@pytest.mark.parametrize("statement", [s for s in CATALOGUE if lemmas_of(s)], ids=lambda s: s.id)
def test_every_lemma_is_certified_and_replays(statement, tmp_path):
    found = certify_statement(statement, tmp_path)
    assert [(r.lemma.because, r.reason) for r in found.lemmas if r.verdict is not Verdict.PROVED] == []
    assert found.verdict is Verdict.PROVED
    files = sorted(tmp_path.iterdir())
    assert [path.stem for path in files] == sorted(lemma.name for lemma in lemmas_of(statement))
    assert all(replay(path).holds for path in files)


def test_every_inequality_step_is_a_lemma():
    for statement in CATALOGUE:
        steps = [step for step in statement.derive() if isinstance(step, INEQUALITIES)]
        assert len(lemmas_of(statement)) == len(steps) + len(NAMED.get(statement.id, ()))
    assert set(NAMED) <= {statement.id for statement in CATALOGUE}


def test_a_letter_ranges_where_it_is_declared_to():
    assert domain_of(eps) == UNIT
    assert domain_of(m) == Interval(1, oo)
    assert domain_of(r) == Interval(0, oo)
    positive, real = symbols("a", positive=True), symbols("b", real=True)
    assert domain_of(positive) == Interval.open(0, oo)
    assert domain_of(real) == Interval(-oo, oo)


def test_a_false_lemma_is_refuted_and_leaves_no_certificate(tmp_path, monkeypatch):
    x = symbols("x", positive=True)
    monkeypatch.setitem(NAMED, "A2", (("planted", x > 1, {x: Interval.open(0, oo)}),))
    found = certify_statement(find("A2"), tmp_path)
    assert found.verdict is Verdict.REFUTED
    planted = found.lemmas[-1]
    assert planted.verdict is Verdict.REFUTED
    assert "x=" in planted.reason
    assert not (tmp_path / f"{planted.lemma.name}.json").exists()


def test_no_lemmas_are_no_proof():
    assert IntervalResult(()).verdict is Verdict.UNDECIDED


def test_a_run_broken_off_goes_on(tmp_path, monkeypatch):
    statement = find("A4")
    calls = []
    honest = lemmas.certify

    def counted(*args, **kwargs):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return honest(*args, **kwargs)

    monkeypatch.setattr(lemmas, "certify", counted)
    with pytest.raises(KeyboardInterrupt):
        certify_statement(statement, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    found = certify_statement(statement, tmp_path)
    assert found.verdict is Verdict.PROVED
    assert [result.fresh for result in found.lemmas[:3]] == [False, False, True]
    assert len(calls) == 3 + len(found.lemmas) - 2


def test_a_spoilt_or_foreign_certificate_is_made_anew(tmp_path):
    statement = find("A2")
    certify_statement(statement, tmp_path)
    first, second = tmp_path / "A2-0.json", tmp_path / "A2-1.json"
    raw = bytearray(first.read_bytes())
    raw[100] ^= 1
    second.write_bytes(first.read_bytes())
    first.write_bytes(raw)
    found = certify_statement(statement, tmp_path)
    assert [result.fresh for result in found.lemmas] == [True, True, False]
    assert found.verdict is Verdict.PROVED
    assert replay(first).holds
    assert replay(second).holds
