"""Sets of rules on a row, and checkers of their conditions, as exact data: how to draw one, and each letter's value.

Masses are ratios of integers, and a strength is the temperature times the logarithm of a rational gain, so every ruled
mass is rational too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from math import prod
from typing import Any

from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Arithmetic, Definition, exactly, shares
from proofs_check.instances.exact.instance import Instance, InstanceKind
from proofs_check.instances.games import Matrix, highest_floor, lowest_ceiling
from proofs_check.instances.row_strategies import probabilities, temperatures
from proofs_check.instances.window_samples import beta_chance, violations
from theory import design_symbols as letters
from theory import symbols as row_letters


@dataclass(frozen=True)
class RuleSet(Instance):
    """A row of masses, the keys in each rule's target, each rule's gain, and an arbitrary row to compare with.

    The row gives up a share of what it has on each target, which leaves promises that it meets. `pair` are two keys.
    """

    weights: tuple[int, ...]
    targets: tuple[tuple[bool, ...], ...]
    gains: tuple[Fraction, ...]
    promises: tuple[Fraction, ...]
    other_weights: tuple[int, ...]
    given_up: tuple[Fraction, ...]
    pair: tuple[int, int]
    temperature: Fraction

    @cached_property
    def plain(self) -> list[Fraction]:
        """Masses before any rule."""
        return shares(self.weights)

    @cached_property
    def multiplied(self) -> list[Fraction]:
        """Masses times the gains of the rules whose target contains the key, not renormalised."""
        return [mass * self.gain_at(key) for key, mass in enumerate(self.plain)]

    @cached_property
    def ruled(self) -> list[Fraction]:
        """Masses under all rules."""
        return [mass / sum(self.multiplied) for mass in self.multiplied]

    @cached_property
    def other(self) -> list[Fraction]:
        """The arbitrary row."""
        return shares(self.other_weights)

    def gain_at(self, key: int) -> Fraction:
        """Product of the gains of the rules whose target contains the key."""
        return prod((g for g, target in zip(self.gains, self.targets, strict=True) if target[key]), start=Fraction(1))

    def fidelities(self, masses: Sequence[Fraction]) -> list[Fraction]:
        """Mass on each target."""
        pairs = (zip(masses, target, strict=True) for target in self.targets)
        return [sum((mass for mass, inside in pair if inside), Fraction(0)) for pair in pairs]

    @property
    def payoff(self) -> Matrix:
        """1 where a rule's target contains a key, else 0."""
        return tuple(tuple(Fraction(inside) for inside in target) for target in self.targets)

    @property
    def excess(self) -> Matrix:
        """The payoff less the rule's promise."""
        return tuple(tuple(x - f for x in row) for row, f in zip(self.payoff, self.promises, strict=True))


def _strength(drawn: RuleSet, by: Arithmetic, gain: Fraction) -> Any:
    return by.number(drawn.temperature) * by.log(by.number(gain))


def _strengths(drawn: RuleSet, by: Arithmetic, factors: Sequence[Fraction]) -> Any:
    """Sum of the rules' strengths, each times its factor."""
    pairs = zip(drawn.gains, factors, strict=True)
    return sum((by.number(factor) * _strength(drawn, by, gain) for gain, factor in pairs), by.number(0))


def _divergence(by: Arithmetic, first: Sequence[Fraction], second: Sequence[Fraction]) -> Any:
    pairs = ((p, q) for p, q in zip(first, second, strict=True) if p)
    return sum((by.number(p) * by.log(by.number(p / q)) for p, q in pairs), by.number(0))


def _met(drawn: RuleSet) -> list[Fraction]:
    """Promises that the arbitrary row meets, some with room to spare."""
    return [f * (1 - spare) for f, spare in zip(drawn.fidelities(drawn.other), drawn.given_up, strict=True)]


def _one_rule(drawn: RuleSet) -> Fraction:
    gained = drawn.gains[0] * drawn.fidelities(drawn.plain)[0]
    return gained / (gained + 1 - drawn.fidelities(drawn.plain)[0])


