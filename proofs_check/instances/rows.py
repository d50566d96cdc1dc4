"""One attention row as exact data, and the value of every letter on it, computed from the definitions alone.

Nothing here uses a statement of the catalogue: a letter is what the theory's table of definitions says. The arithmetic
is a parameter, so that the same definitions give Arb balls and exact algebraic forms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, Protocol

from sympy import Symbol

from theory import symbols as letters


@dataclass(frozen=True)
class AttentionRow:
    """Scores of the visible keys, block first, with everything that statements vary; every number is exact.

    `scores` and `values` run over the keys, `seen` are the scores as measured with errors, and `weights` are the
    unnormalised masses of an arbitrary distribution to compare with.
    """

    scores: tuple[Fraction, ...]
    block: int
    temperature: Fraction = Fraction(1)
    dial: Fraction = Fraction(0)
    penalty: Fraction = Fraction(0)
    leak_target: Fraction = Fraction(1, 10)
    fidelity_target: Fraction = Fraction(9, 10)
    other_dial: Fraction = Fraction(0)
    values: tuple[Fraction, ...] = ()
    seen: tuple[Fraction, ...] = ()
    weights: tuple[int, ...] = ()
    family: str = field(default="given", compare=False)

    def __str__(self) -> str:
        def listed(numbers: Sequence[Fraction]) -> str:
            return "[" + ", ".join(f"{float(x):.6g}" for x in numbers) + "]"

        inside, outside = self.scores[: self.block], self.scores[self.block :]
        parts = [
            f"block scores {listed(inside)}",
            f"other scores {listed(outside)}",
            f"temperature {float(self.temperature):.6g}",
            f"dial {float(self.dial):.6g}",
            f"other dial {float(self.other_dial):.6g}",
            f"penalty {float(self.penalty):.6g}",
            f"leak target {float(self.leak_target):.6g}",
        ]
        return ", ".join(parts)

    @cached_property
    def levels(self) -> int:
        """How many different scores the row has."""
        return len(set(self.scores))


class Arithmetic(Protocol):
    """The operations that definitions need: exact rationals, exponentials, logarithms, absolute values.

    `memo` keeps the masses of one row, which most letters share.
    """

    memo: dict[Any, Any]

    def number(self, value: Fraction | int) -> Any:
        """The value of an exact rational."""

    def exp(self, exponent: Fraction) -> Any:
        """`e` to the power of an exact rational."""

    def exp_of(self, x: Any) -> Any:
        """`e` to the power of a number of this arithmetic; raises `Undecided` if it has no form."""

    def log(self, x: Any) -> Any:
        """Natural logarithm."""

    def absolute(self, x: Any) -> Any:
        """Absolute value."""


Definition = Callable[[AttentionRow, Arithmetic], Any]


@dataclass(frozen=True)
class Group:
    """Keys with equal score on the same side: the score before the temperature, whether in the block, and how many."""

    score: Fraction
    inside: bool
    count: int


Masses = list[tuple[Group, Any]]


def _groups(row: AttentionRow) -> list[Group]:
    counted = Counter((score, i < row.block) for i, score in enumerate(row.scores))
    return [Group(score, inside, count) for (score, inside), count in counted.items()]


def _masses(
    row: AttentionRow,
    by: Arithmetic,
    dialled: bool = False,
    penalised: bool = False,
    block_only: bool = False,
    other_dial: bool = False,
) -> Masses:
    """Softmax mass of one key of every group, in the plain, the dialled or the penalised row."""
    key = (dialled, penalised, block_only, other_dial)
    if key not in by.memo:
        by.memo[key] = _softmax(row, by, *key)
    return by.memo[key]


def _softmax(
    row: AttentionRow, by: Arithmetic, dialled: bool, penalised: bool, block_only: bool, other_dial: bool
) -> Masses:
    groups = [group for group in _groups(row) if group.inside or not block_only]
    dial = row.other_dial if other_dial else row.dial
    top = max(group.score for group in groups)
    weights = []
    for group in groups:
        score = group.score - top
        if penalised and not group.inside:
            score -= row.penalty
        weight = by.exp(score / row.temperature)
        if (dialled or other_dial) and group.inside:
            # exp of the bias log(1/(1 - dial)) is the rational 1/(1 - dial).
            weight = weight * by.number(1 / (1 - dial))
        weights.append(weight)
    total = _sum(by, (by.number(group.count) * weight for group, weight in zip(groups, weights, strict=True)))
    return [(group, weight / total) for group, weight in zip(groups, weights, strict=True)]


def _sum(by: Arithmetic, terms: Any) -> Any:
    total = by.number(0)
    for term in terms:
        total = total + term
    return total


def _mass(row: AttentionRow, by: Arithmetic, inside: bool, **which: bool) -> Any:
    return _sum(by, (by.number(g.count) * a for g, a in _masses(row, by, **which) if g.inside is inside))


def _entropy(row: AttentionRow, by: Arithmetic, **which: bool) -> Any:
    return _sum(by, (-by.number(g.count) * a * by.log(a) for g, a in _masses(row, by, **which)))


def _conditional(row: AttentionRow, by: Arithmetic, inside: bool) -> Masses:
    masses = [(g, a) for g, a in _masses(row, by) if g.inside is inside]
    total = _sum(by, (by.number(g.count) * a for g, a in masses))
    return [(g, a / total) for g, a in masses]


def _conditional_entropy(row: AttentionRow, by: Arithmetic, inside: bool) -> Any:
    return _sum(by, (-by.number(g.count) * a * by.log(a) for g, a in _conditional(row, by, inside)))


def _mean_score(row: AttentionRow, by: Arithmetic, inside: bool) -> Any:
    return _sum(by, (by.number(g.count * g.score) * a for g, a in _conditional(row, by, inside)))


def _value_sums(row: AttentionRow, inside: bool) -> dict[Fraction, Fraction]:
    sums: dict[Fraction, Fraction] = {}
    for i, (score, value) in enumerate(zip(row.scores, row.values, strict=True)):
        if (i < row.block) is inside:
            sums[score] = sums.get(score, Fraction(0)) + value
    return sums


def _mean_value(row: AttentionRow, by: Arithmetic, inside: bool) -> Any:
    sums = _value_sums(row, inside)
    return _sum(by, (by.number(sums[g.score]) * a for g, a in _conditional(row, by, inside)))


def _output(row: AttentionRow, by: Arithmetic, **which: bool) -> Any:
    sums = {inside: _value_sums(row, inside) for inside in (True, False)}
    return _sum(by, (by.number(sums[g.inside][g.score]) * a for g, a in _masses(row, by, **which)))


def _beside_null_key(row: AttentionRow, by: Arithmetic) -> tuple[Any, Any]:
    """Mass of a null key that weighs as much as the whole block, and the other keys' output beside it."""
    top = max(row.scores)
    weights = [(g, by.exp((g.score - top) / row.temperature)) for g in _groups(row)]
    null = _sum(by, (by.number(g.count) * weight for g, weight in weights if g.inside))
    total = null + _sum(by, (by.number(g.count) * weight for g, weight in weights))
    sums = {inside: _value_sums(row, inside) for inside in (True, False)}
    return null / total, _sum(by, (by.number(sums[g.inside][g.score]) * weight for g, weight in weights)) / total


