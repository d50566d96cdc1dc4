"""The statuses of a statement: one vocabulary for the terminal, the page of claims, JSON and the documentation.

A verdict is the result of one method; a status sums up all methods and the evidence.
"""

from __future__ import annotations

from enum import Enum


class Status(Enum):
    """How well a statement is established, the strongest first; `meaning` defines each."""

    KERNEL_CHECKED = "kernel-checked"
    CERTIFIED = "certified"
    DERIVED = "derived"
    SAMPLED = "sampled"
    UNDECIDED = "undecided"
    STALE = "stale"
    MISSING = "missing"
    VACUOUS = "vacuous"
    REFUTED = "refuted"

    @property
    def meaning(self) -> str:
        """What the status says, as one or more sentences."""
        return _MEANINGS[self]

    @property
    def holds(self) -> bool:
        """Whether the statement is at least sampled."""
        return self.at_least(Status.SAMPLED)

    @property
    def strict(self) -> bool:
        """Whether the statement is at least certified, as `verify --strict` requires."""
        return self.at_least(Status.CERTIFIED)

    def at_least(self, other: Status) -> bool:
        """Whether the status is that one or a stronger one."""
        return _ORDER.index(self) <= _ORDER.index(other)


_ORDER = list(Status)
_MEANINGS = {
    Status.KERNEL_CHECKED: (
        "Coq's kernel accepted a proof of every clause, from the definitions of an instance's letters; the clause is "
        "printed from the statement's value, and the proof rests on the axioms of the classical reals alone."
    ),
    Status.CERTIFIED: (
        "sympy decided every step of the derivation, and intervals certified every inequality among the steps over "
        "its whole domain. How the steps combine is argued in words."
    ),
    Status.DERIVED: "sympy decided every step; some inequality has no certificate, or the derivation has none.",
    Status.SAMPLED: (
        "every clause was decided in its favour, exactly, at random instances; the result is cited, or sympy left a "
        "step undecided."
    ),
    Status.UNDECIDED: "a clause was not decided at some instance.",
    Status.STALE: "the evidence is of another statement or form, or part of it does not bear out what it says.",
    Status.MISSING: "there is no evidence.",
    Status.VACUOUS: "no instance was found that meets a clause's assumptions.",
    Status.REFUTED: "a method found a counterexample.",
}
