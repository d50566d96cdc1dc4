"""C2 and C3 on heads differentiated by torch, and the gradients of the definitions against torch's."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from flint import arb, ctx
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sympy import Eq, Rational

from proofs_check.deciding.deciding import Letters, decide
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.surviving_blocks import SURVIVING_DEFINITIONS, SurvivingBlock
from proofs_check.instances.weights.heads import HEAD_DEFINITIONS, Head, Sequence, heads
from theory.errors import DomainError
from theory.numbers.weight_bounds import collapse_radius, gradient_bound, group_threshold, margin_from_weights
from theory.statements.weights.gradient_bound import GRADIENT_BOUND
from theory.statements.weights.group_lasso import COLLAPSE_WARNING
from theory.statements.weights_to_attention import WEIGHTS_TO_ATTENTION
from theory.weight_symbols import grad_K, grad_Q, k_norm, v_norm, x_g

FLOAT = torch.float64


def attend(inputs, query, key, values, temperature, causal=False, biases=(0, 0)):
    scores = (inputs @ query + biases[0]) @ (inputs @ key + biases[1]).mT / math.sqrt(query.shape[1])
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -math.inf)
    return torch.softmax(scores / temperature, -1) @ values


def tensor(entries):
    return torch.tensor([[float(x) for x in row] for row in entries], dtype=FLOAT)


@settings(max_examples=30, phases=(Phase.generate,))
@given(heads())
def test_gradients_of_the_definitions_match_torch(head):
    query, key = tensor(head.query).requires_grad_(), tensor(head.key).requires_grad_()
    loss = torch.zeros((), dtype=FLOAT)
    biases = [tensor((bias,)) if bias else 0 for bias in (head.query_bias, head.key_bias)]
    for sequence in head.batch:
        inputs, values = tensor(sequence.inputs), tensor(sequence.values)
        output = attend(inputs, query, key, values, float(head.temperature), head.causal, biases)
        loss = loss + (tensor(sequence.pull) * output).sum()
    loss.backward()
    with ctx.workprec(256):
        found = Letters(head, HEAD_DEFINITIONS).in_arb([grad_Q, grad_K, k_norm, v_norm, x_g])
    # Entries below 4 and a few dozen operations: torch's rounding error is far below 1e-9 of the largest product.
    for letter, weight in ((grad_Q, query), (grad_K, key)):
        assert float(weight.grad[: head.split].norm()) == pytest.approx(float(found[letter]), rel=1e-9, abs=1e-9)
    stacked = torch.cat([tensor(sequence.inputs)[:, : head.split] for sequence in head.batch])
    assert float(torch.linalg.matrix_norm(stacked, 2)) == pytest.approx(float(found[x_g]), rel=1e-12, abs=1e-12)


def drawn(generator, tokens, features, width, scale):
    shapes = [(tokens, features), (features, width), (features, width), (tokens, width), (tokens, width)]
    return [scale * torch.randn(shape, generator=generator, dtype=FLOAT) for shape in shapes]


@pytest.mark.parametrize(("scale", "median_share"), [(0.1, (0.01, 0.03)), (0.5, (0.01, 0.03)), (2.0, (1e-5, 1e-3))])
def test_random_heads_obey_the_bound(scale, median_share):
    """The bound is loose: the median gradient is a fiftieth of it, and far less where the softmax saturates."""
    generator = torch.Generator().manual_seed(3)
    tightness = []
    for _ in range(30):
        inputs, query, key, values, pull = drawn(generator, 12, 8, 4, scale)
        query.requires_grad_()
        key.requires_grad_()
        loss = (pull * torch.tanh(attend(inputs, query, key, values, 0.7))).sum()
        output = attend(inputs, query, key, values, 0.7)
        steepness = torch.autograd.grad((pull * torch.tanh(output)).sum(), output, retain_graph=True)[0].norm()
        slopes = torch.autograd.grad(loss, [query, key])

        def spectral(matrix):
            return float(torch.linalg.matrix_norm(matrix.detach(), 2))

        for block in (slice(0, 3), slice(3, 8)):
            for slope, other in zip(slopes, (inputs @ key, inputs @ query), strict=True):
                bound = gradient_bound(
                    float(steepness), spectral(values), spectral(other), spectral(inputs[:, block]), 4, 0.7
                )
                tightness.append(float(slope[block].norm()) / float(bound))
    assert max(tightness) <= 1 + 1e-12
    # Random heads stay far below the bound; a zero gradient would test nothing.
    low, high = median_share
    assert low < np.median(tightness) < high


def test_two_tokens_attain_the_bound():
    column = torch.tensor([[1.0], [-1.0]], dtype=FLOAT)
    query = torch.zeros(1, 1, dtype=FLOAT, requires_grad=True)
    (column * attend(column, query, torch.full((1, 1), 3.0, dtype=FLOAT), column, 0.5)).sum().backward()
    root = math.sqrt(2)
    bound = float(gradient_bound(root, root, 3 * root, root, 1, 0.5))
    assert float(query.grad.norm()) == pytest.approx(bound, rel=1e-14)


def test_bounds_are_attained_exactly():
    one, two = Fraction(1), Fraction(2)
    column = ((one,), (-one,))
    for width in (1, 2):
        still, live = ((Fraction(0),) * width,), ((two,) * width,)
        head = Head((Sequence(column, column, column),), still, live, 1, Fraction(1, 3), vector=(one, -one))
        for name in ("query", "query, centred", "jacobian", "jacobian, of this row"):
            holds = GRADIENT_BOUND.clause(name).holds
            assert decide(Eq(holds.lhs, holds.rhs), Letters(head, HEAD_DEFINITIONS)) is Verdict.PROVED
        holds = GRADIENT_BOUND.clause("key").holds
        swapped = replace(head, query=live, key=still)
        assert decide(Eq(holds.lhs, holds.rhs), Letters(swapped, HEAD_DEFINITIONS)) is Verdict.PROVED
        moved = replace(head, query=live, key=live)
        assert decide(Eq(holds.lhs, holds.rhs), Letters(moved, HEAD_DEFINITIONS)) is Verdict.REFUTED


def test_keys_parallel_to_the_query_attain_the_margin_from_weights():
    query, key = (
        (Fraction(1), Fraction(-2), Fraction(0), Fraction(1)),
        ((Fraction(1), Fraction(1), Fraction(3), Fraction(0)),),
    )
    off = (Fraction(-1, 2),)
    head = SurvivingBlock(query, key, ((Fraction(-4),), (Fraction(-6),), off, off), 2, Fraction(1, 2))
    holds = WEIGHTS_TO_ATTENTION.clause("margin").holds
    assert decide(Eq(holds.lhs, holds.rhs), Letters(head, SURVIVING_DEFINITIONS)) is Verdict.PROVED


def objective(weights, inputs, values, pull, penalty, blocks):
    query, key = weights
    loss = (pull * attend(inputs, query, key, values, 1.0)).sum()
    return loss, penalty * sum(w[block].norm() for w in weights for block in blocks)


@pytest.mark.parametrize("seed", range(3))
def test_descent_above_the_threshold_ends_at_zero(seed):
    generator = torch.Generator().manual_seed(seed)
    inputs, query, key, values, pull = drawn(generator, 6, 4, 2, 0.7)
    blocks = [slice(0, 2), slice(2, 4)]
    weights = [query, key]

    def spectral(matrix):
        return float(torch.linalg.matrix_norm(matrix, 2))

    least = float((pull @ values.mT).min(dim=1).values.sum())
    loss, norms = objective(weights, inputs, values, pull, 1.0, blocks)
    penalty = 1.01 * max(
        float(
            group_threshold(
                float(pull.norm()), spectral(values), spectral(inputs[:, block]), spectral(inputs), 2,
                loss_drop=float(loss) - least, start_norms=float(norms),
            )
        )
        for block in blocks
    )  # fmt: skip
    rate, seen = 0.03 / penalty, []
    for _ in range(4000):
        for w in weights:
            w.requires_grad_()
        loss, charge = objective(weights, inputs, values, pull, penalty, blocks)
        seen.append(float((loss + charge).detach()))
        slopes = torch.autograd.grad(loss, weights)
        weights = [(w - rate * slope).detach() for w, slope in zip(weights, slopes, strict=True)]
        for w in weights:
            for block in blocks:
                w[block] *= max(0.0, 1 - rate * penalty / float(w[block].norm())) if w[block].any() else 0.0
        if not any(w.any() for w in weights):
            break
    assert not any(w.any() for w in weights)
    assert all(b <= a + 1e-12 for a, b in pairwise(seen)), "descent left the sublevel set"


@pytest.mark.parametrize("penalty", [0.01, 1.0])
def test_origin_is_a_strict_minimum_within_its_radius(penalty):
    generator = torch.Generator().manual_seed(5)
    blocks = [slice(0, 4)]
    for _ in range(20):
        inputs, query, key, values, pull = drawn(generator, 6, 4, 2, 0.7)
        sizes = [float(torch.linalg.matrix_norm(m, 2)) for m in (values, inputs)]
        radius = float(collapse_radius(penalty, float(pull.norm()), sizes[0], sizes[1], 2))
        inside = [query * radius / query.norm(), 50 * key]
        at_zero = sum(objective([0 * query, 0 * key], inputs, values, pull, penalty, blocks))
        assert float(sum(objective(inside, inputs, values, pull, penalty, blocks))) > float(at_zero)
    assert "collapse" in COLLAPSE_WARNING


def test_threshold_solves_its_equation():
    slope = gradient_bound(2.0, 3.0, 1.0, 0.5, 4, 2.0) * 7.0 / 2
    lam = group_threshold(2.0, 3.0, 0.5, 7.0, 4, loss_drop=1.3, start_norms=0.4, temperature=2.0)
    assert lam**2 == pytest.approx(slope * (1.3 + lam * 0.4), rel=1e-14)
    tiny = group_threshold(1e-150, 1.0, 1.0, 1.0, 1, loss_drop=1e-150, start_norms=0.0)
    assert tiny == pytest.approx(1e-150 / 2, rel=1e-12)


def test_exact_and_float_results_agree():
    for args in [(2.0, 3.0, 0.5, 7.0, 4), (1.0, 0.25, 8.0, 1.0, 9)]:
        exact = gradient_bound(*(Rational(a) for a in args))
        assert float(exact) == pytest.approx(float(gradient_bound(*args)), rel=1e-14)
    assert float(margin_from_weights(5.0, 3.0, 2.0, 4)) == 2.0
    # 0.6 = 0.3 * 2 up to one rounding: the difference keeps its digits.
    left = margin_from_weights(Rational(0.6), Rational(0.3), Rational(2.0), Rational(1))
    assert float(margin_from_weights(0.6, 0.3, 2.0, 1)) == pytest.approx(float(left), rel=1e-12, abs=0)


SIZES = st.floats(1e-30, 1e30)


@given(st.lists(SIZES, min_size=6, max_size=6), st.integers(1, 10**6), SIZES)
def test_thresholds_keep_twelve_digits(sizes, width, temperature):
    pull, values, group, inputs, drop, norms = sizes
    with ctx.workprec(300):
        per_key = arb(pull) * arb(values) * arb(group) / (2 * arb(temperature) * arb(width).sqrt())
        slope = per_key * arb(inputs) / 2
        root = (slope * slope * arb(norms) * arb(norms) + 4 * slope * arb(drop)).sqrt()
        exact = [float(per_key * arb(inputs)), float((slope * arb(norms) + root) / 2)]
    assert float(gradient_bound(pull, values, inputs, group, width, temperature)) == pytest.approx(exact[0], rel=1e-12)
    threshold = group_threshold(pull, values, group, inputs, width, drop, norms, temperature)
    assert float(threshold) == pytest.approx(exact[1], rel=1e-12)


@given(st.floats(-1e6, 1e6), st.floats(0, 1e3), st.floats(1e-3, 1e3), st.integers(1, 4096), st.booleans())
def test_margin_from_weights_keeps_twelve_digits(score, reach, pull, width, cancelling):
    score = reach * pull / math.sqrt(width) if cancelling else score
    with ctx.workprec(300):
        exact = float(arb(score) - arb(reach) * arb(pull) / arb(width).sqrt())
    assert float(margin_from_weights(score, reach, pull, width)) == pytest.approx(exact, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gradient_bound(-1.0, 1, 1, 1, 1), "loss gradient=-1 must be at least 0"),
        (lambda: gradient_bound(1.0, 1, 1, 1, 0), "width=0 must be at least 1"),
        (lambda: gradient_bound(1.0, 1, 1, 1, 4, 0.0), "temperature=0 must be positive"),
        (lambda: gradient_bound(Rational(-1), 1, 1, 1, 4), "loss gradient=-1 must be at least 0"),
        (lambda: group_threshold(1.0, 1, 1, 1, 4, loss_drop=-1.0, start_norms=1.0), "loss drop=-1 must"),
        (lambda: collapse_radius(0.0, 1, 1, 1, 4), "penalty=0 must be positive"),
        (lambda: margin_from_weights(1.0, -2.0, 1, 4), "off-target norm=-2 must be at least 0"),
    ],
)
def test_errors_name_the_value_and_the_rule(call, message):
    with pytest.raises(DomainError, match=message):
        call()
