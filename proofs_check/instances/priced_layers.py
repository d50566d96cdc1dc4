"""Layers with weights and a price of the dial as exact data: how to draw them, and the value of each letter on them.

Weights are such that the priced dials are rational: the weight, leak and price of a layer multiply to a square.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from flint import fmpq
from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Definition, exactly
from proofs_check.instances.exact.instance import Instance, InstanceKind
from proofs_check.instances.exact.quantities import rational, root
from proofs_check.instances.row_strategies import probabilities
from proofs_check.instances.schedules import gained
from theory import design_symbols as letters
from theory import symbols as row_letters
from theory.lowering import Undecided

Dials = tuple[Fraction, ...]


def _rational_root(square: Fraction) -> Fraction:
    found = root(rational(square))
    if not isinstance(found, fmpq):
        raise Undecided(f"the square root of {square} is not rational")
    return Fraction(int(found.p), int(found.q))


def _slope(weight: Fraction, leak: Fraction, dial: Fraction) -> Fraction:
    """Slope of the cost in the dial, from the fidelity `inside/(inside + outside (1 - dial))`."""
    inside, outside = 1 - leak, leak
    return weight * inside * outside / (inside + outside * (1 - dial)) ** 2


@dataclass(frozen=True)
class PricedLayers(Instance):
    """A leak and a weight for each layer, two prices, arbitrary dials, a fidelity, and the layers picked for it."""

    weights: tuple[Fraction, ...]
    leaks: tuple[Fraction, ...]
    price: Fraction
    price_more: Fraction
    others: Dials
    layer: int
    fidelity: Fraction
    picked: tuple[int, ...]

    def cost(self, dials: Iterable[Fraction]) -> Fraction:
        """Weighted sum of the fidelities that the dials gain."""
        return sum(self.costs(dials), Fraction(0))

    def costs(self, dials: Iterable[Fraction]) -> list[Fraction]:
        """The cost of each layer's dial."""
        return [c * gained(lam, eps) for c, lam, eps in zip(self.weights, dials, self.leaks, strict=True)]

    def priced(self, price: Fraction) -> Dials:
        """Each layer's dial at which its cost less the price of the dial is least: an end, or where the slope is 0."""
        return tuple(self._cheapest(c, eps, price) for c, eps in zip(self.weights, self.leaks, strict=True))

    @staticmethod
    def _cheapest(weight: Fraction, leak: Fraction, price: Fraction) -> Fraction:
        tried = [Fraction(0), Fraction(1)]
        if weight > 0:
            # inside + outside (1 - dial) where the slope is the price.
            level = _rational_root(weight * leak * (1 - leak) / price)
            if 0 <= (inner := (1 - level) / leak) <= 1:
                tried.append(inner)
        return min(tried, key=lambda dial: weight * gained(dial, leak) - price * dial)

    def own(self) -> Dials:
        """Each layer's least dial with the fidelity: where it leaves `inside/(inside + outside (1 - dial))` there."""
        needed = (1 - (1 - eps) / eps * (1 - self.fidelity) / self.fidelity for eps in self.leaks)
        return tuple(max(Fraction(0), dial) for dial in needed)

    def cheapest(self) -> tuple[int, ...]:
        """As many layers as are picked, those whose own dials cost least."""
        costs = self.costs(self.own())
        return tuple(sorted(range(len(costs)), key=costs.__getitem__)[: len(self.picked)])

    def only(self, chosen: Iterable[int]) -> Dials:
        """The own dials of these layers, 0 in the others."""
        kept = set(chosen)
        return tuple(dial if layer in kept else Fraction(0) for layer, dial in enumerate(self.own()))

    def reached(self, dials: Iterable[Fraction]) -> int:
        """Layers whose fidelity under these dials is the one asked for or more."""
        pairs = zip(dials, self.leaks, strict=True)
        return sum(1 - eps + gained(dial, eps) >= self.fidelity for dial, eps in pairs)


def _sum(dials: Iterable[Fraction]) -> Fraction:
    return sum(dials, Fraction(0))


