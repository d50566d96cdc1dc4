"""One query's rows in the heads of a layer, with values and output projection, and what truncation moves (H1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import Any

from flint import arb
from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Arithmetic, Definition
from proofs_check.instances.exact.instance import Instance, InstanceKind
from proofs_check.instances.exact.quantities import (
    Entries,
    Vector,
    inner,
    matrix,
    rational,
    root,
    root_as,
    spectral_square,
)
from proofs_check.instances.row_strategies import FAMILIES, temperatures
from proofs_check.instances.rows import AttentionRow, of_row
from proofs_check.instances.weights.heads import entries_of
from theory import symbols as letters


@dataclass(frozen=True)
class LayerHead(Instance):
    """One head: a score and a value per key, the block's first, and its rows of the output projection."""

    scores: Vector
    values: Entries
    projection: Entries

    @cached_property
    def projected(self) -> Entries:
        """The values after the output projection."""
        columns = list(zip(*self.projection, strict=True))
        return tuple(tuple(inner(value, column) for column in columns) for value in self.values)


@dataclass(frozen=True)
class TruncatedLayer(Instance):
    """The heads of a layer on one query, whose block holds the first `block` keys."""

    heads: tuple[LayerHead, ...]
    block: int
    temperature: Fraction = Fraction(1)

    @cached_property
    def levels(self) -> int:
        """How many different exponentials the heads' rows have."""
        return len({score - max(head.scores) for head in self.heads for score in head.scores})

    @cached_property
    def row(self) -> AttentionRow:
        """The first head's row, with one coordinate of the values."""
        first = self.heads[0]
        return AttentionRow(
            first.scores, self.block, self.temperature, values=tuple(value[0] for value in first.values)
        )

    def farthest(self, points: Entries) -> tuple[Fraction, Vector, Vector]:
        """The squared distance of the two farthest points of a key in the block and one outside, and these points."""
        pairs = product(points[: self.block], points[self.block :])
        return max((sum(((a - b) ** 2 for a, b in zip(u, v, strict=True)), Fraction(0)), u, v) for u, v in pairs)


def _weights(layer: TruncatedLayer, head: LayerHead, by: Arithmetic) -> list[Any]:
    top = max(head.scores)
    return [by.exp((score - top) / layer.temperature) for score in head.scores]


def _leak(layer: TruncatedLayer, head: LayerHead, by: Arithmetic) -> Any:
    weights = _weights(layer, head, by)
    return _sum(by, weights[layer.block :]) / _sum(by, weights)


def _sum(by: Arithmetic, terms: Sequence[Any]) -> Any:
    return sum(terms, by.number(0))


def move(layer: TruncatedLayer, head: LayerHead, by: Arithmetic, points: Entries) -> list[Any]:
    """Mean of the points over the block alone less that over all keys, coordinate by coordinate.

    The points are taken from the first one, so that points which agree give exactly 0.
    """
    weights = _weights(layer, head, by)

    def mean(numbers: Sequence[Fraction], keys: int) -> Any:
        terms = [by.number(x - numbers[0]) * weight for x, weight in zip(numbers[:keys], weights[:keys], strict=True)]
        return _sum(by, terms) / _sum(by, weights[:keys])

    return [mean(column, layer.block) - mean(column, len(column)) for column in zip(*points, strict=True)]


def _root(by: Arithmetic, square: Any) -> Any:
    return root(square) if isinstance(square, arb) else square ** by.number(Fraction(1, 2))


def _length(by: Arithmetic, coordinates: Sequence[Any]) -> Any:
    return _root(by, _sum(by, [x * x for x in coordinates]))


def _head_move(layer: TruncatedLayer, by: Arithmetic) -> Any:
    head = layer.heads[0]
    return _length(by, move(layer, head, by, head.values))


def _farthest_move(layer: TruncatedLayer, by: Arithmetic) -> Any:
    head = layer.heads[0]
    _, inside, outside = layer.farthest(head.values)
    points = (inside,) * layer.block + (outside,) * (len(head.values) - layer.block)
    return _length(by, move(layer, head, by, points))


