"""Schedules of the dial over layers as exact data: how to draw one, and the value of each letter on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.row_strategies import probabilities
from proofs_check.instances.structure import built_in
from theory import design_symbols as letters
from theory import symbols as row_letters


def powers(layers: int, exponent: int) -> list[Fraction]:
    """`(l/(L-1))^exponent` for each layer, with `0^0 = 1`."""
    return [Fraction(layer**exponent, (layers - 1) ** exponent) for layer in range(layers)]


def gained(dial: Fraction, leak: Fraction) -> Fraction:
    """Fidelity that a dial adds: it scales the mass off the block by `1 - dial` and renormalises."""
    inside, outside = 1 - leak, leak * (1 - dial)
    return inside / (inside + outside) - inside


@dataclass(frozen=True)
class ScheduleInstance:
    """Layers, two exponents, and a leak and a weight for each layer."""

    layers: int
    exponent: int
    steeper: int
    largest: Fraction
    needed: Fraction
    layer: int
    leaks: tuple[Fraction, ...]
    weights: tuple[int, ...]
    levels: int = 0

    def __str__(self) -> str:
        return (
            f"{self.layers} layers, exponents {self.exponent} and {self.steeper}, largest dial {self.largest}, needed "
            f"dial {self.needed}, layer {self.layer}, leaks {[str(x) for x in self.leaks]}, weights {self.weights}"
        )

    def dials(self, exponent: int) -> list[Fraction]:
        """Dial of each layer."""
        return [self.largest * power for power in powers(self.layers, exponent)]

    def cost(self, exponent: int) -> Fraction:
        """Weighted sum of the layers' gains, each layer with its own leak."""
        triples = zip(self.weights, self.dials(exponent), self.leaks, strict=True)
        return sum((weight * gained(dial, leak) for weight, dial, leak in triples), Fraction(0))

    def even_cost(self, exponent: int) -> Fraction:
        """Sum of the gains at the first layer's leak, with the mean dial of the steeper schedule."""
        scale = sum(powers(self.layers, self.steeper), Fraction(0)) / sum(powers(self.layers, exponent), Fraction(0))
        return sum((gained(scale * dial, self.leaks[0]) for dial in self.dials(exponent)), Fraction(0))


def _number(value: Any) -> Any:
    return lambda drawn, by: by.number(value(drawn))


SCHEDULE_DEFINITIONS: Mapping[Symbol, Any] = {
    row_letters.eps: _number(lambda drawn: drawn.leaks[drawn.layer]),
    letters.layers: _number(lambda drawn: drawn.layers),
    letters.layer: _number(lambda drawn: drawn.layer),
    letters.steepness: _number(lambda drawn: drawn.exponent),
    letters.steeper: _number(lambda drawn: drawn.steeper),
    letters.dial_max: _number(lambda drawn: drawn.largest),
    letters.dial_needed: _number(lambda drawn: drawn.needed),
    letters.dial_here: _number(lambda drawn: drawn.dials(drawn.exponent)[drawn.layer]),
    letters.dial_steeper: _number(lambda drawn: drawn.dials(drawn.steeper)[drawn.layer]),
    letters.depth: _number(lambda drawn: sum(dial >= drawn.needed for dial in drawn.dials(drawn.exponent))),
    letters.gain: _number(lambda drawn: gained(drawn.dials(drawn.exponent)[drawn.layer], drawn.leaks[drawn.layer])),
    letters.cost: _number(lambda drawn: drawn.cost(drawn.exponent)),
    letters.cost_steeper: _number(lambda drawn: drawn.cost(drawn.steeper)),
    letters.cost_even: _number(lambda drawn: drawn.even_cost(drawn.exponent)),
    letters.cost_even_steeper: _number(lambda drawn: drawn.even_cost(drawn.steeper)),
    **{
        letter: _number(lambda drawn, beta=beta: sum(powers(drawn.layers, beta)))
        for beta, letter in enumerate(letters.budgets, 1)
    },
}


def _needed_dials(largest: Fraction, grid: Sequence[Fraction]) -> st.SearchStrategy[Fraction]:
    """Needed dials, often one that a layer has exactly, where a rounded formula goes wrong; some above the largest."""
    between = st.integers(1, 64).map(lambda i: largest * Fraction(i, 64))
    anywhere = st.integers(1, 64).map(lambda i: Fraction(i, 64))
    return st.one_of(st.sampled_from([dial for dial in grid if dial] or [largest]), between, anywhere)


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
    grid = [largest * power for power in powers(layers, exponent)]
    one_leak = draw(st.integers(1, 31).map(lambda i: Fraction(i, 32)))
    leaks = draw(st.one_of(st.just([one_leak] * layers), st.lists(probabilities(), min_size=layers, max_size=layers)))
    return ScheduleInstance(
        layers=layers,
        exponent=exponent,
        steeper=draw(st.integers(exponent + 1, 6)),
        largest=largest,
        needed=draw(_needed_dials(largest, grid)),
        layer=draw(st.integers(0, layers - 1)),
        leaks=tuple(leaks),
        weights=tuple(draw(st.lists(st.integers(1, 9), min_size=layers, max_size=layers))),
    )


@st.composite
def astray_schedules(draw: st.DrawFn) -> ScheduleInstance:
    """Schedules whose second exponent is not the larger, or whose layers' weights are negative."""
    drawn = draw(schedules())
    if draw(st.booleans()):
        return replace(drawn, exponent=drawn.steeper, steeper=draw(st.integers(0, drawn.steeper)))
    return replace(drawn, weights=tuple(-weight for weight in drawn.weights))


SCHEDULE_STRUCTURE: Mapping[str, Any] = {
    "positive weights": lambda drawn: min(drawn.weights) > 0,
    "leaks fixed": built_in,
}
