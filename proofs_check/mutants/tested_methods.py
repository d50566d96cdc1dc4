"""The methods under test: which mutants each gets, and its verdict on one.

A method is *complete* if it decides every mutant it gets; one that it does not refute, UNDECIDED included, is then a
failure of the toolkit. `random` decides claims exactly at every instance, `symbolic` decides steps, `interval` decides
scalar inequalities. `screen` and `adversarial` are one-sided searches: what they refute is refuted exactly, but they
may miss a mutant, which is reported and is not a failure.

To add a method, add an entry to `METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from proofs_check.inequalities.search.interval import Refuted, certify
from proofs_check.inequalities.verdict import Verdict
from proofs_check.methods.adversary import tightness
from proofs_check.methods.sampling import sample
from proofs_check.methods.symbolic import decide_step
from proofs_check.mutants import Planted
from proofs_check.mutants.derivation_mutants import lemma_mutants, step_mutants
from proofs_check.mutants.statement_mutants import mutants_of
from proofs_check.screening.screen import screen
from theory.statement import Statement

# The verdict, and the counterexample as text.
Finding = tuple[Verdict, str]

_ROWS, _TRIES = 400, 10
_SCREENED = (2e4, 2e5)
_SECONDS = 60.0
# Without a known false point, most mutants are true and the search would use all its time.
_SECONDS_UNKNOWN = 1.0


@dataclass(frozen=True)
class Method:
    """A method under test: the mutants it gets for a statement, and its verdict on one of them with a seed."""

    name: str
    complete: bool
    plant: Callable[[Statement], Iterable[Planted]]
    decide: Callable[[Planted, int], Finding]


def _claims(statement: Statement) -> Iterable[Planted]:
    return [Planted(mutant.name, mutant.statement, "an instance") for mutant in mutants_of(statement)]


def _claims_of_rows(statement: Statement) -> Iterable[Planted]:
    return _claims(statement) if statement.about == "row" else []


def _by_random(planted: Planted, seed: int) -> Finding:
    for attempt in range(_TRIES):
        found = sample(planted.asked, _ROWS, seed + attempt, shrink=False)
        if found.counterexample is not None:
            return found.verdict, str(found.counterexample)
    return found.verdict, ""


def _by_screen(planted: Planted, seed: int) -> Finding:
    for samples in _SCREENED:
        found = screen(planted.asked, samples, seed)
        if found.counterexample is not None:
            return found.verdict, str(found.counterexample)
    return found.verdict, ""


def _by_adversary(planted: Planted, seed: int) -> Finding:
    # PROVED is about the one row found, not about the claim.
    near = tightness(planted.asked, planted.asked.claim[0], seed)
    if near.counterexample is not None:
        return near.verdict, str(near.counterexample)
    return Verdict.UNDECIDED, f"nearest ratio {near.ratio:.9g}"


def _by_algebra(planted: Planted, seed: int) -> Finding:
    found = decide_step(planted.asked)
    return found.verdict, found.point


def _by_intervals(planted: Planted, seed: int) -> Finding:
    lemma = planted.asked
    found = certify(lemma.claim, lemma.domain, seconds=_SECONDS if planted.false_at else _SECONDS_UNKNOWN)
    if isinstance(found, Refuted):
        return found.verdict, ", ".join(f"{name}={value}" for name, value in found.point.items()) or "everywhere"
    return found.verdict, getattr(found, "reason", "")


METHODS: tuple[Method, ...] = (
    Method("random", True, _claims, _by_random),
    Method("screen", False, _claims_of_rows, _by_screen),
    Method("adversarial", False, _claims_of_rows, _by_adversary),
    Method("symbolic", True, step_mutants, _by_algebra),
    Method("interval", True, lemma_mutants, _by_intervals),
)
"""Every method that is tried on mutants."""
