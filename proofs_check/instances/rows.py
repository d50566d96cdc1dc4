"""One attention row as exact data, and the value of every letter on it, computed from the definitions alone.

Nothing here uses a statement of the catalogue: a letter is what the theory's table of definitions says.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Arithmetic, Definition, entropy_of, exactly, shares
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
        sides = {"block scores": self.scores[: self.block], "other scores": self.scores[self.block :]}
        parts = [f"{name} [{', '.join(f'{float(x):.6g}' for x in side)}]" for name, side in sides.items()]
        numbers = ("temperature", "dial", "other dial", "penalty", "leak target")
        parts += [f"{name} {float(getattr(self, name.replace(' ', '_'))):.6g}" for name in numbers]
        return ", ".join(parts)

    @cached_property
    def levels(self) -> int:
        """How many different scores the row has."""
        return len(set(self.scores))


@dataclass(frozen=True)
class Group:
    """Keys with equal score on the same side: the score before the temperature, whether in the block, and how many."""

    score: Fraction
    inside: bool
    count: int


# One mass, or another number, for each key of a group.
Masses = list[tuple[Group, Any]]


def _groups(row: AttentionRow) -> list[Group]:
    counted = Counter((score, i < row.block) for i, score in enumerate(row.scores))
    return [Group(score, inside, count) for (score, inside), count in counted.items()]


def _weights(row: AttentionRow, by: Arithmetic, groups: list[Group]) -> Masses:
    """`e^(s/tau)` of the groups, over that of their top score."""
    top = max(g.score for g in groups)
    return [(g, by.exp((g.score - top) / row.temperature)) for g in groups]


def _sum(by: Arithmetic, masses: Masses, of: Callable[[Group], Fraction | int] = lambda group: 1) -> Any:
    """Sum over the keys of their mass times an exact number."""
    return sum((by.number(g.count * of(g)) * a for g, a in masses), by.number(0))


def _entropy(by: Arithmetic, masses: Masses) -> Any:
    return sum((-by.number(g.count) * a * by.log(a) for g, a in masses), by.number(0))


def _scaled(by: Arithmetic, masses: Masses) -> Masses:
    total = _sum(by, masses)
    return [(g, a / total) for g, a in masses]


def _masses(row: AttentionRow, by: Arithmetic, which: str = "plain") -> Masses:
    """Softmax mass of one key of every group: in the plain, dialled, more dialled, penalised or masked row."""
    if which not in by.memo:
        by.memo[which] = softmax(row, by, which)
    return by.memo[which]


def softmax(row: AttentionRow, by: Arithmetic, which: str = "plain") -> Masses:
    """The masses, computed anew."""
    groups = [group for group in _groups(row) if group.inside or which != "masked"]
    dial = {"dialled": row.dial, "more dialled": row.other_dial}.get(which)
    top = max(group.score for group in groups)
    weights = []
    for group in groups:
        penalty = row.penalty if which == "penalised" and not group.inside else 0
        weight = by.exp((group.score - top - penalty) / row.temperature)
        # exp of the bias log(1/(1 - dial)) is the rational 1/(1 - dial).
        weights.append((group, weight if dial is None or not group.inside else weight * by.number(1 / (1 - dial))))
    return _scaled(by, weights)


def _side(row: AttentionRow, by: Arithmetic, inside: bool, which: str = "plain") -> Masses:
    return [(g, a) for g, a in _masses(row, by, which) if g.inside is inside]


def _mass(inside: bool, which: str = "plain") -> Definition:
    return lambda row, by: _sum(by, _side(row, by, inside, which))


def _entropy_in(which: str = "plain") -> Definition:
    return lambda row, by: _entropy(by, _masses(row, by, which))


def _conditional(row: AttentionRow, by: Arithmetic, inside: bool) -> Masses:
    return _scaled(by, _side(row, by, inside))


def _mean_value_of(row: AttentionRow) -> Callable[[Group], Fraction]:
    """The mean value of a group's keys."""
    sums: dict[tuple[Fraction, bool], Fraction] = defaultdict(Fraction)
    for i, (score, value) in enumerate(zip(row.scores, row.values, strict=True)):
        sums[score, i < row.block] += value
    return lambda group: sums[group.score, group.inside] / group.count


def _mean_value(inside: bool) -> Definition:
    return lambda row, by: _sum(by, _conditional(row, by, inside), _mean_value_of(row))


def _output(which: str = "plain") -> Definition:
    return lambda row, by: _sum(by, _masses(row, by, which), _mean_value_of(row))


def _beside_null_key(row: AttentionRow, by: Arithmetic) -> tuple[Any, Any]:
    """Mass of a null key that weighs as much as the whole block, and the other keys' output beside it."""
    weights = _weights(row, by, _groups(row))
    null = _sum(by, [(g, weight) for g, weight in weights if g.inside])
    total = null + _sum(by, weights)
    return null / total, _sum(by, weights, _mean_value_of(row)) / total


def _two_level(row: AttentionRow, by: Arithmetic) -> Masses:
    """The row whose block stands at the separation and whose other keys stand at 0."""
    gap = _margin(row.scores, row.block)
    block, others = Group(gap, True, row.block), Group(Fraction(0), False, len(row.scores) - row.block)
    return _scaled(by, [(block, by.number(1)), (others, by.exp(-gap / row.temperature))])


def _pair_entropy(row: AttentionRow, by: Arithmetic) -> Any:
    """Entropy of the row whose scores are 0 but for one key of the block and one outside, the separation `d` apart.

    Their scores are `(1 - s) d` and `-s d`, where `s = 1/(1 + e^-d)` is the share of the first in their mass.
    """
    gap = _margin(row.scores, row.block) / row.temperature
    share = 1 / (by.number(1) + by.exp(-gap))
    pair = [by.exp_of((1 - share) * by.number(gap)), by.exp_of(-share * by.number(gap))]
    others = by.number(len(row.scores) - 2)
    total = others + pair[0] + pair[1]
    return sum((-x / total * by.log(x / total) for x in pair), by.number(0)) - others / total * by.log(1 / total)


