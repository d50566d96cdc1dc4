"""Attention rows of which some keys are chosen (A8): outside keys that are singled out, block keys that are counted.

The keys chosen come first on their sides, in no order, so that a random row makes any choice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Arithmetic, Definition, exactly
from proofs_check.instances.exact.instance import Instance, InstanceKind
from proofs_check.instances.row_strategies import attention_rows, temperatures
from theory import symbols as letters

Scores = tuple[Fraction, ...]


@dataclass(frozen=True)
class ChosenKeys(Instance):
    """Scores of the block and of the other keys; the first `counted` and the first `singled` of them are chosen."""

    block: Scores
    outside: Scores
    counted: int
    singled: int
    temperature: Fraction = Fraction(1)

    @cached_property
    def levels(self) -> int:
        """How many different scores the row has."""
        return len({*self.block, *self.outside})

    @property
    def least(self) -> Fraction:
        """Smallest score that is counted."""
        return min(self.block[: self.counted])

    @property
    def largest(self) -> Fraction:
        """Largest score outside that is not singled out."""
        return max(self.outside[self.singled :])

    @cached_property
    def with_largest(self) -> ChosenKeys:
        """The row with as many keys chosen, the largest of either side."""
        block, outside = (tuple(sorted(side, reverse=True)) for side in (self.block, self.outside))
        return ChosenKeys(block, outside, self.counted, self.singled, self.temperature)


def _weight(row: ChosenKeys, by: Arithmetic, scores: Sequence[Fraction]) -> Any:
    """Sum of `e^(s/tau)` over the scores, over that of the least score counted."""
    terms = (
        by.number(count) * by.exp((score - row.least) / row.temperature) for score, count in Counter(scores).items()
    )
    return sum(terms, by.number(0))


def _leak(row: ChosenKeys, by: Arithmetic, block: Sequence[Fraction], outside: Sequence[Fraction]) -> Any:
    off = _weight(row, by, outside)
    return off / (_weight(row, by, block) + off)


def _gap(row: ChosenKeys) -> Fraction:
    return (row.least - row.largest) / row.temperature


def _leak_of_levels(row: ChosenKeys, by: Arithmetic) -> Any:
    outside = (*row.outside[: row.singled], *((row.largest,) * (len(row.outside) - row.singled)))
    return _leak(row, by, (row.least,) * row.counted, outside)


def _weight_singled(row: ChosenKeys, by: Arithmetic) -> Any:
    return _weight(row, by, row.outside[: row.singled])


_DEFINITIONS: Mapping[Symbol, Definition] = {
    letters.m: exactly(lambda row: len(row.block)),
    letters.k: exactly(lambda row: len(row.outside)),
    letters.tau: exactly(lambda row: row.temperature),
    letters.m_kept: exactly(lambda row: row.counted),
    letters.k_rest: exactly(lambda row: len(row.outside) - row.singled),
    letters.eps: lambda row, by: _leak(row, by, row.block, row.outside),
    letters.W_out: _weight_singled,
    letters.d_rest: exactly(_gap),
    letters.W_top: lambda row, by: _weight_singled(row.with_largest, by),
    letters.d_top: exactly(lambda row: _gap(row.with_largest)),
    letters.eps_levels: _leak_of_levels,
}


def _chosen(draw: st.DrawFn, block: Scores, outside: Scores, temperature: Fraction) -> ChosenKeys:
    counted = draw(st.integers(1, len(block)))
    return ChosenKeys(block, outside, counted, draw(st.integers(0, len(outside) - 1)), temperature)


@st.composite
def _any(draw: st.DrawFn) -> ChosenKeys:
    row = draw(attention_rows())
    return _chosen(draw, row.scores[: row.block], row.scores[row.block :], row.temperature)


@st.composite
def _with_sinks(draw: st.DrawFn) -> ChosenKeys:
    """Rows with sinks above a level block and the rest at one level: they attain the bound if the sinks are chosen."""
    temperature = draw(temperatures())
    scores = st.integers(-64, 64).map(lambda i: Fraction(i, 8) * temperature)
    block = (Fraction(0),) * draw(st.integers(1, 6)) + (draw(scores),) * draw(st.integers(0, 1))
    sinks = (draw(scores),) * draw(st.integers(0, 2))
    outside = sinks + (draw(scores),) * draw(st.integers(1, 8))
    if draw(st.booleans()):
        return _chosen(draw, block, outside, temperature)
    return ChosenKeys(block, outside, len(block), len(sinks), temperature)


def rows_with_chosen_keys() -> st.SearchStrategy[ChosenKeys]:
    """Attention rows with some keys chosen on either side; half have a level block and sinks, and some are sharp.

    >>> from hypothesis import find
    >>> print(find(rows_with_chosen_keys(), lambda row: row.singled == 1))
    block (0), outside (0, 0), counted 1, singled 1
    """
    return st.one_of(_any(), _with_sinks())


KIND = InstanceKind(rows_with_chosen_keys, _DEFINITIONS)
