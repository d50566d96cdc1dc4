"""Blocks of weights under a penalty (C1) and under proximal gradient descent (C4), computed from the definitions.

A run takes arbitrary gradients, so a result holds for every loss. Entries stay rational while the norms are, so that a
block reaches an exact zero and ties are decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Arithmetic, Definition, exactly
from proofs_check.instances.exact.instance import Instance, InstanceKind, built_in
from proofs_check.instances.exact.quantities import (
    Quantities,
    Quantity,
    Vector,
    inner,
    norm_of,
    on_sphere,
    proximal_step,
    rational,
    root_as,
    vector,
)
from theory import weight_symbols as letters


@dataclass(frozen=True)
class WeightBlock(Instance):
    """One block of weights at a point, with the loss's gradient there."""

    weights: Vector
    gradient: Vector
    penalty: Fraction
    rate: Fraction = Fraction(1)


def _proximal_move(block: WeightBlock) -> list[Quantity]:
    weights, moves = vector(block.weights), vector(block.rate * g for g in block.gradient)
    moved = proximal_step(weights, moves, rational(block.rate * block.penalty), proximal_first=False)
    return [a - b for a, b in zip(moved, weights, strict=True)]


_BLOCK_DEFINITIONS: Mapping[Symbol, Definition] = {
    letters.w: norm_of(lambda block: vector(block.weights)),
    letters.g: norm_of(lambda block: vector(block.gradient)),
    letters.lam_g: exactly(lambda block: block.penalty),
    letters.move: norm_of(_proximal_move),
}


@dataclass(frozen=True)
class Descent(Instance):
    """A run of proximal gradient descent on one block: its gradients in order, and its initial state.

    `rates` are those of the scheduled run, one per step; without them it uses `rate` throughout. Two fields make runs
    outside C4: `proximal_first` takes the proximal step before the gradient step, and a `metric` other than 1 takes it
    in that multiple of the squared distance.
    """

    weights: Vector
    gradients: tuple[Vector, ...]
    rate: Fraction
    penalty: Fraction
    momentum: Fraction = Fraction(0)
    buffer: Vector = ()
    rates: tuple[Fraction, ...] = ()
    proximal_first: bool = False
    metric: Fraction = Fraction(1)

    @property
    def schedule(self) -> tuple[Fraction, ...]:
        """The learning rate of every step of the scheduled run."""
        return self.rates or (self.rate,) * len(self.gradients)


def _buffers(run: Descent, decay: Quantity) -> list[Quantities]:
    """Heavy-ball momentum's buffer after every step: the gradient added to the decayed buffer."""
    seen = [vector(run.buffer)]
    for gradient in run.gradients:
        seen.append([decay * b + g for b, g in zip(seen[-1], vector(gradient), strict=True)])
    return list(seen[1:])


def _descend(run: Descent, momentum: Fraction, rates: tuple[Fraction, ...]) -> list[Quantities]:
    """The block before the first step and after each."""
    seen: list[Quantities] = [vector(run.weights)]
    for buffer, rate in zip(_buffers(run, rational(momentum)), rates, strict=True):
        moves = [rational(rate) * b for b in buffer]
        seen.append(proximal_step(seen[-1], moves, rational(rate * run.penalty / run.metric), run.proximal_first))
    return seen


def _at_one_rate(run: Descent, momentum: Fraction = Fraction(0)) -> list[Quantities]:
    return _descend(run, momentum, (run.rate,) * len(run.gradients))


def _pushed_by(momentum: Fraction, step: int) -> Fraction:
    """`(1 - mu^t)/(1 - mu)`, the sum of the powers of the momentum: how much of a gradient's norm the buffer holds."""
    return sum((momentum**i for i in range(step)), Fraction(0))


def _reach(run: Descent) -> Fraction:
    """How far gradients of norm 1 may push the block in the scheduled run, from an empty buffer."""
    return sum((rate * _pushed_by(run.momentum, step) for step, rate in enumerate(run.schedule, 1)), Fraction(0))


