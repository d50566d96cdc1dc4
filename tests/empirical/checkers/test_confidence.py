"""The bound from measured misses fails in no more seeds than its confidence allows; counting rows fails in more."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from empirical.checkers.checker import CheckedText
from empirical.checkers.report import report
from empirical.checkers.tally import Tally
from empirical.rules.rule_file import parse_rules

FILE = """
[[rule]]
name = "{name}"
when = 'class(word)'
target = 'own block'
fidelity = {fidelity}
"""
RULES = parse_rules("".join(FILE.format(name=name, fidelity=f) for name, f in (("first", 0.9), ("second", 0.4))))
MISSED, CONFIDENCE, TOKENS, ROWS = (0.3, 0.1, 0.02), 0.8, 40, 8


def entries(seed, counted=1):
    """The report on one draw: due queries have `ROWS` rows each, and count as so many cases."""
    due = np.random.default_rng(99).random((2, TOKENS)) < 0.8
    text = CheckedText(RULES, np.ones(2, bool), np.zeros(TOKENS, int), due, due, ~due)
    tally = Tally(len(RULES), len(MISSED))
    for version, share in enumerate(MISSED):
        missed, _ = text.drawn(share, 0.0, (seed, version))
        tally.add(version, due, missed, missed & False, [])
        tally.due_rows[:, version] = due.sum(1) * ROWS
        # Rows hold what is promised where the rule fired, and nothing where it was missed.
        tally.rows[:, version, 0] = tally.kept[:, version, 0] = (due & ~missed).sum(1) * ROWS
        tally.rows[:, version, 1] = missed.sum(1) * ROWS
        tally.after[:, version, 0] = tally.rows[:, version, 0] * [rule.fidelity for rule in RULES]
    tally.due_after = tally.after.sum(-1)
    tally.queries *= counted
    found = report(RULES, tally, MISSED, CONFIDENCE)
    assert found["holds"] is True
    return found


def failures(seeds, counted=1):
    """In how many seeds some version's bound is below its probability, and the last line's above the expected mean."""
    below = above = 0
    for found in (entries(seed, counted) for seed in range(seeds)):
        below += any(q > most for q, most in zip(MISSED, found["rules"][0]["missed_at_most"], strict=True))
        above += found["total"]["confident_bound"] > found["total"]["nominal_bound"]
    return below, above


def check(seeds):
    allowed = binom.isf(1e-6, seeds, 1 - CONFIDENCE)
    assert max(failures(seeds)) <= allowed
    # Planted: rows of one query, all missed or none, counted as independent cases.
    assert failures(seeds, ROWS)[0] > allowed


def test_bound_fails_in_few_seeds():
    check(200)


@pytest.mark.slow
def test_bound_fails_in_few_of_many_seeds():
    check(5000)


def test_the_mean_itself_never_falls_below_what_was_measured():
    for seed in range(50):
        for entry in entries(seed)["rules"]:
            assert entry["mean"] >= entry["bound"] - 1e-12
            assert entry["bound"] >= entry["confident_bound"]


def test_a_version_without_a_due_query_has_no_time():
    tally = Tally(1, 2)
    tally.queries[0, 1] = (3, 1, 0)
    tally.rows[0, 1] = tally.kept[0, 1] = (3, 1, 0)
    tally.after[0, 1] = (2.7, 0.1, 0)
    tally.due_rows[0, 1], tally.due_after[0, 1] = 4, 2.8
    (entry,) = report(RULES[:1], tally, (0.9, 0.25), 0.95)["rules"]
    assert entry["nominal_bound"] == pytest.approx(0.9 * 0.75)
    assert entry["missed_at_most"][0] is None
    # One miss among four is as likely as 0.05 at this probability.
    assert binom.cdf(1, 4, entry["missed_at_most"][1]) == pytest.approx(0.05)
    assert entry["missed"] == 0.25
    assert entry["mean"] == pytest.approx(0.7)
    assert entry["identity_holds"]
