"""Every scalar inequality of the catalogue is certified, and a certificate that still replays is kept."""

from __future__ import annotations

import copy

import pytest
from sympy import Interval, oo, symbols

from proofs_check.inequalities.verdict import Verdict
from proofs_check.methods import lemmas
from proofs_check.methods.lemmas import NAMED, certify_statement, lemmas_of, replayed
from proofs_check.methods.step_claims import domain_of
from theory.derivation import AboveTangent, Positive, RisesFromZero
from theory.statements.catalogue import CATALOGUE, find
from theory.symbols import UNIT, eps, m, r

INEQUALITIES = Positive | RisesFromZero | AboveTangent


@pytest.mark.parametrize("statement", [s for s in CATALOGUE if lemmas_of(s)], ids=lambda s: s.id)
def test_every_lemma_is_certified_and_replays(statement):
    found = certify_statement(statement)
    assert [(r.lemma.because, r.reason) for r in found if r.verdict is not Verdict.PROVED] == []
    assert [result.lemma.name for result in found] == [lemma.name for lemma in lemmas_of(statement)]
    assert [replayed(result.certificate, result.lemma).reason for result in found] == [""] * len(found)


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


def test_a_false_lemma_is_refuted_and_has_no_certificate(monkeypatch):
    x = symbols("x", positive=True)
    monkeypatch.setitem(NAMED, "A2", (("planted", x > 1, {x: Interval.open(0, oo)}),))
    planted = certify_statement(find("A2"))[-1]
    assert planted.verdict is Verdict.REFUTED
    assert "x=" in planted.reason
    assert planted.certificate is None


def test_certificates_that_still_replay_are_kept(monkeypatch):
    statement = find("A2")
    first = [result.certificate for result in certify_statement(statement)]
    calls = []
    honest = lemmas.certify
    monkeypatch.setattr(lemmas, "certify", lambda *args, **kwargs: calls.append(args) or honest(*args, **kwargs))
    again = certify_statement(statement, reversed(first))
    assert all(result.certificate is kept for result, kept in zip(again, first, strict=True))
    assert calls == []
    found = certify_statement(statement, first[1:])
    assert [result.certificate is kept for result, kept in zip(found, first, strict=True)] == [False, True, True]
    assert len(calls) == 1


@pytest.mark.parametrize("odd", [None, "A2-0.json", {}, {"payload": 7}, []], ids=str)
def test_what_is_no_certificate_is_not_kept(odd):
    lemma = lemmas_of(find("A2"))[0]
    assert replayed(odd, lemma).reason == "the certificate speaks of another claim"


def test_a_spoilt_or_foreign_certificate_is_made_anew():
    statement = find("A2")
    kept = [copy.deepcopy(result.certificate) for result in certify_statement(statement)]
    kept[0]["payload"]["tree"]["precision"] += 1
    kept[1] = kept[2]
    assert "hash" in replayed(kept[0], lemmas_of(statement)[0]).reason
    assert "another claim" in replayed(kept[1], lemmas_of(statement)[1]).reason
    found = certify_statement(statement, kept)
    assert [any(result.certificate is each for each in kept) for result in found] == [False, False, True]
    assert [result.verdict for result in found] == [Verdict.PROVED] * 3
