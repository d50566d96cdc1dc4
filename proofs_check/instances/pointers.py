"""Pointers to blocks as exact data (D3): how to draw one, and the value of each letter on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import Any

from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Arithmetic, Definition, exactly
from proofs_check.instances.exact.instance import Instance, InstanceKind
from theory import design_symbols as letters


@dataclass(frozen=True)
class PointerChannel(Instance):
    """Counts of target and pointed-at block, one row per target, and the error allowed."""

    weights: tuple[tuple[int, ...], ...]
    allowed: Fraction

    @cached_property
    def joint(self) -> list[list[Fraction]]:
        """Joint probability of the target and the block pointed at."""
        total = sum(map(sum, self.weights))
        return [[Fraction(w, total) for w in row] for row in self.weights]

    @property
    def error(self) -> Fraction:
        """Probability that a wrong block is pointed at."""
        return 1 - sum((row[i] for i, row in enumerate(self.joint)), Fraction(0))


def _mutual_information(channel: PointerChannel, by: Arithmetic) -> Any:
    pointed = [sum(column) for column in zip(*channel.joint, strict=True)]
    terms = ((p, p / (sum(row) * q)) for row in channel.joint for p, q in zip(row, pointed, strict=True) if p)
    return sum((by.number(p) * by.log(by.number(ratio)) for p, ratio in terms), by.number(0))


CHANNEL_DEFINITIONS: Mapping[Symbol, Definition] = {
    letters.blocks: exactly(lambda channel: len(channel.weights)),
    letters.error: exactly(lambda channel: channel.error),
    letters.error_allowed: exactly(lambda channel: channel.allowed),
    letters.information: _mutual_information,
}


def symmetric_channel(blocks: int, right: int, wrong: int) -> PointerChannel:
    """The pointer that attains Fano's inequality: all wrong blocks are equally likely."""
    weights = tuple(tuple(right if i == j else wrong for j in range(blocks)) for i in range(blocks))
    return PointerChannel(weights, Fraction((blocks - 1) * wrong, right + (blocks - 1) * wrong))


@st.composite
def pointer_channels(draw: st.DrawFn) -> PointerChannel:
    """Pointers that are often right, symmetric or not, whose allowed error is near their own."""
    count = draw(st.integers(2, 5))
    if draw(st.booleans()):
        return symmetric_channel(count, draw(st.integers(1, 60)), draw(st.integers(0, 6)))
    weights = []
    for i in range(count):
        row = draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
        row[i] += draw(st.integers(1, 60))
        weights.append(row)
    common = lcm(*map(sum, weights))
    return _allowing(draw, [tuple(w * (common // sum(row)) for w in row) for row in weights])


def _allowing(draw: st.DrawFn, weights: Sequence[tuple[int, ...]]) -> PointerChannel:
    channel = PointerChannel(tuple(weights), Fraction(0))
    extra = draw(st.integers(0, 8).map(lambda i: Fraction(i, 32)))
    return PointerChannel(channel.weights, min(Fraction(1), channel.error + extra))


@st.composite
def _astray(draw: st.DrawFn) -> PointerChannel:
    """Pointers with one target more frequent than the others."""
    weights = list(draw(pointer_channels()).weights)
    weights[0] = tuple(w * draw(st.integers(2, 50)) for w in weights[0])
    return _allowing(draw, weights)


KIND = InstanceKind(
    pointer_channels,
    CHANNEL_DEFINITIONS,
    {"uniform target": lambda channel: len(set(map(sum, channel.weights))) == 1},
    _astray,
)
