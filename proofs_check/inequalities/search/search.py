"""The search for one request: points first, then branch and bound with every change of variable in turn."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping

from sympy import Expr, Symbol

from proofs_check.inequalities.replay import replay_bytes
from proofs_check.inequalities.search import refuting
from proofs_check.inequalities.search.branching import Outcome, Progress, Search, largest
from proofs_check.inequalities.search.certificates import certificate_of
from proofs_check.inequalities.search.claims import Question, question_of
from proofs_check.inequalities.search.findings import Certified, Finding, Refuted, Undecided, time_limit
from proofs_check.inequalities.search.request import Request
from proofs_check.inequalities.search.substitution import KINDS, Change, change_of, fresh, matching
from theory.errors import LocalistError, first_line

Report = Callable[[Progress], None]
# Every change of variable is tried with this many boxes, then with four times as many, and so on.
_FIRST_SHARE = 64


class _FromCaller(BaseException):
    """An error of the caller's `progress`, kept apart from errors of the search."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def decide(request: Request, seconds: float | None = None, progress: Report | None = None) -> Finding:
    """Decides the request; the time limit is checked between two boxes, not within one.

    An error inside sympy or Arb is no verdict: UNDECIDED, with the error as the reason.
    """
    begun = time.monotonic()
    try:
        return _search(request, seconds, None if progress is None else _marked(progress))
    except _FromCaller as stopped:
        raise stopped.error from None
    except LocalistError:
        raise
    except Exception as error:
        reason = f"the search ended in {type(error).__name__}: {first_line(error)}"
        return Undecided(reason, 0, time.monotonic() - begun)


def _marked(progress: Report) -> Report:
    def report(state: Progress) -> None:
        try:
            progress(state)
        except Exception as error:
            raise _FromCaller(error) from None

    return report


def _search(request: Request, seconds: float | None, progress: Report | None) -> Finding:
    begun = time.monotonic()
    sides = request.by_name
    plain = question_of(request.claim, sides)
    point = refuting.scan(plain)
    if point is not None:
        return Refuted(point, 0, time.monotonic() - begun)
    changes = list(_attempts(plain)) if request.substitution is None else [_asked(request.substitution, plain)]
    searches = []
    for change in changes:
        question = question_of(request.claim, sides, change) if change else plain
        question.hints = request.hints
        searches.append(Search(question))
    total, share = 0, min(_FIRST_SHARE, request.boxes)
    best: Outcome | None = None
    looked = False
    while True:
        for search in list(searches):
            remaining = None if seconds is None else seconds - (time.monotonic() - begun)
            outcome = search.run(share, request.precision, remaining, progress)
            total += outcome.boxes
            if outcome.point is not None:
                return Refuted(outcome.point, total, time.monotonic() - begun)
            if outcome.proved:
                certificate = certificate_of(search.question, outcome)
                found = replay_bytes(certificate.to_bytes())
                if found.holds:
                    return Certified(certificate, total, time.monotonic() - begun)
                outcome.reason = f"the replay rejects the certificate: {found.reason}"
            if outcome.final:
                searches.remove(search)
            best = outcome if best is None or outcome.boxes > best.boxes else best
        if not looked:
            # A search in floats takes less time than thousands of boxes.
            point, looked = refuting.proposed(plain, request.domain), True
            if point is not None:
                return Refuted(point, total, time.monotonic() - begun)
        if not searches or share >= request.boxes or (seconds is not None and time.monotonic() - begun >= seconds):
            break
        share = min(request.boxes, share * 4)
    assert best is not None
    spent = seconds is not None and time.monotonic() - begun >= seconds
    reason = time_limit(seconds) if spent and seconds is not None else best.reason
    return Undecided(reason, total, time.monotonic() - begun, largest(best))


def _asked(substitution: Mapping[Symbol, Expr], question: Question) -> tuple[Change, ...]:
    sides = question.sides
    taken = set(sides)
    changes = []
    for symbol, written in substitution.items():
        new = fresh(symbol.name, taken)
        taken.add(new)
        changes.append(matching(symbol, written, sides[symbol.name], new))
    return tuple(changes)


def _attempts(question: Question) -> Iterator[tuple[Change, ...]]:
    """No change first; then every combination of changes for the unbounded letters."""
    yield ()
    unbounded = [name for name, side in question.box.items() if side.low is None or side.high is None]
    if not unbounded or len(unbounded) > 2:
        return
    for kinds in itertools.product(KINDS, repeat=len(unbounded)):
        changes: list[Change] = []
        for name, kind in zip(unbounded, kinds, strict=True):
            change = change_of(kind, name, fresh(name, question.sides), question.sides[name])
            if change is not None:
                changes.append(change)
        if len(changes) == len(unbounded):
            yield tuple(changes)
