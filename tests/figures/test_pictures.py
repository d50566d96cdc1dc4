"""Figures from theory and committed records: their numbers, what is a fault in them, what they refuse."""

import numpy as np
import pandas as pd
import pytest
from drawn_rows import committed, rows_of
from pictures import drawn_in_red, texts
from recorded import recorded_rows

from figures.pictures import anchors, cost, depth, frontier, heads, maps, measured, phases, rowdial, unseen
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
        (rowdial, lambda rows: rows.assign(fidelity=rows["fidelity"] + 1e-3), "off the closed form of B1: 286"),
        (rowdial, lambda rows: rows.assign(entropy=rows["entropy"] - 1e-2), "off the closed form of B2: 286"),
        (rowdial, lambda rows: rows.assign(violations=2), "rows that violate a bound: 2"),
        (maps, lambda rows: rows.assign(k0=rows["k0"] + 0.1), "queries whose weights are not shares of 1: "),
        (maps, lambda rows: rows.assign(k0=-1e-4), "queries whose weights are not shares of 1: 512"),
        (anchors, lambda rows: rows.assign(weaker=-1.0), "random directions below the least coherence: "),
        (anchors, lambda rows: rows.assign(y=3.0, weaker=4.0), "copies in the interval that break a target: "),
        (unseen, lambda rows: rows.assign(share_at_most=rows["share_at_most"] + 1e-6), "bounds that differ from H5: 6"),
        (measured, lambda rows: rows.assign(violations=1), "rows that violate a bound: 2"),
        (measured, lambda rows: rows.assign(undecided=1), "rows left undecided: 2"),
        (measured, lambda rows: rows.assign(verdict="violated"), "drawn rows that violate a bound: 1000"),
        (measured, lambda rows: rows.assign(bound_leak_mean_margin=0.1), "rows beyond the largest leak: "),
        (measured, lambda rows: rows.assign(bound_entropy_range=4.0), "rows beyond the least entropy: "),
        (measured, lambda rows: rows.assign(leak=np.nan), "rows beyond the largest leak: 1000"),
        (heads, lambda rows: rows.assign(violations=1), "rows that violate a bound: 6"),
    ],
)
def test_planted_errors_are_faults(figure, damage, fault):
    rows = rows_of(figure.NAME)
    assert figure.faults(rows) == []
    assert any(fault in line for line in figure.faults(damage(rows)))


def test_rows_beyond_their_bound_are_red():
    rows = rows_of("measured").copy()
    rows.loc[3, "entropy"] = rows.loc[3, "bound_entropy_fidelity"] + 0.01
    assert measured.faults(rows) == ["rows beyond the largest entropy: 1"]
    (line,) = drawn_in_red(measured.draw(rows))
    assert line.get_ydata().tolist() == [rows.loc[3, "entropy"]]
    # One row of 500 is one mark in every panel.
    first = measured.draw(rows).axes[0]
    assert sorted(len(line.get_xdata()) for line in first.lines) == [2, 500, 500]
    assert "(rounding)" in texts(measured.draw(rows_of("measured")))


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
    rows = rows_of("rowdial")
    table = rowdial.curves(rows)
    assert len(table) == 120
    # B2 says which rows of the first layer rise up to dial 0.1, and which fall at once; others turn before it.
    first = table[table["layer"] == 0]
    start, next_ = (rows[np.isclose(rows["dial"], dial)].set_index(rowdial.PLACE)["entropy"] for dial in (0.0, 0.1))
    rose = (next_ - start).loc[first.set_index(rowdial.PLACE).index].to_numpy() > 0
    rising, falling = (first["peak"] >= 0.1).to_numpy(), (first["peak"] == 0).to_numpy()
    assert rose[rising].all()
    assert not rose[falling].any()
    assert rising.any()
    assert falling.any()
    one, other, deeper = rowdial.chosen(rows).itertuples()
    assert one.layer == other.layer == 0 < deeper.layer
    assert one.rise == first["rise"].max() > 0.05
    assert other.rise <= 0
    assert f"entropy first rises in {(table['rise'] > 1e-3).sum()} of 120 rows" in texts(rowdial.draw(rows))


def test_closed_forms_of_a_row_are_the_recorded_predictions():
    rows = rows_of("rowdial")
    table = rowdial.curves(rows).set_index(rowdial.PLACE)
    below = rows[rows["dial"] < 1]
    for dial, part in below.groupby("dial"):
        fidelity, entropy = rowdial.closed(table.loc[part.set_index(rowdial.PLACE).index], dial)
        assert np.abs(fidelity - part["predicted_fidelity"].to_numpy()).max() < 5e-6
        # The entropy off the block was found from that of the whole row.
        assert np.abs(entropy - part["predicted_entropy"].to_numpy()).max() < 2e-4
    with pytest.raises(DomainError, match="along the dial from 0 to 1"):
        rowdial.draw(below)


def test_maps_show_blocks_and_refuse_two_texts():
    rows = rows_of("maps")
    figure = maps.draw(rows)
    panels = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title(loc="left") for axis in panels[:2]] == ["distributed, dial 0", "localist, dial 0.9"]
    # Eight corners of blocks and the diagonal.
    assert [len(axis.lines) for axis in panels] == [9] * 4
    part = rows[(rows["configuration"] == "localist") & (rows["layer"] == 2)]
    weights = part.filter(regex="^k[0-9]").fillna(0).to_numpy()
    own = np.arange(128)[:, None] // 16 == np.arange(128) // 16
    share = (weights * own).sum(axis=1)[16:].mean()
    assert f"{share:.0%}\non own blocks" in panels[1].texts[0].get_text()
    with pytest.raises(DomainError, match="same heads on the same text"):
        maps.draw(rows.assign(token=np.arange(len(rows))))
    with pytest.raises(DomainError, match="same heads on the same text"):
        maps.draw(rows.drop(index=part.index))


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
