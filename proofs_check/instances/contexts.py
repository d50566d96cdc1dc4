"""Whole contexts of causal rows as exact data (A7): every query of a short text, and the value of each letter.

No query is assumed to bind: every letter is computed over all queries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial, reduce
from typing import Any

from flint import arb, ctx
from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances import rows
from proofs_check.instances.exact.arithmetic import ArbArithmetic, Arithmetic, Definition, exactly
from proofs_check.instances.exact.instance import Instance, InstanceKind
from proofs_check.instances.row_strategies import probabilities, targets_near
from proofs_check.instances.rows import AttentionRow
from theory import symbols as letters
from theory.lowering import Undecided

_PRECISIONS = (96, 384, 2048)


@dataclass(frozen=True)
class Context(Instance):
    """Every query's scores over the temperature, windows of `window` keys, and the own keys a counted query has."""

    scores: tuple[tuple[Fraction, ...], ...]
    window: int
    least_own: int
    leak_target: Fraction

    @property
    def levels(self) -> int:
        """How many different scores there are."""
        return len({score for row in self.scores for score in row})

    @cached_property
    def counted(self) -> list[AttentionRow]:
        """The rows of the queries with a complement and enough own keys, block first."""
        found = []
        for query, scores in enumerate(self.scores):
            before = sum(1 for key in range(query + 1) if key // self.window != query // self.window)
            if before >= 1 and query + 1 - before >= self.least_own:
                found.append(AttentionRow((*scores[before:], *scores[:before]), query + 1 - before))
        return found

    @cached_property
    def separation(self) -> Fraction:
        """Least separation of the queries that count."""
        return min(min(row.scores[: row.block]) - max(row.scores[row.block :]) for row in self.counted)

    @cached_property
    def two_level(self) -> list[AttentionRow]:
        """The counted rows, made two-level at that separation."""
        return [
            AttentionRow((self.separation,) * row.block + (Fraction(0),) * (len(row.scores) - row.block), row.block)
            for row in self.counted
        ]


def _ratio(row: AttentionRow) -> Fraction:
    return Fraction(len(row.scores) - row.block, row.block)


def _largest(letter: Symbol, chosen: str) -> Definition:
    """The largest value of a row's letter over the counted rows, or over these made two-level."""

    def definition(context: Context, by: Arithmetic) -> Any:
        picked = list(dict.fromkeys(getattr(context, chosen)))
        balls = [rows.DEFINITIONS[letter](row, ArbArithmetic()) for row in picked]
        if isinstance(by.number(0), arb):
            return reduce(lambda a, b: a.max(b), balls)
        for row, ball in zip(picked, balls, strict=True):
            if all(ball > other for other in balls if other is not ball):
                return rows.DEFINITIONS[letter](row, by)
        raise Undecided("it is not known which query has the largest value")

    return definition


def _share(sides: Callable[[Context, AttentionRow, ArbArithmetic], tuple[Any, Any]], chosen: str) -> Definition:
    """The share of some rows at which the first of two numbers is at most the second."""

    def share(context: Context) -> Fraction:
        found = [_at_most(context, row, partial(sides, context, row)) for row in getattr(context, chosen)]
        return Fraction(sum(found), len(found))

    return exactly(share)


def _leak_and_target(context: Context, row: AttentionRow, by: ArbArithmetic) -> tuple[Any, Any]:
    return rows.DEFINITIONS[letters.eps](row, by), by.number(context.leak_target)


def _least_odds_and_targets(context: Context, row: AttentionRow, by: ArbArithmetic) -> tuple[Any, Any]:
    return by.number(_ratio(row)) * by.exp(-context.separation), by.number(_target_odds(context))


def _target_odds(context: Context) -> Fraction:
    return context.leak_target / (1 - context.leak_target)


def _at_most(context: Context, row: AttentionRow, sides: Callable[[ArbArithmetic], tuple[Any, Any]]) -> bool:
    """Whether the first side is at most the second. At separation 0 the sizes say so; else they are never equal."""
    if context.separation == 0:
        return _ratio(row) <= _target_odds(context)
    for precision in _PRECISIONS:
        with ctx.workprec(precision):
            found, limit = sides(ArbArithmetic())
            if found < limit or found > limit:
                return bool(found < limit)
    raise Undecided("a leak and its target are not separated at any precision tried")


_DEFINITIONS: Mapping[Symbol, Definition] = {
    letters.tokens: exactly(lambda context: len(context.scores)),
    letters.window: exactly(lambda context: context.window),
    letters.least_own: exactly(lambda context: context.least_own),
    letters.eps_target: exactly(lambda context: context.leak_target),
    letters.ratio_T: exactly(lambda context: max(map(_ratio, context.counted))),
    letters.d_T: exactly(lambda context: context.separation),
    letters.eps_T: _largest(letters.eps, "counted"),
    letters.eps_most: _largest(letters.eps, "two_level"),
    letters.share_kept: _share(_leak_and_target, "two_level"),
    letters.share_within: _share(_least_odds_and_targets, "counted"),
    letters.H_T: _largest(letters.H, "counted"),
    letters.H_most: _largest(letters.H, "two_level"),
}

_MOST_TOKENS = 14


def _context(draw: st.DrawFn, window: int, own: int, tokens: int) -> Context:
    gap = draw(st.integers(-16, 48).map(lambda i: Fraction(i, 8)))
    score = st.integers(-12, 12).map(lambda i: Fraction(i, 4))
    even = draw(st.booleans())

    def scores(query: int) -> tuple[Fraction, ...]:
        own = [gap * (key // window == query // window) for key in range(query + 1)]
        return tuple(own if even else [draw(score) + each for each in own])

    context = Context(tuple(map(scores, range(tokens))), window, own, Fraction(1, 2))
    if not context.counted:
        return context
    ratio = float(draw(st.sampled_from(sorted(set(map(_ratio, context.counted)))[-3:])))
    growth = ratio * 2.718281828459045 ** -float(context.separation)
    target = draw(st.one_of(probabilities(), targets_near(growth / (1 + growth))))
    return Context(context.scores, window, own, target)


@st.composite
def contexts(draw: st.DrawFn) -> Context:
    """Contexts of up to fourteen tokens, half with two-level rows, with targets near what some query attains."""
    # Sizes such that a query counts; few are multiples of one another.
    window = draw(st.integers(1, 5))
    own = draw(st.integers(1, window))
    return _context(draw, window, own, draw(st.integers(own + window, max(own + window, _MOST_TOKENS))))


@st.composite
def _astray(draw: st.DrawFn) -> Context:
    """Contexts in which no query counts: a window holds too few keys, or there are too few tokens."""
    window = draw(st.integers(1, 4))
    if draw(st.booleans()):
        return _context(draw, window, window + draw(st.integers(1, 3)), draw(st.integers(window + 4, _MOST_TOKENS)))
    own = draw(st.integers(1, window))
    return _context(draw, window, own, draw(st.integers(1, own + window - 1)))


KIND = InstanceKind(contexts, _DEFINITIONS, astray=_astray)
