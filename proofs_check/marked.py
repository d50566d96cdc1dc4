"""`bound`: marks a function of a user's file as a bound to decide; pytest and `localist verify` run it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from proofs_check.statuses import Status
from theory.errors import DomainError


@dataclass(frozen=True)
class Bound:
    """A function that returns a claim, and how much is asked of it."""

    make: Callable[[], Any]
    at_least: Status
    rows: int
    samples: float
    seed: int


def bound(
    make: Callable[[], Any] | None = None,
    /,
    *,
    at_least: str = "sampled",
    rows: int = 60,
    samples: float = 20_000,
    seed: int = 0,
) -> Bound | Callable[[Callable[[], Any]], Bound]:
    """Marks a function without arguments that returns a `Statement`, a clause, or a sympy claim in its letters.

    In a test file pytest then runs every method on the claim, and the test passes if its status is `at_least` that:
    "sampled", "derived", "certified" or "kernel-checked". `rows` instances are decided exactly, `samples` attention
    rows are screened in floats. `localist verify FILE.py::NAME` runs the same from the command line. Raises
    `DomainError` for another status, numbers below 1, a negative seed, or a function that takes arguments.
    """
    statuses = {each.value: each for each in Status if each.holds}
    if at_least not in statuses:
        raise DomainError(f"at_least={at_least!r} must be one of {', '.join(statuses)}")
    for name, number, least in (("rows", rows, 1), ("samples", samples, 1), ("seed", seed, 0)):
        if not number >= least:
            raise DomainError(f"{name}={number!r} must be at least {least}")

    def mark(make: Callable[[], Any]) -> Bound:
        if not callable(make):
            raise DomainError(f"bound needs a function that returns a claim, not {make!r}")
        if wanted := ", ".join(inspect.signature(make).parameters):
            raise DomainError(f"{make.__name__}({wanted}) must take no arguments: a bound has no fixtures")
        return Bound(make, statuses[at_least], rows, samples, seed)

    return mark if make is None else mark(make)
