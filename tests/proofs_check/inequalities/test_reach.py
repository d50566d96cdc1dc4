"""How far `certify` reaches by family: most true claims are proved, false ones refuted, none wrongly or late."""

from __future__ import annotations

import pytest
from reach import FALSE, TRUE

from proofs_check import Verdict, certify
from proofs_check.inequalities.replay import replay_bytes

SECONDS = 10
# Of the true claims of each family, how many are proved within the limit, as recorded.
PROVED = {
    "algebraic points": 17,
    "polynomials": 27,
    "kinks": 17,
    "slow limits": 14,
    "exponentials": 15,
    "integers": 11,
    "more functions": 12,
    "sums": 2,
}
# Sums up to a letter have no interval rule.
REFUSED = {"sums": 1}
# The kill comes a little later than the limit; a busy machine adds to it.
LATE = 2


def test_the_families_hold_a_hundred_claims_of_both_kinds():
    assert set(TRUE) == set(FALSE) == set(PROVED)
    assert sum(map(len, TRUE.values())) >= 100
    assert sum(map(len, FALSE.values())) >= 40
    assert sum(PROVED.values()) >= 0.8 * sum(map(len, TRUE.values()))


def decided(family, cases):
    """The findings of a family's claims that have interval rules."""
    for claim, domain in cases:
        if family == "sums" and any(letter.name == "n" for letter in domain):
            continue
        found = certify(claim, domain, seconds=SECONDS)
        assert found.seconds <= SECONDS + LATE, claim
        yield claim, found


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("family", TRUE)
def test_true_claims_are_proved_and_never_refuted(family):
    proved = 0
    for claim, found in decided(family, TRUE[family]):
        assert found.verdict is not Verdict.REFUTED, claim
        if found.verdict is Verdict.PROVED:
            proved += 1
            assert replay_bytes(found.certificate.to_bytes()).holds, claim
    assert proved >= PROVED[family] - 1


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("family", FALSE)
def test_false_claims_are_refuted_and_never_proved(family):
    verdicts = [found.verdict for _, found in decided(family, FALSE[family])]
    assert Verdict.PROVED not in verdicts
    assert verdicts.count(Verdict.REFUTED) == len(FALSE[family]) - REFUSED.get(family, 0)
