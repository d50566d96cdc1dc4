"""Group-sparse attention rows (B5) as exact data, with their maximiser computed from the optimality conditions.

A multiplier `x` gives every key of the block the mass `max(s - x, 0)/tau`, and every group the part of `max(s_g - x,
0)/tau` that the penalty leaves. At the maximiser the masses add up to 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

from flint import arb, ctx, fmpq
from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Arithmetic, Definition, exactly
from proofs_check.instances.exact.instance import Instance, InstanceKind, built_in
from proofs_check.instances.exact.quantities import Quantity, given_as, norm, rational, root_as, total
from proofs_check.instances.row_strategies import FAMILIES
from theory import symbols as letters
from theory import weight_symbols as sparse
from theory.lowering import Undecided

# Bisection to more bits than this takes too long for the tie it may decide.
_MOST_BITS = 4096
# A prime: a rival of this grain hardly ever equals a maximiser with mass off the block, a tie no precision decides.
_GRAIN = 10007


@dataclass(frozen=True)
class SparseRow(Instance):
    """Scores, block first, the groups' sizes and penalties in the order of the rest, and a rival distribution."""

    scores: tuple[Fraction, ...]
    block: int
    sizes: tuple[int, ...]
    penalties: tuple[Fraction, ...]
    temperature: Fraction = Fraction(1)
    weights: tuple[int, ...] = ()

    @cached_property
    def groups(self) -> tuple[tuple[Fraction, ...], ...]:
        """The scores off the block, group by group."""
        ends = [self.block]
        for size in self.sizes:
            ends.append(ends[-1] + size)
        return tuple(self.scores[a:b] for a, b in pairwise(ends))

    @cached_property
    def block_level(self) -> Fraction:
        """Level at which the block alone takes all mass."""
        return _level(self.scores[: self.block], self.temperature)

    @cached_property
    def tops_level(self) -> Fraction:
        """Level at which the block and each group's top key, its score less the penalty, take all mass."""
        tops = [max(scores) - penalty for scores, penalty in zip(self.groups, self.penalties, strict=True)]
        return _level([*self.scores[: self.block], *tops], self.temperature)

    @cached_property
    def water_level(self) -> Fraction:
        """The level by the closed form of the theory."""
        ordered = sorted(self.scores[: self.block], reverse=True)
        return max((sum(ordered[:j], Fraction(0)) - self.temperature) / j for j in range(1, len(ordered) + 1))

    def square_above(self, group: int, at: Fraction) -> Fraction:
        """`|max(s_g - at, 0)|_2` squared."""
        return sum((max(score - at, Fraction(0)) ** 2 for score in self.groups[group]), Fraction(0))

    @cached_property
    def rational(self) -> bool:
        """Whether the maximiser has mass on at most the top key of each group: its masses are then rational."""
        at = self.tops_level
        return all(
            sorted(scores)[-2:-1] <= [at] if max(scores) - penalty > at else self.square_above(i, at) <= penalty**2
            for i, (scores, penalty) in enumerate(zip(self.groups, self.penalties, strict=True))
        )


def _level(scores: Sequence[Fraction], temperature: Fraction) -> Fraction:
    """The level at which `sum of max(s - level, 0)` is the temperature; keys below it are dropped in turn."""
    kept = list(scores)
    while True:
        at = (sum(kept, Fraction(0)) - temperature) / len(kept)
        above = [score for score in kept if score > at]
        if len(above) == len(kept):
            return at
        kept = above


@dataclass(frozen=True)
class _Maximiser:
    block: list[Quantity]
    groups: list[list[Quantity]]
    norms: list[Quantity]

    @property
    def masses(self) -> list[Quantity]:
        return [*self.block, *(p for group in self.groups for p in group)]

    @property
    def mass(self) -> Quantity:
        return total(self.masses)

    @property
    def leak(self) -> Quantity:
        return total(p for group in self.groups for p in group)


def _above(score: Quantity, at: Quantity) -> Quantity:
    height = score - at
    return (height if height > 0 else fmpq(0)) if isinstance(height, fmpq) else height.max(arb(0))


def _masses_at(row: SparseRow, at: Quantity) -> _Maximiser:
    tau = rational(row.temperature)
    groups, norms = [], []
    for scores, penalty in zip(row.groups, map(rational, row.penalties), strict=True):
        heights = [_above(rational(score), at) for score in scores]
        left = norm(heights) - penalty
        left = fmpq(0) if left <= 0 else left.max(arb(0))
        # The norm that the penalty leaves is spread in proportion to the heights.
        groups.append([left / (left + penalty) * height / tau for height in heights])
        norms.append(left / tau)
    return _Maximiser([_above(rational(s), at) / tau for s in row.scores[: row.block]], groups, norms)


def _maximiser(row: SparseRow, by: Arithmetic) -> _Maximiser:
    if "maximiser" not in by.memo:
        by.memo["maximiser"] = _solve(row)
    return by.memo["maximiser"]


def _solve(row: SparseRow) -> _Maximiser:
    if row.rational:
        level, tau = row.tops_level, row.temperature
        block = [rational(max(score - level, Fraction(0)) / tau) for score in row.scores[: row.block]]
        groups = [
            [rational(max(score - penalty - level, Fraction(0)) / tau) for score in scores]
            for scores, penalty in zip(row.groups, row.penalties, strict=True)
        ]
        return _Maximiser(block, groups, [total(group) for group in groups])
    if ctx.prec > _MOST_BITS:
        raise Undecided("the multiplier is not computed to so many bits")
    low, high = arb(rational(row.tops_level)).lower(), arb(rational(max(row.scores))).upper()
    for trial in range(2 * ctx.prec):
        # Not always the middle: if the multiplier is exactly that number, no ball separates its mass from 1.
        split = arb(8 if trial % 2 else 7) / 16
        at = (low + (high - low) * split).mid()
        mass = _masses_at(row, at).mass
        if mass > 1:
            low = at
        elif mass < 1:
            high = at
    # Every mass decreases in the multiplier, so the ball from one end to the other encloses the maximiser.
    return _masses_at(row, low.union(high))


