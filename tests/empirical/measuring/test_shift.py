"""The output's predicted shift (B3), also for leaks that rounding moved to 1, above 1 or below 0."""

import math

import numpy as np
import pytest
import torch
from tiny import Layer, one_thread  # noqa: F401

from empirical.attention.attention import localist_attention
from empirical.measuring.rows import RowMeter
from empirical.measuring.shift import ShiftMeter

TOKENS, BLOCK = 12, 4


@pytest.fixture
def shifted():
    """The predicted shift of one layer for given leaks, and the measured shift."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(3, 1, 1, TOKENS, 8, generator=generator, dtype=torch.float64)
    calls = []
    for dial in (0.0, 0.7):
        localist_attention(Layer(dial, block=BLOCK), query, key, value, None, row_sink=calls.append)
    meter, shifts = RowMeter(), ShiftMeter()
    rows = meter(calls[0])
    shifts.hold(calls[0])

    def compare(leak, dial=0.7):
        return shifts.compare(calls[1], np.broadcast_to(leak, rows.leak.shape).astype(float), np.array([dial]), meter)

    return rows.leak, compare


def test_shift_is_the_fidelity_gain_times_the_conditional_difference(shifted):
    leak, compare = shifted
    found = compare(leak)
    assert (found.error <= 1e-14).all()
    assert found.measured.max() > 0.1
    # Another leak or dial gives another gain.
    assert compare(leak / 2).error.max() > 1e-2
    assert compare(leak, 0.6).error.max() > 1e-2


def test_leaks_of_1_and_above_count_as_the_largest_float_below_1(shifted):
    """With all mass off the block no dial below 1 moves the output; a leak rounded above 1 must not fail."""
    _, compare = shifted
    for leak in (1.0, 1 + 2.0**-23, 1 + 2.0**-52):
        found = compare(leak)
        assert np.isfinite(found.predicted).all()
        assert (found.predicted <= 1e-14).all()
        assert np.array_equal(found.predicted, compare(math.nextafter(1.0, 0.0)).predicted)
        # A leak just below 1 has a gain; a leak of exactly 1 has none.
        assert (found.predicted > 0).all()


def test_leaks_below_0_count_as_0(shifted):
    _, compare = shifted
    for leak in (0.0, -(2.0**-30)):
        assert (compare(leak).predicted == 0).all()
