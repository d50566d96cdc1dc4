"""Anchored heads (D1), sets of anchors (D2) and copied anchors (D4) as exact data: how to draw one, and each letter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import isqrt
from typing import Any

from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Arithmetic, Definition, exactly
from proofs_check.instances.exact.instance import Instance, InstanceKind
from proofs_check.instances.exact.quantities import Vector, inner, on_sphere
from proofs_check.instances.row_strategies import draw_target, leak_in_floats, probabilities, temperatures
from proofs_check.instances.rows import DEFINITIONS, AttentionRow, of_row
from theory import design_symbols as letters
from theory import symbols as row_letters


def coherence_of(vectors: Sequence[Sequence[Fraction]]) -> Fraction:
    """Largest inner product of two different vectors of equal length, scaled to length 1."""
    pairs = ((u, v) for i, u in enumerate(vectors) for v in vectors[:i])
    return max(inner(u, v) for u, v in pairs) / inner(vectors[0], vectors[0])


def _root_above(square: Fraction) -> Fraction:
    """The square root where it is rational, else a rational just above it."""
    root = Fraction(isqrt(square.numerator), isqrt(square.denominator))
    if root * root == square:
        return root
    return Fraction(isqrt(square.numerator * 4**24 // square.denominator) + 1, 2**24)


@dataclass(frozen=True)
class AnchoredHead(Instance):
    """One query along the first anchor, and keys, each a unit direction with the index of its anchor.

    Two fields make heads outside D1: `query` is another direction of the query, `lengths` are the keys' norms over the
    largest.
    """

    anchors: tuple[Vector, ...]
    keys: tuple[tuple[int, Vector], ...]
    scale: Fraction
    temperature: Fraction
    leak_target: Fraction
    query: Vector = ()
    lengths: tuple[Fraction, ...] = ()

    @cached_property
    def coherence(self) -> Fraction:
        """Largest inner product of two different anchors."""
        return coherence_of(self.anchors)

    @cached_property
    def distance(self) -> Fraction:
        """Largest distance of a key from its anchor, or a rational just above it."""
        moves = ([a - b for a, b in zip(key, self.anchors[owner], strict=True)] for owner, key in self.keys)
        return _root_above(max(inner(move, move) for move in moves))

    @cached_property
    def row(self) -> AttentionRow:
        """The attention row of the query: scale times the inner products, block first."""
        query, lengths = self.query or self.anchors[0], self.lengths or (Fraction(1),) * len(self.keys)
        ordered = sorted(zip(self.keys, lengths, strict=True), key=lambda each: each[0][0] != 0)
        return AttentionRow(
            scores=tuple(self.scale * length * inner(query, direction) for (_, direction), length in ordered),
            block=sum(owner == 0 for owner, _ in self.keys),
            temperature=self.temperature,
            leak_target=self.leak_target,
        )

    @property
    def levels(self) -> int:
        """How many different scores the row has."""
        return self.row.levels

    @property
    def tied(self) -> bool:
        """Whether angles in the bound coincide; their difference, from acos and asin, has no exact form then."""
        cosine = 1 - self.distance**2 / 2
        return self.coherence in (cosine, 2 * cosine**2 - 1)


HEAD_DEFINITIONS: Mapping[Symbol, Definition] = {
    letters.alpha: exactly(lambda head: head.scale),
    letters.coherence: exactly(lambda head: head.coherence),
    letters.distance: exactly(lambda head: head.distance),
    **of_row(row_letters.m, row_letters.k, row_letters.tau, row_letters.delta, row_letters.eps, row_letters.eps_target),
}


def _on_circle(half_tangent: Fraction) -> Vector:
    """The point of the unit circle at the angle `2 atan(half_tangent)`."""
    t = half_tangent
    return ((1 - t * t) / (1 + t * t), 2 * t / (1 + t * t))


def _turned(point: Vector, by: Vector) -> Vector:
    return (point[0] * by[0] - point[1] * by[1], point[0] * by[1] + point[1] * by[0])


def planar_head(apart: Fraction, off: Fraction, scale: Fraction, copies: int = 1, **rest: Any) -> AnchoredHead:
    """The head that attains D1: two anchors in a plane, and a key turned off each.

    `apart` is the tangent of half the angle between the anchors, `off` the tangent of a quarter of the angle of a key
    off its anchor, which makes that distance rational.
    """
    query, other = _on_circle(Fraction(0)), _on_circle(apart)
    turn = _turned(_on_circle(off), _on_circle(off))
    back = (turn[0], -turn[1])
    near_query = inner(query, other) >= turn[0]
    keys = [(0, _turned(query, back)), (1, query if near_query else _turned(other, back))]
    return AnchoredHead((query, other), tuple(keys * copies), scale, **rest)


_SMALL = st.integers(-12, 12).map(lambda i: Fraction(i, 6))
_TINY = st.integers(-8, 8).map(lambda i: Fraction(i, 64))
_ANY_TARGET = Fraction(1, 2)
_SCALES = st.integers(1, 160).map(lambda i: Fraction(i, 4))


@st.composite
def _scattered_heads(draw: st.DrawFn) -> AnchoredHead:
    size = draw(st.integers(1, 3))
    flat = draw(st.lists(st.tuples(*[_SMALL] * size), min_size=2, max_size=4, unique=True))
    owners = [0, 1, *draw(st.lists(st.integers(0, len(flat) - 1), max_size=4))]
    keys = tuple((owner, on_sphere([t + draw(_TINY) for t in flat[owner]])) for owner in owners)
    anchors = tuple(on_sphere(point) for point in flat)
    return AnchoredHead(anchors, keys, draw(_SCALES), draw(temperatures()), _ANY_TARGET)


@st.composite
def _planar_heads(draw: st.DrawFn) -> AnchoredHead:
    apart = draw(st.integers(1, 24).map(lambda i: Fraction(i, 8)))
    off = draw(st.integers(0, 12).map(lambda i: Fraction(i, 24)))
    rest = {"temperature": draw(temperatures()), "leak_target": _ANY_TARGET}
    return planar_head(apart, off, draw(_SCALES), draw(st.integers(1, 3)), **rest)


@st.composite
def anchored_heads(draw: st.DrawFn) -> AnchoredHead:
    """Heads with anchors scattered over a sphere, and planar ones that attain the bound; targets near their leak."""
    head = draw(st.one_of(_planar_heads(), _scattered_heads()).filter(lambda head: not head.tied))
    leak = leak_in_floats(list(map(float, head.row.scores)), head.row.block, head.temperature)
    return replace(head, leak_target=draw_target(draw, (leak,)))


@st.composite
def _astray_heads(draw: st.DrawFn) -> AnchoredHead:
    """Heads whose query leaves its anchor, or whose keys differ in norm."""
    head = draw(anchored_heads())
    if draw(st.booleans()):
        return replace(head, query=tuple(-x for x in head.anchors[0]))
    return replace(head, lengths=tuple(Fraction(1, 2) if owner == 0 else Fraction(1) for owner, _ in head.keys))


HEAD_KIND = InstanceKind(
    anchored_heads,
    HEAD_DEFINITIONS,
    {
        "unit anchors": lambda head: all(inner(anchor, anchor) == 1 for anchor in head.anchors),
        "along its anchor": lambda head: head.query in ((), head.anchors[0]),
        "equal keys": lambda head: len(set(head.lengths)) <= 1,
    },
    _astray_heads,
)


@dataclass(frozen=True)
class AnchorSet(Instance):
    """Vectors of equal length, which give the anchors when scaled to length 1, and a probability of failure."""

    vectors: tuple[Vector, ...]
    failure: Fraction


def _basis(count: int, size: int) -> list[Vector]:
    """The first `count` of `e_1, -e_1, e_2, -e_2, ...` in `size` dimensions."""
    return [tuple(Fraction((1 if i % 2 == 0 else -1) * (j == i // 2)) for j in range(size)) for i in range(count)]


def _simplex_coherence(count: int) -> Fraction:
    return coherence_of([[Fraction(i == j) - Fraction(1, count) for j in range(count)] for i in range(count)])


def _orthoplex_coherence(count: int) -> Fraction:
    return coherence_of(_basis(count, (count + 1) // 2))


@st.composite
def anchor_sets(draw: st.DrawFn) -> AnchorSet:
    """Sets of anchors: scattered, with coordinates +-1 (simplices among them), or along the axes (orthoplices)."""
    size = draw(st.integers(1, 8))
    family = draw(st.sampled_from(("scattered", "signs", "axes")))
    if family == "axes":
        count = draw(st.one_of(st.integers(2, 2 * size), st.just(2 * size)))
        return AnchorSet(tuple(_basis(count, size)), draw(probabilities()))
    if family == "signs":
        signs = st.tuples(*[st.sampled_from((Fraction(1), Fraction(-1)))] * size)
        vectors = draw(st.lists(signs, min_size=2, max_size=min(2**size, 10), unique=True))
    else:
        flat = st.tuples(*[_SMALL] * (size - 1)) if size > 1 else st.just(())
        vectors = [on_sphere(point) for point in draw(st.lists(flat, min_size=2, max_size=10))]
    return AnchorSet(tuple(vectors), draw(probabilities()))


@st.composite
def _astray_sets(draw: st.DrawFn) -> AnchorSet:
    """Sets whose last vector is longer than the others."""
    drawn = draw(anchor_sets())
    return replace(drawn, vectors=(*drawn.vectors[:-1], tuple(3 * x for x in drawn.vectors[-1])))


SET_KIND = InstanceKind(
    anchor_sets,
    {
        letters.anchors: exactly(lambda drawn: len(drawn.vectors)),
        letters.dimension: exactly(lambda drawn: len(drawn.vectors[0])),
        letters.failure: exactly(lambda drawn: drawn.failure),
        letters.coherence: exactly(lambda drawn: coherence_of(drawn.vectors)),
        letters.coherence_simplex: exactly(lambda drawn: _simplex_coherence(len(drawn.vectors))),
        letters.coherence_orthoplex: exactly(lambda drawn: _orthoplex_coherence(len(drawn.vectors))),
    },
    {"unit anchors": lambda drawn: len({inner(vector, vector) for vector in drawn.vectors}) == 1},
    _astray_sets,
)


@dataclass(frozen=True)
class CopiedAnchor(Instance):
    """A row whose block is copies of one anchor, all at one score, and two other numbers of copies.

    `stray` makes rows outside D4: the score of the last copy is off by so much.
    """

    score: Fraction
    outside: tuple[Fraction, ...]
    copies: int
    few: int
    many: int
    temperature: Fraction
    leak_target: Fraction
    stray: Fraction = Fraction(0)

    @cached_property
    def row(self) -> AttentionRow:
        """The attention row, copies first."""
        return self.with_copies(self.copies)

    @property
    def levels(self) -> int:
        """How many different scores the row has."""
        return self.row.levels

    def with_copies(self, number: int, raised: int = 1) -> AttentionRow:
        """The row with another number of copies; the dial raises their scores by the temperature times log(raised)."""
        copies = (*(self.score,) * (number - 1), self.score + self.stray)
        dial = 1 - Fraction(1, raised)
        return AttentionRow((*copies, *self.outside), number, self.temperature, dial, leak_target=self.leak_target)


def _of(letter: Symbol, row: Callable[[CopiedAnchor], AttentionRow]) -> Definition:
    def value(drawn: CopiedAnchor, by: Arithmetic) -> Any:
        # Rows share no memo, which keeps masses without saying whose.
        return DEFINITIONS[letter](row(drawn), type(by)())

    return value


def _few(drawn: CopiedAnchor) -> AttentionRow:
    return drawn.with_copies(drawn.few)


def _raised(drawn: CopiedAnchor) -> AttentionRow:
    return drawn.with_copies(1, raised=drawn.copies)


@st.composite
def copied_anchors(draw: st.DrawFn) -> CopiedAnchor:
    """Copies of an anchor above or below up to three levels of other keys; targets near the leaks.

    >>> from hypothesis import find
    >>> drawn = find(copied_anchors(), lambda drawn: drawn.copies > 1)
    >>> drawn.copies, drawn.few, drawn.many, drawn.outside
    (2, 1, 2, (Fraction(0, 1),))
    """
    temperature = draw(temperatures())
    # Half of the rows have few copies, a few nats above many keys: there the entropy falls as copies are added.
    low, high, most, extra = draw(st.sampled_from(((-64, 32, 60, 60), (-32, -12, 90, 3))))
    groups = st.lists(st.tuples(st.integers(low, high), st.integers(1, most)), min_size=1, max_size=3)
    outside = tuple(Fraction(i, 8) * temperature for i, count in draw(groups) for _ in range(count))
    more = st.integers(0, extra)
    few = 1 + draw(more)
    copies = few + draw(more)
    drawn = CopiedAnchor(Fraction(0), outside, copies, few, copies + draw(more), temperature, _ANY_TARGET)
    leaks = [leak_in_floats(list(map(float, row.scores)), row.block, temperature) for row in (drawn.row, _few(drawn))]
    return replace(drawn, leak_target=draw_target(draw, leaks))


@st.composite
def _astray_copies(draw: st.DrawFn) -> CopiedAnchor:
    """Rows in which a copy's score is off, or the fewer copies are the more."""
    drawn = draw(copied_anchors().filter(lambda drawn: drawn.few < drawn.copies))
    if draw(st.booleans()):
        return replace(drawn, stray=draw(st.sampled_from((-2, 2))) * drawn.temperature)
    return replace(drawn, copies=drawn.few, few=drawn.copies)


COPIES_KIND = InstanceKind(
    copied_anchors,
    {
        **of_row(row_letters.k, row_letters.tau, row_letters.Delta, row_letters.eps, row_letters.eps_target),
        **of_row(row_letters.H, row_letters.H_mask, row_letters.sbar_B, row_letters.sbar_C),
        letters.copies: exactly(lambda drawn: drawn.copies),
        letters.few: exactly(lambda drawn: drawn.few),
        letters.many: exactly(lambda drawn: drawn.many),
        letters.eps_one: _of(row_letters.eps, lambda drawn: drawn.with_copies(1)),
        letters.eps_few: _of(row_letters.eps, _few),
        letters.eps_up: _of(row_letters.eps_lam, _raised),
        letters.H_up: _of(row_letters.H_lam, _raised),
        letters.H_few: _of(row_letters.H, _few),
        letters.H_many: _of(row_letters.H, lambda drawn: drawn.with_copies(drawn.many)),
    },
    {"equal copies": lambda drawn: drawn.stray == 0},
    _astray_copies,
)
