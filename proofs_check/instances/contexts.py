"""Whole contexts of causal rows as exact data (A7): every query of a short text, and the value of each letter.

No query is assumed to bind: every letter is computed over all queries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial, reduce
from typing import Any

from flint import arb, ctx
from hypothesis import strategies as st
from sympy import Symbol

from proofs_check.instances import rows
from proofs_check.instances.balls import ArbArithmetic
from proofs_check.instances.quantities import exactly
from proofs_check.instances.row_strategies import probabilities, targets_near
from proofs_check.instances.rows import Arithmetic, AttentionRow
from theory import symbols as letters
from theory.lowering import Undecided

_PRECISIONS = (96, 384, 2048)


@dataclass(frozen=True)
class Context:
    """Every query's scores over the temperature, windows of `window` keys, and the own keys a counted query has."""

    scores: tuple[tuple[Fraction, ...], ...]
    window: int
    least_own: int
    leak_target: Fraction

    def __str__(self) -> str:
        shown = "; ".join(" ".join(f"{float(x):.4g}" for x in row) for row in self.scores)
        return (
            f"{len(self.scores)} tokens, windows of {self.window}, at least {self.least_own} own keys, "
            f"leak target {float(self.leak_target):.6g}, scores {shown}"
        )

    @cached_property
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


def _largest(chosen: Callable[[Context], Sequence[AttentionRow]], letter: Symbol) -> Any:
    """The largest value of a row's letter over some rows of the context."""

    def definition(context: Context, by: Arithmetic) -> Any:
        picked = list(dict.fromkeys(chosen(context)))
        balls = [rows.DEFINITIONS[letter](row, ArbArithmetic()) for row in picked]
        if isinstance(by.number(0), arb):
            return reduce(lambda a, b: a.max(b), balls)
        for row, ball in zip(picked, balls, strict=True):
            if all(ball > other for other in balls if other is not ball):
                return rows.DEFINITIONS[letter](row, by)
        raise Undecided("it is not known which query has the largest value")

    return definition


def _kept(context: Context) -> Fraction:
    """Share of the two-level rows whose mass off the block is at most the target."""

    def leak(row: AttentionRow) -> Any:
        return rows.DEFINITIONS[letters.eps](row, ArbArithmetic())

    kept = [
        _at_most(partial(leak, row), context.leak_target, context, _ratio(row) / (1 + _ratio(row)))
        for row in context.two_level
    ]
    return Fraction(sum(kept), len(kept))


def _within(context: Context) -> Fraction:
    """Share of the queries whose `k/m` is at most `epsilon e^d/(1 - epsilon)`."""
    odds = context.leak_target / (1 - context.leak_target)

    def least_growth(row: AttentionRow) -> Any:
        by = ArbArithmetic()
        return by.number(_ratio(row)) * by.exp(-context.separation)

    kept = [_at_most(partial(least_growth, row), odds, context, _ratio(row)) for row in context.counted]
    return Fraction(sum(kept), len(kept))


def _at_most(ball: Callable[[], Any], bound: Fraction, context: Context, at_zero: Fraction) -> bool:
    """Whether a number is at most a rational. At separation 0 it is `at_zero`; elsewhere the two are never equal."""
    if context.separation == 0:
        return at_zero <= bound
    for precision in _PRECISIONS:
        with ctx.workprec(precision):
            found, limit = ball(), ArbArithmetic().number(bound)
            if found < limit or found > limit:
                return bool(found < limit)
    raise Undecided("a leak and its target are not separated at any precision tried")


CONTEXT_DEFINITIONS: Mapping[Symbol, Any] = {
    letters.tokens: exactly(lambda context: len(context.scores)),
    letters.window: exactly(lambda context: context.window),
    letters.least_own: exactly(lambda context: context.least_own),
    letters.eps_target: exactly(lambda context: context.leak_target),
    letters.ratio_T: exactly(lambda context: max(map(_ratio, context.counted))),
    letters.d_T: exactly(lambda context: context.separation),
    letters.eps_T: _largest(lambda context: context.counted, letters.eps),
    letters.eps_most: _largest(lambda context: context.two_level, letters.eps),
    letters.share_kept: exactly(_kept),
    letters.share_within: exactly(_within),
    letters.H_T: _largest(lambda context: context.counted, letters.H),
    letters.H_most: _largest(lambda context: context.two_level, letters.H),
}

_MOST_TOKENS = 14


def _sizes() -> st.SearchStrategy[tuple[int, int, int]]:
    """Window, own keys and tokens such that a query counts; few are multiples of one another."""

    def with_window(window: int) -> st.SearchStrategy[tuple[int, int, int]]:
        return st.integers(1, window).flatmap(
            lambda own: st.integers(own + window, max(own + window, _MOST_TOKENS)).map(lambda n: (window, own, n))
        )

    return st.integers(1, 5).flatmap(with_window)


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
    return _context(draw, *draw(_sizes()))


@st.composite
def astray_contexts(draw: st.DrawFn) -> Context:
    """Contexts in which no query counts: a window holds too few keys, or there are too few tokens."""
    window = draw(st.integers(1, 4))
    if draw(st.booleans()):
        return _context(draw, window, window + draw(st.integers(1, 3)), draw(st.integers(window + 4, _MOST_TOKENS)))
    own = draw(st.integers(1, window))
    return _context(draw, window, own, draw(st.integers(1, own + window - 1)))
