"""What `certify` and the attacks show: UNDECIDED is as visible as PROVED, and an attack never looks like a proof."""

from __future__ import annotations

import pytest
from shown import short, shown
from sympy import Ge, Interval, Le, Symbol, exp, log, oo

from proofs_check import Verdict, attack, attack_row, certify
from theory.symbols import H, k, m

x = Symbol("x", positive=True)
EVERYWHERE = {x: Interval.open(0, oo)}
TRUE, FALSE = Le(log(x), x - 1), Le(log(x), x - 1 - (x - 1) ** 2 / 10**4)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (certify(TRUE, EVERYWHERE), "✓ proved"),
        (certify(FALSE, EVERYWHERE), "✗ refuted"),
        (certify(TRUE, EVERYWHERE, boxes=0), "? undecided"),
        (certify(TRUE, {x: Interval(2, 1)}), "? vacuous"),
        (certify(True, {}), "? undecided"),
        (attack(TRUE, EVERYWHERE, samples=1000), "? undecided"),
        (attack(FALSE, EVERYWHERE, samples=1000), "✗ refuted"),
        (attack_row(Le(H, log(m))), "✗ refuted"),
        (attack_row(Le(H, log(m + k)), samples=1000), "? undecided"),
        (attack_row(Ge(H, 0), (m > 2) & (m < 2)), "? vacuous"),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_every_verdict_is_shown_with_its_claim(found, said):
    assert said in shown(found)
    assert f"[{found.verdict.value}]" in short(found)
    assert ("✓" in shown(found)) == (found.verdict is Verdict.PROVED)
    assert str(found.claim)[:40] in shown(found)


def test_the_claim_is_no_part_of_equality():
    assert certify(TRUE, {x: Interval(2, 1)}) == certify(FALSE, {x: Interval(2, 1)})


def test_a_proof_names_its_domain():
    assert "It holds on all of x in (0, inf)." in shown(certify(TRUE, EVERYWHERE))


def test_a_refutation_shows_the_exact_point():
    found = certify(Le(exp(x), 2), {x: Interval(1, 3)})
    assert str(found.point["x"]) in shown(found)


def test_an_undecided_search_says_why_and_what_is_left():
    text = shown(certify(TRUE, EVERYWHERE, boxes=0))
    assert "the budget of 0 boxes is spent" in text
    assert "x (0, inf)" in text


def test_an_attack_that_finds_nothing_says_that_it_is_no_proof():
    for found in (attack(TRUE, EVERYWHERE, samples=1000), attack_row(Le(H, log(m + k)), samples=1000)):
        assert "That is no proof" in shown(found)


def test_a_counterexample_shows_its_row():
    found = attack_row(Le(H, log(m)))
    assert str(found.counterexample.instance) in shown(found.counterexample)
    assert short(found.counterexample) == "<Counterexample [refuted] clause 'attacked'>"


def test_a_letter_that_looks_like_markup_is_escaped():
    bold = Symbol("<b>", positive=True)
    found = certify(Le(log(bold), bold - 1), {bold: Interval.open(0, oo)})
    assert "<b>" in shown(found)
    assert "It holds on all of &lt;b&gt; in" in found._repr_html_()


@pytest.mark.parametrize("verdict", Verdict)
def test_a_verdict_alone_shows_itself(verdict):
    assert verdict.value in shown(verdict)
    assert repr(verdict) == f"<Verdict.{verdict.name}: {verdict.value!r}>"
