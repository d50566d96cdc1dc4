"""Attention rows whose scores fall with distance (A9): content scores from the nearest key on, and a slope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Arithmetic, Definition, exactly
from proofs_check.instances.exact.instance import Instance, InstanceKind
from proofs_check.instances.row_strategies import probabilities, targets_near, temperatures
from theory import symbols as letters


@dataclass(frozen=True)
class DistantKeys(Instance):
    """Content scores of the keys, the nearest first; the first `block` are the target."""

    contents: tuple[Fraction, ...]
    block: int
    slope: Fraction
    temperature: Fraction = Fraction(1)
    leak_target: Fraction = Fraction(1, 10)

    @property
    def levels(self) -> int:
        """How many different exponentials the exact forms have: those of the contents, and that of the slope."""
        return 1 + len(set(self.contents))

    @property
    def range(self) -> Fraction:
        """Largest less smallest content score."""
        return max(self.contents) - min(self.contents)


def _fade(row: DistantKeys, by: Arithmetic) -> Any:
    return by.exp(-row.slope / row.temperature)


def _leak(row: DistantKeys, by: Arithmetic, contents: Sequence[Fraction]) -> Any:
    least, weights, factor = min(contents), [], by.number(1)
    for score in contents:
        weights.append(by.exp((score - least) / row.temperature) * factor)
        factor = factor * _fade(row, by)
    return sum(weights[row.block :], by.number(0)) / sum(weights, by.number(0))


def _at_the_ends(row: DistantKeys, by: Arithmetic) -> Any:
    return _leak(row, by, (Fraction(0),) * row.block + (row.range,) * (len(row.contents) - row.block))


_DEFINITIONS: Mapping[Symbol, Definition] = {
    letters.m: exactly(lambda row: row.block),
    letters.k: exactly(lambda row: len(row.contents) - row.block),
    letters.tau: exactly(lambda row: row.temperature),
    letters.slope: exactly(lambda row: row.slope),
    letters.content: exactly(lambda row: row.range),
    letters.eps_target: exactly(lambda row: row.leak_target),
    letters.fade: _fade,
    letters.eps: lambda row, by: _leak(row, by, row.contents),
    letters.eps_ends: _at_the_ends,
}


@st.composite
def rows_by_distance(draw: st.DrawFn) -> DistantKeys:
    """Rows of up to twelve keys with a slope; half have their contents at the ends of the range and attain the bound.

    >>> from hypothesis import find
    >>> find(rows_by_distance(), lambda row: row.block == 2).block
    2
    """
    block, others = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    temperature = draw(temperatures())
    score = st.integers(-16, 16).map(lambda i: Fraction(i, 4) * temperature)
    if draw(st.booleans()):
        contents = (Fraction(0),) * block + (abs(draw(score)),) * others
    else:
        contents = tuple(draw(st.lists(score, min_size=block + others, max_size=block + others)))
    nats = draw(st.integers(1, 40).map(lambda i: Fraction(i, 8)))
    span = float((max(contents) - min(contents)) / temperature)
    odds = 2.718281828459045**span / (2.718281828459045 ** float(nats * block) - 1)
    target = draw(st.one_of(probabilities(), targets_near(odds / (1 + odds))))
    return DistantKeys(contents, block, nats * temperature, temperature, target)


KIND = InstanceKind(rows_by_distance, _DEFINITIONS)
