"""The results of a search over a box, and the same as plain data, for a worker process."""

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


def finding_to_json(found: Finding) -> dict[str, Any]:
    """The finding as data."""
    data: dict[str, Any] = {"verdict": found.verdict.value, "boxes": found.boxes, "seconds": found.seconds}
    if isinstance(found, Certified):
        data["certificate"] = found.certificate.payload
    elif isinstance(found, Refuted):
        # Hexadecimal: Python writes no decimal integer of more than 4,300 digits.
        data["point"] = {name: [f"{x.numerator:x}", f"{x.denominator:x}"] for name, x in found.point.items()}
    elif isinstance(found, Undecided):
        data |= {"reason": found.reason, "left": list(found.left)}
    return data


def finding_from_json(data: Mapping[str, Any]) -> Finding:
    """The finding that the data describes."""
    boxes, seconds = int(data["boxes"]), float(data["seconds"])
    verdict = Verdict(data["verdict"])
    if verdict is Verdict.PROVED:
        return Certified(Certificate(data["certificate"]), boxes, seconds)
    if verdict is Verdict.REFUTED:
        point = {name: Fraction(int(top, 16), int(bottom, 16)) for name, (top, bottom) in data["point"].items()}
        return Refuted(point, boxes, seconds)
    if verdict is Verdict.UNDECIDED:
        return Undecided(data["reason"], boxes, seconds, tuple(data["left"]))
    return Vacuous(boxes, seconds)
