"""Runs of AdamW with a proximal step after each step, on one block of weights (C5), computed from the definitions.

The gradients are arbitrary, so a result holds for every loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from flint import fmpq
from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Arithmetic, Definition, exactly
from proofs_check.instances.exact.instance import Instance, InstanceKind
from proofs_check.instances.exact.quantities import (
    Quantities,
    Quantity,
    Vector,
    given_as,
    largest,
    norm_of,
    proximal_step,
    rational,
    root,
    root_as,
    total,
    vector,
)
from proofs_check.instances.weights.weight_blocks import vectors
from theory import weight_symbols as letters


@dataclass(frozen=True)
class AdamRun(Instance):
    """A run of AdamW with a proximal step after each step, on one block.

    The first `warmup` steps only fill Adam's moments. Two fields make runs outside C5: `proximal_first` takes the
    proximal step before Adam's, and a `metric` other than 1 takes it in that multiple of the squared distance.
    """

    weights: Vector
    gradients: tuple[Vector, ...]
    rates: tuple[Fraction, ...]
    penalty: Fraction
    beta1: Fraction = Fraction(9, 10)
    beta2: Fraction = Fraction(999, 1000)
    epsilon: Fraction = Fraction(0)
    decay: Fraction = Fraction(0)
    amsgrad: bool = False
    warmup: int = 0
    proximal_first: bool = False
    metric: Fraction = Fraction(1)


def _update_parts(run: AdamRun) -> list[list[tuple[Quantity, Quantity]]]:
    """For each step and coordinate, the bias-corrected mean gradient and the square of its divisor before epsilon."""
    beta1, beta2 = rational(run.beta1), rational(run.beta2)
    size = len(run.weights)
    mean, square, most = ([fmpq(0)] * size for _ in range(3))
    steps = []
    for step, gradient in enumerate(map(vector, run.gradients), 1):
        mean = [beta1 * m + (1 - beta1) * g for m, g in zip(mean, gradient, strict=True)]
        square = [beta2 * v + (1 - beta2) * g * g for v, g in zip(square, gradient, strict=True)]
        most = [max(a, b) for a, b in zip(most, square, strict=True)] if run.amsgrad else square
        steps.append([(m / (1 - beta1**step), v / (1 - beta2**step)) for m, v in zip(mean, most, strict=True)])
    return steps


def _update(run: AdamRun, part: tuple[Quantity, Quantity]) -> Quantity:
    mean, square = part
    # Adam's own 0/0, at a coordinate that never had a gradient, is a step of 0.
    return mean / (root(square) + rational(run.epsilon)) if mean != 0 else fmpq(0)


def _last_update(run: AdamRun, by: Arithmetic) -> Any:
    parts = _update_parts(run)[-1]
    if run.epsilon == 0:
        return root_as(by, max(mean * mean / square if mean != 0 else fmpq(0) for mean, square in parts))
    return given_as(by, largest(abs(_update(run, part)) for part in parts))


def _end(run: AdamRun) -> Quantities:
    weights: Quantities = vector(run.weights)
    for rate, parts in list(zip(run.rates, _update_parts(run), strict=True))[run.warmup :]:
        kept, moves = 1 - rational(rate * run.decay), [rational(rate) * _update(run, part) for part in parts]
        weights = proximal_step(weights, moves, rational(rate * run.penalty / run.metric), run.proximal_first, kept)
    return weights


def _largest_update(run: AdamRun, step: int) -> Quantity:
    """`c_t` by Cauchy-Schwarz, from three sums over the steps so far."""

    def geometric(base: Fraction) -> Fraction:
        return sum((base**i for i in range(step)), Fraction(0))

    square = geometric(run.beta2) * geometric(run.beta1**2 / run.beta2) / geometric(run.beta1) ** 2
    return root(rational(square))


def _gain(run: AdamRun, by: Arithmetic) -> Any:
    size = root(fmpq(len(run.weights)))
    gains = (
        rational(rate) * (rational(run.penalty) - size * _largest_update(run, step))
        for step, rate in enumerate(run.rates, 1)
        if step > run.warmup
    )
    return given_as(by, total(gains))


ADAM_DEFINITIONS: Mapping[Symbol, Definition] = {
    letters.beta_1: exactly(lambda run: run.beta1),
    letters.beta_2: exactly(lambda run: run.beta2),
    letters.beta_1_t: exactly(lambda run: run.beta1 ** len(run.gradients)),
    letters.beta_2_t: exactly(lambda run: run.beta2 ** len(run.gradients)),
    letters.p: exactly(lambda run: len(run.weights)),
    letters.lam_g: exactly(lambda run: run.penalty),
    letters.w_0: norm_of(lambda run: vector(run.weights)),
    letters.w_T: norm_of(_end),
    letters.u_t: _last_update,
    letters.gain: _gain,
}

_TENTH, _NINE_TENTHS, _SLOW = Fraction(1, 10), Fraction(9, 10), Fraction(999, 1000)
_BETAS = [
    (_TENTH, _SLOW),
    (_NINE_TENTHS, _SLOW),
    (_NINE_TENTHS, Fraction(19, 20)),
    (Fraction(0), Fraction(1, 2)),
    (Fraction(1, 2), Fraction(3, 10)),
]


def _attaining(beta1: Fraction, beta2: Fraction, steps: int, size: int) -> tuple[Vector, ...]:
    """The gradients that attain Adam's largest update at every step.

    Scaled by beta1 so that beta1 = 0, where only the last gradient counts, needs no special case.
    """
    return tuple((-(beta2**i) * beta1 ** (steps - i),) * size for i in range(1, steps + 1))


@st.composite
def _reviving(draw: st.DrawFn) -> AdamRun:
    """A block that a long first step sets to zero, under a penalty that Adam's growing update later overcomes."""
    (beta1, beta2), steps, size = _BETAS[0], 5, draw(st.integers(1, 4))
    penalty = draw(st.sampled_from([Fraction(3, 4), Fraction(99, 100)]))
    return AdamRun(
        weights=(Fraction(1, 100),) * size,
        gradients=_attaining(beta1, beta2, steps, size),
        rates=(Fraction(8), *(Fraction(1),) * (steps - 1)),
        penalty=penalty * Fraction(size**0.5 * _largest_in_floats(beta1, beta2, steps)),
        beta1=beta1,
        beta2=beta2,
    )


