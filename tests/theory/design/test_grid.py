"""Grids: at every point the vectorised grid agrees with the check of that run."""

from __future__ import annotations

import itertools
import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from runs import run_values

import theory.design.grid
from theory.design.grid import Axis, Grid, make_grid, parse_axis
from theory.design.needed import Standing
from theory.design.run_check import check_run
from theory.design.run_design import design_run
from theory.design.run_file import parse_run
from theory.errors import LocalistError


def points(grid):
    chunks = list(grid.chunks())
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def test_grid_agrees_with_check_at_every_point():
    values = run_values(optimizer=None, rules=None)
    texts = ["locality.margin=-2:8:2.5", "locality.dial=0,0.5,0.99", "targets.fidelity=0.3,0.9", "locality.block=1,32"]
    grid = make_grid(values, [parse_axis(text) for text in texts])
    found = points(grid)
    assert grid.points == found["leak_max"].size == 5 * 3 * 2 * 2
    for i in range(grid.points):
        run = parse_run(
            run_values(
                optimizer=None,
                rules=None,
                locality__margin=float(found["locality.margin"][i]),
                locality__dial=float(found["locality.dial"][i]),
                locality__block=int(found["locality.block"][i]),
                targets__fidelity=float(found["targets.fidelity"][i]),
            )
        )
        answer = check_run(run)
        top = answer.layers[-1]
        assert found["leak_max"][i] == pytest.approx(top.leak_max, rel=1e-12)
        assert found["entropy_max_nats"][i] == pytest.approx(top.entropy_max_nats, rel=1e-12)
        kept = sum(layer.standing is Standing.GUARANTEED for layer in answer.layers)
        assert found["localised_layers"][i] == kept
        assert found["guaranteed"][i] == answer.guaranteed


EDGES = {
    "locality.margin": [0.0, -8.0, 3.0, 1e308, -1e308, 5e-324, -5e-324, math.log(3)],
    "locality.temperature": [1.0, 0.5, 1e-10, 1e308, 1e-308],
    "locality.penalty": [0.0, 2.0, 1e308, 5e-324],
    "locality.dial": [0.0, 0.5, 0.97, 1 - 2**-53],
    "locality.block": [1, 8, 15],
    "locality.logit_range": [0.0, 9.0, 1e308],
    "model.context": [16, 33, 10**12],
    "targets.fidelity": [0.5, 0.25, 0.9, 1 - 2**-53, 1e-300],
    "targets.entropy_bits": [0.0, 3.0, 3.9, 4.0, 5.5, 40.0],
    "targets.own_keys": [1, 8],
}
PLAIN = {
    "locality.margin": st.floats(-12, 20),
    "locality.temperature": st.floats(0.05, 5),
    "locality.penalty": st.floats(0, 12),
    "locality.dial": st.floats(0, 1, exclude_max=True),
    "locality.block": st.integers(1, 15),
    "locality.logit_range": st.floats(0, 30),
    "model.context": st.integers(16, 4096),
    "targets.fidelity": st.floats(0, 1, exclude_min=True, exclude_max=True),
    "targets.entropy_bits": st.floats(0, 13),
    "targets.own_keys": st.integers(1, 8),
}


def settled(values):
    """A run's dictionary from dotted names; `None` leaves a value out."""
    tables = {}
    for name, value in values.items():
        table, key = name.split(".")
        if value is not None:
            tables.setdefault(table, {})[key] = value
    return tables


@st.composite
def swept_runs(draw):
    """A run file, and up to three axes with at most three values each."""
    number = {name: st.one_of(st.sampled_from(EDGES[name]), PLAIN[name]) for name in PLAIN}
    optional = ("locality.logit_range", "targets.fidelity", "targets.entropy_bits")
    values = {name: draw(st.one_of(st.none(), each) if name in optional else each) for name, each in number.items()}
    if draw(st.integers(0, 2)) == 0:
        # Blocks that follow the text.
        least = values.pop("locality.block")
        number.pop("locality.block")
        number["locality.block_most"] = st.integers(least, 15)
        values["locality.block_least"], values["locality.block_most"] = least, draw(number["locality.block_most"])
    values["model.layers"] = draw(st.integers(2, 5))
    values["locality.schedule"] = draw(st.sampled_from(["distributed", "localist", "linear", "quintic"]))
    values["targets.localised_layers"] = draw(st.one_of(st.none(), st.integers(1, values["model.layers"])))
    if draw(st.integers(0, 3)) == 0:
        values["locality.sparse"] = {"penalty": draw(st.sampled_from([0.0, 0.5, 4.0])), "group": 4}
    anchored = draw(st.integers(0, 3)) == 0
    if anchored:
        values["locality.margin"] = None
        number.pop("locality.margin")
        values["locality.anchors"] = {
            "number": draw(st.integers(2, 80)),
            "coherence": draw(st.sampled_from([-0.5, 0.0, 0.9])),
            "distance": draw(st.sampled_from([0.0, 0.1, 1.5])),
            "scale": draw(st.floats(0.1, 30)),
        }
    tables = settled(values)
    if draw(st.integers(0, 3)) == 0:
        promise = draw(st.sampled_from([0.4, 0.9]))
        tables["rules"] = {name: {"keys": [key], "promise": promise} for name, key in (("a", 0), ("[/x]", 1))}
    if draw(st.integers(0, 4)) == 0:
        tables["optimizer"] = {
            "kind": "proximal-sgd", "learning_rate": 0.5, "steps": 10, "block_norm": 4.0, "gradient_bound": 1.0,
            "penalty": draw(st.sampled_from([0.5, 2.0])), "group_sizes": [4],
        }  # fmt: skip
    names = draw(st.lists(st.sampled_from(sorted(number)), min_size=1, max_size=3, unique=True))
    axes = [(name, draw(st.lists(number[name], min_size=1, max_size=3, unique=True))) for name in names]
    return tables, axes


