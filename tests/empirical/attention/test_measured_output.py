"""Measuring moves a layer's output by rounding only where it takes the rows' output, and not at all elsewhere."""

import math
from dataclasses import replace

import pytest
import torch
from tiny import one_thread  # noqa: F401

from empirical.attention import attention_call
from empirical.attention.attention_call import AttentionCall
from empirical.attention.blocks import fixed_windows

TOKENS, HEAD, WINDOW = 120, 16, 16
STRAY = torch.arange(TOKENS).mul(7).remainder(5).unsqueeze(0)
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


def make_call(bias, dtype, window=WINDOW):
    generator = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(3, 2, 3, TOKENS, HEAD, generator=generator, dtype=torch.float64).to(dtype)
    ids = STRAY if window is None else fixed_windows(TOKENS, window)
    return AttentionCall(0, query, key, value, ids, ids, HEAD**-0.5, bias, window)


def moved(bias, dtype, window=WINDOW):
    """Largest move of an output by measuring, in steps of the format at the largest value."""
    plain, measured = make_call(bias, dtype, window), make_call(bias, dtype, window)
    with torch.no_grad():
        measured.use(measured.rows(ranges=True).output)
        difference = (plain.output.double() - measured.output.double()).abs().max()
    return float(difference / plain.value.abs().max()) / torch.finfo(dtype).eps


def allowed(dtype):
    """Two half-format outputs are each rounded once, from float32; in other formats the sums themselves round."""
    return 1 if dtype.itemsize == 2 else 16


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("bias", [0.0, 0.7, 5.0, math.inf])
@pytest.mark.parametrize("window", [WINDOW, None])
def test_measuring_moves_the_output_by_rounding_only(dtype, bias, window):
    assert moved(bias, dtype, window) <= allowed(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("plant", ["a factor of 1.05", "another dial", "a key too many"])
def test_a_larger_move_is_seen(monkeypatch, dtype, plant):
    def wrong(query, key, value, sight, scale, bias, **options):
        if plant == "another dial":
            bias *= 1.1
        elif plant == "a key too many":
            key = key.roll(1, dims=2)
        found = pass_rows(query, key, value, sight, scale, bias, **options)
        return replace(found, output=found.output * 1.05) if plant == "a factor of 1.05" else found

    pass_rows = attention_call.pass_rows
    monkeypatch.setattr(attention_call, "pass_rows", wrong)
    assert moved(0.7, dtype) > allowed(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("bias", [0.0, 0.7, math.inf])
def test_where_gradients_are_recorded_measuring_moves_nothing(dtype, bias):
    plain, measured = make_call(bias, dtype), make_call(bias, dtype)
    measured.use(measured.rows(ranges=False).output)
    assert torch.equal(plain.output, measured.output)


@torch.no_grad()
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("bias", [0.0, 0.7, math.inf])
def test_reading_rows_changes_no_bit(dtype, bias):
    plain, read = make_call(bias, dtype), make_call(bias, dtype)
    read.rows(ranges=True)
    assert torch.equal(plain.output, read.output)
