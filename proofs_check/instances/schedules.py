"""Schedules of the dial over layers as exact data: how to draw one, and the value of each letter on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Definition, exactly
from proofs_check.instances.exact.instance import Instance, InstanceKind, built_in
from proofs_check.instances.row_strategies import probabilities
from theory import design_symbols as letters
from theory import symbols as row_letters


def _powers(layers: int, exponent: int) -> list[Fraction]:
    """`(l/(L-1))^exponent` for each layer, with `0^0 = 1`."""
    return [Fraction(layer**exponent, (layers - 1) ** exponent) for layer in range(layers)]


def _budget(layers: int, exponent: int) -> Fraction:
    return sum(_powers(layers, exponent), Fraction(0))


def _budget_of(beta: int) -> Definition:
    return exactly(lambda drawn: _budget(drawn.layers, beta))


def gained(dial: Fraction, leak: Fraction) -> Fraction:
    """Fidelity that a dial adds: it scales the mass off the block by `1 - dial` and renormalises."""
    inside, outside = 1 - leak, leak * (1 - dial)
    return inside / (inside + outside) - inside


@dataclass(frozen=True)
class ScheduleInstance(Instance):
    """Layers, two exponents, and a leak and a weight for each layer."""

    layers: int
    exponent: int
    steeper: int
    largest: Fraction
    needed: Fraction
    layer: int
    leaks: tuple[Fraction, ...]
    weights: tuple[int, ...]

    def dials(self, exponent: int) -> list[Fraction]:
        """Dial of each layer."""
        return [self.largest * power for power in _powers(self.layers, exponent)]

    def cost(self, exponent: int) -> Fraction:
        """Weighted sum of the layers' gains, each layer with its own leak."""
        triples = zip(self.weights, self.dials(exponent), self.leaks, strict=True)
        return sum((weight * gained(dial, leak) for weight, dial, leak in triples), Fraction(0))

    def even_cost(self, exponent: int) -> Fraction:
        """Sum of the gains at the first layer's leak, with the mean dial of the steeper schedule."""
        scale = _budget(self.layers, self.steeper) / _budget(self.layers, exponent)
        return sum((gained(scale * dial, self.leaks[0]) for dial in self.dials(exponent)), Fraction(0))


SCHEDULE_DEFINITIONS: Mapping[Symbol, Definition] = {
    row_letters.eps: exactly(lambda drawn: drawn.leaks[drawn.layer]),
    letters.layers: exactly(lambda drawn: drawn.layers),
    letters.layer: exactly(lambda drawn: drawn.layer),
    letters.steepness: exactly(lambda drawn: drawn.exponent),
    letters.steeper: exactly(lambda drawn: drawn.steeper),
    letters.dial_max: exactly(lambda drawn: drawn.largest),
    letters.dial_needed: exactly(lambda drawn: drawn.needed),
    letters.dial_here: exactly(lambda drawn: drawn.dials(drawn.exponent)[drawn.layer]),
    letters.dial_steeper: exactly(lambda drawn: drawn.dials(drawn.steeper)[drawn.layer]),
    letters.depth: exactly(lambda drawn: sum(dial >= drawn.needed for dial in drawn.dials(drawn.exponent))),
    letters.gain: exactly(lambda drawn: gained(drawn.dials(drawn.exponent)[drawn.layer], drawn.leaks[drawn.layer])),
    letters.cost: exactly(lambda drawn: drawn.cost(drawn.exponent)),
    letters.cost_steeper: exactly(lambda drawn: drawn.cost(drawn.steeper)),
    letters.cost_even: exactly(lambda drawn: drawn.even_cost(drawn.exponent)),
    letters.cost_even_steeper: exactly(lambda drawn: drawn.even_cost(drawn.steeper)),
    **{letter: _budget_of(beta) for beta, letter in enumerate(letters.budgets, 1)},
}


@st.composite
def schedules(draw: st.DrawFn) -> ScheduleInstance:
    """Schedules of two to nine layers, two exponents from 0 to 6, dials up to the hard mask.

    >>> from hypothesis import find
    >>> schedule = find(schedules(), lambda schedule: schedule.layers > 2)
    >>> schedule.layers, schedule.exponent, schedule.largest
    (3, 0, Fraction(1, 16))
    """
    layers = draw(st.integers(2, 9))
    exponent = draw(st.integers(0, 5))
    largest = draw(st.one_of(st.integers(1, 16).map(lambda i: Fraction(i, 16)), probabilities()))
    # Often a dial that a layer has exactly, where a rounded formula goes wrong; some above the largest.
    exact = [dial for power in _powers(layers, exponent) if (dial := largest * power)] or [largest]
    anywhere = st.integers(1, 64).map(lambda i: Fraction(i, 64))
    needed = st.one_of(st.sampled_from(exact), anywhere.map(lambda share: largest * share), anywhere)
    one_leak = draw(st.integers(1, 31).map(lambda i: Fraction(i, 32)))
    leaks = draw(st.one_of(st.just([one_leak] * layers), st.lists(probabilities(), min_size=layers, max_size=layers)))
    return ScheduleInstance(
        layers=layers,
        exponent=exponent,
        steeper=draw(st.integers(exponent + 1, 6)),
        largest=largest,
        needed=draw(needed),
        layer=draw(st.integers(0, layers - 1)),
        leaks=tuple(leaks),
        weights=tuple(draw(st.lists(st.integers(1, 9), min_size=layers, max_size=layers))),
    )


@st.composite
def _astray(draw: st.DrawFn) -> ScheduleInstance:
    """Schedules whose second exponent is not the larger, or whose layers' weights are negative."""
    drawn = draw(schedules())
    if draw(st.booleans()):
        return replace(drawn, exponent=drawn.steeper, steeper=draw(st.integers(0, drawn.steeper)))
    return replace(drawn, weights=tuple(-weight for weight in drawn.weights))


KIND = InstanceKind(
    schedules,
    SCHEDULE_DEFINITIONS,
    {"positive weights": lambda drawn: min(drawn.weights) > 0, "leaks fixed": built_in},
    _astray,
)