WHOLE = {"model.context", "locality.block", "locality.block_least", "locality.block_most", "targets.own_keys"}


def run_at(tables, point):
    """The run's dictionary at a point of the grid, a value by axis."""
    merged = {table: dict(content) for table, content in tables.items()}
    for name, value in point.items():
        table, key = name.split(".")
        merged.setdefault(table, {})[key] = int(value) if name in WHOLE else float(value)
    return merged


def is_run(values):
    try:
        parse_run(values)
    except LocalistError:
        return False
    return True


def agrees(grid, tables):
    """Whether the grid agrees with the check of the run at every point."""
    found = points(grid)
    for i in range(grid.points):
        answer = check_run(parse_run(run_at(tables, {axis.name: found[axis.name][i] for axis in grid.axes})))
        top = answer.layers[-1]
        decided = bool(found["guaranteed"][i]) if "guaranteed" in found else None
        kept = sum(layer.standing is Standing.GUARANTEED for layer in answer.layers)
        if decided is not answer.guaranteed or found["localised_layers"][i] != kept:
            return False
        for name, bound in (
            ("leak_max", top.leak_max),
            ("fidelity_min", top.fidelity_min),
            ("entropy_max_nats", top.entropy_max_nats),
            ("entropy_min_nats", top.entropy_min_nats),
        ):
            if (name in found) != (bound is not None):
                return False
            # The separations differ by a few roundings, which the leak's exponential amplifies.
            if bound is not None and not math.isclose(found[name][i], bound, rel_tol=1e-11, abs_tol=1e-300):
                return False
    return True


@settings(max_examples=40)
@given(swept_runs())
def test_grid_agrees_with_check_for_random_runs(case):
    tables, axes = case
    try:
        grid = make_grid(tables, [Axis(name, np.array(values, dtype=float)) for name, values in axes])
    except LocalistError:
        assume(False)
    names = [name for name, _ in axes]
    every = [dict(zip(names, values, strict=True)) for values in itertools.product(*(values for _, values in axes))]
    if all(is_run(run_at(tables, point)) for point in every):
        assert agrees(grid, tables)
    else:
        with pytest.raises(LocalistError):
            points(grid)


def row_run(**targets):
    return {"model": {"layers": 2, "context": 16}, "locality": {"block": 8, "margin": 3.0}, "targets": targets}


WEAK = {
    "kind": "proximal-sgd", "learning_rate": 0.5, "steps": 10, "block_norm": 4.0, "gradient_bound": 1.0,
    "penalty": 0.5, "group_sizes": [4],
}  # fmt: skip
CAN_FAIL = [
    ({"rules": {n: {"keys": [k], "promise": 0.9} for k, n in enumerate("ab")}}, {"fidelity": 0.9}, False),
    ({"optimizer": WEAK}, {}, False),
    ({}, {}, None),
    ({"locality": {"block": 8, "margin": 3.0, "sparse": {"penalty": 0.0}}}, {"fidelity": 0.1}, True),
    ({"locality": {"block": 8, "margin": 0.9, "sparse": {"penalty": 0.0}}}, {"fidelity": 0.1, "own_keys": 2}, True),
    ({"locality": {"block": 8, "margin": 0.9, "sparse": {"penalty": 0.0}}}, {}, False),
    ({"locality": {"block": 8, "margin": 9.0, "sparse": {"penalty": 0.0}}}, {"entropy_bits": 2.9}, False),
    ({"rules": {"a": {"keys": [0], "promise": 0.2}}}, {"fidelity": 0.1}, True),
    ({"rules": {"a": {"keys": [0], "promise": 0.95}}}, {"fidelity": 0.1}, False),
    ({"locality": {"block": 8, "margin": -3.0, "sparse": {"penalty": 0.0}}}, {"fidelity": 0.1}, False),
]


