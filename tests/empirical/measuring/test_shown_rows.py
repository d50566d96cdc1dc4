"""What watched rows, records, firings, rules and calibrations show in a notebook."""

from __future__ import annotations

import pytest
import torch
from families import tiny_decoder
from recorded import recorded_rows
from shown import short, shown

import localist
from empirical.calibration.calibrate import Calibration
from empirical.measuring.records import write_records
from empirical.rules.check import check
from empirical.rules.rule_file import parse_rules

RULES = """
[[rule]]
name = "<own>"
when = 'position >= 8'
target = 'own block'
fidelity = {fidelity}

[[rule]]
name = "first"
when = 'position >= 8'
target = 'first token'
fidelity = 0.7
"""


class Words:
    """Token `i` is the word `w<i>`."""

    def decode(self, ids: list[int], skip_special_tokens: bool = False) -> str:
        return f" w{ids[0]}"


@pytest.fixture(scope="module")
def tokens():
    return torch.randint(3, 97, (2, 24), generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def model():
    return tiny_decoder("llama")


def test_watched_rows_show_each_head(model, tokens):
    with torch.no_grad(), localist.watch(model, block=8) as rows:
        model(tokens)
    frame = rows.frame()
    assert "✓ no violation of a bound" in shown(rows)
    assert f"{frame['entropy'][0]:.6g}" in shown(rows)
    assert (
        short(rows)
        == f"<WatchedRows [no violation of a bound] {frame['rows'].sum()} attention rows watched in 8 heads>"
    )


def test_a_watch_that_saw_nothing_shows_no_success(model):
    with localist.watch(model, block=8) as rows:
        pass
    assert "? no rows" in shown(rows)


@pytest.mark.parametrize(
    ("violations", "undecided", "said"),
    [(0, 0, "✓ no violation"), (0, 3, "? 3 rows undecided"), (2, 3, "✗ 2 rows violate a bound, 3 undecided")],
)
def test_records_show_what_is_wrong_first(violations, undecided, said, tmp_path):
    rows = recorded_rows()
    rows.loc[0, ["violations", "undecided"]] = violations, undecided
    records = write_records(tmp_path, rows, {"kind": "rows"})
    assert said in shown(records)
    assert records.digest in shown(records)
    assert said[2:] in short(records)


def test_records_of_many_heads_show_the_first(tmp_path):
    records = write_records(tmp_path, recorded_rows(layers=30, heads=4), {"kind": "rows"})
    assert "and 70 more rows" in shown(records)


@pytest.mark.parametrize(("fidelity", "said"), [(0.2, "✓ no promise broken"), (0.6, "firings break a promise")])
def test_firings_show_whether_promises_were_kept(fidelity, said, model, tokens):
    rules = parse_rules(RULES.format(fidelity=fidelity))
    with torch.no_grad(), localist.ruled(model, rules, Words(), 8) as log:
        model(tokens)
    firings = list(log)
    broken = sum(each.status != 0 for each in firings)
    assert (broken > 0) == (fidelity > 0.3)
    assert said in shown(log)
    assert f"{len(firings)} firings in 1 passes" in shown(log)
    assert f"and {len(firings) - 50} more rows" in shown(log)
    assert f"<{firings[0].rule.strip('<>')}>" in shown(log)
    assert short(log.passes[0]).startswith("<SteeredPass [")


def test_a_log_without_firings_shows_no_success(model, tokens):
    with torch.no_grad(), localist.ruled(model, parse_rules(RULES.format(fidelity=0.2)), Words(), 8) as log:
        model(tokens[:, :4])
    assert "? no rule fired" in shown(log)


@pytest.mark.parametrize(("fidelity", "said"), [(0.2, "✓ possible together"), (0.6, "✗ impossible together")])
def test_rules_show_whether_they_agree(fidelity, said):
    answer = check(parse_rules(RULES.format(fidelity=fidelity)))
    assert said in shown(answer)
    assert ("Smallest change" in shown(answer)) == (not answer.possible)
    assert all(each in shown(answer) for each in answer.assumes)


@pytest.mark.parametrize(("reached", "said"), [(True, "✓ kept on"), (False, "✗ not kept on")])
def test_a_calibration_shows_what_it_measured(reached, said, tmp_path):
    about = {
        "run": "llama",
        "fidelity": 0.9,
        "rows": 0.95,
        "max_loss": 0.02,
        "check": {"windows": [1, 2], "share": 0.96789, "rise": 0.0123},
        "unseen": {"confidence": 0.95, "of_this_text": 3, "population": 9},
    }
    found = Calibration([0.5, (0.25, 1.0)], reached, about, tmp_path / "calibration.json")
    assert said in shown(found)
    assert "0.9678 of the rows keep it" in shown(found)
    assert "0 0.5 1 0.25 1" in shown(found)
    assert "at most 3 of the text's 9 windows" in shown(found)


def conflicting(pairs):
    rule = "[[rule]]\nname = \"{2}{0}\"\nwhen = 'position == {0}'\ntarget = '{1}'\nfidelity = 0.7\n"
    both = [("first token", "r"), ("own block", "s")]
    return parse_rules("\n".join(rule.format(place, *each) for place in range(100, 100 + pairs) for each in both))


def test_rules_with_many_conflicts_show_the_first(monkeypatch):
    monkeypatch.setattr("empirical.rules.check.MOST_ROWS", 2)
    answer = check(conflicting(3))
    assert len(answer.conflicts) == 3
    assert "And 1 more conflicts." in shown(answer)


def test_rules_that_are_too_many_are_shown_as_undecided():
    answer = check(conflicting(60))
    assert answer.possible is None
    assert "? not decided Not every set of rules was looked at" in shown(answer)