def _two_level(row: AttentionRow, by: Arithmetic) -> tuple[Any, Any]:
    """Leak and entropy of the row whose block stands at the separation and whose other keys stand at 0."""
    inside, outside = by.number(row.block), by.number(len(row.scores) - row.block)
    low = by.exp(-_margin(row.scores, row.block) / row.temperature)
    total = inside + outside * low
    upper, lower = 1 / total, low / total
    return outside * lower, -inside * upper * by.log(upper) - outside * lower * by.log(lower)


def _pair_entropy(row: AttentionRow, by: Arithmetic) -> Any:
    """Entropy of the row whose scores are 0 but for one key of the block and one outside, the separation `d` apart.

    Their scores are `(1 - s) d` and `-s d`, where `s = 1/(1 + e^-d)` is the share of the first in their mass.
    """
    gap = _margin(row.scores, row.block) / row.temperature
    share = 1 / (by.number(1) + by.exp(-gap))
    pair = [by.exp_of((1 - share) * by.number(gap)), by.exp_of(-share * by.number(gap))]
    others = by.number(len(row.scores) - 2)
    total = others + pair[0] + pair[1]
    return _sum(by, (-x / total * by.log(x / total) for x in pair)) - others / total * by.log(1 / total)


def _total_variation(row: AttentionRow, by: Arithmetic) -> Any:
    pairs = zip(_masses(row, by, dialled=True), _masses(row, by), strict=True)
    changes = (by.number(g.count) * by.absolute(a - b) for (g, a), (_, b) in pairs)
    return by.number(Fraction(1, 2)) * _sum(by, changes)


def _divergence(row: AttentionRow, by: Arithmetic) -> Any:
    pairs = zip(_masses(row, by, dialled=True), _masses(row, by), strict=True)
    return _sum(by, (by.number(g.count) * a * (by.log(a) - by.log(b)) for (g, a), (_, b) in pairs))


def _soft_margin(row: AttentionRow, by: Arithmetic) -> Any:
    def log_mean_exp(inside: bool) -> Any:
        groups = [g for g in _groups(row) if g.inside is inside]
        top = max(g.score for g in groups)
        count = sum(g.count for g in groups)
        total = _sum(by, (by.number(g.count) * by.exp((g.score - top) / row.temperature) for g in groups))
        return by.number(top / row.temperature) + by.log(total / by.number(count))

    return log_mean_exp(True) - log_mean_exp(False)