def _total_variation(row: AttentionRow, by: Arithmetic) -> Any:
    pairs = zip(_masses(row, by, "dialled"), _masses(row, by), strict=True)
    return by.number(Fraction(1, 2)) * _sum(by, [(g, by.absolute(a - b)) for (g, a), (_, b) in pairs])


def _divergence(row: AttentionRow, by: Arithmetic) -> Any:
    pairs = zip(_masses(row, by, "dialled"), _masses(row, by), strict=True)
    return _sum(by, [(g, a * (by.log(a) - by.log(b))) for (g, a), (_, b) in pairs])


def _soft_margin(row: AttentionRow, by: Arithmetic) -> Any:
    def log_mean_exp(inside: bool) -> Any:
        groups = [g for g in _groups(row) if g.inside is inside]
        mean = _sum(by, _weights(row, by, groups)) / by.number(sum(g.count for g in groups))
        return by.number(max(g.score for g in groups) / row.temperature) + by.log(mean)

    return log_mean_exp(True) - log_mean_exp(False)


def _objective_of_any(row: AttentionRow, by: Arithmetic) -> Any:
    masses = shares(row.weights)
    linear = sum(p * s for p, s in zip(masses, row.scores, strict=True)) - row.penalty * sum(masses[row.block :])
    return by.number(linear) + by.number(row.temperature) * entropy_of(by, masses)


def _objective_of_softmax(row: AttentionRow, by: Arithmetic) -> Any:
    masses = _masses(row, by, "penalised")
    linear = _sum(by, masses, lambda g: g.score - (0 if g.inside else row.penalty))
    return linear + by.number(row.temperature) * _entropy(by, masses)


def _mean(numbers: Sequence[Fraction]) -> Fraction:
    return sum(numbers, Fraction(0)) / len(numbers)


def _margin(scores: Sequence[Fraction], block: int) -> Fraction:
    return min(scores[:block]) - max(scores[block:])


def _mean_margin(row: AttentionRow) -> Fraction:
    return _mean(row.scores[: row.block]) - max(row.scores[row.block :])


DEFINITIONS: Mapping[Symbol, Definition] = {
    letters.m: exactly(lambda row: row.block),
    letters.k: exactly(lambda row: len(row.scores) - row.block),
    letters.tau: exactly(lambda row: row.temperature),
    letters.lam: exactly(lambda row: row.dial),
    letters.pen: exactly(lambda row: row.penalty),
    letters.eps_target: exactly(lambda row: row.leak_target),
    letters.F_target: exactly(lambda row: row.fidelity_target),
    letters.delta: exactly(lambda row: _margin(row.scores, row.block)),
    letters.delta_mean: exactly(_mean_margin),
    letters.reach: exactly(lambda row: max(row.scores[: row.block]) - _mean(row.scores[row.block :])),
    letters.d: exactly(lambda row: _margin(row.scores, row.block) / row.temperature),
    letters.d_mean: exactly(lambda row: _mean_margin(row) / row.temperature),
    letters.r: exactly(lambda row: (max(row.scores) - min(row.scores)) / row.temperature),
    letters.u: exactly(lambda row: max(abs(a - b) for a, b in zip(row.scores, row.seen, strict=True))),
    letters.delta_seen: exactly(lambda row: _margin(row.seen, row.block)),
    letters.spread: exactly(lambda row: max(row.values) - min(row.values)),
    letters.F: _mass(True),
    letters.eps: _mass(False),
    letters.Delta: _soft_margin,
    letters.H: _entropy_in(),
    letters.H_B: lambda row, by: _entropy(by, _conditional(row, by, True)),
    letters.H_C: lambda row, by: _entropy(by, _conditional(row, by, False)),
    letters.sbar_B: lambda row, by: _sum(by, _conditional(row, by, True), lambda g: g.score),
    letters.sbar_C: lambda row, by: _sum(by, _conditional(row, by, False), lambda g: g.score),
    letters.vbar_B: _mean_value(True),
    letters.vbar_C: _mean_value(False),
    letters.F_lam: _mass(True, "dialled"),
    letters.eps_lam: _mass(False, "dialled"),
    letters.H_lam: _entropy_in("dialled"),
    letters.lam_more: exactly(lambda row: row.other_dial),
    letters.H_more: _entropy_in("more dialled"),
    letters.eps_two: lambda row, by: _sum(by, _two_level(row, by)[1:]),
    letters.H_two: lambda row, by: _entropy(by, _two_level(row, by)),
    letters.H_pair: _pair_entropy,
    letters.o_plain: _output(),
    letters.o_B: _output("masked"),
    letters.o_lam: _output("dialled"),
    letters.p_null: lambda row, by: _beside_null_key(row, by)[0],
    letters.o_null: lambda row, by: _beside_null_key(row, by)[1],
    letters.H_mask: _entropy_in("masked"),
    letters.TV: _total_variation,
    letters.KL: _divergence,
    letters.shift: lambda row, by: _output("dialled")(row, by) - _output()(row, by),
    letters.eps_pen: _mass(False, "penalised"),
    letters.J_any: _objective_of_any,
    letters.J_soft: _objective_of_softmax,
}


def of_row(*borrowed: Symbol) -> dict[Symbol, Definition]:
    """The definitions of letters of a row, on instances with a `row`."""

    def of(letter: Symbol) -> Definition:
        return lambda instance, by: DEFINITIONS[letter](instance.row, by)

    return {letter: of(letter) for letter in borrowed}