_DEFINITIONS: Mapping[Symbol, Definition] = {
    row_letters.eps: exactly(lambda drawn: drawn.leaks[drawn.layer]),
    row_letters.F_target: exactly(lambda drawn: drawn.fidelity),
    letters.layers: exactly(lambda drawn: len(drawn.leaks)),
    letters.weight_of_layer: exactly(lambda drawn: drawn.weights[drawn.layer]),
    letters.price: exactly(lambda drawn: drawn.price),
    letters.price_more: exactly(lambda drawn: drawn.price_more),
    letters.dial_priced: exactly(lambda drawn: drawn.priced(drawn.price)[drawn.layer]),
    letters.spent: exactly(lambda drawn: _sum(drawn.priced(drawn.price))),
    letters.spent_more: exactly(lambda drawn: _sum(drawn.priced(drawn.price_more))),
    letters.spent_any: exactly(lambda drawn: _sum(drawn.others)),
    letters.apart: exactly(
        lambda drawn: max(abs(a - b) for a, b in zip(drawn.others, drawn.priced(drawn.price), strict=True))
    ),
    letters.cost_priced: exactly(lambda drawn: drawn.cost(drawn.priced(drawn.price))),
    letters.cost_any: exactly(lambda drawn: drawn.cost(drawn.others)),
    letters.cost_level: exactly(
        lambda drawn: drawn.cost([_sum(drawn.priced(drawn.price)) / len(drawn.leaks)] * len(drawn.leaks))
    ),
    letters.slope_first: exactly(
        lambda drawn: min(_slope(c, eps, Fraction(0)) for c, eps in zip(drawn.weights, drawn.leaks, strict=True))
    ),
    letters.slope_last: exactly(
        lambda drawn: max(_slope(c, eps, Fraction(1)) for c, eps in zip(drawn.weights, drawn.leaks, strict=True))
    ),
    letters.wanted: exactly(lambda drawn: len(drawn.picked)),
    letters.reached: exactly(lambda drawn: drawn.reached(drawn.only(drawn.cheapest()))),
    letters.reached_any: exactly(lambda drawn: drawn.reached(drawn.others)),
    letters.cost_cheapest: exactly(lambda drawn: drawn.cost(drawn.only(drawn.cheapest()))),
    letters.cost_picked: exactly(lambda drawn: drawn.cost(drawn.only(drawn.picked))),
}


def _with_sum(dials: Dials, wanted: Fraction) -> Dials:
    """The dials, all moved towards 0 or all towards 1 until they sum to a number between 0 and how many there are."""
    total = _sum(dials)
    if total > wanted:
        return tuple(dial * wanted / total for dial in dials)
    room = len(dials) - total
    return tuple(1 - (1 - dial) * (len(dials) - wanted) / room for dial in dials) if room else dials


@st.composite
def priced_layers(draw: st.DrawFn) -> PricedLayers:
    """Two to six layers, prices below, between and above their slopes, and dials that rival those of least cost.

    Rivals are arbitrary, or spend as much as the priced dials or a little more, or are own dials of some layers.
    """
    count = draw(st.integers(2, 6))
    leak = st.one_of(st.integers(1, 31).map(lambda i: Fraction(i, 32)), probabilities())
    share = st.integers(0, 16).map(lambda i: Fraction(i, 16))
    alike = draw(st.booleans())
    leaks = tuple(draw(st.just((draw(leak),) * count) if alike else st.tuples(*[leak] * count)))
    price = draw(st.sampled_from([Fraction(1), Fraction(1, 4), Fraction(9), Fraction(1, 10**6)]))
    # The square root of the slope at the dial 0 over the price: 1 - leak and 1 are where a layer's dial reaches an end.
    level = st.one_of(st.integers(1, 24).map(lambda i: Fraction(i, 16)), st.just(Fraction(1)), st.none())
    levels = [draw(level) for _ in leaks]
    roots = [1 - eps if each is None else each for each, eps in zip(levels, leaks, strict=True)]
    if draw(st.booleans()):
        # Between the ends in every layer.
        roots = [1 - eps * (1 + each) / 3 for each, eps in zip(roots, leaks, strict=True)]
    weights = tuple(price * each**2 / (eps * (1 - eps)) for each, eps in zip(roots, leaks, strict=True))
    scale = draw(st.sampled_from([Fraction(1), Fraction(9, 8), Fraction(1, 2), Fraction(4), Fraction(1, 64)]))
    fidelity = draw(st.one_of(st.sampled_from([1 - eps for eps in leaks]), share.map(lambda x: (1 + x * 30) / 32)))
    nothing = (Fraction(0),) * count
    picked = draw(st.lists(st.sampled_from(range(count)), unique=True, max_size=count))
    drawn = PricedLayers(
        weights, leaks, price, price * scale**2, nothing, draw(st.integers(0, count - 1)), fidelity, tuple(picked)
    )
    return replace(drawn, others=draw(_rivals(drawn)))


@st.composite
def _rivals(draw: st.DrawFn, drawn: PricedLayers) -> Dials:
    count, priced = len(drawn.leaks), drawn.priced(drawn.price)
    dials = tuple(draw(st.integers(0, 8).map(lambda i: Fraction(i, 8))) for _ in range(count))
    near = tuple(dial + (other - dial) / 64 for dial, other in zip(priced, dials, strict=True))
    more = Fraction(draw(st.integers(0, 1)), 64)
    kept = drawn.only(draw(st.sampled_from([drawn.picked, drawn.cheapest()])))
    budget = min(Fraction(count), _sum(priced) + more)
    equals = (_with_sum(dials, budget), _with_sum(near, budget))
    return draw(st.sampled_from((dials, priced, kept, *equals, *equals)))


@st.composite
def _astray(draw: st.DrawFn) -> PricedLayers:
    """Layers of which some weigh less than nothing."""
    drawn = draw(priced_layers())
    weights = (-drawn.weights[0], *(c * draw(st.sampled_from([1, -1])) for c in drawn.weights[1:]))
    return replace(drawn, weights=weights)


KIND = InstanceKind(
    priced_layers, _DEFINITIONS, {"positive weights": lambda drawn: min(drawn.weights) > 0}, astray=_astray
)