def _objective_of_any(row: AttentionRow, by: Arithmetic) -> Any:
    total = sum(row.weights)
    masses = [Fraction(weight, total) for weight in row.weights]
    linear = sum((p * s for p, s in zip(masses, row.scores, strict=True)), Fraction(0))
    linear -= row.penalty * sum(masses[row.block :], Fraction(0))
    entropy = _sum(by, (-by.number(p) * by.log(by.number(p)) for p in masses if p))
    return by.number(linear) + by.number(row.temperature) * entropy


def _objective_of_softmax(row: AttentionRow, by: Arithmetic) -> Any:
    linear = _sum(
        by,
        (
            by.number(g.count * (g.score - (0 if g.inside else row.penalty))) * a
            for g, a in _masses(row, by, penalised=True)
        ),
    )
    return linear + by.number(row.temperature) * _entropy(row, by, penalised=True)


def _mean(numbers: Sequence[Fraction]) -> Fraction:
    return sum(numbers, Fraction(0)) / len(numbers)


def _margin(scores: Sequence[Fraction], block: int) -> Fraction:
    return min(scores[:block]) - max(scores[block:])


def _mean_margin(row: AttentionRow) -> Fraction:
    return _mean(row.scores[: row.block]) - max(row.scores[row.block :])


def _exactly(value: Callable[[AttentionRow], Fraction | int]) -> Definition:
    return lambda row, by: by.number(value(row))


DEFINITIONS: Mapping[Symbol, Definition] = {
    letters.m: _exactly(lambda row: row.block),
    letters.k: _exactly(lambda row: len(row.scores) - row.block),
    letters.tau: _exactly(lambda row: row.temperature),
    letters.lam: _exactly(lambda row: row.dial),
    letters.pen: _exactly(lambda row: row.penalty),
    letters.eps_target: _exactly(lambda row: row.leak_target),
    letters.F_target: _exactly(lambda row: row.fidelity_target),
    letters.delta: _exactly(lambda row: _margin(row.scores, row.block)),
    letters.delta_mean: _exactly(_mean_margin),
    letters.reach: _exactly(lambda row: max(row.scores[: row.block]) - _mean(row.scores[row.block :])),
    letters.d: _exactly(lambda row: _margin(row.scores, row.block) / row.temperature),
    letters.d_mean: _exactly(lambda row: _mean_margin(row) / row.temperature),
    letters.r: _exactly(lambda row: (max(row.scores) - min(row.scores)) / row.temperature),
    letters.u: _exactly(lambda row: max(abs(a - b) for a, b in zip(row.scores, row.seen, strict=True))),
    letters.delta_seen: _exactly(lambda row: _margin(row.seen, row.block)),
    letters.spread: _exactly(lambda row: max(row.values) - min(row.values)),
    letters.F: lambda row, by: _mass(row, by, True),
    letters.eps: lambda row, by: _mass(row, by, False),
    letters.Delta: _soft_margin,
    letters.H: lambda row, by: _entropy(row, by),
    letters.H_B: lambda row, by: _conditional_entropy(row, by, True),
    letters.H_C: lambda row, by: _conditional_entropy(row, by, False),
    letters.sbar_B: lambda row, by: _mean_score(row, by, True),
    letters.sbar_C: lambda row, by: _mean_score(row, by, False),
    letters.vbar_B: lambda row, by: _mean_value(row, by, True),
    letters.vbar_C: lambda row, by: _mean_value(row, by, False),
    letters.F_lam: lambda row, by: _mass(row, by, True, dialled=True),
    letters.eps_lam: lambda row, by: _mass(row, by, False, dialled=True),
    letters.H_lam: lambda row, by: _entropy(row, by, dialled=True),
    letters.lam_more: _exactly(lambda row: row.other_dial),
    letters.H_more: lambda row, by: _entropy(row, by, other_dial=True),
    letters.eps_two: lambda row, by: _two_level(row, by)[0],
    letters.H_two: lambda row, by: _two_level(row, by)[1],
    letters.H_pair: _pair_entropy,
    letters.o_plain: lambda row, by: _output(row, by),
    letters.o_B: lambda row, by: _output(row, by, block_only=True),
    letters.o_lam: lambda row, by: _output(row, by, dialled=True),
    letters.p_null: lambda row, by: _beside_null_key(row, by)[0],
    letters.o_null: lambda row, by: _beside_null_key(row, by)[1],
    letters.H_mask: lambda row, by: _entropy(row, by, block_only=True),
    letters.TV: _total_variation,
    letters.KL: _divergence,
    letters.shift: lambda row, by: _output(row, by, dialled=True) - _output(row, by),
    letters.eps_pen: lambda row, by: _mass(row, by, False, penalised=True),
    letters.J_any: _objective_of_any,
    letters.J_soft: _objective_of_softmax,
}