@st.composite
def adam_runs(draw: st.DrawFn) -> AdamRun:
    """Runs of proximal AdamW; a quarter of them have the gradients that attain its largest update at every step."""
    family = draw(st.sampled_from(["any", "attaining", "one jump", "reviving"]))
    if family == "reviving":
        return draw(_reviving())
    size = draw(st.integers(1, 3))
    steps = draw(st.integers(1, 5))
    beta1, beta2 = draw(st.sampled_from(_BETAS))
    if family == "attaining":
        rows = list(_attaining(beta1, beta2, steps, size))
    elif family == "one jump":
        rows = [(Fraction(-1, 10**6),) * size for _ in range(steps - 1)] + [(Fraction(-1),) * size]
    else:
        rows = draw(st.lists(vectors(size), min_size=steps, max_size=steps))
    rates = draw(st.lists(st.sampled_from([Fraction(1), Fraction(1, 4), Fraction(8)]), min_size=steps, max_size=steps))
    plain = draw(st.booleans())
    decay = Fraction(0) if plain else draw(st.sampled_from([Fraction(0), Fraction(1, 10)]))
    most = _largest_in_floats(beta1, beta2, steps)
    shares = [Fraction(99, 100), Fraction(101, 100), Fraction(3, 4), Fraction(3, 2), Fraction(4)]
    penalty = draw(st.sampled_from(shares)) * Fraction(size**0.5 * most)
    weights = draw(st.one_of(vectors(size), st.integers(0, 8).map(lambda i: (Fraction(i, 8),) * size)))
    return AdamRun(
        weights=weights,
        gradients=tuple(rows),
        rates=tuple(rates),
        penalty=penalty,
        beta1=beta1,
        beta2=beta2,
        epsilon=Fraction(0) if plain else draw(st.sampled_from([Fraction(0), Fraction(1, 10**8), Fraction(1, 2)])),
        decay=decay,
        amsgrad=not plain and draw(st.booleans()),
        warmup=draw(st.integers(0, steps - 1)),
    )


@st.composite
def _astray(draw: st.DrawFn) -> AdamRun:
    """Runs whose betas, weight decay or proximal step break an assumption of C5."""
    run = draw(adam_runs())
    odd = draw(st.sampled_from(["betas", "decay", "proximal_first", "metric"]))
    if odd == "betas":
        # Where the mean forgets more slowly than the mean square, an old jump makes a large update.
        return replace(run, beta1=Fraction(9, 10), beta2=draw(st.sampled_from([Fraction(1, 2), Fraction(81, 100)])))
    if odd == "decay":
        return replace(run, decay=draw(st.sampled_from([Fraction(3), Fraction(-1)])))
    return replace(run, proximal_first=True) if odd == "proximal_first" else replace(run, metric=Fraction(4))


def _largest_in_floats(beta1: Fraction, beta2: Fraction, steps: int) -> float:
    run = AdamRun((), (), (), Fraction(1), beta1, beta2)
    return float(_as_fraction(_largest_update(run, steps)))


def _as_fraction(value: Quantity) -> Fraction:
    return Fraction(int(value.p), int(value.q)) if isinstance(value, fmpq) else Fraction(float(value))


KIND = InstanceKind(
    adam_runs,
    ADAM_DEFINITIONS,
    {
        "weight decay": lambda run: all(0 <= rate * run.decay <= 1 for rate in run.rates),
        "proximal step last": lambda run: not run.proximal_first,
        "Euclidean proximal step": lambda run: run.metric == 1,
    },
    _astray,
)
