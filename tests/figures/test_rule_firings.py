"""Figure `rules`: every recorded firing keeps its promise; one that does not is a fault and red."""

import numpy as np
import pandas as pd
import pytest
from drawn_rows import rows_of
from pictures import drawn_in_red, texts

from figures.pictures import rules


@pytest.fixture(scope="module")
def rows():
    return rows_of("rules")


def line(figure, panel, label):
    (found,) = [each for each in figure.axes[panel].lines if each.get_label() == label]
    return found.get_ydata()


def test_each_panel_shows_its_rules_firings_sorted_by_what_was_there_before(rows):
    figure = rules.draw(rows)
    for panel, (name, part) in enumerate(rows.groupby("rule", sort=False)):
        before, after, promised = (line(figure, panel, each) for each in ("before", "after", "promised: at least"))
        assert len(before) == len(part)
        assert (np.diff(before) >= 0).all()
        assert sorted(zip(before, after, strict=True)) == sorted(zip(part["before"], part["after"], strict=True))
        assert (after >= promised - rules.TOLERANCE).all()
        enough = int((part["before"] >= part["promise"]).sum())
        assert f"rule: {name}\n{len(part)} firings had enough before: {enough}" in " ".join(
            [figure.axes[panel].get_title(loc="left"), *(text.get_text() for text in figure.axes[panel].texts)]
        )


@pytest.mark.parametrize(
    ("changed", "fault", "red"),
    [
        ({"after": 0.149}, "look back at capitals: firings below their promise: 1", True),
        ({"before": -0.1}, "look back at capitals: firings below their promise: 1", True),
        ({"after": 1.1}, "look back at capitals: firings below their promise: 1", True),
        ({"after": 0.1, "status": "impossible"}, "look back at capitals: promises not met (impossible): 1", False),
        ({"after": 0.0, "status": "no_key"}, "look back at capitals: promises not met (no key): 1", False),
    ],
)
def test_a_firing_below_its_promise_is_a_fault(rows, changed, fault, red):
    assert rules.faults(rows) == []
    damaged = rows.copy()
    damaged.loc[damaged.index[damaged["rule"] == "look back at capitals"][4], [*changed]] = [*changed.values()]
    assert rules.faults(damaged) == [fault]
    figure = rules.draw(damaged)
    assert bool(drawn_in_red(figure)) == red
    assert fault.split(": ", 1)[1] in " ".join(texts(figure).split())


def test_a_rule_with_a_strength_promises_nothing(rows):
    added = rows[rows["rule"] == "remember the start"].assign(promise=np.nan)
    assert rules.faults(added) == []
    figure = rules.draw(added)
    assert "42 firings; promises nothing" in texts(figure)
    assert {each.get_label() for each in figure.axes[0].lines} == {"before", "after"}


def test_rules_that_fired_most_are_shown_and_the_others_counted(rows):
    again = rows[rows["rule"] != "remember the start"]
    many = pd.concat([rows, again.assign(rule=again["rule"] + " again")])
    figure = rules.draw(many)
    assert len(figure.axes) == 4
    assert "remember the start" not in texts(figure)
    assert figure.axes[-1].get_xlabel().endswith("; rules not shown: 1")
