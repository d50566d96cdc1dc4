"""Samples of windows as exact data: how to draw one, and each letter's value by counting what is equally likely."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import comb, factorial

from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances.exact.arithmetic import Definition, exactly, shares
from proofs_check.instances.exact.instance import Instance, InstanceKind
from proofs_check.instances.row_strategies import probabilities
from theory import unseen_symbols as letters

Chances = list[Fraction]


def violations(units: Iterable[int], share: Fraction) -> Chances:
    """Probability of each number of violating windows, where units of so many windows violate independently."""
    chances = [Fraction(1)]
    for size in units:
        without = [(1 - share) * chance for chance in chances] + [Fraction(0)] * size
        with_it = [Fraction(0)] * size + [share * chance for chance in chances]
        chances = [a + b for a, b in zip(without, with_it, strict=True)]
    return chances


def drawn_violations(violating: int, population: int, drawn: int) -> Chances:
    """Probability of each number of violating windows in a draw without replacement."""
    ways = [comb(violating, hit) * comb(population - violating, drawn - hit) for hit in range(drawn + 1)]
    return [Fraction(way, comb(population, drawn)) for way in ways]


def beta_chance(first: int, second: int, share: Fraction) -> Fraction:
    """Probability that a Beta variable with these whole parameters is at most the share: its density, integrated."""
    powers = (Fraction((-1) ** j * comb(second - 1, j), first + j) * share ** (first + j) for j in range(second))
    constant = Fraction(factorial(first + second - 1), factorial(first - 1) * factorial(second - 1))
    return constant * sum(powers, Fraction(0))


@dataclass(frozen=True)
class WindowSample(Instance):
    """Windows' rows with the chance of each window to be the new one, a rank, and a promise's violations.

    All windows but the new one are measured, and `seen` of them violate; of all windows a share `share` does, and
    `together` of the measured ones at a time. The corpus has `population` windows, of which `violating` violate. A
    count of violations leaves out `uncounted`.
    """

    windows: tuple[tuple[Fraction, ...], ...]
    chances: tuple[int, ...]
    rank: int
    share: Fraction
    error: Fraction
    seen: int
    population: int
    violating: int
    together: int = 1
    uncounted: int = 0

    @property
    def measured(self) -> int:
        """How many windows are measured."""
        return len(self.windows) - 1

    @property
    def least(self) -> list[Fraction]:
        """Least margin of each window."""
        return [min(rows) for rows in self.windows]

    def kept_new(self) -> Fraction:
        """Probability that every row of the new window reaches the margin of that rank among the measured windows."""
        kept = Fraction(0)
        for new, chance in enumerate(shares(self.chances)):
            level = sorted(self.least[:new] + self.least[new + 1 :])[self.rank - 1]
            kept += chance * all(margin >= level for margin in self.windows[new])
        return kept

    def covered(self) -> Fraction:
        """Probability that the Beta bound at the violations counted is at least the share."""
        whole, rest = divmod(self.measured, self.together)
        chances = violations([self.together] * whole + [rest] * (rest > 0), self.share)
        return sum((chance * self._covers(self._counted(hits)) for hits, chance in enumerate(chances)), Fraction(0))

    def _counted(self, hits: int) -> int:
        return max(0, hits - self.uncounted)

    def _covers(self, hits: int) -> bool:
        # Where every window violates, the bound is 1.
        rest = self.measured - hits
        return rest == 0 or beta_chance(hits + 1, rest, self.share) <= 1 - self.error

    def covered_drawn(self) -> Fraction:
        """Probability that the largest number with a chance above the error of so few covers the violating windows."""
        chances = drawn_violations(self.violating, self.population, self.measured)
        kept = (chance for hits, chance in enumerate(chances) if self._most(self._counted(hits)) >= self.violating)
        return sum(kept, Fraction(0))

    def _most(self, hits: int) -> int:
        numbers = range(hits, self.population - (self.measured - hits) + 1)
        return max(number for number in numbers if self.few_drawn(number, hits) > self.error)

    def few_drawn(self, violating: int, most: int) -> Fraction:
        """Probability that at most so many of the windows drawn violate, if so many of the corpus do."""
        number = min(violating, self.population)
        return sum(drawn_violations(number, self.population, self.measured)[: most + 1], Fraction(0))

    def few(self) -> Fraction:
        """Probability that at most as many independent windows violate as are seen to."""
        return sum(violations([1] * self.measured, self.share)[: self.seen + 1], Fraction(0))


_DEFINITIONS: Mapping[Symbol, Definition] = {
    letters.measured: exactly(lambda sample: sample.measured),
    letters.rank: exactly(lambda sample: sample.rank),
    letters.distinct: exactly(lambda sample: len(set(sample.least))),
    letters.kept_new: exactly(WindowSample.kept_new),
    letters.share: exactly(lambda sample: sample.share),
    letters.error: exactly(lambda sample: sample.error),
    letters.seen: exactly(lambda sample: sample.seen),
    letters.together: exactly(lambda sample: sample.together),
    letters.few: exactly(WindowSample.few),
    letters.few_beta: exactly(lambda sample: beta_chance(sample.seen + 1, sample.measured - sample.seen, sample.share)),
    letters.covered: exactly(WindowSample.covered),
    letters.population: exactly(lambda sample: sample.population),
    letters.covered_drawn: exactly(WindowSample.covered_drawn),
    letters.few_drawn: exactly(lambda sample: sample.few_drawn(sample.violating, sample.seen)),
    letters.few_drawn_more: exactly(lambda sample: sample.few_drawn(sample.violating + 1, sample.seen)),
}


@st.composite
def window_samples(draw: st.DrawFn) -> WindowSample:
    """Two to eight windows of one to three rows, some with ties, and errors at and beside what the bounds turn on."""
    count = draw(st.integers(2, 8))
    margin = st.integers(-8, 8).map(lambda i: Fraction(i, 4))
    rows = st.lists(margin, min_size=1, max_size=3).map(tuple)
    # Margins a little apart, so that a third of the samples have no ties.
    apart = draw(st.sampled_from([Fraction(0), Fraction(0), Fraction(1, 64)]))
    windows = tuple(tuple(each + i * apart for each in draw(rows)) for i in range(count))
    measured = count - 1
    population = draw(st.integers(measured, 12))
    share = draw(st.one_of(st.integers(1, 15).map(lambda i: Fraction(i, 16)), probabilities()))
    seen = draw(st.one_of(st.just(0), st.integers(0, measured)))
    sample = WindowSample(
        windows,
        (1,) * count,
        draw(st.integers(1, measured)),
        share,
        Fraction(1, 20),
        seen,
        population,
        draw(st.integers(0, population)),
        draw(st.sampled_from([1, 1, 1, measured, draw(st.integers(1, measured))])),
    )
    turning = [sample.few(), sample.few_drawn(sample.violating, draw(st.integers(0, measured)))]
    beside = [
        chance * scale for chance in turning for scale in (Fraction(1), Fraction(65, 64)) if 0 < chance * scale < 1
    ]
    usual = st.one_of(st.sampled_from([Fraction(1, 20), Fraction(1, 10), Fraction(1, 2)]), probabilities())
    return replace(sample, error=draw(st.one_of(usual, st.sampled_from(beside)) if beside else usual))


@st.composite
def _astray(draw: st.DrawFn) -> WindowSample:
    """Samples in which one window is the likelier new one, or of which some violations are not counted."""
    sample = draw(window_samples())
    if draw(st.booleans()):
        return replace(sample, uncounted=draw(st.integers(1, 2)))
    place, times = draw(st.integers(0, sample.measured)), draw(st.integers(2, 9))
    return replace(sample, chances=tuple(times if i == place else 1 for i in range(len(sample.windows))))


KIND = InstanceKind(
    window_samples,
    _DEFINITIONS,
    {
        "exchangeable": lambda sample: len(set(sample.chances)) == 1,
        "all counted": lambda sample: sample.uncounted == 0,
    },
    _astray,
)
