"""Held-out inequalities: false ones are never proved, true ones never refuted, empty domains prove nothing."""

from __future__ import annotations

from fractions import Fraction

import pytest
from held_out import EMPTY, FALSE, TRUE
from sympy import Rational, S, true

from proofs_check import Verdict, attack, certify
from proofs_check.inequalities.points import decide_at
from proofs_check.inequalities.replay import replay_bytes
from theory.errors import DomainError

# A few of them in the quick tests, all in the slow ones.
QUICK_FALSE, QUICK_TRUE = list(FALSE)[::6], list(TRUE)[::7]
# False at an irrational point alone, where no rational one refutes; or where nothing has looked.
NOT_REFUTED = {"at sqrt 2", "at a cube root", "at pi", "at log 2", "at e", "log of negatives"}


def certified(case, **budget):
    claim, domain = case
    return certify(claim, domain, **budget)


def refuted_there(case, point):
    """Whether the point is in the domain, and two evaluations find the claim false there."""
    claim, domain = case
    values = {letter: Rational(point[letter].numerator, point[letter].denominator) for letter in domain}
    # By another library's arithmetic, which knows no 0 log 0; sides that are equal may differ by its rounding.
    gap = (claim.gts - claim.lts).subs(values).evalf(700)
    false_there = gap is S.NaN or gap <= Rational(10) ** -600
    return (decide_at(claim, point) is Verdict.REFUTED and false_there) and all(
        interval.contains(values[letter]) == true and (not letter.is_integer or values[letter].is_Integer)
        for letter, interval in domain.items()
    )


def false_verdict(name, **budget):
    """What `certify` says of a false inequality; a refutation counts where its point refutes."""
    found = certified(FALSE[name], **budget)
    if found.verdict is Verdict.REFUTED:
        assert refuted_there(FALSE[name], {letter: found.point[letter.name] for letter in FALSE[name][1]})
    return found.verdict


def true_verdict(name, **budget):
    """What `certify` says of a true inequality; a proof counts where its certificate holds."""
    found = certified(TRUE[name], **budget)
    if found.verdict is Verdict.PROVED:
        assert replay_bytes(found.certificate.to_bytes()).holds
    return found.verdict


def test_there_are_enough_of_each_and_most_are_refuted():
    assert len(FALSE) >= 60
    assert len(TRUE) >= 60
    assert len(NOT_REFUTED) <= len(FALSE) / 8
    assert set(FALSE) > NOT_REFUTED


@pytest.mark.parametrize("name", QUICK_FALSE)
def test_a_false_inequality_is_never_proved(name):
    # Boxes, not seconds: what is refuted must not depend on the machine.
    missed = name in NOT_REFUTED
    assert false_verdict(name, boxes=100 if missed else 600) is (Verdict.UNDECIDED if missed else Verdict.REFUTED)


@pytest.mark.parametrize("name", QUICK_TRUE)
def test_a_true_inequality_is_never_refuted(name):
    assert true_verdict(name, seconds=1) in (Verdict.PROVED, Verdict.UNDECIDED)


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_domain_proves_nothing(name):
    claim, domain = EMPTY[name]
    assert certify(claim, domain).verdict is Verdict.VACUOUS
    with pytest.raises(DomainError, match=r"domain of \w"):
        attack(claim, domain, samples=100)


@pytest.mark.parametrize("name", ["a norm at the origin", "e^-d past 700", "range law by 1e-12", "one integer"])
def test_an_attack_on_a_false_inequality(name):
    found = attack(*FALSE[name], samples=20_000)
    assert found.verdict in (Verdict.REFUTED, Verdict.UNDECIDED)
    assert found.verdict is Verdict.UNDECIDED or refuted_there(FALSE[name], found.point)


@pytest.mark.slow
@pytest.mark.parametrize("name", FALSE)
def test_no_false_inequality_is_proved(name):
    missed = name in NOT_REFUTED
    assert false_verdict(name, boxes=4000, seconds=300) is (Verdict.UNDECIDED if missed else Verdict.REFUTED)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRUE)
def test_no_true_inequality_is_refuted(name):
    assert true_verdict(name, seconds=6) in (Verdict.PROVED, Verdict.UNDECIDED)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_an_attack_never_proves_and_refutes_only_what_is_false(seed):
    refuted = 0
    for name, case in FALSE.items():
        found = attack(*case, samples=20_000, seed=seed)
        assert found.verdict in (Verdict.REFUTED, Verdict.UNDECIDED), name
        if found.verdict is Verdict.REFUTED:
            assert refuted_there(case, found.point), name
            refuted += 1
    assert refuted >= ATTACKED
    for name, case in TRUE.items():
        assert attack(*case, samples=20_000, seed=seed).verdict is Verdict.UNDECIDED, name


# Of the false ones, as recorded; the rest are false where floats do not reach.
ATTACKED = 72


def test_what_has_no_value_is_neither_true_nor_false():
    for name, value in (("a pole", 0), ("log of negatives", -1), ("root of negatives", -1), ("x over x", 0)):
        claim, domain = FALSE[name]
        found = decide_at(claim, dict.fromkeys(domain, Fraction(value)))
        # sympy itself takes x/x for 1, which is then no longer the caller's claim.
        assert found is (Verdict.REFUTED if name == "x over x" else Verdict.UNDECIDED)


def test_sides_that_agree_in_logarithms_agree_exactly():
    claim, domain = FALSE["entropy at 1/2"]
    assert decide_at(claim, dict.fromkeys(domain, Fraction(1, 2))) is Verdict.REFUTED
    claim, domain = TRUE["entropy"]
    assert decide_at(claim, dict.fromkeys(domain, Fraction(1, 2))) is Verdict.PROVED
