"""Figures from theory and committed records: their numbers, what is a fault in them, what they refuse."""

import numpy as np
import pandas as pd
import pytest
from drawn_rows import committed, rows_of
from pictures import drawn_in_red, texts
from recorded import recorded_rows

from figures.pictures import anchors, cost, depth, frontier, heads, measured, phases, rowdial, unseen
from figures.sources import material
from theory.design.causal_rows import CausalRows
from theory.design.guarantee import Targets
from theory.design.promise import Promise, Setting
from theory.errors import DomainError, InputError


def test_phases_agree_with_the_decision_about_every_row():
    rows = phases.make_rows()
    for fidelity, part in rows.groupby("fidelity"):
        promise = Promise(CausalRows(phases.CONTEXT, phases.BLOCK, phases.BLOCK), Targets(fidelity))
        for row in part.itertuples():
            assert promise.kept(Setting(row.margin, penalty=row.penalty))
            assert not promise.kept(Setting(row.margin - 1e-9, penalty=row.penalty))
            # The last row of the context sees one key of its block and all others.
            assert row.margin == pytest.approx(np.log(960 * fidelity / (1 - fidelity)) - row.penalty, abs=1e-9)
            assert row.whole < row.margin
            assert row.edge == pytest.approx(row.margin + row.penalty - phases.RANGE, abs=1e-9)
            assert row.impossible == (row.penalty < row.edge)


@pytest.mark.parametrize(
    ("figure", "damage", "fault"),
    [
        (phases, lambda rows: rows.assign(margin=0.0), "settings both guaranteed and impossible: "),
        (depth, lambda rows: rows.assign(y=-rows["y"]), "depths that fall as the largest dial grows: "),
        (rowdial, lambda rows: rows.assign(closed=rows["closed"] + 1e-9), "fidelities off the closed form: "),
        (anchors, lambda rows: rows.assign(weaker=-1.0), "random directions below the least coherence: "),
        (anchors, lambda rows: rows.assign(y=3.0, weaker=4.0), "copies in the interval that break a target: "),
        (unseen, lambda rows: rows.assign(share_at_most=rows["share_at_most"] + 1e-6), "bounds that differ from H5: 6"),
        (measured, lambda rows: rows.assign(violations=1), "rows that violate a bound: 768"),
        (measured, lambda rows: rows.assign(undecided=1), "rows left undecided: 768"),
        (measured, lambda rows: rows.assign(bound_leak_margin=0.1), "means beyond the largest leak: "),
        (measured, lambda rows: rows.assign(bound_entropy_range=4.0), "means beyond the least entropy: "),
        (heads, lambda rows: rows.assign(violations=1), "rows that violate a bound: 6"),
    ],
)
def test_planted_errors_are_faults(figure, damage, fault):
    rows = rows_of(figure.NAME)
    assert figure.faults(rows) == []
    assert any(fault in line for line in figure.faults(damage(rows)))


def test_heads_beyond_their_bound_are_red():
    rows = rows_of("measured").copy()
    rows.loc[3, "entropy_mean"] = rows.loc[3, "bound_entropy_fidelity"] + 0.1
    assert measured.faults(rows) == ["means beyond the largest entropy: 1"]
    (line,) = drawn_in_red(measured.draw(rows))
    assert line.get_ydata().tolist() == [rows.loc[3, "entropy_mean"]]


def test_depth_counts_layers_at_or_above_the_needed_dial():
    rows = depth.make_rows()
    assert rows["needed"].to_numpy() == pytest.approx(2 / 3)
    for name, part in rows.groupby("schedule"):
        dials = part["y"][part["panel"] == "dial"]
        last = part[part["panel"] == "depth"].iloc[360]
        assert last["x"] == pytest.approx(0.9)
        assert last["y"] == (dials >= 2 / 3).sum(), name
        # Every mark lies on the curve.
        curve = part[part["panel"] == "curve"]["y"].to_numpy()
        assert curve[::10] == pytest.approx(dials.to_numpy())


def test_entropy_first_rises_where_keys_outside_are_preferred():
    rows = rowdial.make_rows()
    rising = {name for name, part in rows.groupby("row") if part["entropy"].iloc[1] > part["entropy"].iloc[0]}
    assert rising == {"one key outside preferred", "three keys outside preferred"}
    assert "most at dial" in " ".join(text.get_text() for text in rowdial.draw(rows).axes[1].get_legend().get_texts())


def test_frontier_holds_the_configurations_that_no_other_beats():
    tasks = rows_of("frontier")
    table = frontier.points(tasks, "last_layer_fidelity")
    for row in table.itertuples():
        beaten = ((table["x"] > row.x) & (table["y"] < row.y)).any()
        assert row.frontier != beaten
    summary = material(committed(), "sweep", "schedules").rows
    same = table.merge(summary, on="configuration")
    same = same[np.isclose(same["largest_dial_x"], same["largest_dial_y"])]
    assert len(same) == len(summary)
    for mine, theirs in (
        ("x", "last_layer_fidelity"),
        ("y", "ratio"),
        ("y_low", "ratio_low"),
        ("y_high", "ratio_high"),
    ):
        assert same[mine].to_numpy() == pytest.approx(same[theirs].to_numpy(), rel=1e-9)
    with pytest.raises(DomainError, match="lacks the configuration 'distributed'"):
        frontier.draw(tasks[tasks["configuration"] != "distributed"])


def test_anchors_interval_is_d4s():
    figure = anchors.draw(anchors.make_rows())
    assert figure.axes[2].get_xlabel().endswith("4 to 8 copies")
    assert len(figure.axes[1].patches) == 1


def test_heads_show_each_layers_own_dial():
    rows = rows_of("heads")
    figure = heads.draw(rows)
    labels = [[tick.get_text() for tick in axis.get_yticklabels()] for axis in figure.axes[:2]]
    assert labels == [["0  (0)", "1  (0.45)", "2  (0.9)"]] * 2
    assert "0.50" in texts(figure)
    own = rows.assign(dial=rows["dial"] + 0.1 * rows["head"])
    assert heads.draw(own).axes[0].get_yticklabels()[1].get_text() == "1  (0.45 to 0.55)"
    many = recorded_rows(layers=32, heads=32).assign(configuration="large")
    drawn = heads.draw(many)
    assert len(drawn.axes[0].get_yticks()) <= heads.MOST_TICKS
    assert not drawn.axes[0].texts
    with pytest.raises(DomainError, match="each layer and head of a configuration once"):
        heads.draw(pd.concat([rows, rows]))


def test_cost_states_rounds_and_counts_what_the_axis_cuts_off():
    rows = rows_of("cost")
    shown = texts(cost.draw(rows))
    assert "gpt2-small-cpu: 3 to 5 rounds" in shown
    assert "llama-cpu: 3 rounds" in shown
    assert "drawn at 1 MiB, but less: 3" in shown
    with pytest.raises(DomainError, match="no times of the task 'measuring'"):
        cost.draw(rows[rows["task"] == "attention"])
    gate = [each for each in committed() if each.file == "bench/gate.json"]
    assert len(gate) == 1
    with pytest.raises(InputError, match="figure 'cost' needs records of kind 'bench'"):
        material(gate, "bench", "cost")


def test_unseen_refuses_calibrations_of_two_confidences():
    rows = rows_of("unseen")
    assert rows["record"].nunique() == 6
    assert rows.groupby("record").size().tolist() == [64] * 6
    rows = rows.assign(confidence=np.where(rows["record"] == "gpt2-0.5", 0.9, 0.95))
    with pytest.raises(DomainError, match="of one confidence"):
        unseen.draw(rows)