_RULE_DEFINITIONS: Mapping[Symbol, Definition] = {
    row_letters.tau: exactly(lambda drawn: drawn.temperature),
    row_letters.F: exactly(lambda drawn: drawn.fidelities(drawn.plain)[0]),
    letters.odds: exactly(lambda drawn: drawn.plain[drawn.pair[0]] / drawn.plain[drawn.pair[1]]),
    letters.odds_ruled: exactly(lambda drawn: drawn.ruled[drawn.pair[0]] / drawn.ruled[drawn.pair[1]]),
    letters.boost: lambda drawn, by: _strength(drawn, by, drawn.gain_at(drawn.pair[0])),
    letters.boost_other: lambda drawn, by: _strength(drawn, by, drawn.gain_at(drawn.pair[1])),
    letters.strength: lambda drawn, by: _strength(drawn, by, drawn.gains[0]),
    letters.strengths: lambda drawn, by: _strengths(drawn, by, [Fraction(1)] * len(drawn.gains)),
    letters.promise: exactly(lambda drawn: drawn.promises[0]),
    letters.F_ruled: exactly(_one_rule),
    letters.tilt: lambda drawn, by: by.log(by.number(sum(drawn.multiplied))),
    letters.promised_strength: lambda drawn, by: _strengths(drawn, by, _met(drawn)),
    letters.kept_strength: lambda drawn, by: _strengths(drawn, by, drawn.fidelities(drawn.ruled)),
    letters.KL_any: lambda drawn, by: _divergence(by, drawn.other, drawn.plain),
    letters.KL_ruled: lambda drawn, by: _divergence(by, drawn.ruled, drawn.plain),
    letters.least_mass: exactly(lambda drawn: min(drawn.plain)),
    letters.rules: exactly(lambda drawn: len(drawn.targets)),
    letters.cover: exactly(lambda drawn: max(sum(column) for column in zip(*drawn.targets, strict=True))),
    letters.shared: exactly(lambda drawn: highest_floor(drawn.payoff)),
    letters.shared_dual: exactly(lambda drawn: lowest_ceiling(drawn.payoff)),
    letters.shared_any: exactly(lambda drawn: min(drawn.fidelities(drawn.other))),
    letters.shared_ruled: exactly(lambda drawn: min(drawn.fidelities(drawn.ruled))),
    letters.slack: exactly(lambda drawn: highest_floor(drawn.excess)),
    letters.slack_dual: exactly(lambda drawn: lowest_ceiling(drawn.excess)),
}


@st.composite
def rule_sets(draw: st.DrawFn) -> RuleSet:
    """Up to three rules on up to six keys, disjoint or overlapping; no target is empty, the first is not all keys.

    >>> from hypothesis import find
    >>> rules = find(rule_sets(), lambda rules: len(rules.weights) > 2)
    >>> rules.weights, rules.gains, rules.temperature
    ((1, 1, 1), (Fraction(1, 1),), Fraction(1, 1))
    """
    keys = draw(st.integers(2, 6))
    count = draw(st.integers(1, min(3, keys - 1)))
    if draw(st.booleans()):
        # The last owner stands for no rule, so that a key may be in no target.
        others = st.lists(st.integers(0, count), min_size=keys - count - 1, max_size=keys - count - 1)
        owner = draw(st.permutations([*range(count), count, *draw(others)]))
        targets = [[place == rule for place in owner] for rule in range(count)]
    else:
        some = st.lists(st.booleans(), min_size=keys, max_size=keys).filter(lambda each: any(each) and not all(each))
        targets = [draw(some) for _ in range(count)]
    weights = draw(st.lists(st.integers(1, 40), min_size=keys, max_size=keys))
    inside = Fraction(sum(w for w, held in zip(weights, targets[0], strict=True) if held), sum(weights))
    promises = [draw(probabilities()) for _ in range(count)]
    exact_gain = promises[0] / (1 - promises[0]) * (1 - inside) / inside
    gain = st.one_of(st.integers(4, 64).map(lambda i: Fraction(i, 4)), st.just(Fraction(1)), st.just(Fraction(10**6)))
    gains = [draw(gain) for _ in range(count)]
    if draw(st.booleans()) and exact_gain >= 1:
        gains[0] = exact_gain
    return RuleSet(
        weights=tuple(weights),
        targets=tuple(map(tuple, targets)),
        gains=tuple(gains),
        promises=tuple(promises),
        other_weights=tuple(draw(st.lists(st.integers(0, 12), min_size=keys, max_size=keys).filter(any))),
        given_up=tuple(draw(st.sampled_from((Fraction(0), Fraction(1, 4)))) for _ in range(count)),
        pair=(draw(st.integers(0, keys - 1)), draw(st.integers(0, keys - 1))),
        temperature=draw(temperatures()),
    )


