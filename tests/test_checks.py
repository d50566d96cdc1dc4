"""Rows against their bounds: true rows obey, corrupted ones do not, and what rounding leaves open is said."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import Layer, one_thread  # noqa: F401

from empirical import rounding
from empirical.attention import localist_attention
from empirical.checks import check_rows
from empirical.records import BOUNDS
from empirical.rows import Rows, measure_rows


def rows_of(query, key, dial=0.0, tokens=40, **kwargs):
    calls = []
    localist_attention(Layer(dial), query, key, torch.zeros_like(key), None, row_sink=calls.append, **kwargs)
    return measure_rows(calls[0])


def random_rows(seed, size, dial=0.0, tokens=40):
    generator = torch.Generator().manual_seed(seed)
    query, key = (size * torch.randn(1, 2, tokens, 8, generator=generator) for _ in range(2))
    return rows_of(query, key, dial)


@given(seed=st.integers(0, 10**6), size=st.floats(0.0, 12.0), dial=st.sampled_from([0.0, 0.5, 0.99, 1.0]))
@settings(max_examples=60, deadline=None)
def test_no_true_row_violates(seed, size, dial):
    for name, check in check_rows(random_rows(seed, size, dial)).items():
        assert not check.violated.any(), name


def test_rows_at_equality_do_not_violate():
    """Two-level logits meet A2 and A4 exactly, so rounding puts measured values on both sides of a bound."""
    tokens, block = 40, 8
    query = torch.zeros(1, 1, tokens, tokens // block)
    key = torch.zeros_like(query)
    for position in range(tokens):
        key[0, 0, position, position // block] = 1.0
        query[0, 0, position, position // block] = 1.7
    checks = check_rows(rows_of(query, key))
    assert abs(checks["leak_margin"].slack).max() < 1e-6
    assert (checks["leak_margin"].slack < 0).any() or (checks["entropy_margin"].slack < 0).any()
    for name, check in checks.items():
        assert not check.violated.any(), name


# What a wrong measurement would look like, and the check that must see it.
CORRUPTIONS = {
    "leak_margin": lambda rows: {"leak": rows.leak * 1.02},
    "leak_mean_margin": lambda rows: {"mean_margin": rows.mean_margin + 0.05},
    "entropy_fidelity": lambda rows: {"entropy": rows.entropy * 1.02},
    "entropy_margin": lambda rows: {"margin": rows.margin + 0.1},
    "entropy_mean_margin": lambda rows: {"mean_margin": rows.mean_margin + 0.1},
    "entropy_range": lambda rows: {"logit_range": rows.logit_range * 0.1, "entropy": rows.entropy * 0.9},
}


@pytest.mark.parametrize("name", list(BOUNDS))
def test_a_corrupted_statistic_is_a_violation(name):
    tokens, block = 40, 8
    query, key = torch.zeros(1, 1, tokens, 5), torch.zeros(1, 1, tokens, 5)
    for position in range(tokens):
        key[0, 0, position, position // block] = 1.0
        query[0, 0, position, position // block] = 1.7
    rows = rows_of(query, key)
    corrupt = dataclasses.replace(rows, **CORRUPTIONS[name](rows))
    assert check_rows(corrupt)[name].violated.any()


def test_a_number_that_is_none_is_a_violation():
    rows = random_rows(0, 1.0)
    corrupt = dataclasses.replace(rows, entropy=rows.entropy * np.nan)
    assert check_rows(corrupt)["entropy_fidelity"].violated.all()


def test_scores_too_large_for_their_format_are_undecided_and_in_a_wider_one_decided():
    generator = torch.Generator().manual_seed(3)
    query, key = (400 * torch.randn(1, 2, 40, 8, generator=generator) for _ in range(2))
    coarse, fine = rows_of(query, key), rows_of(query.double(), key.double())
    assert coarse.undecided.any()
    assert not fine.undecided.any()
    for rows in (coarse, fine):
        # A row whose leak underflowed to 0 has no ratio to be off by.
        assert (rows.leak == 0).any()
        for name, check in check_rows(rows).items():
            assert not check.violated.any(), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_leak_below_the_normal_numbers_violates_nothing(dtype, monkeypatch):
    """With two keys the leak is its bound; as a subnormal number it has lost its digits."""

    def at(gap):
        key = torch.zeros(1, 1, 9, 4, dtype=dtype)
        key[..., 8, 0] = gap
        query = torch.zeros_like(key)
        query[..., 0] = 1.0
        rows = rows_of(query, key, tokens=9, block_ids=torch.tensor([[0] * 8 + [1]]), scaling=1.0)
        return any(check.violated.any() for check in check_rows(rows).values())

    gaps = np.arange(95.0, 107.0, 0.25) if dtype == torch.float32 else np.arange(705.0, 750.0)
    assert not any(at(gap) for gap in gaps)
    monkeypatch.setattr(Rows, "leak_floor", 0.0)
    violated = [gap for gap in gaps if at(gap)]
    assert len(violated) > 3


def test_an_error_bound_of_nothing_would_count_rounding(monkeypatch):
    """The derived error is needed: with none, rows at equality are counted."""
    tokens = 40
    query = torch.zeros(1, 1, tokens, 5)
    key = torch.zeros_like(query)
    for position in range(tokens):
        key[0, 0, position, position // 8] = 1.0
        query[0, 0, position, position // 8] = 1.7
    monkeypatch.setattr(rounding, "unit_roundoff", lambda dtype: 0.0)
    checks = check_rows(rows_of(query, key))
    assert any(check.violated.any() for check in checks.values())
