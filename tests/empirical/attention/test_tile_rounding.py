"""The kernel's error bound against its arithmetic with every rounding error at its worst sign."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from empirical.attention import rounding
from empirical.attention.rounding import EXP_ULPS, Arithmetic, row_errors

TILE = 32
U = 2.0**-24
EXPONENTIAL = 2 * EXP_ULPS * U


def worst_leak(scores, inside, score_error, signs):
    """Leak of a row by the kernel's tiles, with the largest error in every score, exponential, factor and sum.

    `signs` are those of the block's and the other scores' errors, of the factors' and of the sums' roundings on and
    off the block.
    """
    on, off, factor, sum_on, sum_off = signs
    toward = np.where(inside, on, off)
    moved = scores + toward * score_error
    top, held = -math.inf, {True: 0.0, False: 0.0}
    for start in range(0, len(scores), TILE):
        tile = slice(start, start + TILE)
        new = max(top, moved[tile].max())
        below = moved[tile] - new
        # The difference, log2(e) and their product are each rounded.
        weights = np.exp(below + toward[tile] * abs(below) * 3 * U) * (1 + toward[tile] * EXPONENTIAL)
        shrink, gap = 1.0, top - new
        if gap < 0:
            # Before the first tile all sums are 0.
            shrink = math.exp(gap + factor * abs(gap) * 3 * U) * (1 + factor * EXPONENTIAL) if gap > -math.inf else 0.0
        for part, sign in ((True, sum_on), (False, sum_off)):
            total = 0.0
            for weight in weights[inside[tile] == part]:
                total = (total + weight) * (1 + sign * U)
            held[part] = (held[part] * shrink * (1 + sign * U) + total) * (1 + sign * U)
        top = new
    return held[False] / (held[True] + held[False])


def ramp(size, keys):
    """Scores that rise with every key; the block comes first, so that every factor scales its sums, or last."""
    scores = np.linspace(-size, size, keys)
    return [(scores, np.arange(keys) < keys // 4), (scores, np.arange(keys) >= keys - keys // 4)]


def leaders(size, keys):
    """One large key per tile, each slightly above the last: every factor scales the first off-block sum."""
    scores = np.full(keys, -size)
    scores[::TILE] = size - np.linspace(1e-3, 0, keys // TILE)
    scores[-TILE:] = size
    return [(scores, np.arange(keys) > 0)]


def largest_ratio(cases, tensor_cores=False, allowed_for=None):
    """Largest ratio of the error of the leak's logarithm to its bound, for the arithmetic `allowed_for` if given."""
    arithmetic = Arithmetic(torch.float32, TILE, tensor_cores)
    found = 0.0
    for scores, inside in cases:
        size, keys = np.array([abs(scores).max()]), np.array([float(len(scores))])
        right = np.exp(scores - scores.max())
        leak = right[~inside].sum() / right.sum()
        error = row_errors(size, keys, 65, arithmetic).score[0]
        allowed = row_errors(size, keys, 65, allowed_for or arithmetic).mass[0]
        for on in (1, -1):
            for factor in (1, -1):
                measured = worst_leak(scores, inside, error, (on, -on, factor, on, -on))
                found = max(found, abs(math.log(measured / leak)) / allowed)
    return found


CASES = {
    "nearly equal": ramp(0.5, 2048),
    "moderate": ramp(4.0, 700),
    "far apart": ramp(40.0, 700),
    "few": ramp(100.0, 64),
    "leaders": leaders(5.0, 2048),
}


@pytest.mark.parametrize("tensor_cores", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_errors_stay_within_the_bound(name, tensor_cores):
    assert largest_ratio(CASES[name], tensor_cores) <= 1


def test_bound_is_close_to_the_worst_error():
    assert largest_ratio(CASES["few"]) > 0.5


def test_tensor_cores_exceed_the_bound_without_them():
    assert largest_ratio(CASES["few"], True, Arithmetic(torch.float32, TILE)) > 1


def test_errors_exceed_a_bound_with_exact_exponentials(monkeypatch):
    monkeypatch.setattr(rounding, "EXP_ULPS", 0)
    assert largest_ratio(CASES["leaders"]) > 1


@pytest.mark.parametrize("tensor_cores", [False, True])
@pytest.mark.parametrize("tile", [None, TILE])
@pytest.mark.parametrize("keys", [2.0, 3.0, 33.0, 700.0])
def test_bounds_follow_the_documented_steps(keys, tile, tensor_cores):
    """Writes out the module's steps in exact fractions, except for the logarithms."""
    width, size, u = 65, Fraction(7, 2), Fraction(1, 2**24)

    def gamma(terms):
        return terms * u / (1 - terms * u)

    score = gamma(width + 2) * size * (4 if tensor_cores else 1)
    weight, terms = score + 2 * u * size + 41 * u, int(keys)
    if tile:
        tiles = -(-int(keys) // tile) + 1
        weight += (4 + 6) * u * size + 40 * u * tiles
        terms = tile + 2 * tiles
    right = {
        "score": score,
        "mean_score": score + gamma(terms) * size,
        "mass": 2 * (weight + gamma(terms)) + 2 * u,
        "entropy": weight * Fraction(1 + math.sqrt(math.log(keys - 1) ** 2 / 4 + 1))
        + gamma(terms)
        + (2 * gamma(terms) + 2 * u) * size
        + 4 * u * (size + Fraction(math.log(keys)) + 1)
        + 43 * u,
    }
    found = row_errors(np.array([float(size)]), np.array([keys]), width, Arithmetic(torch.float32, tile, tensor_cores))
    for name, exact in right.items():
        assert getattr(found, name)[0] == pytest.approx(float(exact), rel=1e-12)


def test_score_error_covers_dot_product_and_scale():
    """Every rounding is at its worst: `width` products, `width - 1` sums, a rounded scale and its product."""
    width, u = 65, 2.0**-24
    worst = (1 + u) ** (width + 2) - 1
    bound = row_errors(np.ones(1), np.full(1, 9.0), width, Arithmetic(torch.float32)).score[0]
    assert worst <= bound < worst * (1 + 1e-4)


def test_scores_without_correct_digits_are_undecided():
    sizes = np.array([1.0, 1e2, 1e4, 1e6])
    errors = row_errors(sizes, np.full(4, 9.0), 65, Arithmetic(torch.float32))
    assert np.isfinite(errors.mass).tolist() == np.isfinite(errors.entropy).tolist() == [True, True, False, False]
    assert (errors.mass[:2] < 1e-2).all()
    assert np.isfinite(errors.score).all()