@st.composite
def _astray_rule_sets(draw: st.DrawFn) -> RuleSet:
    """Rule sets whose last rule has an empty target."""
    drawn = draw(rule_sets().filter(lambda rules: len(rules.targets) > 1))
    return replace(drawn, targets=(*drawn.targets[:-1], (False,) * len(drawn.weights)))


RULE_KIND = InstanceKind(
    rule_sets,
    _RULE_DEFINITIONS,
    {"no empty target": lambda drawn: all(map(any, drawn.targets))},
    _astray_rule_sets,
)


@dataclass(frozen=True)
class Situation(Instance):
    """A case in which the condition holds: how often, whether the checker fired, fidelity without and with the rule."""

    weight: int
    fired: bool
    plain: Fraction
    ruled: Fraction

    @property
    def got(self) -> Fraction:
        """Fidelity of the row after the checker."""
        return self.ruled if self.fired else self.plain


@dataclass(frozen=True)
class Checker(Instance):
    """Situations in which a rule's condition holds, some caught and some missed."""

    situations: tuple[Situation, ...]

    @property
    def missed(self) -> Fraction:
        """Probability that the condition is missed."""
        return 1 - self.mean("fired")

    @property
    def promise(self) -> Fraction:
        """Least fidelity that the rule gives where it fires."""
        return min(s.ruled for s in self.situations if s.fired)

    def mean(self, of: str, fired: bool | None = None) -> Fraction:
        """Weighted mean of an entry of the situations, or of those that fired or were missed."""
        chosen = [s for s in self.situations if fired in (None, s.fired)]
        return sum((s.weight * Fraction(getattr(s, of)) for s in chosen), Fraction(0)) / sum(s.weight for s in chosen)

    def at_least(self, promise: Fraction) -> Checker:
        """The checker, were the fidelity the promise where the rule fires and 0 where the condition is missed."""
        return Checker(tuple(replace(s, plain=Fraction(0), ruled=promise) for s in self.situations))


@st.composite
def checkers(draw: st.DrawFn) -> Checker:
    """Checkers that fire in at least one situation and miss at least one; misses may depend on the plain fidelity."""
    fidelity = st.integers(1, 15).map(lambda i: Fraction(i, 16))
    alike = draw(st.one_of(st.none(), fidelity))
    situations = []
    for fired in (True, False, *draw(st.lists(st.booleans(), max_size=3))):
        plain = draw(fidelity) if alike is None else alike
        situations.append(Situation(draw(st.integers(1, 9)), fired, plain, draw(fidelity)))
    return Checker(tuple(situations))


CHECKER_KIND = InstanceKind(
    checkers,
    {
        letters.missed: exactly(lambda drawn: drawn.missed),
        letters.mean_fidelity: exactly(lambda drawn: drawn.mean("got")),
        letters.mean_fired: exactly(lambda drawn: drawn.mean("got", fired=True)),
        letters.mean_missed: exactly(lambda drawn: drawn.mean("plain", fired=False)),
        letters.mean_plain: exactly(lambda drawn: drawn.mean("plain")),
        letters.promise: exactly(lambda drawn: drawn.promise),
    },
)


@dataclass(frozen=True)
class Version(Instance):
    """A version of a checker, for how many times it is at work, and what is said of its misses.

    Misses are counted in `measured` independent cases, for a binomial bound that fails with at most `error`. `claimed`
    is any other number.
    """

    checker: Checker
    times: int
    measured: int
    error: Fraction
    claimed: Fraction

    def uncovered(self) -> Fraction:
        """Probability that the Beta bound at the misses counted is below the probability of a miss."""
        missed = self.checker.missed
        chances = violations([1] * self.measured, missed)
        # Where every case is missed, the bound is 1.
        tails = (beta_chance(hits + 1, self.measured - hits, missed) for hits in range(self.measured))
        return sum((p for p, tail in zip(chances, tails, strict=False) if tail > 1 - self.error), Fraction(0))


