"""The results of a search over a box, each with the claim that was asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from proofs_check.inequalities.search.certificates import Certificate
from proofs_check.inequalities.showing import claim_card, point_table
from proofs_check.inequalities.verdict import Verdict
from theory.display import Card, Displayed, Table


@dataclass(frozen=True)
class KernelCheck:
    """What Coq's kernel accepted of a proved claim: the proposition, by which tactic and from which axioms.

    Not checked if `tactic` is empty; `reason` then says why. `coq` is the version, None without Coq.
    """

    proposition: str = ""
    tactic: str = ""
    axioms: tuple[str, ...] = ()
    coq: str | None = None
    reason: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the kernel accepted a proof of the proposition."""
        return bool(self.tactic)

    def __str__(self) -> str:
        if not self.accepted:
            return f"not checked: {self.reason}"
        return f"accepted by Coq {self.coq} ({self.tactic}), from {len(self.axioms)} axioms: {self.proposition}"


@dataclass(frozen=True, repr=False)
class Certified(Displayed):
    """The claim holds on all of its domain; `certificate` says why, `kernel` what Coq said if it was asked."""

    certificate: Certificate
    boxes: int
    seconds: float
    verdict: Verdict = Verdict.PROVED
    claim: Any = field(default=None, compare=False)
    kernel: KernelCheck | None = None

    def card(self) -> Card:
        """What a notebook shows."""
        sides = self.certificate.payload["statement"]["domain"].items()
        domain = ", ".join(f"{name} in {_interval(side)}" for name, side in sides)
        held = f"It holds on all of {domain}." if domain else "It holds."
        how = f"Boxes of the certificate: {self.boxes}. A replay, which shares no code with the search, accepted it."
        asked = [] if self.kernel is None else [f"Coq's kernel: {self.kernel}."]
        return _card(self, held, how, *asked)


@dataclass(frozen=True, repr=False)
class Refuted(Displayed):
    """The claim is false at `point`, an exact rational point of its domain."""

    point: Mapping[str, Fraction]
    boxes: int
    seconds: float
    verdict: Verdict = Verdict.REFUTED
    claim: Any = field(default=None, compare=False)

    def card(self) -> Card:
        """What a notebook shows."""
        return _card(self, "It is false at this exact point.", table=point_table(self.point))


@dataclass(frozen=True, repr=False)
class Undecided(Displayed):
    """Neither a proof nor a false point was found. `reason` says why, `left` gives some of the boxes left."""

    reason: str
    boxes: int
    seconds: float
    left: Sequence[Mapping[str, Any]] = field(default=())
    verdict: Verdict = Verdict.UNDECIDED
    claim: Any = field(default=None, compare=False)

    def card(self) -> Card:
        """What a notebook shows."""
        names = sorted({name for box in self.left for name in box})
        boxes = [[_interval(box[name]) if name in box else "" for name in names] for box in self.left]
        table = Table(names, boxes, "Some of the boxes left") if boxes else None
        return _card(self, f"Neither proved nor refuted: {self.reason}.", f"Boxes examined: {self.boxes}.", table=table)


@dataclass(frozen=True, repr=False)
class Vacuous(Displayed):
    """The domain is empty: the claim says nothing."""

    boxes: int = 0
    seconds: float = 0.0
    verdict: Verdict = Verdict.VACUOUS
    claim: Any = field(default=None, compare=False)

    def card(self) -> Card:
        """What a notebook shows."""
        return _card(self, "The domain is empty: the claim says nothing.")


Finding = Certified | Refuted | Undecided | Vacuous


def time_limit(seconds: float) -> str:
    """The `reason` of a search that reached its time limit."""
    return f"time limit of {seconds:g} s reached"


def _card(found: Finding, *said: str, table: Table | None = None) -> Card:
    return claim_card(found.claim, found.verdict.badge, *said, table=table)


def _interval(side: Mapping[str, Any]) -> str:
    opens, closes = "(" if side["low_open"] else "[", ")" if side["high_open"] else "]"
    return f"{opens}{side['low']}, {side['high']}{closes}"
