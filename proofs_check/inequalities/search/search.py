"""The search for one request: points first, then branch and bound with every change of variable in turn."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sympy import Symbol

from proofs_check.inequalities.replay import replay_bytes
from proofs_check.inequalities.search import refuting
from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.branching import Progress, Search
from proofs_check.inequalities.search.cases import ByCases
from proofs_check.inequalities.search.certificates import Certificate, certificate_by_cases, certificate_of
from proofs_check.inequalities.search.claims import Question, question_of
from proofs_check.inequalities.search.findings import Certified, Finding, Refuted, Undecided, time_limit
from proofs_check.inequalities.search.ways import as_polynomial, changed, unchanged
from theory.errors import LocalistError, first_line

Report = Callable[[Progress], None]
# Every change of variable is tried with this many boxes, then with four times as many more, and so on.
_FIRST_SHARE = 16
# That many of the boxes left are told.
_SHOWN = 3


@dataclass(frozen=True)
class Request:
    """One claim with the interval of every letter, the budget of boxes and the precision in bits."""

    claim: Any
    domain: Mapping[Symbol, Side]
    boxes: int
    precision: int


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
    deadline = math.inf if seconds is None else begun + seconds
    plain = question_of(request.claim, request.domain)
    point = refuting.scan(plain)
    searches: list[Search] = []
    total, share = 0, _FIRST_SHARE

    def refuted(point: Any) -> Finding:
        return Refuted(point, total, time.monotonic() - begun)

    def begun_in_turn(asked: Iterable[Question]) -> Iterator[Search]:
        for question in asked:
            searches.append(Search(question))
            yield searches[-1]

    def report(done: int, waiting: int) -> None:
        if progress is not None:
            progress(Progress(total + done, waiting, time.monotonic() - begun))

    def goes_on() -> bool:
        return total < request.boxes and time.monotonic() < deadline

    def by_cases(way: Question | None) -> Finding | None:
        nonlocal total
        cases = ByCases(request, deadline, way)
        tree = cases.tree((), 0)
        total += cases.boxes
        if tree is None:
            return None
        certificate = certificate_by_cases(tree, total) if "parts" in tree else Certificate(tree["proof"])
        if not replay_bytes(certificate.to_bytes()).holds:
            return None
        return Certified(certificate, total, time.monotonic() - begun)

    def in_turn(turn: Iterable[Search]) -> Finding | None:
        nonlocal total
        for search in turn:
            total += search.run(min(share, request.boxes - total), request.precision, deadline, report)
            if search.point is not None:
                return refuted(search.point)
            if not search.left:
                certificate = certificate_of(search)
                found = replay_bytes(certificate.to_bytes())
                if found.holds:
                    return Certified(certificate, total, time.monotonic() - begun)
                search.reason = f"the replay rejects the certificate: {found.reason}"
        return None

    if point is not None:
        return refuted(point)
    way = as_polynomial(request, plain)
    settled = by_cases(way) if way is not None else None
    settled = settled or in_turn(begun_in_turn(unchanged(request, plain)))
    if settled is None and goes_on():
        # A search in floats takes less time than thousands of boxes.
        point = refuting.proposed(plain)
        settled = refuted(point) if point is not None else by_cases(None) if way is None else None
    settled = settled or in_turn(begun_in_turn(changed(request, plain)))
    while settled is None and goes_on() and (turn := [search for search in searches if not search.is_over]):
        share *= 4
        settled = in_turn(turn)
    if settled is not None:
        return settled
    furthest = max(searches, key=lambda search: search.boxes)
    reason = furthest.reason
    if not goes_on():
        spent = f"the budget of {request.boxes} boxes is spent"
        reason = spent if seconds is None or total >= request.boxes else time_limit(seconds)
    left = [{name: side.to_json() for name, side in cell.box.items()} for cell in furthest.left[:_SHOWN]]
    return Undecided(reason, total, time.monotonic() - begun, left)
