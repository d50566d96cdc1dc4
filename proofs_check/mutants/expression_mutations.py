"""Systematic mutations of a formula: a term scaled or dropped, a factor forgotten, letters swapped or moved.

They are candidates. An exact point must show which of them are false: a mutation may change nothing (a factor that was
1), or weaken a bound that was not sharp.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from sympy import Add, Expr, Mul, Pow, Rational, Symbol, together

Mutated = tuple[str, Expr]

LESS, MORE = Rational(99, 100), Rational(101, 100)
_LITTLE = Rational(1, 1000)
# At most this many terms and factors of a formula are mutated; long formulas have dozens of similar ones.
_PARTS = 4


def mutations_of_value(expr: Expr) -> Iterator[Mutated]:
    """Yields expressions with other values than `expr`, for the right side of an equality."""
    yield "sign flipped", -expr
    yield "scaled by 0.99", LESS * expr
    yield "a little more", expr + _LITTLE
    yield from _dropped(expr)
    yield from _letters_confused(expr)


def mutations_of_sign(expr: Expr) -> Iterator[Mutated]:
    """Yields expressions likely to be below 0 somewhere if `expr >= 0` is sharp, for an inequality."""
    yield "inequality flipped", -expr
    yield "moved by 0.001", expr - _LITTLE
    for term in _terms(expr):
        # Scaling that weakens the claim is left out where the term's sign is known.
        if not term.is_negative:
            yield f"{_named(term)} scaled by 0.99", expr - term / 100
        if not term.is_positive:
            yield f"{_named(term)} scaled by 1.01", expr + term / 100
    if _terms(expr):
        yield from _dropped(expr)


def _terms(expr: Expr) -> list[Expr]:
    terms = list(Add.make_args(expr))
    return terms[:_PARTS] if len(terms) > 1 else []


def _named(term: Expr) -> str:
    text = str(term)
    return text if len(text) <= 24 else text[:21] + "..."


def _dropped(expr: Expr) -> Iterator[Mutated]:
    for term in _terms(expr):
        yield f"{_named(term)} dropped", expr - term
    for factor in _factors(expr):
        yield f"factor {_named(factor)} dropped", expr.xreplace({factor: Rational(1)})


def _factors(expr: Expr) -> list[Expr]:
    """Factors of the terms that contain a letter, denominators included."""
    found: dict[Expr, None] = {}
    for term in Add.make_args(expr):
        for factor in Mul.make_args(term):
            base = factor.base if isinstance(factor, Pow) and factor.exp.is_Rational else factor
            if base.free_symbols and base != expr:
                found[factor if isinstance(factor, Pow) else base] = None
    return list(found)[:_PARTS]


def _letters_confused(expr: Expr) -> Iterator[Mutated]:
    letters = sorted(expr.free_symbols, key=lambda letter: letter.name)
    for one, other in pairwise(letters):
        if len(letters) <= _PARTS and one.assumptions0 == other.assumptions0:
            yield f"{one} and {other} swapped", expr.subs({one: other, other: one}, simultaneous=True)
    for letter in letters[:_PARTS]:
        if letter.is_positive:
            yield f"{letter} inverted", expr.subs(letter, 1 / letter)
        if letter.is_integer:
            yield f"{letter} off by one", expr.subs(letter, letter + 1)


def without_assumption(expr: Expr) -> Iterator[tuple[str, Expr, Symbol, Symbol]]:
    """Yields the expression with one letter made any real number, and the old and the new letter."""
    for letter in sorted(expr.free_symbols, key=lambda letter: letter.name):
        if letter.is_nonnegative:
            free = Symbol(letter.name, real=True)
            yield f"{letter} of any sign", together(expr).xreplace({letter: free}), letter, free