@pytest.mark.parametrize(("tables", "targets", "decision"), CAN_FAIL)
def test_grid_decides_everything_that_check_decides(tables, targets, decision):
    values = row_run(**targets) | tables
    assert check_run(parse_run(values)).guaranteed is decision
    grid = make_grid(values, [parse_axis("locality.penalty=0,1e-9")])
    found = points(grid)
    assert ("guaranteed" in found) is (decision is not None)
    assert decision is None or list(found["guaranteed"]) == [decision] * 2
    assert agrees(grid, values)
    # Planted: a grid that ignores the parts of a run that no axis changes.
    blind = Grid(grid.run, grid.axes)
    assert agrees(blind, values) is not bool(values.get("optimizer"))


def test_entropy_below_log_m_is_never_guaranteed():
    texts = ["locality.margin=1e308", "locality.temperature=1e-10", "targets.entropy_bits=3"]
    values = {"model": {"layers": 2, "context": 128}, "locality": {"block": 64, "margin": 3.0}}
    assert not points(make_grid(values, [parse_axis(text) for text in texts]))["guaranteed"].any()


def test_grid_is_exact_at_the_threshold():
    """Eight of 16 keys and a fidelity of 1/2 need a separation of exactly 0."""
    values = row_run(fidelity=0.5, own_keys=8)
    margins = [-5e-324, 0.0, 5e-324, -1e-17, 1e-17]
    grid = make_grid(values, [Axis("locality.margin", np.array(margins)), parse_axis("locality.temperature=1,1e300")])
    assert points(grid)["guaranteed"].reshape(5, 2).tolist() == [[x >= 0] * 2 for x in margins]
    assert agrees(grid, values)


def test_grid_allows_for_rounding_of_the_separation():
    """Five roundings put this separation 3.6e-15 below the threshold, which it exceeds by 7.7e-17."""
    locality = {"block": 1, "margin": -12.64915130619225, "temperature": 0.6253770224610966}
    locality |= {"penalty": 4.125157964387898, "dial": 0.3433025732077074}
    values = {
        "model": {"layers": 2, "context": 2},
        "locality": locality,
        "targets": {"fidelity": 1.8328524864746454e-06},
    }
    grid = make_grid(values, [parse_axis("locality.margin=-12.64915130619225,-12.6491513061923")])
    assert points(grid)["guaranteed"].tolist() == [True, False]
    assert agrees(grid, values)


def test_grid_accepts_anchors_and_refuses_open_settings():
    locality = {"block": 8, "anchors": {"number": 3, "coherence": 0.0, "distance": 0.1, "scale": 9.0}}
    values = row_run(fidelity=0.9) | {"locality": locality}
    assert agrees(make_grid(values, [parse_axis("locality.dial=0,0.5")]), values)
    for name in ("dial", "schedule", "penalty", "margin"):
        still_open = row_run(fidelity=0.9)
        still_open["locality"] = {"block": 8, "margin": 3.0, name: "solve"}
        with pytest.raises(LocalistError, match=f"locality.{name} must be given here; `localist design`"):
            make_grid(still_open, [parse_axis("locality.temperature=1,2")])
        if name not in ("schedule",):
            assert points(make_grid(still_open, [parse_axis(f"locality.{name}=0,0.5")]))["leak_max"].size == 2


def test_grid_varies_entropy_targets():
    values = run_values(optimizer=None, rules=None, targets__fidelity=None, locality__logit_range=None)
    grid = make_grid(values, [parse_axis("targets.entropy_bits=4,5.0,5.5,8"), parse_axis("locality.margin=0:12:3")])
    found = points(grid)
    by_target = found["localised_layers"].reshape(4, 5)
    assert by_target[0].max() == 0
    assert by_target[1].max() == 0
    assert by_target[2].max() == 6
    assert by_target[3].min() == 6


@pytest.mark.parametrize("sparse", [None, {"penalty": 0.37, "group": 5}])
def test_grid_is_exact_at_the_smallest_margin_and_one_float_below(sparse):
    """Where float64 cannot distinguish the separations, the grid decides exactly; floats alone err at some of these."""
    values = {
        "model": {"layers": 2, "context": 96},
        "locality": {"block": 7, "temperature": 0.7, "penalty": 1.1},
        "targets": {"own_keys": 2, "entropy_bits": 6.4},
    }
    if sparse is not None:
        values["locality"]["sparse"] = sparse
    rounded = 0
    for dial, fidelity in itertools.product([0.3, 0.97], np.linspace(0.05, 0.99, 8).tolist()):
        values["locality"]["dial"], values["targets"]["fidelity"] = dial, fidelity
        margin = (
            design_run(parse_run({**values, "locality": {**values["locality"], "margin": "solve"}})).solved[0].value
        )
        margins = [math.nextafter(margin, -math.inf), margin, math.nextafter(margin, math.inf)]
        settled = {**values, "locality": {**values["locality"], "margin": margin}}
        grid = make_grid(settled, [Axis("locality.margin", np.array(margins))])
        assert points(grid)["guaranteed"].tolist() == [False, True, True]
        with mock.patch.object(theory.design.grid, "_ROUNDINGS", 0.0):
            rounded += points(grid)["guaranteed"].tolist() != [False, True, True]
    # Planted: without the slack floating point decides and errs.
    assert rounded
