"""Schedules and dials: values, budgets and refused input."""

import math

import pytest

from empirical.attention.schedule import SCHEDULES, check_dials, dial_bias, largest_for_mean, layer_dials
from theory.errors import DomainError


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_dials_follow_the_power_law(name):
    layers, largest = 6, 0.8
    dials = layer_dials(name, layers, largest)
    beta = SCHEDULES[name]
    for layer, dial in enumerate(dials):
        expected = 0.0 if beta is None else largest * (layer / (layers - 1)) ** beta
        # numpy's power may differ from Python's in the last place.
        assert dial == pytest.approx(expected, rel=4e-16, abs=0)


def test_largest_dial_gives_the_requested_mean():
    for name in ("localist", "linear", "cubic", "quintic"):
        largest = largest_for_mean(name, 12, 0.1)
        assert math.fsum(layer_dials(name, 12, largest)) / 12 == pytest.approx(0.1, rel=1e-14)


def test_bias_is_accurate_at_both_ends():
    assert dial_bias(1e-12) == pytest.approx(1e-12, rel=1e-11)
    assert dial_bias(1.0) == math.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layer_dials("steep", 4, 0.5), "'steep' must be one of"),
        (lambda: layer_dials("cubic", 4, 1.5), r"1.5 .*\[0, 1\]"),
        (lambda: layer_dials("cubic", 0, 0.5), "layers=0 must"),
        (lambda: dial_bias(math.nan), "nan must lie"),
        (lambda: largest_for_mean("quintic", 4, 0.9), "mean dial=0.9 must be at most 0.28"),
        (lambda: largest_for_mean("distributed", 4, 0.1), "must be at most 0 on the distributed"),
        (lambda: check_dials([0.1], 2), "1 dials were given for 2 layers"),
        (lambda: check_dials([0.1, -1], 2), "-1 must lie"),
    ],
)
def test_refuses_unknown_schedules_and_wrong_dials(call, message):
    with pytest.raises(DomainError, match=message):
        call()
