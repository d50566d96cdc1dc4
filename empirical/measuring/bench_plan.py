"""How long the bench takes, estimated from trials on short sequences, and what of it fits into a given time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from empirical.measuring.bench_variants import Variants

# Lengths of the trials, in tokens; half of the longest case's length if that is shorter.
TRIAL = (256, 512)

# A process that measures memory loads its libraries first.
START_SECONDS = 10.0

# Every other variant is compared with it.
PLAIN = "plain"


@dataclass(frozen=True)
class Case:
    """One comparison of the bench: a task at one length, timed in `turns` rounds; `make` builds it for any length."""

    task: str
    tokens: int
    turns: int
    make: Callable[[int], Variants]
    dropout: float = 0.0
    memory: bool = False

    @property
    def kind(self) -> tuple[str, float]:
        """What cases of different lengths have in common."""
        return self.task, self.dropout

    def skipped(self, variant: str, seconds: float) -> dict[str, Any]:
        """The report's entry for a variant that was left out."""
        entry = {"task": self.task, "tokens": self.tokens, "dropout": self.dropout, "variant": variant}
        return entry | {"estimated_seconds": seconds if math.isfinite(seconds) else None}


Costs = dict[str, float]


def estimated(
    cases: Sequence[Case],
    block: int,
    timed: Callable[[Variants, int], tuple[dict[str, list[float]], Any]],
    advance: Callable[[str], None],
    clock: Clock,
) -> list[Costs]:
    """Seconds that each variant of each case will take, with its first turn and the measurement of memory.

    `timed` times variants, and `advance` is told of each trial. No trial begins when the `clock` is over: its cases
    then take an infinite time.
    """
    trials: dict[tuple[str, float], tuple[dict[str, dict[int, float]], float]] = {}
    for kind in dict.fromkeys(case.kind for case in cases):
        alike = [case for case in cases if case.kind == kind]
        advance(f"estimate, {kind[0]}")
        if clock.left <= 0:
            continue
        trials[kind] = _trial(alike[0].make, max(case.tokens for case in alike), block, timed)
    found = []
    for case in cases:
        if case.kind not in trials:
            found.append({PLAIN: math.inf})
            continue
        trial, build = trials[case.kind]
        passes = {name: predicted(times, case.tokens) for name, times in trial.items()}
        costs = {name: seconds * (case.turns + 1 + case.memory) for name, seconds in passes.items()}
        costs[PLAIN] += build
        if case.memory:
            # The plain pass runs once more before the others.
            costs[PLAIN] += START_SECONDS + build + passes[PLAIN]
        found.append(costs)
    return found


def _trial(
    make: Callable[[int], Variants],
    longest: int,
    block: int,
    timed: Callable[[Variants, int], tuple[dict[str, list[float]], Any]],
) -> tuple[dict[str, dict[int, float]], float]:
    """Seconds of one pass of each variant, by length, and those that it takes to build the variants."""
    long = min(TRIAL[1], longest)
    found: dict[str, dict[int, float]] = {}
    build = 0.0
    for tokens in (min(TRIAL[0], long // 2), long):
        if tokens > block:
            started = time.perf_counter()
            variants = make(tokens)
            build = time.perf_counter() - started
            for name, times in timed(variants, 1)[0].items():
                found.setdefault(name, {})[tokens] = min(times)
    return found, build


def predicted(times: dict[int, float], tokens: int) -> float:
    """Seconds at `tokens`, from those at one or two lengths; they have a linear and a quadratic part.

    >>> predicted({1: 3.0, 2: 10.0}, 4), predicted({2: 1.0}, 4)
    (36.0, 4.0)
    """
    if len(times) == 1:
        ((length, seconds),) = times.items()
        return seconds * (tokens / length) ** 2
    (short, first), (long, second) = sorted(times.items())
    square = max(0.0, (second / long - first / short) / (long - short))
    line = second / long - square * long
    if line < 0:
        line, square = 0.0, second / long**2
    return line * tokens + square * tokens**2


def fitting(costs: Costs, seconds: float) -> list[str]:
    """The variants that fit into so many seconds, cheapest first after the plain pass; without it none."""
    chosen: list[str] = []
    for name in sorted(costs, key=lambda name: (name != PLAIN, costs[name])):
        if costs[name] > seconds or (chosen == [] and name != PLAIN):
            continue
        chosen.append(name)
        seconds -= costs[name]
    return chosen


def foreseen(cases: Sequence[Case], costs: Sequence[Costs], seconds: float) -> tuple[float, list[dict[str, Any]]]:
    """How long the cases take within so many seconds, and the entries of what does not fit."""
    total, skipped = 0.0, []
    for case, each in zip(cases, costs, strict=True):
        chosen = fitting(each, seconds - total)
        total += sum(each[name] for name in chosen)
        skipped += [case.skipped(name, cost) for name, cost in each.items() if name not in chosen]
    return total, skipped


class Clock:
    """The time left of `seconds` since it was made."""

    def __init__(self, seconds: float) -> None:
        self._end = time.perf_counter() + seconds

    @property
    def left(self) -> float:
        """Seconds, below 0 when they are over."""
        return self._end - time.perf_counter()


def shown_seconds(seconds: float) -> str:
    """A time in words.

    >>> shown_seconds(0.3), shown_seconds(75), shown_seconds(4000)
    ('1 s', '75 s', '67 min')
    """
    return f"{max(1, round(seconds))} s" if seconds < 600 else f"{round(seconds / 60)} min"
