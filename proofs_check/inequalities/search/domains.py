"""Where a user's letters range: one interval per letter, on all of which sympy's assumptions on the letter must hold.

The searches for a counterexample and for a proof both take numbers from the interval, so a number that the
assumptions exclude would make either wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from sympy import FiniteSet, Interval, Range, Rational, S, Set, Symbol

from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.pool import exact, letters_of
from theory.errors import DomainError

# Facts of all real numbers; of those that a search draws, or for which it proves a claim of all reals; of all integers.
_OF_REALS = {"commutative": True, "complex": True, "finite": True, "hermitian": True, "real": True}
_OF_REALS |= {"extended_real": True, "imaginary": False, "infinite": False}
_OF_RATIONALS = {"rational": True, "algebraic": True, "irrational": False, "transcendental": False}
_OF_INTEGERS = {"integer": True, "noninteger": False}
_SIGNS = {
    "positive": {1},
    "negative": {-1},
    "zero": {0},
    "nonnegative": {0, 1},
    "nonpositive": {-1, 0},
    "nonzero": {-1, 1},
}


def ranges_of(claim: Any, domain: Mapping[Symbol, Set]) -> dict[Symbol, Side | None]:
    """Every letter's interval, integers relaxed to reals; None for one that is empty or lacks an integer it needs.

    Raises `DomainError` unless the domain maps the claim's letters to single intervals with rational or infinite ends,
    and for a letter whose sympy assumptions do not hold on all of its interval.
    """
    if not isinstance(domain, Mapping):
        raise DomainError(f"domain {domain!r} must map every letter of the claim to its Interval")
    for symbol in domain:
        if not isinstance(symbol, Symbol):
            raise DomainError(f"domain key {symbol!r} must be a sympy symbol")
    if getattr(claim, "free_symbols", None) is None:
        raise DomainError(f"claim {claim!r} must be a sympy inequality")
    missing = [symbol for symbol in letters_of(claim) if symbol not in domain]
    if missing:
        raise DomainError(f"letter {missing[0]} of the claim must have a domain")
    names = [symbol.name for symbol in domain]
    if len(set(names)) < len(names):
        raise DomainError(f"letters {sorted(names)} must have different names")
    return {symbol: _side(symbol, values) for symbol, values in domain.items()}


def sides_of(claim: Any, domain: Mapping[Symbol, Set]) -> dict[Symbol, Side] | None:
    """Every letter's interval; None where the domain is empty. Raises `DomainError` as `ranges_of` does."""
    sides = {symbol: side for symbol, side in ranges_of(claim, domain).items() if side is not None}
    return sides if len(sides) == len(domain) else None


def filled(claim: Any, domain: Mapping[Symbol, Set]) -> dict[Symbol, Side]:
    """Every letter's interval. Raises `DomainError` as `ranges_of` does, and for one without a number."""
    sides: dict[Symbol, Side] = {}
    for letter, side in ranges_of(claim, domain).items():
        if side is None:
            held = "hold an integer" if letter.is_integer else "be an interval that is not empty"
            raise DomainError(f"domain of {letter}, {domain[letter]}, must {held}")
        sides[letter] = side
    return sides


def whole(side: Side) -> Side:
    """The integers of a side, from the first to the last: closed ends."""
    low, high = side.low, side.high
    if low is not None:
        low = Fraction(low // 1 + 1 if side.low_open else -(-low // 1))
    if high is not None:
        high = Fraction(-(-high // 1) - 1 if side.high_open else high // 1)
    return replace(side, low=low, high=high, low_open=low is None, high_open=high is None)


def side_of(symbol: Symbol, values: Any) -> Side | None:
    """A letter's interval, without regard to its assumptions, integers relaxed to reals; None if it is empty.

    Raises `DomainError` unless it is a single interval with rational or infinite ends.
    """
    if isinstance(values, Range) or values in (S.Naturals, S.Naturals0, S.Integers):
        if not symbol.is_integer or (isinstance(values, Range) and values.size > 1 and abs(values.step) != 1):
            raise DomainError(f"domain {values} of {symbol} must be one interval, or all its integers for an integer")
        values = Interval(values.inf, values.sup)
    elif values is S.Reals:
        values = Interval(S.NegativeInfinity, S.Infinity)
    if values is S.EmptySet:
        return None
    if isinstance(values, FiniteSet) and len(values) == 1:
        point = _end(symbol, values.args[0])
        return Side(point, point, False, False)
    if not isinstance(values, Interval):
        raise DomainError(f"domain {values} of {symbol} must be one interval, a sympy Interval")
    low = None if values.start is S.NegativeInfinity else _end(symbol, values.start)
    high = None if values.end is S.Infinity else _end(symbol, values.end)
    side = Side(low, high, bool(values.left_open) or low is None, bool(values.right_open) or high is None)
    return None if side.is_empty else side


def _side(symbol: Symbol, values: Set) -> Side | None:
    side = side_of(symbol, values)
    if side is None or (symbol.is_integer and whole(side).is_empty):
        return None
    _check_assumptions(symbol, side, values)
    return side


def _end(symbol: Symbol, end: Any) -> Fraction:
    if not (end.is_finite and (end.is_Rational or end.is_Float)):
        raise DomainError(f"end {end} of the domain of {symbol} must be rational or infinite: change the variable")
    return exact(end)


def _check_assumptions(symbol: Symbol, side: Side, values: Set) -> None:
    # Those declared entail all others.
    declared = getattr(symbol, "_assumptions_orig", symbol.assumptions0)
    for fact, said in declared.items():
        if said is None or _holds(fact, said, symbol, side):
            continue
        told = fact if said else f"not {fact}"
        if fact in _SIGNS:
            raise DomainError(f"domain {values} of {symbol} must lie where sympy assumes {symbol} to be: {told}")
        raise DomainError(f"letter {symbol} must not be assumed {told}: an interval cannot express that")


def _holds(fact: str, said: bool, symbol: Symbol, side: Side) -> bool:
    """Whether an assumption holds for every number that a search may take from the side."""
    if side.is_point:
        assert side.low is not None
        return getattr(Rational(side.low.numerator, side.low.denominator), f"is_{fact}") is said
    for known in (_OF_REALS, _OF_RATIONALS, _OF_INTEGERS if symbol.is_integer else {}):
        if fact in known:
            return known[fact] is said
    taken = _signs(side)
    if fact in ("prime", "composite"):
        return not said and 1 not in taken
    of_fact = _SIGNS.get(fact.removeprefix("extended_"))
    return of_fact is not None and (taken <= of_fact if said else not taken & of_fact)


def _signs(side: Side) -> set[int]:
    below = side.low is None or side.low < 0
    above = side.high is None or side.high > 0
    return {sign for sign, taken in ((-1, below), (0, side.holds(Fraction(0))), (1, above)) if taken}
