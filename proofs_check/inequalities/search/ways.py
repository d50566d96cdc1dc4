"""The ways to ask one question: sides compared through a rising function, denominators cleared, letters changed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import sympy
from sympy import Expr

from proofs_check.inequalities.search.claims import Question, question_of
from proofs_check.inequalities.search.polynomials import polynomial
from proofs_check.inequalities.search.pool import letters_of
from proofs_check.inequalities.search.substitution import Change, change_of, fresh

# Roots of higher order make polynomials too long.
_HIGHEST_POWER = 5


# Roots of higher order make polynomials too long.
_HIGHEST_POWER = 5


def unchanged(request: Any, plain: Question, given: tuple[Change, ...] = ()) -> Iterator[Question]:
    """The claim in its own letters, or in those of a case."""
    yield plain
    yield from _compared(request, given)


def changed(request: Any, plain: Question, given: tuple[Change, ...] = ()) -> Iterator[Question]:
    """The claim in other letters."""
    for change in _changes(plain):
        yield question_of(request.claim, request.domain, (*given, *change))
        yield from _compared(request, (*given, *change))


def _compared(request: Any, changes: tuple[Change, ...]) -> Iterator[Question]:
    """The sides compared in every other way."""
    for by, cleared in list(itertools.product(_ways(request.claim), (False, True)))[1:]:
        question = question_of(request.claim, request.domain, changes, by, cleared)
        if question.factor is not None or not cleared:
            yield question


def as_polynomial(request: Any, plain: Question, given: tuple[Change, ...] = ()) -> Question | None:
    """The first way in which the difference is a polynomial in two or more letters; None where there is none."""
    for by, cleared in itertools.product(_ways(request.claim), (False, True)):
        found = question_of(request.claim, request.domain, given, by, cleared)
        if len(found.box) > 1 and polynomial(found.expr, letters_of(found.expr)) is not None:
            return found
    return None


def _ways(claim: Any) -> Iterator[str]:
    """The rising functions through which the sides may be easier to compare."""
    yield "nothing"
    sides = (claim.gts, claim.lts)
    if all(_is_product(side) for side in sides) and any(_is_steep(side) for side in sides):
        yield "log"
    if any(isinstance(term, sympy.log) and term.args[0].is_Add for side in sides for term in sympy.Add.make_args(side)):
        yield "exp"
    orders = {power.exp.q for power in claim.atoms(sympy.Pow) if power.free_symbols and power.exp.is_Rational} - {1}
    if len(orders) == 1 and max(orders) <= _HIGHEST_POWER:
        yield str(*orders)


def _is_product(side: Expr) -> bool:
    """Whether the logarithm of a side is likely to be plainer."""
    return bool(side.is_positive) or isinstance(side, sympy.Pow | sympy.exp | sympy.cosh) or side.is_Mul


def _is_steep(side: Expr) -> bool:
    return any(power.args[-1].free_symbols for power in side.atoms(sympy.Pow, sympy.exp, sympy.cosh))


def _changes(plain: Question) -> Iterator[tuple[Change, ...]]:
    """One change for the unbounded letters, one or two; Lambert's W of a letter asks for its own."""
    taken = {*plain.sides, *plain.box}
    unbounded = [name for name, side in plain.box.items() if side.low is None or side.high is None]
    inverted = {inner.name for inner in (node.args[0] for node in plain.claim.atoms(sympy.LambertW)) if inner.is_Symbol}
    kind = "lambert" if inverted & set(unbounded) else "reciprocal"
    changes = [change_of(kind, name, fresh(name, taken), plain.box[name]) for name in unbounded]
    known = tuple(change for change in changes if change is not None)
    if 0 < len(known) == len(unbounded) <= 2:
        yield known
