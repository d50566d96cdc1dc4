"""Quantiles in fixed memory: exact while the numbers fit, else within the stated rank error."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from empirical.measuring.quantiles import Quantiles, buffer_size

SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def sketch(values, capacity, step=1000):
    found = Quantiles(len(values), values.shape[1], capacity)
    for start in range(0, values.shape[1], step):
        found.add(values[:, start : start + step])
    return found


def streams(kind, count, seed=0):
    """Three series of `count` numbers."""
    random = np.random.default_rng(seed)
    return {
        "normal": lambda: random.normal(size=(3, count)),
        "rising": lambda: np.arange(count) + np.zeros((3, 1)),
        "falling": lambda: -np.arange(count) + np.zeros((3, 1)),
        "few": lambda: random.integers(0, 4, size=(3, count)).astype(float),
        "same": lambda: np.full((3, count), 7.0),
        "tiny": lambda: np.exp(random.normal(size=(3, count)) * 60),
        # Sorted stretches as long as a buffer, which interleave in the merges.
        "combed": lambda: (np.arange(count) * 7919 % count) + np.zeros((3, 1)),
        "infinite": lambda: np.where(random.random((3, count)) < 0.3, np.inf, random.normal(size=(3, count))),
    }[kind]()


def rank_faults(values, found):
    """Distance of each quantile's share of the stream from the requested share, beyond the stated error."""
    faults = []
    for line, answers in zip(values, found.at(SHARES), strict=True):
        ordered = np.sort(line)
        for share, answer in zip(SHARES, answers, strict=True):
            below, up_to = np.searchsorted(ordered, answer, "left"), np.searchsorted(ordered, answer, "right")
            assert up_to > below, "a quantile must be a number of the stream"
            low, high = below / len(line), up_to / len(line)
            faults.append(max(low - share, share - high) - found.rank_error)
    return faults


@pytest.mark.parametrize("count", [1, 2, 63, 500])
def test_few_numbers_give_exact_quantiles(count):
    values = np.random.default_rng(1).normal(size=(4, count))
    found = sketch(values, 500, step=7)
    assert found.rank_error == 0
    assert found.count == count
    np.testing.assert_array_equal(found.at(SHARES), np.quantile(values, SHARES, axis=1).T)


@pytest.mark.parametrize("kind", ["normal", "rising", "falling", "few", "same", "tiny", "combed", "infinite"])
@pytest.mark.parametrize(("count", "capacity"), [(20_000, 512), (20_000, 64), (513, 512), (60_001, 4096)])
def test_quantiles_are_within_the_stated_rank_error(kind, count, capacity):
    values = streams(kind, count)
    found = sketch(values, capacity)
    assert found.count == count
    assert found.rank_error > 0
    assert max(rank_faults(values, found)) <= 1e-12


@given(st.integers(200, 3000), st.integers(64, 150), st.integers(1, 400), st.integers(0, 2**32 - 1))
@example(200, 64, 200, 0)
def test_rank_error_holds_for_any_stream_and_batches(count, capacity, step, seed):
    random = np.random.default_rng(seed)
    values = np.cumsum(random.integers(-1, 2, size=(3, count)), axis=1).astype(float)
    found = sketch(values, capacity, step)
    assert max(rank_faults(values, found)) <= 1e-12
    np.testing.assert_array_equal(found.at(SHARES), sketch(values, capacity, count).at(SHARES))


def test_stated_rank_error_is_not_far_above_the_worst():
    """Some streams exceed a fifth of it."""
    worst = 0.0
    for kind in ("normal", "combed", "rising"):
        for seed in range(4):
            values = streams(kind, 20_000, seed)
            found = sketch(values, 64)
            worst = max(worst, *((fault + found.rank_error) / found.rank_error for fault in rank_faults(values, found)))
    assert 1 / 5 < worst <= 1


@pytest.mark.parametrize("capacity", [64, 1000, 4096])
def test_memory_does_not_grow_with_the_stream(capacity):
    for count in (capacity + 1, 10 * capacity, 50 * capacity):
        found = Quantiles(2, count, capacity)
        for part in np.array_split(np.arange(count, dtype=float), 97):
            found.add(np.stack([part, -part]))
            assert found.nbytes <= 2 * 8 * capacity
        assert found.count == count
    # Large streams by arithmetic: the buffer being filled, one per level, and one being merged.
    for count in (10**6, 10**9, 10**12):
        size = buffer_size(count, capacity)
        levels = (-(-count // size) - 1).bit_length()
        assert (levels + 1) * size <= capacity


def test_rank_error_of_a_million_gpt2_small_rows():
    """`measure` stores 10,591 numbers per series; the error is then below half a percent."""
    values = np.random.default_rng(0).normal(size=(1, 1_000_000))
    found = sketch(values, 10_591, step=4096)
    assert found.rank_error < 0.004
    assert max(rank_faults(values, found)) <= 1e-12


@pytest.mark.parametrize("place", [0, 7, 4999])
def test_nan_affects_only_its_own_series(place):
    values = streams("normal", 5000)
    values[1, place] = np.nan
    for capacity in (64, 5000):
        at = sketch(values, capacity).at(SHARES)
        assert np.isnan(at[1]).all()
        assert np.isfinite(at[[0, 2]]).all()


def test_refuses_a_capacity_without_room_for_buffers():
    with pytest.raises(ValueError, match="capacity 63 must be at least 64"):
        Quantiles(1, 64, 63)
