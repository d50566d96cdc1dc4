"""C4 and C5 as step counts: the worst gradients attain them, torch's AdamW keeps them, 1 % less penalty fails."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from flint import arb, ctx, fmpq
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import Eq

from proofs_check.deciding.deciding import Letters, decide
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.weights.weight_blocks import DESCENT_DEFINITIONS, Descent
from theory.errors import DomainError
from theory.numbers.extinction_steps import (
    adam_penalty_needed,
    adam_threshold,
    adam_update_bound,
    extinction_step_adam,
    extinction_step_in_floats,
    extinction_step_sgd,
    momentum_push,
    sgd_penalty_needed,
)
from theory.statements.weights.extinction import ADAM_WARNING, STEPS
from theory.weight_symbols import N


def test_worst_gradients_attain_the_step_count():
    away = (Fraction(-3, 5), Fraction(-4, 5))
    run = Descent((Fraction(3), Fraction(4)), (away,) * 12, Fraction(1, 2), Fraction(2), buffer=(Fraction(0),) * 2)
    letters = Letters(run, DESCENT_DEFINITIONS)
    # Five units at half a unit per step.
    assert decide(Eq(N, STEPS), letters) is Verdict.PROVED
    assert decide(Eq(N, 10), letters) is Verdict.PROVED


def proximal_adam(start, gradients, rates, penalty, **options):
    """torch's AdamW on one block, followed by the proximal step; returns the block's norm after every step."""
    weights = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.AdamW([weights], lr=1.0, **options)
    lengths = []
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.param_groups[0]["lr"] = float(rate)
        weights.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        with torch.no_grad():
            size = float(weights.norm())
            weights *= max(0.0, 1 - rate * penalty / size) if size else 0.0
        lengths.append(float(weights.detach().norm()))
    return np.array(lengths)


def worst(step_count, size, beta1, beta2, start):
    """The gradients that attain the bound, pointing away from zero, scaled to stay representable."""
    powers = np.array([beta2**i * beta1 ** (step_count - i) for i in range(1, step_count + 1)])
    return -powers[:, None] * np.full(size, np.sign(start))


@pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.999), (0.9, 0.95), (0.5, 0.3)])
def test_worst_gradients_keep_the_block_alive_before_the_step(beta1, beta2):
    steps, size, rate = 60, 4, 0.01
    start = np.full(size, 0.05)
    penalty = 1.5 * float(adam_threshold(size, beta1, beta2, steps))
    lengths = proximal_adam(
        start, worst(steps, size, beta1, beta2, 1.0), [rate] * steps, penalty,
        betas=(beta1, beta2), eps=0.0, weight_decay=0.0,
    )  # fmt: skip
    predicted = extinction_step_adam(float(np.linalg.norm(start)), [rate] * steps, penalty, size, beta1, beta2)
    assert predicted is not None
    assert 1 < predicted < steps
    assert lengths[predicted - 2] > 0
    # One more step in floating point.
    assert not lengths[predicted:].any()


FAMILIES = ["gaussian", "heavy-tailed", "rare", "growing"]


def random_gradients(generator, family, steps, size):
    drawn = generator.standard_normal((steps, size))
    if family == "heavy-tailed":
        return np.clip(drawn / generator.standard_normal((steps, size)), -1e6, 1e6)
    if family == "rare":
        return np.where(generator.random((steps, size)) < 0.05, 1e3 * drawn, 1e-6 * drawn)
    return drawn * 1.2 ** np.arange(steps)[:, None] if family == "growing" else drawn


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "options",
    [
        {"eps": 0.0, "weight_decay": 0.0},
        {"eps": 1e-8, "weight_decay": 0.0},
        {"eps": 1e-2, "weight_decay": 0.1},
        {"eps": 1e-8, "weight_decay": 0.0, "amsgrad": True},
    ],
    ids=str,
)
def test_torch_empties_the_block_by_the_promised_step_for_any_gradients(family, options):
    generator = np.random.default_rng(FAMILIES.index(family))
    for beta1, beta2 in ((0.9, 0.999), (0.9, 0.95)):
        steps, size = 80, 6
        rates = 0.02 * (1 - np.arange(steps) / steps)
        start = generator.standard_normal(size) * 0.2
        norm = float(np.linalg.norm(start))
        penalty = 1.01 * adam_penalty_needed(norm, rates, size, beta1, beta2)
        gradients = random_gradients(generator, family, steps, size)
        lengths = proximal_adam(start, gradients, rates, penalty, betas=(beta1, beta2), **options)
        predicted = extinction_step_adam(norm, rates, penalty, size, beta1, beta2)
        assert predicted is not None
        assert not lengths[min(predicted, steps - 1) :].any()


def test_penalty_below_a_later_update_does_not_hold_the_block():
    # c_t rises from 1, so a penalty may empty a block early and not hold it: the sum alone is not enough.
    steps, beta1, beta2 = 20, 0.1, 0.999
    penalty = (1 + float(adam_threshold(1, beta1, beta2, steps))) / 2
    rates = [8.0, *[1.0] * (steps - 1)]
    lengths = proximal_adam(
        np.array([0.01]), worst(steps, 1, beta1, beta2, 1.0), rates, penalty,
        betas=(beta1, beta2), eps=0.0, weight_decay=0.0,
    )  # fmt: skip
    assert lengths[0] == 0
    assert lengths[-1] > 0
    assert extinction_step_adam(0.01, rates, penalty, 1, beta1, beta2) is None
    assert extinction_step_adam(0.01, rates[:2], penalty, 1, beta1, beta2) == 1


def test_penalty_needed_is_the_smallest():
    rates = 0.01 * (1 - np.arange(50) / 50)
    for size in (1, 16):
        enough = adam_penalty_needed(0.3, rates, size)
        assert extinction_step_adam(0.3, rates, enough, size) is not None
        assert extinction_step_adam(0.3, rates, 0.99 * enough, size) is None
    enough = sgd_penalty_needed(0.3, rates, 2.0, momentum=0.9)
    promised = extinction_step_sgd(0.3, rates, enough, 2.0, momentum=0.9)
    assert promised is not None
    weight, buffer, lengths = Fraction(0.3), Fraction(0), []
    for rate in map(Fraction, rates):
        # The gradient with the strongest pull, from an empty buffer.
        buffer = Fraction(0.9) * buffer + 2
        weight = max(Fraction(0), weight + rate * (buffer - Fraction(enough)))
        lengths.append(weight)
    assert promised <= len(lengths)
    assert not any(lengths[promised - 1 :])
    for norm in (0.3, 4.0):
        enough = sgd_penalty_needed(norm, rates, 2.0, momentum=0.9)
        assert extinction_step_sgd(norm, rates, enough, 2.0, momentum=0.9) is not None
        assert extinction_step_sgd(norm, rates, (1 - 1e-12) * enough, 2.0, momentum=0.9) is None
    # For a short block the last step's push binds; for a long one the sum of all steps.
    last = 2 * (1 - 0.9**50) / (1 - 0.9)
    assert sgd_penalty_needed(0.3, rates, 2.0, momentum=0.9) == pytest.approx(last, rel=1e-12)
    assert enough > last


def test_unlimited_run_matches_a_long_schedule():
    bare = {"penalty": 20.0, "group_size": 4}
    assert extinction_step_adam(3.0, 1e-3, **bare) == extinction_step_adam(3.0, np.full(10000, 1e-3), **bare)
    long = extinction_step_adam(1e4, 1e-3, **bare)
    limit = 2 * float(adam_update_bound(math.inf))
    assert 1e7 / 20 < long <= math.ceil(1e7 / (20 - limit))
    assert extinction_step_adam(3.0, 1e-3, penalty=14.5, group_size=4) is None


def descend(weight, steps, rate, penalty, pull, momentum=0, buffer=0):
    """Steps until one weight stays zero under a constant gradient away from zero, for any number type."""
    for step in range(steps + 1):
        if weight == 0:
            return step
        buffer = momentum * buffer + pull
        weight = weight + rate * buffer
        weight = max(weight - rate * penalty, 0 * weight)
    return None


@settings(max_examples=150)
@given(
    st.fractions(0, 4, max_denominator=32),
    st.sampled_from([Fraction(1, 8), Fraction(1, 4), Fraction(1)]),
    st.fractions(Fraction(33, 32), 4, max_denominator=32),
)
def test_constant_gradient_attains_the_step_count(weight, rate, penalty):
    steps = extinction_step_sgd(float(weight), float(rate), float(penalty), 1.0)
    exact = descend(Fraction(float(weight)), 1200, Fraction(float(rate)), Fraction(float(penalty)), Fraction(1))
    assert steps == exact


def test_penalty_below_the_momentum_threshold_never_empties_a_block():
    assert descend(Fraction(4), 300, Fraction(1), Fraction(2), Fraction(1), Fraction(1, 2)) is None
    assert extinction_step_sgd(4.0, 1.0, 2.0, 1.0, momentum=0.5) is None
    assert extinction_step_sgd(4.0, 1.0, 2.5, 1.0, momentum=0.5) == 5
    assert descend(Fraction(4), 300, Fraction(1), Fraction(5, 2), Fraction(1), Fraction(1, 2)) == 5


@settings(max_examples=60)
@given(
    st.fractions(Fraction(1, 32), 4, max_denominator=32),
    st.sampled_from([Fraction(1, 2), Fraction(1, 4), Fraction(3, 4)]),
    st.fractions(0, 2, max_denominator=16),
    st.integers(1, 40),
)
def test_empty_buffer_attains_the_step_count_with_momentum(weight, momentum, spare, steps):
    """This holds under a falling learning rate too. The penalty covers the last push of the plan and no later one."""
    rates = [Fraction(steps - step, 64) for step in range(steps)]
    penalty = (1 - momentum**steps) / (1 - momentum) + spare
    left, buffer, zero = weight, Fraction(0), None
    for step, rate in enumerate(rates, 1):
        buffer = momentum * buffer + 1
        left += rate * buffer - rate * penalty
        if left <= 0:
            zero = step
            break
    given_penalty = float(penalty)
    assume(Fraction(given_penalty) == penalty)
    found = extinction_step_sgd(float(weight), [float(x) for x in rates], given_penalty, 1.0, float(momentum))
    assert found == zero
    below = math.nextafter((1 - float(momentum) ** steps) / (1 - float(momentum)), 0)
    if Fraction(below) < (1 - momentum**steps) / (1 - momentum):
        assert extinction_step_sgd(float(weight), [float(x) for x in rates], below, 1.0, float(momentum)) is None


def test_momentum_push_is_rounded_up():
    for momentum, steps in ((0.9, 7), (0.99, 5000), (0.5, 3), (0.0, 4), (0.9999, 4096)):
        mu = Fraction(momentum)
        exact = Fraction(0.3) * (1 - mu**steps) / (1 - mu)
        push = momentum_push(0.3, momentum, steps)
        assert exact <= Fraction(push) <= exact * (1 + Fraction(1, 2**48))


def test_full_buffer_exceeds_the_step_count():
    steps = extinction_step_sgd(1.0, 1.0, 2.5, 1.0, momentum=0.5)
    assert descend(Fraction(1), 100, Fraction(1), Fraction(5, 2), Fraction(1), Fraction(1, 2), Fraction(40)) > steps


def test_float16_may_need_more_than_one_extra_step():
    # Each step subtracts 1.4 units in the last place from a weight in [1/2, 1); rounding makes that 1.
    rate = np.float16(1.4 * 2.0**-11)
    exact = extinction_step_sgd(1.0, float(rate), 1.0, 0.0)
    assert descend(np.float16(1), 4000, rate, np.float16(1), np.float16(0)) > exact + 100
    stuck = np.float16(0.2 * 2.0**-11)
    assert descend(np.float16(1), 20000, stuck, np.float16(1), np.float16(0)) is None
    assert extinction_step_in_floats(1.0, float(stuck), 1.0, 0.0, 1, 2.0**-11) is None


@pytest.mark.parametrize("size", [1, 4, 64])
@pytest.mark.parametrize("rate", [1e-2, 1e-3, 2e-4])
def test_float32_descent_keeps_the_float_step_count(size, rate):
    generator = np.random.default_rng(size)
    direction = generator.standard_normal(size).astype(np.float32)
    weights = direction / np.linalg.norm(direction)
    pull = (weights * np.float32(0.5)).astype(np.float32)
    rate, penalty = np.float32(rate), np.float32(1.0)
    bound = float(np.linalg.norm(pull.astype(np.float64)))
    start = float(np.linalg.norm(weights.astype(np.float64)))
    promised = extinction_step_in_floats(start, float(rate), 1.0, bound, size, 2.0**-24)
    exact = extinction_step_sgd(start, float(rate), 1.0, bound)
    assert exact <= promised <= 1.01 * exact + 1
    for _ in range(promised):
        weights = weights + rate * pull
        length = np.linalg.norm(weights)
        weights = weights * max(np.float32(0), np.float32(1) - rate * penalty / length) if length else weights
    assert not weights.any()


def test_float_step_count_without_rounding_is_the_exact_one():
    assert extinction_step_in_floats(1.0, 0.25, 2.0, 1.0, 4, 0.0) == extinction_step_sgd(1.0, 0.25, 2.0, 1.0) == 4


def test_step_counts_are_exact_near_integers():
    # 0.3/0.1 is 3 in floats. The float 0.1 is above 1/10 and 0.3 is below 3/10, so 3 steps suffice.
    assert extinction_step_sgd(0.3, 0.1, 1.0, 0.0) == math.ceil(Fraction(0.3) / Fraction(0.1)) == 3
    assert extinction_step_sgd(math.nextafter(1.0, 2), 0.25, 1.0, 0.0) == 5


def test_exact_arguments_give_fractions():
    with ctx.workprec(200):
        value = arb(fmpq(370, 7)).sqrt()
    assert float(adam_threshold(1)) == pytest.approx(float(value), rel=1e-14)
    assert "never" not in ADAM_WARNING
    assert "C5" in ADAM_WARNING


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: extinction_step_sgd(-1.0, 0.1, 1.0, 0.5), "norm=-1 must be at least 0"),
        (lambda: extinction_step_sgd(1.0, 0.0, 1.0, 0.5), "learning rate=0 must be positive"),
        (lambda: extinction_step_sgd(1.0, [0.1, -0.1], 1.0, 0.5), "learning rate=-0.1 must be at least 0"),
        (lambda: extinction_step_sgd(1.0, [], 1.0, 0.5), "must be a number or a schedule"),
        (lambda: extinction_step_sgd(1.0, 0.1, 1.0, 0.5, momentum=1.0), r"momentum=1 must lie in \[0, 1\)"),
        (lambda: extinction_step_sgd([1.0], 0.1, 1.0, 0.5), r"norm=\[1.0\] must be a single number"),
        (lambda: extinction_step_adam(1.0, 0.1, 20.0, 0), "group size=0 must be at least 1"),
        (lambda: sgd_penalty_needed(1.0, 0.1, 1.0), "must be a schedule"),
    ],
)
def test_errors_name_the_value_and_the_rule(call, message):
    with pytest.raises(DomainError, match=message):
        call()
