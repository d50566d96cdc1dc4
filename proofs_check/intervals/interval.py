"""The interval method: certifies an inequality of exponentials and logarithms over a whole box of reals, or refutes it.

Branch and bound with exact rational ends and Arb's outward rounding; where the two sides meet, exact local arguments.
What it proves comes with a certificate that `proofs_check.replay`, which shares no code with it, has gone through.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import sympy
from sympy import Expr, Set, Symbol

from proofs_check.arguments import seconds_of, whole_number
from proofs_check.intervals import refuting
from proofs_check.intervals.branching import Outcome, Progress, Search, largest
from proofs_check.intervals.certificates import Certificate, certificate_of
from proofs_check.intervals.claims import Question, question_of, sides_of
from proofs_check.intervals.pool import exact
from proofs_check.intervals.substitution import KINDS, Change, change_of, fresh, matching
from proofs_check.replay import replay_bytes
from proofs_check.verdict import Verdict
from theory.errors import DomainError

BOXES = 20_000
PRECISION = 64
# Every change of variable is tried with this many boxes, then with four times as many, and so on.
_FIRST_SHARE = 64


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
    """Neither was found. `reason` says why, `left` gives some of the boxes left."""

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


def certify(
    claim: Any,
    domain: Mapping[Symbol, Set],
    *,
    substitution: Mapping[Symbol, Expr] | None = None,
    equality_at: Sequence[Mapping[Symbol, Any]] = (),
    boxes: int = BOXES,
    precision: int = PRECISION,
    seconds: float | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Finding:
    """Decide `Le`, `Lt`, `Ge` or `Gt` over a box: every letter's domain one `Interval`, open, half open or infinite.

    Integer letters are relaxed to reals, except that only an integer point refutes. `substitution` writes a letter of
    unbounded domain in a new one, exactly: `x = a - log t`, `a + 1/t` or `a + t/(1 - t)`; without it, these are tried
    in turn. `equality_at` gives rational points at which the sides meet, as a hint. `boxes` bounds the search
    for each of them, `seconds` all; a last look in floats for a counterexample adds about a second. Raises
    `DomainError` for a claim or a domain that intervals have no meaning for, for a letter of which sympy assumes what
    does not hold on all of its interval, and for a hint, a substitution or a budget that is none.

    >>> from sympy import Interval, exp, symbols
    >>> x = symbols("x", real=True)
    >>> certify(exp(x) >= 1 + x, {x: Interval(-10, 10)}).verdict
    <Verdict.PROVED: 'proved'>
    >>> certify(exp(x) > 1 + x, {x: Interval(-10, 10)}).point
    {'x': Fraction(0, 1)}
    """
    begun = time.monotonic()
    if claim in (sympy.true, sympy.false, True, False):
        return Undecided(f"sympy made the claim {claim} before it arrived: build it with evaluate=False", 0, 0.0)
    boxes, precision = whole_number("boxes", boxes, 0), whole_number("precision", precision, 2)
    seconds = None if seconds is None else seconds_of("seconds", seconds)
    sides = sides_of(claim, domain)
    if sides is None:
        return Vacuous()
    hints = _hints(equality_at, domain)
    plain = question_of(claim, sides)
    point = refuting.scan(plain)
    if point is not None:
        return Refuted(point, 0, time.monotonic() - begun)
    changes = list(_attempts(plain)) if substitution is None else [_asked(substitution, plain)]
    searches = []
    for change in changes:
        question = question_of(claim, sides, change) if change else plain
        question.hints = hints
        searches.append(Search(question))
    total, share = 0, boxes if len(searches) == 1 else min(_FIRST_SHARE, boxes)
    best: Outcome | None = None
    while True:
        for search in list(searches):
            remaining = None if seconds is None else seconds - (time.monotonic() - begun)
            outcome = search.run(share, precision, remaining, progress)
            total += outcome.boxes
            if outcome.point is not None:
                return Refuted(outcome.point, total, time.monotonic() - begun)
            if outcome.proved:
                certificate = certificate_of(search.question, outcome)
                found = replay_bytes(certificate.to_bytes())
                if found.holds:
                    return Certified(certificate, total, time.monotonic() - begun)
                outcome.reason = f"the replay does not follow: {found.reason}"
            if outcome.final:
                searches.remove(search)
            best = best or outcome
        if not searches or share >= boxes or (seconds is not None and time.monotonic() - begun >= seconds):
            break
        share = min(boxes, share * 4)
    point = refuting.proposed(plain, domain)
    if point is not None:
        return Refuted(point, total, time.monotonic() - begun)
    assert best is not None
    spent = seconds is not None and time.monotonic() - begun >= seconds
    reason = f"the budget of {seconds:g} seconds is spent" if spent else best.reason
    return Undecided(reason, total, time.monotonic() - begun, largest(best))


def _hints(points: Any, domain: Mapping[Symbol, Set]) -> tuple[dict[str, Fraction], ...]:
    """The points at which the sides are said to meet; `DomainError` for one that is not rational."""
    if isinstance(points, str) or not isinstance(points, Sequence):
        raise DomainError(f"equality_at={points!r} must be a list of points")
    found = []
    for point in points:
        if not isinstance(point, Mapping) or not point.keys() <= domain.keys():
            raise DomainError(f"point {point!r} of equality_at must map letters of the domain to rational numbers")
        found.append({symbol.name: _rational(symbol, value) for symbol, value in point.items()})
    return tuple(found)


def _rational(symbol: Symbol, value: Any) -> Fraction:
    try:
        number = sympy.sympify(value) if isinstance(value, int | float | Fraction) else value
        if number.is_finite and (number.is_Rational or number.is_Float):
            return exact(number)
    except (AttributeError, TypeError, ValueError):
        pass
    raise DomainError(f"{symbol}={value!r} in equality_at must be a rational number")


def _asked(substitution: Any, question: Question) -> tuple[Change, ...]:
    if not isinstance(substitution, Mapping):
        raise DomainError(f"substitution={substitution!r} must map letters of the claim to expressions")
    sides, letters = question.sides, question.claim.free_symbols
    taken = set(sides)
    changes = []
    for symbol, written in substitution.items():
        if symbol not in letters:
            raise DomainError(f"{symbol} in the substitution must be a letter of the claim")
        if not isinstance(written, Expr):
            raise DomainError(f"substitution {symbol} = {written!r} must be a sympy expression")
        new = fresh(symbol.name, taken)
        taken.add(new)
        changes.append(matching(symbol, written, sides[symbol.name], new))
    return tuple(changes)


def _attempts(question: Question) -> Iterator[tuple[Change, ...]]:
    """No change first; then, for every infinite direction together, each kind of change."""
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
