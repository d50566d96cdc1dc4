"""H2 and H3: against mpmath and torch, where bounds are attained, and what is refused."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax
from sympy import Integer, Rational

from theory.errors import DomainError
from theory.numbers.output_bounds import next_token_divergence_max, next_token_variation_max, truncation_range_max

RANGES = st.one_of(st.just(0.0), st.floats(1e-3, 2), st.floats(1e-12, 1e-3), st.floats(2, 1e4))


def measured(before, after):
    """Total variation and both divergences, from the definitions."""
    p, q = log_softmax(before), log_softmax(after)
    there, back = np.exp(p), np.exp(q)
    return np.abs(there - back).sum() / 2, (there * (p - q)).sum(), (back * (q - p)).sum()


@given(st.lists(st.tuples(st.floats(-8, 8), st.floats(-8, 8)), min_size=2, max_size=9))
def test_no_move_moves_the_distribution_more(tokens):
    before, moves = np.array(tokens).T
    variation, there, back = measured(before, before + moves)
    span = np.ptp(moves)
    assert variation <= next_token_variation_max(span) + 1e-12
    assert max(there, back) <= next_token_divergence_max(span) + 1e-12
    assert next_token_divergence_max(span) <= span**2 / 8 + 1e-15


@given(RANGES)
def test_it_matches_mpmath(span):
    with mpmath.workdps(60):
        x = mpmath.mpf(span)
        tilt = x / (1 - mpmath.exp(-x)) if x else mpmath.mpf(1)
        law, variation = float(tilt - 1 - mpmath.log(tilt)), float(mpmath.tanh(x / 4))
    assert math.isclose(next_token_divergence_max(span), law, rel_tol=1e-12, abs_tol=1e-300)
    assert math.isclose(next_token_variation_max(span), variation, rel_tol=1e-14)


@given(st.floats(0.01, 20))
def test_two_tokens_attain_both(span):
    variation, _, _ = measured(np.array([0, span / 2]), np.array([span / 2, 0]))
    assert math.isclose(variation, next_token_variation_max(span), rel_tol=1e-9)
    # The share of the token that moves at which the divergence of two tokens is largest.
    share = 1 / span - 1 / math.expm1(span)
    before = np.log([1 - share, share])
    _, there, _ = measured(before, before + np.array([0, span]))
    assert math.isclose(there, next_token_divergence_max(span), rel_tol=1e-6)


def test_a_wrong_constant_is_seen():
    _, there, _ = measured(np.zeros(2), np.array([0, 0.25]))
    assert 0.25**2 / 9 < there <= next_token_divergence_max(0.25)


def test_exact_answers():
    assert math.isclose(float(next_token_divergence_max(Rational(5, 2))), next_token_divergence_max(2.5))
    assert next_token_variation_max(Integer(0)) == 0


@pytest.mark.parametrize("function", [next_token_variation_max, next_token_divergence_max])
@pytest.mark.parametrize("value", [-1.0, Integer(-1)])
def test_a_negative_range_is_refused(function, value):
    with pytest.raises(DomainError, match="logit range=-1 must be at least 0"):
        function(value)


WIDTH, HIDDEN, TOKENS, STABILISER = 8, 16, 11, 1e-5


class Decoder:
    """What follows the last attention layer, by torch's own layer norm and GELU, with random weights."""

    def __init__(self, seed):
        draw = torch.Generator().manual_seed(seed)
        self.gains, self.biases = torch.randn(2, 2, WIDTH, generator=draw, dtype=torch.float64)
        self.first = torch.randn(WIDTH, HIDDEN, generator=draw, dtype=torch.float64) / 4
        self.second = torch.randn(HIDDEN, WIDTH, generator=draw, dtype=torch.float64) / 4
        self.tokens = torch.randn(TOKENS, WIDTH, generator=draw, dtype=torch.float64)
        self.residual = 4 * torch.randn(WIDTH, generator=draw, dtype=torch.float64)

    def norm(self, x, i):
        return torch.nn.functional.layer_norm(x, (WIDTH,), self.gains[i], self.biases[i], STABILISER)

    def after_mlp(self, x):
        return x + torch.nn.functional.gelu(self.norm(x, 0) @ self.first) @ self.second

    def logits(self, x):
        return self.norm(self.after_mlp(x), 1) @ self.tokens.T

    def bound(self, moved):
        lengths = [float((x - x.mean()).norm()) for x in (self.residual, self.after_mlp(self.residual))]
        spectral = [float(torch.linalg.matrix_norm(weight, 2)) for weight in (self.first, self.second)]
        gains = [float(gain.abs().max()) for gain in self.gains]
        apart = float(torch.cdist(self.tokens, self.tokens).max())
        return truncation_range_max(moved, tuple(lengths), tuple(gains), 1.129 * math.prod(spectral), apart, WIDTH)


def test_no_move_of_the_residual_moves_the_logits_more():
    finite = 0
    for seed in range(60):
        model, draw = Decoder(seed), torch.Generator().manual_seed(seed)
        for size in (1e-3, 0.1, 1.0, 3.0):
            move = torch.randn(WIDTH, generator=draw, dtype=torch.float64)
            move *= size / move.norm()
            logits = model.logits(model.residual + move) - model.logits(model.residual)
            bound = model.bound(size)
            assert float(logits.max() - logits.min()) <= bound
            finite += math.isfinite(bound)
    assert finite >= 60


def test_the_steepest_small_move_is_above_a_hundredth_of_it():
    """The bound is not idle: along the steepest direction of some pair of logits the range is above a hundredth."""
    model = Decoder(0)
    slopes = torch.autograd.functional.jacobian(model.logits, model.residual)
    steepest = max((a - b for a in slopes for b in slopes), key=torch.linalg.vector_norm)
    logits = model.logits(model.residual + 1e-4 * steepest / steepest.norm()) - model.logits(model.residual)
    bound = model.bound(1e-4)
    assert bound / 100 < float(logits.max() - logits.min()) <= bound


def test_it_says_nothing_where_the_move_may_be_as_long_as_the_residual():
    ask = lambda moved: truncation_range_max(moved, (2.0, 3.0), (1.0, 1.0), 0.5, 1.0, 4)  # noqa: E731
    assert np.array_equal(np.isinf(ask([0.1, 1.99, 2.0, 5.0])), [False, True, True, True])
    assert ask(0.0) == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((-1.0, (1.0, 1.0), (1.0, 1.0), 1.0, 1.0, 4), "truncation=-1 must be at least 0"),
        ((1.0, (1.0, 1.0), (1.0, -2.0), 1.0, 1.0, 4), "norm gain=-2 must be at least 0"),
        ((1.0, (1.0, 1.0), (1.0, 1.0), 1.0, 1.0, 0), "width=0 must be at least 1"),
    ],
)
def test_a_bound_on_truncation_refuses(values, message):
    with pytest.raises(DomainError) as caught:
        truncation_range_max(*values)
    assert message in str(caught.value)
