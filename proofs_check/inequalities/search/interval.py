"""The interval method: certifies an inequality of exponentials and logarithms over a whole box of reals, or refutes it.

Branch and bound with exact rational ends and Arb's outward rounding; where the two sides meet, exact local arguments.
A proof comes with a certificate that `proofs_check.inequalities.replay` has accepted, which shares no code with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import sympy
from sympy import Expr, Set, Symbol

from proofs_check.inequalities.arguments import seconds_of, whole_number
from proofs_check.inequalities.search.branching import Progress
from proofs_check.inequalities.search.claims import check_claim
from proofs_check.inequalities.search.domains import sides_of
from proofs_check.inequalities.search.findings import Certified, Finding, Refuted, Undecided, Vacuous
from proofs_check.inequalities.search.limited import decide_within
from proofs_check.inequalities.search.pool import Pool, exact
from proofs_check.inequalities.search.search import Request, decide
from theory.errors import DomainError

__all__ = ["BOXES", "PRECISION", "Certified", "Finding", "Refuted", "Undecided", "Vacuous", "certify"]

BOXES = 20_000
PRECISION = 64


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
    """Decides `Le`, `Lt`, `Ge` or `Gt` over a box: one `Interval` per letter, open, half open or infinite.

    Integer letters are relaxed to reals, except that only an integer point refutes. `substitution` writes a letter of
    unbounded domain in a new one, exactly: `x = a - log t`, `a + 1/t` or `a + t/(1 - t)`; without it, these are tried
    in turn. `equality_at` gives rational points at which the sides meet, as a hint. `boxes` bounds the boxes
    examined, over all substitutions. `seconds` bounds the whole search, even inside sympy or Arb: it runs in a worker
    process that is killed at the limit and whose first start takes about a second more. Without `seconds` the search
    runs in this process and may take very long. An error inside sympy is UNDECIDED. Raises `DomainError` for a claim or
    a domain without interval rules, for a letter whose sympy assumptions do not hold on all of its interval, and for an
    invalid hint, substitution or budget; `InputError` if no worker process can be started.

    >>> from sympy import Interval, exp, symbols
    >>> x = symbols("x", real=True)
    >>> certify(exp(x) >= 1 + x, {x: Interval(-10, 10)}).verdict
    <Verdict.PROVED: 'proved'>
    >>> certify(exp(x) > 1 + x, {x: Interval(-10, 10)}).point
    {'x': Fraction(0, 1)}
    """
    if claim in (sympy.true, sympy.false, True, False):
        return Undecided(f"sympy evaluated the claim to {claim}: build it with evaluate=False", 0, 0.0, claim=claim)
    boxes, precision = whole_number("boxes", boxes, 0), whole_number("precision", precision, 2)
    seconds = None if seconds is None else seconds_of("seconds", seconds)
    sides = sides_of(claim, domain)
    if sides is None:
        return Vacuous(claim=claim)
    check_claim(claim)
    request = Request(claim, sides, _changes(substitution, claim), _hints(equality_at, domain), boxes, precision)
    # A timer cannot count further: such a limit, of years, is ignored.
    if seconds is None or seconds > threading.TIMEOUT_MAX / 2:
        return replace(decide(request, None, progress), claim=claim)
    return replace(decide_within(request, seconds, progress), claim=claim)


def _changes(substitution: Any, claim: Any) -> dict[Symbol, Expr] | None:
    if substitution is None:
        return None
    if not isinstance(substitution, Mapping):
        raise DomainError(f"substitution={substitution!r} must map letters of the claim to expressions")
    for symbol, written in substitution.items():
        if symbol not in claim.free_symbols:
            raise DomainError(f"{symbol} in the substitution must be a letter of the claim")
        if not isinstance(written, Expr):
            raise DomainError(f"substitution {symbol} = {written!r} must be a sympy expression")
        Pool().from_sympy(written)
    return dict(substitution)


def _hints(points: Any, domain: Mapping[Symbol, Set]) -> tuple[dict[str, Fraction], ...]:
    """The hinted points at which the sides meet; `DomainError` for one that is not rational."""
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