@dataclass(frozen=True)
class ReloadedChecker(Instance):
    """Versions of a checker, one after the other; the first `early` times are left out of some letters."""

    versions: tuple[Version, ...]
    early: int
    error: Fraction

    @property
    def at_work(self) -> list[Version]:
        """The version at work at each time."""
        return [version for version in self.versions for _ in range(version.times)]

    @property
    def promise(self) -> Fraction:
        """Least promise of a version."""
        return min(version.checker.promise for version in self.versions)

    def mean(self, of: Callable[[Version], Fraction]) -> Fraction:
        """Mean over the times."""
        return sum(map(of, self.at_work), Fraction(0)) / len(self.at_work)


@st.composite
def reloaded_checkers(draw: st.DrawFn) -> ReloadedChecker:
    """Up to three versions, some with the least fidelity or no misses; errors at which the bounds of misses turn."""
    count, level = draw(st.integers(1, 3)), draw(st.sampled_from((None, Fraction(1, 2), Fraction(15, 16))))
    versions = []
    for _ in range(count):
        checker = draw(checkers() if level is None else checkers().map(lambda drawn: drawn.at_least(level)))
        if draw(st.integers(0, 3)) == 3:
            checker = Checker(tuple(s for s in checker.situations if s.fired))
        measured = draw(st.integers(1, 6))
        few = accumulate(violations([1] * measured, checker.missed))
        turning = [chance * Fraction(65, 64) for chance in few if chance * Fraction(65, 64) < Fraction(1, count)]
        error = draw(st.sampled_from([chance for chance in turning if chance] or [Fraction(1, 9)]))
        claimed = min(Fraction(1), checker.missed + draw(st.integers(-8, 6).map(lambda i: Fraction(i, 8))))
        versions.append(Version(checker, draw(st.integers(1, 5)), measured, error, max(Fraction(0), claimed)))
    errors = sum((version.error for version in versions), Fraction(0))
    early = draw(st.integers(0, sum(version.times for version in versions) - 1))
    return ReloadedChecker(tuple(versions), early, errors + (1 - errors) * Fraction(draw(st.integers(0, 1)), 4))


@st.composite
def _astray_reloaded_checkers(draw: st.DrawFn) -> ReloadedChecker:
    """Checkers of which every version takes the whole error, or more than a half."""
    drawn = draw(reloaded_checkers().filter(lambda drawn: len(drawn.versions) > 1))
    return replace(drawn, error=max(version.error for version in drawn.versions))


RELOADED_KIND = InstanceKind(
    reloaded_checkers,
    {
        letters.promise: exactly(lambda drawn: drawn.promise),
        letters.times: exactly(lambda drawn: len(drawn.at_work)),
        letters.early: exactly(lambda drawn: drawn.early),
        letters.missed_mean: exactly(lambda drawn: drawn.mean(lambda v: v.checker.missed)),
        letters.missed_late: exactly(lambda drawn: max(each.checker.missed for each in drawn.at_work[drawn.early :])),
        letters.missed_most: exactly(lambda drawn: drawn.mean(lambda v: v.claimed)),
        letters.spare: exactly(lambda drawn: min(each.claimed - each.checker.missed for each in drawn.versions)),
        letters.fidelity_mean: exactly(lambda drawn: drawn.mean(lambda v: v.checker.mean("got"))),
        letters.fidelity_least: exactly(lambda each: each.mean(lambda v: v.checker.at_least(each.promise).mean("got"))),
        letters.kept_mean: exactly(lambda each: each.mean(lambda v: v.checker.at_least(v.checker.promise).mean("got"))),
        letters.errors: exactly(lambda drawn: sum(version.error for version in drawn.versions)),
        letters.error_all: exactly(lambda drawn: drawn.error),
        # At the worst the bounds fail in turn, never two at once.
        letters.covered_all: exactly(lambda drawn: max(0, 1 - sum(version.uncovered() for version in drawn.versions))),
    },
    astray=_astray_reloaded_checkers,
)