def _unit_gain(run: Descent) -> Fraction:
    """The least that the scheduled run takes off the block, from an empty buffer, if no gradient exceeds norm 1."""
    return sum(run.schedule, Fraction(0)) * run.penalty - _reach(run)


def _gain(run: Descent, by: Arithmetic) -> Any:
    return by.number(sum(run.schedule, Fraction(0)) * run.penalty) - by.number(_reach(run)) * _largest_gradient(run, by)


def _norm_after_one(run: Descent, by: Arithmetic) -> Any:
    if run.proximal_first or run.metric != 1:
        return norm_of(lambda odd: _at_one_rate(odd)[1])(run, by)
    # The proximal map takes its amount off the norm; in this form an irrational norm stays exact.
    stepped = [w - run.rate * g for w, g in zip(run.weights, run.gradients[0], strict=True)]
    square, amount = inner(stepped, stepped), run.rate * run.penalty
    return by.number(0) if square <= amount**2 else root_as(by, rational(square)) - by.number(amount)


def _first_zero(states: list[Quantities]) -> int:
    """How many steps until the block is 0 and stays so."""
    return max((i + 1 for i, block in enumerate(states) if any(w != 0 for w in block)), default=0)


def _largest_gradient(run: Descent, by: Arithmetic) -> Any:
    return root_as(by, rational(max(inner(g, g) for g in run.gradients)))


DESCENT_DEFINITIONS: Mapping[Symbol, Definition] = {
    letters.w_0: norm_of(lambda run: vector(run.weights)),
    letters.w_1: _norm_after_one,
    letters.eta: exactly(lambda run: run.rate),
    letters.lam_g: exactly(lambda run: run.penalty),
    letters.G: _largest_gradient,
    letters.mu: exactly(lambda run: run.momentum),
    letters.b_0: norm_of(lambda run: vector(run.buffer)),
    letters.N: exactly(lambda run: _first_zero(_at_one_rate(run))),
    letters.N_mu: exactly(lambda run: _first_zero(_at_one_rate(run, run.momentum))),
    letters.mu_T: exactly(lambda run: run.momentum ** len(run.gradients)),
    letters.b_T: norm_of(lambda run: _buffers(run, rational(run.momentum))[-1]),
    letters.gain_mu: _gain,
    letters.w_T: norm_of(lambda run: _descend(run, run.momentum, run.schedule)[-1]),
}


def _units(size: int) -> st.SearchStrategy[Vector]:
    """Directions with rational entries and length exactly 1, by stereographic projection."""
    entries = st.lists(st.integers(-8, 8), min_size=size - 1, max_size=size - 1)
    return entries.map(lambda drawn: on_sphere([Fraction(entry, 4) for entry in drawn]))


def vectors(size: int) -> st.SearchStrategy[Vector]:
    """Vectors of eighths between -3 and 3."""
    return st.lists(st.integers(-24, 24).map(lambda i: Fraction(i, 8)), min_size=size, max_size=size).map(tuple)


def _scaled(vector: Vector, by: Fraction) -> Vector:
    return tuple(by * entry for entry in vector)


@st.composite
def weight_blocks(draw: st.DrawFn) -> WeightBlock:
    """Blocks with their gradient; most are stationary, many of those at the threshold.

    >>> from hypothesis import find
    >>> print(find(weight_blocks(), lambda block: any(block.weights)))
    weights (-0.125), gradient (1), penalty 1
    """
    size = draw(st.integers(1, 3))
    penalty = draw(st.sampled_from([Fraction(1), Fraction(1, 3), Fraction(5, 2)]))
    rate = draw(st.sampled_from([Fraction(1), Fraction(1, 7), Fraction(3)]))
    direction = draw(_units(size))
    length = draw(st.sampled_from([Fraction(0), Fraction(0), Fraction(1, 8), Fraction(2)]))
    weights = _scaled(direction, length)
    pushed = draw(st.sampled_from([Fraction(1), Fraction(1), Fraction(9, 10), Fraction(0), Fraction(11, 10)]))
    gradient = draw(st.one_of(st.just(_scaled(direction, -penalty * pushed)), vectors(size)))
    return WeightBlock(weights, gradient, penalty, rate)


