"""Proves a claim on one box by enclosure, by slopes, and by exact arguments where its sides are equal.

Every argument is data (`Leaf`) that says what to check; the replay needs nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from sympy import Expr, Rational

from proofs_check.inequalities.search import spans
from proofs_check.inequalities.search.boxes import Side, simplest
from proofs_check.inequalities.search.claims import Question
from proofs_check.inequalities.search.enclosure import Enclosure
from proofs_check.inequalities.search.pieces import VALUE, Piece, defined_at, zero_at
from proofs_check.inequalities.search.pool import Pool, exact, letters_of, rational
from proofs_check.inequalities.search.spans import NoValue, Span, as_fraction

Box = dict[str, Side]
# Exact zeros are sought at numbers a person might choose, not at every corner of a small box.
_COARSEST = 64


@dataclass(frozen=True)
class Leaf:
    """The proof on one box: slides to faces, each along a letter whose slope has one sign, then one argument there.

    direct: the enclosure decides. zero: the difference is 0 everywhere. taylor: along a letter, derivatives 0 to
    order-1 vanish at `at` and the next keeps its sign. gap: an integer letter has no value there.
    """

    method: str
    piece: int
    faces: tuple[tuple[str, str], ...] = ()
    details: dict[str, Any] = field(default_factory=dict)


def settle(box: Box, piece: Piece, number: int, question: Question) -> Leaf | None:
    """The first argument that proves the claim on the box, or None."""
    strict = question.strict
    here = box
    faces: list[tuple[str, str]] = []
    while True:
        inside = Enclosure(question.pool, here)
        value = piece.span(VALUE, inside)
        if value is not None and suffices(value, strict):
            return Leaf("direct", number, tuple(faces))
        if not strict and any(side.is_point for side in here.values()) and _zero(here, piece):
            return Leaf("zero", number, tuple(faces))
        for expansion in _taylor(here, piece, strict, question):
            return Leaf("taylor", number, tuple(faces), expansion)
        found = _slide(here, piece, question)
        if found is None:
            break
        name, end, x, gained = found
        faces.append((name, end))
        here = {**here, name: Side.at(x)}
        strict = strict and not gained
    return None


def suffices(value: Span, strict: bool) -> bool:
    """Whether all the values are positive (if `strict`) or not negative."""
    return value.is_positive() if strict else value.is_nonnegative()


def _zero(box: Box, piece: Piece) -> bool:
    place = {
        piece.letters[name]: rational(side.low)
        for name, side in box.items()
        if side.is_point and side.low is not None and name in piece.letters
    }
    return any(defined_at(expr, place) and zero_at(expr, place) for expr in piece.expressions(VALUE)[:2])


def carrier(box: Box, piece: Piece, question: Question) -> int | None:
    """A form of the piece that is smooth on all of the box."""
    inside = Enclosure(question.pool, box)
    for index in piece.nodes(VALUE):
        try:
            if inside.span(index).smooth:
                return index
        except NoValue:
            continue
    return None


def _slide(box: Box, piece: Piece, question: Question) -> tuple[str, str, Fraction, bool] | None:
    """A letter whose slope has one sign, the end where the difference is least, and whether it is larger elsewhere."""
    inside = Enclosure(question.pool, box)
    for name in sorted(piece.letters):
        side = box[name]
        slope = None if side.is_point else piece.span(((name, 1),), inside)
        if slope is None:
            continue
        for end, x, is_open, rise in (
            ("low", side.low, side.low_open, slope),
            ("high", side.high, side.high_open, spans.negate(slope)),
        ):
            if x is None or not rise.is_nonnegative():
                continue
            if carrier({**box, name: side.joined(Side.at(x))}, piece, question) is not None:
                return name, end, x, is_open and rise.is_positive()
    return None


def _taylor(box: Box, piece: Piece, strict: bool, question: Question) -> Iterator[dict[str, Any]]:
    fixed = {name: side.low for name, side in box.items() if side.is_point and side.low is not None}
    for name in sorted(piece.letters):
        side = box[name]
        if side.is_point:
            continue
        for at in places(name, side, piece, question, box):
            order = piece.vanishing(name, at, fixed) if _may_vanish(name, at, box, piece, question) else None
            if order is None:
                continue
            there = _there(at, box)
            below, above = _under(side, there), _under(there, side)
            hull = {**box, name: side.joined(there)}
            form = carrier(hull, piece, question)
            if form is None or (strict and not (below or above)):
                continue
            # A derivative that vanishes at the place may have one sign where the first that does not has both.
            for lower in range(order, 0, -1):
                slope = piece.span(((name, lower),), Enclosure(question.pool, hull))
                sloping = spans.negate(slope) if slope is not None and lower % 2 and above is None else slope
                if lower % 2 and below is None and above is None:
                    continue
                if sloping is not None and suffices(sloping, strict):
                    yield {"letter": name, "at": _text(at, question.pool), "order": lower, "form": form}


def _may_vanish(name: str, at: Expr, box: Box, piece: Piece, question: Question) -> bool:
    """Whether the difference may be 0 at a place, judged by its value for one choice of the other letters."""
    point = {other: Side.at(side.inside()) for other, side in box.items()}
    point[name] = _there(at, point)
    value = piece.span(VALUE, Enclosure(question.pool, point))
    return value is None or not (value.low > 0 or value.high < 0)


def _there(at: Expr, box: Box) -> Side:
    """The numbers that a place may be: itself, or those of another letter."""
    if at.is_Symbol:
        return box[at.name]
    if at.is_Rational:
        return Side.at(exact(at))
    pool = Pool()
    found = Enclosure(pool, {}).span(pool.from_sympy(at))
    return Side(as_fraction(found.low), as_fraction(found.high), False, False)


def _under(low: Side, high: Side) -> bool | None:
    """None unless `low` lies below `high`; else whether they share no number."""
    if low.high is None or high.low is None or low.high > high.low:
        return None
    return low.high < high.low or low.high_open or high.low_open


def places(name: str, side: Side, piece: Piece, question: Question, box: Box) -> list[Expr]:
    """Where the difference may vanish along a letter: ends, whole numbers, other letters, hints, simple fractions."""
    found: dict[Expr, None] = {}
    root = question.box[name]
    for end in (root.low, root.high):
        if end is not None:
            found[rational(end)] = None
    for whole in (0, 1):
        if side.closure_holds(Fraction(whole)):
            found[Rational(whole)] = None
    if side.low is not None and side.high is not None:
        simple = simplest(side.low, side.high)
        if simple.denominator <= _COARSEST:
            found[rational(simple)] = None
        near = ((side.low + side.high) / 2).limit_denominator(_COARSEST)
        if side.closure_holds(near):
            found[rational(near)] = None
    for number in piece.meetings(name, question.box):
        found[number] = None
    for symbol in letters_of(piece.expressions(VALUE)[0]):
        other = box.get(symbol.name)
        if symbol.name != name and other is not None and not other.is_point and _touch(side, other):
            found[symbol] = None
    return list(found)


def _touch(a: Side, b: Side) -> bool:
    """Whether two sides share a number or an end."""
    a_under = a.high is not None and b.low is not None and a.high < b.low
    b_under = b.high is not None and a.low is not None and b.high < a.low
    return not (a_under or b_under)


def _text(at: Expr, pool: Pool) -> str:
    if at.is_Symbol:
        return f"letter {at.name}"
    return str(at) if at.is_Rational else f"node {pool.from_sympy(at)}"
