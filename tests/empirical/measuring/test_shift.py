"""The output's predicted shift (B3) for leaks that rounding moved to 1 and beyond, or below 0."""

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
    """Of one layer: what the shift is predicted to be for given leaks, and what it was."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(3, 1, 1, TOKENS, 8, generator=generator, dtype=torch.float64)
    calls = []
    for dial in (0.0, 0.7):
        localist_attention(Layer(dial, block=BLOCK), query, key, value, None, row_sink=calls.append)
    meter, shifts = RowMeter(), ShiftMeter()
    rows = meter(calls[0])
    shifts.hold(calls[0])

    def compare(leak, dial=0.7):
        return shifts.compare(calls[1], np.broadcast_to(leak, rows.leak.shape).astype(float), dial, meter)

    return rows.leak, compare


def test_a_shift_is_the_gain_in_fidelity_along_the_conditional_outputs(shifted):
    leak, compare = shifted
    found = compare(leak)
    assert (found.error <= 1e-14).all()
    assert found.measured.max() > 0.1
    # A gain by another leak or dial would not be this one.
    assert compare(leak / 2).error.max() > 1e-2
    assert compare(leak, 0.6).error.max() > 1e-2


def test_leaks_beyond_1_count_as_the_largest_below(shifted):
    """All of the mass is off the block: no dial below 1 moves anything, and rounding above 1 is no reason to fail."""
    _, compare = shifted
    for leak in (1.0, 1 + 2.0**-23, 1 + 2.0**-52):
        found = compare(leak)
        assert np.isfinite(found.predicted).all()
        assert (found.predicted <= 1e-14).all()
        assert np.array_equal(found.predicted, compare(math.nextafter(1.0, 0.0)).predicted)
        # Just below 1 there is a gain, which a leak of exactly 1 would not have.
        assert (found.predicted > 0).all()


def test_leaks_below_0_count_as_none(shifted):
    _, compare = shifted
    for leak in (0.0, -(2.0**-30)):
        assert (compare(leak).predicted == 0).all()
