"""Heads with one surviving feature block, and the attention row of one query (C6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances import rows
from proofs_check.instances.heads import Entries, entries_of, matrix, shown
from proofs_check.instances.quantities import dot, exactly, root_as, vector
from proofs_check.instances.rows import Arithmetic, AttentionRow
from proofs_check.instances.structure import built_in
from theory import symbols as row_letters
from theory import weight_symbols as letters


def _inner(a: Iterable[Fraction], b: Iterable[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


@dataclass(frozen=True)
class SurvivingBlock:
    """A head with one surviving feature block: a query, that block of `W_K`, and the keys' features in it."""

    query: tuple[Fraction, ...]
    key: Entries
    features: Entries
    block: int
    temperature: Fraction = Fraction(1)
    key_bias: tuple[Fraction, ...] = ()

    def __str__(self) -> str:
        return (
            f"query {shown((self.query,))}, W_K {shown(self.key)}, "
            f"block features {shown(self.features[: self.block])}, "
            f"others {shown(self.features[self.block :])}, temperature {self.temperature}"
            + (f", key bias {shown((self.key_bias,))}" if self.key_bias else "")
        )

    @property
    def levels(self) -> int:
        """How many different scores the row has."""
        return self.row.levels

    @property
    def row(self) -> AttentionRow:
        """The attention row of the query; the width is a square, so its scores are rational."""
        scale = Fraction(1, round(len(self.query) ** 0.5))
        scores = []
        bias = self.key_bias or (Fraction(0),) * len(self.query)
        for feature in self.features:
            key = [
                sum((x * w for x, w in zip(feature, column, strict=True)), raised)
                for column, raised in zip(zip(*self.key, strict=True), bias, strict=True)
            ]
            scores.append(scale * sum((a * b for a, b in zip(self.query, key, strict=True)), Fraction(0)))
        return AttentionRow(tuple(scores), self.block, self.temperature)


def _of_row(letter: Symbol) -> Any:
    return lambda head, by: rows.DEFINITIONS[letter](head.row, by)


def _pull(head: SurvivingBlock, by: Arithmetic) -> Any:
    pulled = [dot(row, vector(head.query)) for row in matrix(head.key)]
    return root_as(by, dot(pulled, pulled))


SURVIVING_DEFINITIONS: Mapping[Symbol, Any] = {
    **{
        x: _of_row(x)
        for x in (row_letters.delta, row_letters.eps, row_letters.H, row_letters.m, row_letters.k, row_letters.tau)
    },
    letters.d_k: exactly(lambda head: len(head.query)),
    letters.s_in: exactly(lambda head: min(head.row.scores[: head.block])),
    letters.reach_off: lambda head, by: root_as(by, max(dot(x, x) for x in matrix(head.features)[head.block :])),
    letters.pull: _pull,
}


SURVIVING_STRUCTURE: Mapping[str, Any] = {
    "no key bias": lambda head: not any(head.key_bias),
    "no normalisation": built_in,
    "others extinct": built_in,
}


@st.composite
def astray_surviving_blocks(draw: st.DrawFn) -> SurvivingBlock:
    """Heads whose keys have a bias."""
    head = draw(surviving_blocks())
    width = len(head.query)
    return replace(head, key_bias=tuple(draw(st.integers(1, 8).map(Fraction)) for _ in range(width)))


@st.composite
def surviving_blocks(draw: st.DrawFn) -> SurvivingBlock:
    """Queries and keys of width 1 or 4; in some, every off-target key lies along the query's direction."""
    width, features, tokens = draw(st.sampled_from([1, 4])), draw(st.integers(1, 2)), draw(st.integers(2, 6))
    block = draw(st.integers(1, tokens - 1))
    key = draw(entries_of(features, width))
    query = draw(entries_of(1, width))[0]
    keys = draw(entries_of(tokens, features))
    if draw(st.booleans()):
        along = tuple(_inner(row, query) for row in key)
        keys = (*keys[:block], *((tuple(x / 8 for x in along)),) * (tokens - block))
    return SurvivingBlock(query, key, keys, block, draw(st.sampled_from([Fraction(1), Fraction(1, 3), Fraction(4)])))
