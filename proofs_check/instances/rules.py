"""Sets of rules on a row, and checkers of their conditions, as exact data: how to draw one, and each letter's value.

Masses are ratios of integers, and a strength is the temperature times the logarithm of a rational gain, so every ruled
mass is rational too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any

from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.games import Matrix, highest_floor, lowest_ceiling
from proofs_check.instances.row_strategies import probabilities, temperatures
from theory import design_symbols as letters
from theory import symbols as row_letters

Masses = tuple[Fraction, ...]


def _shares(weights: Sequence[Fraction | int]) -> Masses:
    total = sum(weights, Fraction(0))
    return tuple(Fraction(weight) / total for weight in weights)


@dataclass(frozen=True)
class RuleSet:
    """A row of masses, the keys in each rule's target, each rule's gain, and an arbitrary row to compare with."""

    weights: tuple[int, ...]
    targets: tuple[tuple[bool, ...], ...]
    gains: tuple[Fraction, ...]
    promises: tuple[Fraction, ...]
    other_weights: tuple[int, ...]
    given_up: tuple[Fraction, ...]
    pair: tuple[int, int]
    temperature: Fraction
    levels: int = 0

    def __str__(self) -> str:
        targets = ["".join("x" if inside else "." for inside in target) for target in self.targets]
        return (
            f"weights {self.weights}, targets {targets}, gains {[str(g) for g in self.gains]}, promises "
            f"{[str(f) for f in self.promises]}, other weights {self.other_weights}, temperature {self.temperature}"
        )

    @cached_property
    def plain(self) -> Masses:
        """Masses before any rule."""
        return _shares(self.weights)

    @cached_property
    def multiplied(self) -> Masses:
        """Masses times the gains of the rules whose target contains the key, not renormalised."""
        return tuple(mass * self.gain_at(key) for key, mass in enumerate(self.plain))

    @cached_property
    def ruled(self) -> Masses:
        """Masses under all rules."""
        return _shares(self.multiplied)

    @cached_property
    def other(self) -> Masses:
        """The arbitrary row."""
        return _shares(self.other_weights)

    def gain_at(self, key: int) -> Fraction:
        """Product of the gains of the rules whose target contains the key."""
        return prod((g for g, target in zip(self.gains, self.targets, strict=True) if target[key]), start=Fraction(1))

    def fidelities(self, masses: Masses) -> list[Fraction]:
        """Mass on each target."""
        return [
            sum((a for a, inside in zip(masses, target, strict=True) if inside), Fraction(0)) for target in self.targets
        ]

    @cached_property
    def payoff(self) -> Matrix:
        """1 where a rule's target contains a key, else 0."""
        return tuple(tuple(Fraction(inside) for inside in target) for target in self.targets)

    @cached_property
    def excess(self) -> Matrix:
        """The payoff less the rule's promise."""
        return tuple(tuple(x - f for x in row) for row, f in zip(self.payoff, self.promises, strict=True))


def _strength(drawn: RuleSet, by: Any, gain: Fraction) -> Any:
    return by.number(drawn.temperature) * by.log(by.number(gain))


def _total(by: Any, terms: Any) -> Any:
    total = by.number(0)
    for term in terms:
        total = total + term
    return total


def _weighted_strengths(drawn: RuleSet, by: Any, factors: Sequence[Fraction]) -> Any:
    pairs = zip(drawn.gains, factors, strict=True)
    return _total(by, (by.number(factor) * _strength(drawn, by, gain) for gain, factor in pairs))


def _divergence(by: Any, first: Masses, second: Masses) -> Any:
    pairs = zip(first, second, strict=True)
    return _total(by, (by.number(p) * by.log(by.number(p / q)) for p, q in pairs if p))


def _met(drawn: RuleSet) -> list[Fraction]:
    """Promises that the arbitrary row meets, some with room to spare."""
    return [f * (1 - spare) for f, spare in zip(drawn.fidelities(drawn.other), drawn.given_up, strict=True)]


def _one_rule(drawn: RuleSet) -> Fraction:
    inside = drawn.fidelities(drawn.plain)[0]
    return drawn.gains[0] * inside / (drawn.gains[0] * inside + 1 - inside)


RULE_DEFINITIONS: Mapping[Symbol, Any] = {
    row_letters.tau: lambda drawn, by: by.number(drawn.temperature),
    row_letters.F: lambda drawn, by: by.number(drawn.fidelities(drawn.plain)[0]),
    letters.odds: lambda drawn, by: by.number(drawn.plain[drawn.pair[0]] / drawn.plain[drawn.pair[1]]),
    letters.odds_ruled: lambda drawn, by: by.number(drawn.ruled[drawn.pair[0]] / drawn.ruled[drawn.pair[1]]),
    letters.boost: lambda drawn, by: _strength(drawn, by, drawn.gain_at(drawn.pair[0])),
    letters.boost_other: lambda drawn, by: _strength(drawn, by, drawn.gain_at(drawn.pair[1])),
    letters.strength: lambda drawn, by: _strength(drawn, by, drawn.gains[0]),
    letters.strengths: lambda drawn, by: _weighted_strengths(drawn, by, [Fraction(1)] * len(drawn.gains)),
    letters.promise: lambda drawn, by: by.number(drawn.promises[0]),
    letters.F_ruled: lambda drawn, by: by.number(_one_rule(drawn)),
    letters.tilt: lambda drawn, by: by.log(by.number(sum(drawn.multiplied, Fraction(0)))),
    letters.promised_strength: lambda drawn, by: _weighted_strengths(drawn, by, _met(drawn)),
    letters.kept_strength: lambda drawn, by: _weighted_strengths(drawn, by, drawn.fidelities(drawn.ruled)),
    letters.KL_any: lambda drawn, by: _divergence(by, drawn.other, drawn.plain),
    letters.KL_ruled: lambda drawn, by: _divergence(by, drawn.ruled, drawn.plain),
    letters.least_mass: lambda drawn, by: by.number(min(drawn.plain)),
    letters.rules: lambda drawn, by: by.number(len(drawn.targets)),
    letters.cover: lambda drawn, by: by.number(max(sum(column) for column in zip(*drawn.targets, strict=True))),
    letters.shared: lambda drawn, by: by.number(highest_floor(drawn.payoff)),
    letters.shared_dual: lambda drawn, by: by.number(lowest_ceiling(drawn.payoff)),
    letters.shared_any: lambda drawn, by: by.number(min(drawn.fidelities(drawn.other))),
    letters.shared_ruled: lambda drawn, by: by.number(min(drawn.fidelities(drawn.ruled))),
    letters.slack: lambda drawn, by: by.number(highest_floor(drawn.excess)),
    letters.slack_dual: lambda drawn, by: by.number(lowest_ceiling(drawn.excess)),
}


