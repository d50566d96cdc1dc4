"""The results of a search over a box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from proofs_check.inequalities.search.certificates import Certificate
from proofs_check.inequalities.verdict import Verdict


@dataclass(frozen=True)
class Certified:
    """The claim holds on all of its domain; `certificate` says why."""

    certificate: Certificate
    boxes: int
    seconds: float
    verdict: Verdict = Verdict.PROVED


@dataclass(frozen=True)
class Refuted:
    """The claim is false at `point`, an exact rational point of its domain."""

    point: Mapping[str, Fraction]
    boxes: int
    seconds: float
    verdict: Verdict = Verdict.REFUTED


@dataclass(frozen=True)
class Undecided:
    """Neither a proof nor a false point was found. `reason` says why, `left` gives some of the boxes left."""

    reason: str
    boxes: int
    seconds: float
    left: Sequence[Mapping[str, Any]] = field(default=())
    verdict: Verdict = Verdict.UNDECIDED


@dataclass(frozen=True)
class Vacuous:
    """The domain is empty: the claim says nothing."""

    boxes: int = 0
    seconds: float = 0.0
    verdict: Verdict = Verdict.VACUOUS


Finding = Certified | Refuted | Undecided | Vacuous


def time_limit(seconds: float) -> str:
    """The `reason` of a search that reached its time limit."""
    return f"time limit of {seconds:g} s reached"