def _objective(row: SparseRow, masses: Sequence[Quantity], norms: Sequence[Quantity]) -> Quantity:
    linear = total(rational(s) * p for s, p in zip(row.scores, masses, strict=True))
    penalty = total(rational(lam) * size for lam, size in zip(row.penalties, norms, strict=True))
    return linear - rational(row.temperature) / 2 * total(p * p for p in masses) - penalty


def _rival(row: SparseRow, by: Arithmetic) -> Any:
    masses = [fmpq(weight, sum(row.weights)) for weight in row.weights]
    norms, at = [], row.block
    for size in row.sizes:
        norms.append(norm(masses[at : at + size]))
        at += size
    return given_as(by, _objective(row, masses, norms))


def _best(row: SparseRow, by: Arithmetic) -> Any:
    found = _maximiser(row, by)
    return given_as(by, _objective(row, found.masses, found.norms))


def _entropy(row: SparseRow, by: Arithmetic) -> Any:
    found = _maximiser(row, by)
    masses = [given_as(by, mass) for mass in found.masses if mass != 0]
    return sum((-mass * by.log(mass) for mass in masses), by.number(0))


def _overload(row: SparseRow, by: Arithmetic) -> Any:
    ratios = (row.square_above(i, row.water_level) / lam**2 for i, lam in enumerate(row.penalties))
    return root_as(by, rational(max(ratios)))


def _least_penalty(row: SparseRow, by: Arithmetic) -> Any:
    return root_as(by, rational(min(lam**2 / size for lam, size in zip(row.penalties, row.sizes, strict=True))))


_DEFINITIONS: Mapping[Symbol, Definition] = {
    letters.m: exactly(lambda row: row.block),
    letters.tau: exactly(lambda row: row.temperature),
    letters.delta: exactly(lambda row: min(row.scores[: row.block]) - max(row.scores[row.block :])),
    letters.delta_mean: exactly(
        lambda row: sum(row.scores[: row.block], Fraction(0)) / row.block - max(row.scores[row.block :])
    ),
    letters.J_any: _rival,
    sparse.nu: exactly(lambda row: row.water_level),
    sparse.level: exactly(lambda row: row.block_level),
    sparse.over: _overload,
    sparse.lam_each: _least_penalty,
    sparse.eps_sparse: lambda row, by: given_as(by, _maximiser(row, by).leak),
    sparse.H_sparse: _entropy,
    sparse.J_sparse: _best,
}


@st.composite
def sparse_rows(draw: st.DrawFn, most_keys: int = 8) -> SparseRow:
    """Rows with groups, half of them with penalties at or next to the threshold of their own scores."""
    family = draw(st.sampled_from(["tied", "two-level", "gaussian", "flat"]))
    keys = draw(st.integers(2, most_keys))
    block = draw(st.integers(1, keys - 1))
    if family == "flat":
        # One score in the block and one off it: this row attains the threshold in the margin.
        gap = draw(st.integers(-8, 8).map(lambda i: Fraction(i, 8)))
        scores = (gap,) * block + (Fraction(0),) * (keys - block)
    else:
        # A grid: logarithms of the masses enter exact forms, which factor them.
        scores = tuple(Fraction(round(1024 * score), 1024) for score in draw(FAMILIES[family].of_size(keys, block)))
    cuts = sorted(draw(st.sets(st.integers(block + 1, keys - 1)))) if keys - block > 1 else []
    ends = [block, *cuts, keys]
    sizes = tuple(b - a for a, b in pairwise(ends))
    temperature = draw(st.sampled_from([Fraction(1), Fraction(1, 4), Fraction(5, 2)]))
    bare = SparseRow(scores, block, sizes, (Fraction(1),) * len(sizes), temperature)
    penalties = tuple(draw(_penalties(bare, i)) for i in range(len(sizes)))
    drawn = draw(st.lists(st.integers(0, 6), min_size=keys, max_size=keys).filter(any))
    weights = [weight * (_GRAIN // sum(drawn)) for weight in drawn]
    weights[weights.index(max(weights))] += _GRAIN - sum(weights)
    return SparseRow(scores, block, sizes, penalties, temperature, tuple(weights))


def _penalties(row: SparseRow, group: int) -> st.SearchStrategy[Fraction]:
    """Penalties of one group: arbitrary, or at, just below or just above the threshold of its scores."""
    square = row.square_above(group, row.block_level)
    # Newton's step from the float root: from above, and equal to the root where that is a float.
    rounded = Fraction(float(square) ** 0.5)
    near = (rounded + square / rounded) / 2 if rounded else Fraction(0)
    free = st.integers(1, 40).map(lambda i: Fraction(i, 8))
    if near <= 0:
        return free
    factors = st.sampled_from([Fraction(1), Fraction(1), Fraction(199, 200), Fraction(201, 200), Fraction(1, 2)])
    return st.one_of(free, factors.map(lambda factor: factor * near))


KIND = InstanceKind(
    sparse_rows,
    _DEFINITIONS,
    {
        "groups cover": lambda row: row.block + sum(row.sizes) == len(row.scores) and min(row.sizes) > 0,
        "block free": built_in,
    },
)