RULE_STRUCTURE: Mapping[str, Any] = {"no empty target": lambda drawn: all(map(any, drawn.targets))}


@st.composite
def astray_rule_sets(draw: st.DrawFn) -> RuleSet:
    """Rule sets whose last rule has an empty target."""
    drawn = draw(rule_sets().filter(lambda rules: len(rules.targets) > 1))
    return replace(drawn, targets=(*drawn.targets[:-1], (False,) * len(drawn.weights)))


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
        owner = draw(st.permutations([*range(count), *draw(_owners(count, keys - count))]))
        targets = [[place == rule for place in owner] for rule in range(count)]
    else:
        targets = [draw(_target(keys)) for _ in range(count)]
    weights = draw(st.lists(st.integers(1, 40), min_size=keys, max_size=keys))
    inside = Fraction(sum(w for w, held in zip(weights, targets[0], strict=True) if held), sum(weights))
    promises = [draw(probabilities()) for _ in range(count)]
    exact_gain = promises[0] / (1 - promises[0]) * (1 - inside) / inside
    gains = [draw(_gains()) for _ in range(count)]
    if draw(st.booleans()) and exact_gain >= 1:
        gains[0] = exact_gain
    return RuleSet(
        weights=tuple(weights),
        targets=tuple(tuple(target) for target in targets),
        gains=tuple(gains),
        promises=tuple(promises),
        other_weights=tuple(draw(st.lists(st.integers(0, 12), min_size=keys, max_size=keys).filter(any))),
        given_up=tuple(draw(st.sampled_from((Fraction(0), Fraction(1, 4)))) for _ in range(count)),
        pair=(draw(st.integers(0, keys - 1)), draw(st.integers(0, keys - 1))),
        temperature=draw(temperatures()),
    )


def _gains() -> st.SearchStrategy[Fraction]:
    return st.one_of(st.integers(4, 64).map(lambda i: Fraction(i, 4)), st.just(Fraction(1)), st.just(Fraction(10**6)))


def _owners(count: int, rest: int) -> st.SearchStrategy[list[int]]:
    # The last owner stands for no rule, so that a key may be in no target.
    return st.lists(st.integers(0, count), min_size=rest - 1, max_size=rest - 1).map(lambda drawn: [count, *drawn])


def _target(keys: int) -> st.SearchStrategy[list[bool]]:
    drawn = st.lists(st.booleans(), min_size=keys, max_size=keys)
    return drawn.filter(lambda target: any(target) and not all(target))


@dataclass(frozen=True)
class Situation:
    """A case in which the condition holds: how often, whether the checker fired, fidelity without and with the rule."""

    weight: int
    fired: bool
    plain: Fraction
    ruled: Fraction


@dataclass(frozen=True)
class Checker:
    """Situations in which a rule's condition holds, some caught and some missed."""

    situations: tuple[Situation, ...]
    levels: int = 0

    def __str__(self) -> str:
        return "; ".join(
            f"weight {s.weight}, {'fired' if s.fired else 'missed'}, plain fidelity {s.plain}, ruled {s.ruled}"
            for s in self.situations
        )

    def mean(self, of: Sequence[Fraction], fired: bool | None = None) -> Fraction:
        """Weighted mean over the situations, or over those that fired or were missed."""
        chosen = [(s.weight, x) for s, x in zip(self.situations, of, strict=True) if fired in (None, s.fired)]
        return sum((w * x for w, x in chosen), Fraction(0)) / sum(w for w, _ in chosen)

    @property
    def plain(self) -> list[Fraction]:
        """Fidelity without the rule."""
        return [s.plain for s in self.situations]

    @property
    def got(self) -> list[Fraction]:
        """Fidelity of the row after the checker."""
        return [s.ruled if s.fired else s.plain for s in self.situations]


CHECKER_DEFINITIONS: Mapping[Symbol, Any] = {
    letters.missed: lambda drawn, by: by.number(drawn.mean([Fraction(not s.fired) for s in drawn.situations])),
    letters.mean_fidelity: lambda drawn, by: by.number(drawn.mean(drawn.got)),
    letters.mean_fired: lambda drawn, by: by.number(drawn.mean(drawn.got, fired=True)),
    letters.mean_missed: lambda drawn, by: by.number(drawn.mean(drawn.plain, fired=False)),
    letters.mean_plain: lambda drawn, by: by.number(drawn.mean(drawn.plain)),
    letters.promise: lambda drawn, by: by.number(min(s.ruled for s in drawn.situations if s.fired)),
}


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
