"""`[selection]`: the window of penalties between C3's and C7's conditions, decided exactly."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.design.grid import make_grid, parse_axis
from theory.design.needed import Standing
from theory.design.run_check import check_run
from theory.design.run_design import design_run
from theory.design.run_file import parse_run
from theory.design.selection import Selection, check_selection, window
from theory.errors import DomainError, InputError
from theory.numbers.weight_bounds import group_threshold, survival_penalty, surviving_product

HEAD = {
    "penalty": 0.5,
    "loss": 2.0,
    "loss_least": 1.5,
    "loss_uniform": 4.0,
    "start_norms": 2.0,
    "loss_gradient": 0.5,
    "values": 2.0,
    "inputs": 4.0,
    "target_inputs": 3.0,
    "other_inputs": 0.25,
}
RUN = {"model": {"layers": 2, "head_width": 16, "context": 32}, "locality": {"block": 8, "margin": 1.0}}
sizes = st.floats(2.0**-40, 2.0**40)


def run(**changes):
    return parse_run(RUN | {"selection": HEAD | changes})


@given(
    st.tuples(sizes, sizes, sizes, sizes).map(sorted), sizes, sizes, st.tuples(sizes, sizes, sizes).map(sorted),
    st.integers(1, 4096), sizes,
)  # fmt: skip
def test_the_ends_are_those_of_the_conditions_in_many_digits(features, gradient, norms, losses, width, tau):
    least, loss, uniform = losses
    other, target, inputs, values = features
    selection = Selection(
        penalty=1.0, loss=loss, loss_least=least, loss_uniform=uniform, start_norms=norms, loss_gradient=gradient,
        values=values, inputs=inputs, target_inputs=target, other_inputs=other,
    )  # fmt: skip
    vanish, survive = window(selection, width, tau)
    with mpmath.workdps(60):
        slope = mpmath.mpf(gradient) * values * other * inputs / (4 * mpmath.mpf(tau) * mpmath.sqrt(width))

        def gap(penalty):
            return mpmath.mpf(penalty) ** 2 - slope * (mpmath.mpf(loss) - least + mpmath.mpf(penalty) * norms)

        assert gap(vanish) > 0
        assert gap(math.nextafter(vanish, 0)) <= 0
        most = (mpmath.mpf(uniform) - loss) / norms
        if uniform > loss:
            assert survive < most <= math.nextafter(survive, math.inf)
        else:
            assert survive is None
    near = group_threshold(gradient, values, other, inputs, width, loss - least, norms, tau)
    assert vanish == pytest.approx(float(near), rel=1e-12)


def test_the_answer_agrees_with_the_numeric_functions():
    found = check_run(run()).selection
    assert found.product_least == pytest.approx(surviving_product(1.0, 0.5, 2.0, 3.0, 16), rel=1e-15)
    assert found.survive_to == pytest.approx(survival_penalty(2.0, 2.0), rel=1e-15)


def test_a_penalty_inside_the_window_is_guaranteed_and_bounds_the_product():
    found = check_run(run()).selection
    assert found.standing is Standing.GUARANTEED
    # 2 tau sqrt(16) (4 - (2 + 0.5 * 2)) / (0.5 * 2 * 3^2)
    assert found.product_least <= Fraction(8, 9) < math.nextafter(found.product_least, 1)


@pytest.mark.parametrize("penalty", ["below", "above"])
def test_a_penalty_outside_the_window_is_not_guaranteed(penalty):
    ends = window(run().selection, 16, 1.0)
    outside = math.nextafter(ends[0], 0) if penalty == "below" else math.nextafter(ends[1], math.inf)
    for value, standing in ((ends[penalty == "above"], Standing.GUARANTEED), (outside, Standing.POSSIBLE)):
        assert check_run(run(penalty=value)).selection.standing is standing
    (unmet,) = check_run(run(penalty=outside)).unmet
    assert f"selection.penalty={outside!r}: from {ends[0]!r} to {ends[1]!r} the other blocks vanish (C3)" in unmet


def test_design_takes_the_smallest_penalty_of_the_window():
    answer = design_run(run(penalty="solve"))
    assert answer.run.selection.penalty == window(run().selection, 16, 1.0)[0]
    assert not answer.unmet


def test_design_says_that_the_window_is_empty():
    (solved,) = design_run(run(penalty="solve", loss_uniform=2.01)).solved
    assert solved.value is None
    assert solved.reason.startswith("no penalty is sure to select the target block: the other blocks vanish from ")
    assert "some block survives up to 0.0049" in solved.reason


def test_a_start_above_uniform_attention_leaves_no_window():
    found = check_selection(run(loss_uniform=2.0, penalty="solve").selection, 16, 1.0)
    assert (found.survive_to, found.empty) == (None, True)
    assert "some block survives at no penalty (C7)" in found.window_text()


@pytest.mark.parametrize("width", [1, 16, 10**12])
@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1e300])
def test_extreme_numbers_are_decided(width, scale):
    found = check_selection(run(start_norms=scale, loss_gradient=scale).selection, width, 1.0)
    assert found.standing in (Standing.GUARANTEED, Standing.POSSIBLE)
    assert (found.product_least is None) == (found.standing is Standing.POSSIBLE)


def test_a_grid_does_not_move_the_window():
    axis = parse_axis("locality.temperature=1,2")
    with pytest.raises(DomainError, match=r"moves the window of \[selection\]"):
        make_grid(RUN | {"selection": HEAD}, [axis])
    answer = next(make_grid(RUN | {"selection": HEAD | {"penalty": 9.0}}, [parse_axis("locality.margin=1,2")]).chunks())
    assert not answer["guaranteed"].any()


def test_the_answer_is_json():
    told = json.loads(json.dumps(check_run(run()).to_json()))["selection"]
    assert (told["standing"], told["empty"]) == ("guaranteed", False)
    assert told["vanish_from"] < told["survive_to"]


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"loss": 1.0}, "loss=1.0 must be at least loss_least=1.5"),
        ({"loss_uniform": 1.0}, "loss_uniform=1.0 must be at least loss_least=1.5"),
        ({"target_inputs": 5.0}, "target_inputs=5.0 must be at most inputs=4.0"),
        ({"start_norms": 0.0}, "must be greater than 0"),
        ({"lamda": 1.0}, "no such key"),
    ],
    ids=str,
)
def test_impossible_numbers_are_refused(changes, law):
    with pytest.raises(InputError, match=law):
        run(**changes)