def layer_move(layer: TruncatedLayer, by: Arithmetic) -> list[Any]:
    """The move of the layer's output when every head drops the keys off its block, coordinate by coordinate."""
    moves = [move(layer, head, by, head.projected) for head in layer.heads]
    return [_sum(by, parts) for parts in zip(*moves, strict=True)]


def _reach(layer: TruncatedLayer, by: Arithmetic) -> Any:
    squares = ((_leak(layer, head, by), by.number(layer.farthest(head.values)[0])) for head in layer.heads)
    return _root(by, _sum(by, [leak * leak * square for leak, square in squares]))


def _projected_reach(layer: TruncatedLayer, by: Arithmetic) -> Any:
    reaches = (root_as(by, rational(layer.farthest(head.projected)[0])) for head in layer.heads)
    leaks = (_leak(layer, head, by) for head in layer.heads)
    return _sum(by, [leak * reach for leak, reach in zip(leaks, reaches, strict=True)])


def _projection_norm(layer: TruncatedLayer, by: Arithmetic) -> Any:
    return root_as(by, spectral_square(matrix(tuple(row for head in layer.heads for row in head.projection))))


DEFINITIONS: Mapping[Symbol, Definition] = {
    **of_row(letters.eps, letters.vbar_B, letters.vbar_C, letters.o_plain, letters.o_B),
    letters.D_cut: lambda layer, by: root_as(by, rational(layer.farthest(layer.heads[0].values)[0])),
    letters.r_cut: _head_move,
    letters.r_far: _farthest_move,
    letters.r_layer: lambda layer, by: _length(by, layer_move(layer, by)),
    letters.R_cut: _reach,
    letters.S_cut: _projected_reach,
    letters.W_O: _projection_norm,
}


@st.composite
def _any(draw: st.DrawFn) -> TruncatedLayer:
    """Layers of up to three heads, with scores of every family, that do not attain a bound."""
    keys, width, outputs = draw(st.integers(3, 6)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    block, temperature = draw(st.integers(1, keys - 1)), draw(temperatures())

    def varies(head: LayerHead) -> bool:
        # Bounds are attained where the points agree on either side. Equality shows only in the exact form, which needs
        # few different scores.
        return len({*head.projected[:block]}) + len({*head.projected[block:]}) > 2

    def one_head() -> LayerHead:
        family = FAMILIES[draw(st.sampled_from(tuple(FAMILIES)))]
        scores = tuple(Fraction(score) * temperature for score in draw(family.of_size(keys, block)))
        values, projection = entries_of(keys, width), entries_of(width, outputs)
        return draw(st.builds(LayerHead, st.just(scores), values, projection).filter(varies))

    return TruncatedLayer(tuple(one_head() for _ in range(draw(st.integers(1, 3)))), block, temperature)


@st.composite
def _level(draw: st.DrawFn) -> TruncatedLayer:
    """Layers of one or two heads with two-level rows, of which some attain the bounds."""
    block, others, temperature = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(temperatures())
    heads = draw(st.integers(1, 2))
    width, outputs = (draw(st.integers(1, 2)), draw(st.integers(1, 2))) if heads == 1 else (1, 1)

    def one_head() -> LayerHead:
        gap = draw(st.integers(-24, 24)) * temperature / 4
        inside, outside = draw(entries_of(1, width)), draw(entries_of(1, width))
        values = inside * block + outside * others
        values = draw(st.sampled_from([values, draw(entries_of(block + others, width))]))
        return LayerHead((gap,) * block + (Fraction(0),) * others, values, draw(entries_of(width, outputs)))

    first = one_head()
    rest = (draw(st.sampled_from([first, one_head()])),) if heads == 2 else ()
    return TruncatedLayer((first, *rest), block, temperature)


def truncated_layers() -> st.SearchStrategy[TruncatedLayer]:
    """One query's rows in a layer of up to three heads, with values and output projection of at most two columns.

    >>> from hypothesis import find
    >>> find(truncated_layers(), lambda layer: layer.block == 1).temperature
    Fraction(1, 1)
    """
    return st.one_of(_any(), _level())


KIND = InstanceKind(truncated_layers, DEFINITIONS)
