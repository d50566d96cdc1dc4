"""Heads with one surviving feature block, and the attention row of one query (C6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Definition, exactly
from proofs_check.instances.exact.instance import Instance, InstanceKind, built_in
from proofs_check.instances.exact.quantities import Entries, Vector, inner, rational, root_as
from proofs_check.instances.rows import AttentionRow, of_row
from proofs_check.instances.weights.heads import entries_of
from theory import symbols as row_letters
from theory import weight_symbols as letters


@dataclass(frozen=True)
class SurvivingBlock(Instance):
    """A head with one surviving feature block: a query, that block of `W_K`, and the keys' features in it."""

    query: Vector
    key: Entries
    features: Entries
    block: int
    temperature: Fraction = Fraction(1)
    key_bias: Vector = ()

    @property
    def levels(self) -> int:
        """How many different scores the row has."""
        return self.row.levels

    @property
    def pulled(self) -> Vector:
        """The query through `W_K`: what a key's features are multiplied by."""
        return tuple(inner(row, self.query) for row in self.key)

    @cached_property
    def row(self) -> AttentionRow:
        """The attention row of the query; the width is a square, so its scores are rational."""
        bias, columns = self.key_bias or (Fraction(0),) * len(self.query), list(zip(*self.key, strict=True))
        keys = ([inner(x, column) + b for column, b in zip(columns, bias, strict=True)] for x in self.features)
        scores = tuple(inner(self.query, key) / round(len(self.query) ** 0.5) for key in keys)
        return AttentionRow(scores, self.block, self.temperature)


SURVIVING_DEFINITIONS: Mapping[Symbol, Definition] = {
    **of_row(row_letters.delta, row_letters.eps, row_letters.H, row_letters.m, row_letters.k, row_letters.tau),
    letters.d_k: exactly(lambda head: len(head.query)),
    letters.s_in: exactly(lambda head: min(head.row.scores[: head.block])),
    letters.reach_off: lambda head, by: root_as(by, rational(max(inner(x, x) for x in head.features[head.block :]))),
    letters.pull: lambda head, by: root_as(by, rational(inner(head.pulled, head.pulled))),
}


@st.composite
def surviving_blocks(draw: st.DrawFn) -> SurvivingBlock:
    """Queries and keys of width 1 or 4; in some, every off-target key lies along the query's direction."""
    width, features, tokens = draw(st.sampled_from([1, 4])), draw(st.integers(1, 2)), draw(st.integers(2, 6))
    block = draw(st.integers(1, tokens - 1))
    key = draw(entries_of(features, width))
    query = draw(entries_of(1, width))[0]
    keys = draw(entries_of(tokens, features))
    if draw(st.booleans()):
        along = tuple(inner(row, query) / 8 for row in key)
        keys = (*keys[:block], *((along,) * (tokens - block)))
    return SurvivingBlock(query, key, keys, block, draw(st.sampled_from([Fraction(1), Fraction(1, 3), Fraction(4)])))


@st.composite
def _astray(draw: st.DrawFn) -> SurvivingBlock:
    """Heads whose keys have a bias."""
    head = draw(surviving_blocks())
    return replace(head, key_bias=tuple(draw(st.integers(1, 8).map(Fraction)) for _ in head.query))


KIND = InstanceKind(
    surviving_blocks,
    SURVIVING_DEFINITIONS,
    {
        "no key bias": lambda head: not any(head.key_bias),
        "no normalisation": built_in,
        "others extinct": built_in,
    },
    _astray,
)