def descents() -> st.SearchStrategy[Descent]:
    """Runs whose gradients push the block away from 0 as hard as they may, or arbitrarily."""
    return st.integers(0, 2).flatmap(lambda drawn: _emptied() if drawn == 2 else _descents())


@st.composite
def _descents(draw: st.DrawFn) -> Descent:
    size = draw(st.integers(1, 3))
    direction = draw(_units(size))
    start = _scaled(direction, draw(st.integers(0, 12).map(lambda i: Fraction(i, 4))))
    steps = draw(st.integers(1, 8))
    if draw(st.booleans()):
        gradients = (_scaled(direction, Fraction(-1)),) * steps
        buffer = _scaled(direction, -draw(st.sampled_from([Fraction(0), Fraction(2), Fraction(32), Fraction(32)])))
    else:
        gradients = tuple(draw(st.lists(vectors(size), min_size=steps, max_size=steps)))
        buffer = draw(st.one_of(vectors(size), st.just((Fraction(0),) * size)))
    rates = st.lists(st.integers(0, 8).map(lambda i: Fraction(i, 4)), min_size=steps, max_size=steps).map(tuple)
    return Descent(
        weights=start,
        gradients=gradients,
        rate=draw(st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(1, 10)])),
        penalty=draw(st.sampled_from([Fraction(3, 2), Fraction(2), Fraction(5), Fraction(1, 2)])),
        momentum=draw(st.sampled_from([Fraction(1, 2), Fraction(1, 2), Fraction(0), Fraction(1, 4)])),
        buffer=buffer,
        rates=draw(st.one_of(st.just(()), rates)),
    )


@st.composite
def _emptied(draw: st.DrawFn) -> Descent:
    """Runs from an empty buffer whose gradients push as hard as they may, from a start that just reaches zero."""
    size, steps = draw(st.integers(1, 3)), draw(st.integers(1, 6))
    direction, momentum = draw(_units(size)), draw(st.sampled_from([Fraction(1, 2), Fraction(1, 4), Fraction(0)]))
    later = st.lists(st.sampled_from([Fraction(1, 4), Fraction(1)]), min_size=steps - 1, max_size=steps - 1)
    run = Descent(
        weights=_scaled(direction, Fraction(0)),
        gradients=(_scaled(direction, Fraction(-1)),) * steps,
        rate=Fraction(1),
        penalty=_pushed_by(momentum, steps) * draw(st.sampled_from([Fraction(1), Fraction(9, 10), Fraction(3, 2)])),
        momentum=momentum,
        buffer=(Fraction(0),) * size,
        rates=(draw(st.sampled_from([Fraction(4), Fraction(1)])), *draw(later)),
    )
    length = max(Fraction(0), _unit_gain(run)) * draw(st.sampled_from([Fraction(1), Fraction(201, 200)]))
    return replace(run, weights=_scaled(direction, length))


@st.composite
def _astray_descents(draw: st.DrawFn) -> Descent:
    """Runs whose proximal step comes first or uses another metric."""
    if draw(st.booleans()):
        return replace(draw(descents()), proximal_first=True)
    return replace(draw(descents()), metric=Fraction(4))


BLOCK_KIND = InstanceKind(weight_blocks, _BLOCK_DEFINITIONS, {"differentiable": built_in})
DESCENT_KIND = InstanceKind(
    descents,
    DESCENT_DEFINITIONS,
    {
        "proximal step last": lambda run: not run.proximal_first,
        "Euclidean proximal step": lambda run: run.metric == 1,
    },
    _astray_descents,
)
