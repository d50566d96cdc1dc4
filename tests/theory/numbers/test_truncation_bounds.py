"""What truncation moves (H1): a head and a layer in numpy, the extremes, and the errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import softmax
from sympy import Integer, Rational, oo

from proofs_check import strategies
from proofs_check.deciding.deciding import Letters
from proofs_check.instances.kinds import KINDS
from theory import symbols
from theory.errors import DomainError
from theory.numbers.truncation_bounds import layer_truncation_shift_max, truncation_shift_max

KEYS, BLOCK, HEADS, WIDTH = 12, 4, 3, 5


def layer(seed, scale=1.0):
    """Attention rows, values and rows of the output projection of each head."""
    draw = np.random.default_rng(seed)
    rows = softmax(scale * draw.standard_normal((HEADS, KEYS)), axis=-1)
    return rows, draw.standard_normal((HEADS, KEYS, WIDTH)), draw.standard_normal((HEADS, WIDTH, 7))


def moves(rows, values):
    """Each head's output with the keys off the block dropped, less its plain output."""
    kept = rows * (np.arange(KEYS) < BLOCK)
    kept /= kept.sum(-1, keepdims=True)
    return np.einsum("hk,hkd->hd", kept - rows, values)


def distances(values):
    gaps = values[:, :BLOCK, None] - values[:, None, BLOCK:]
    return np.linalg.norm(gaps, axis=-1).max((1, 2))


@given(st.integers(0, 2**32), st.sampled_from([0.1, 1.0, 8.0]))
def test_no_head_and_no_layer_moves_more(seed, scale):
    rows, values, projection = layer(seed, scale)
    leaks, found = rows[:, BLOCK:].sum(-1), moves(rows, values)
    bounds = truncation_shift_max(leaks, distances(values))
    assert np.all(np.linalg.norm(found, axis=-1) <= bounds * (1 + 1e-12))
    moved = np.linalg.norm(np.einsum("hd,hdo->o", found, projection))
    norm = np.linalg.norm(projection.reshape(-1, 7), 2)
    assert moved <= layer_truncation_shift_max(leaks, distances(values), norm) * (1 + 1e-12)


@given(strategies.truncated_layers())
def test_the_letters_of_a_layer_are_what_numpy_finds(layer):
    tau = float(layer.temperature)
    assume(all(max(head.scores) - min(head.scores) < 300 * layer.temperature for head in layer.heads))
    found = {name: [] for name in ("leak", "reach", "projected", "move", "rows")}
    for head in layer.heads:
        row = softmax(np.array(head.scores, float) / tau)
        values, projection = np.array(head.values, float), np.array(head.projection, float)
        kept = np.where(np.arange(len(row)) < layer.block, row, 0.0)
        found["leak"].append(row[layer.block :].sum())
        found["move"].append((kept / kept.sum() - row) @ values)
        found["rows"].append(projection)
        for name, points in (("reach", values), ("projected", values @ projection)):
            gaps = points[: layer.block, None] - points[None, layer.block :]
            found[name].append(np.linalg.norm(gaps, axis=-1).max())
    leaks, reaches = np.array(found["leak"]), np.array(found["reach"])
    moved = sum(move @ projection for move, projection in zip(found["move"], found["rows"], strict=True))
    expected = {
        symbols.eps: leaks[0],
        symbols.D_cut: reaches[0],
        symbols.r_cut: np.linalg.norm(found["move"][0]),
        symbols.r_far: leaks[0] * reaches[0],
        symbols.r_layer: np.linalg.norm(moved),
        symbols.R_cut: np.linalg.norm(leaks * reaches),
        symbols.S_cut: leaks @ np.array(found["projected"]),
        symbols.W_O: np.linalg.norm(np.concatenate(found["rows"]), 2),
    }
    letters = Letters(layer, KINDS["truncated layer"].definitions).in_arb(expected)
    for letter, value in expected.items():
        assert math.isclose(float(letters[letter].mid()), value, rel_tol=1e-9, abs_tol=1e-12), letter


def test_a_head_moves_towards_its_block_and_attains_the_bound():
    """Two keys of equal score: dropping the second moves the output from 1/2 to the block's 1, not to 0."""
    rows = np.full((1, 2), 0.5)
    values = np.array([[[1.0], [0.0]]])
    kept = np.array([[1.0, 0.0]])
    moved = np.einsum("hk,hkd->hd", kept - rows, values)
    assert moved.item() == 0.5 == truncation_shift_max(0.5, 1.0)


def test_a_layer_of_equal_heads_attains_the_bound():
    """Two heads that move alike, added with equal weights: the norm of (1, 1) is the root of 2."""
    assert math.isclose(layer_truncation_shift_max([0.25, 0.25], [2.0, 2.0], 2**0.5), 1.0)


def test_extreme_sizes_neither_overflow_nor_vanish():
    assert math.isclose(layer_truncation_shift_max([1.0, 1.0], [3e200, 4e200], 1.0), 5e200)
    assert math.isclose(layer_truncation_shift_max([1e-300, 1e-300], [3.0, 4.0], 1.0), 5e-300, rel_tol=1e-12)
    assert layer_truncation_shift_max(0.0, 7.0, 3.0) == 0
    assert layer_truncation_shift_max(0.5, 6.0, 2.0) == 6


def test_it_broadcasts():
    assert layer_truncation_shift_max(np.full((5, 4, 3), 0.1), np.ones(3), np.ones(4)).shape == (5, 4)
    assert truncation_shift_max(np.zeros(4), 2.0).shape == (4,)


BAD = [
    (lambda: truncation_shift_max(1.5, 1.0), "leak=1.5 must lie in [0, 1]"),
    (lambda: truncation_shift_max(0.5, -1.0), "distance=-1 must be at least 0"),
    (lambda: truncation_shift_max(0.5, math.inf), "distance=inf must be finite"),
    (lambda: truncation_shift_max(Rational(1, 2), Integer(-1)), "distance=-1 must be at least 0"),
    (lambda: truncation_shift_max(Integer(2), 1), "leak=2 must lie in [0, 1]"),
    (lambda: truncation_shift_max(Integer(1), oo), "distance=oo must be finite"),
    (lambda: truncation_shift_max([0.1, 0.2], [1.0, 2.0, 3.0]), "must fit one shape"),
    (lambda: layer_truncation_shift_max([0.1], [1.0], -1.0), "projection norm=-1 must be at least 0"),
    (lambda: layer_truncation_shift_max([0.1], [math.nan], 1.0), "distance=nan must be finite"),
    (lambda: layer_truncation_shift_max(np.ones((2, 3)), 1.0, np.ones(3)), "must fit one shape"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_errors_name_the_value_and_the_rule(call, message):
    with pytest.raises(DomainError) as caught:
        call()
    assert message in str(caught.value)
