"""A caller's assumption on a row: whether it contradicts itself, and rows built to meet it.

Random rows may never meet `m = 3`, so not drawing one says nothing: only a proof makes an assumption unsatisfiable.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from sympy import Expr, Gt, Lt, Rational, Rel, S, Set, Symbol
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Boolean, BooleanFalse

from proofs_check.inequalities.search.interval import certify
from proofs_check.inequalities.verdict import Verdict
from proofs_check.instances.rows import AttentionRow
from proofs_check.methods.step_claims import domain_of
from theory import symbols as letters
from theory.errors import LocalistError

SIZES = (letters.m, letters.k)
# Letters that can be set on a row directly, with the values tried where the assumption does not mention them.
_SET: dict[Symbol, tuple[Fraction, ...]] = {
    letters.tau: (Fraction(1), Fraction(1, 2)),
    letters.lam: (Fraction(1, 2), Fraction(0)),
    letters.pen: (Fraction(1), Fraction(0)),
    letters.eps_target: (Fraction(1, 10),),
    letters.F_target: (Fraction(9, 10),),
    letters.u: (Fraction(0),),
    letters.spread: (Fraction(1),),
    letters.d: (Fraction(2), Fraction(0), Fraction(-1), Fraction(12)),
}
# On rows of two levels these are the separation, or the temperature times it.
_ALSO_SEPARATION = (letters.d_mean, letters.r, letters.Delta)
_ALSO_MARGIN = (letters.delta, letters.delta_mean, letters.reach)
# One letter in terms of others, by definition.
_BY_DEFINITION: dict[Symbol, Expr] = {
    letters.F: 1 - letters.eps,
    letters.F_lam: 1 - letters.eps_lam,
    letters.delta: letters.tau * letters.d,
    letters.delta_mean: letters.tau * letters.d_mean,
}
_MOST_KEYS, _MOST_ROWS, _SHAPES = 2000, 160, 8
_USUAL_SIZES = {1, 2, 3, 4, 5, 7, 8, 16, 32, 64, 128}
_USUAL_SHAPES = ((1, 1), (2, 3), (1, 20), (9, 1), (1, 500))
_SECONDS = 5.0


@dataclass(frozen=True)
class Bound:
    """A relation that bounds one letter by a number."""

    letter: Symbol
    sign: str
    number: Fraction


def conjuncts(assumption: Boolean) -> Iterator[Boolean]:
    """The parts that must all hold."""
    if isinstance(assumption, And):
        for part in assumption.args:
            yield from conjuncts(part)
    else:
        yield assumption


_TURNED = {"<=": ">=", "<": ">", ">=": "<=", ">": "<", "==": "==", "!=": "!="}


def bound_of(part: Boolean) -> Bound | None:
    """The bound that a relation linear in one letter states; None for any other part."""
    if not isinstance(part, Relational) or len(part.free_symbols) != 1:
        return None
    (letter,) = part.free_symbols
    gap = part.lhs - part.rhs
    slope, rest = gap.diff(letter), gap.subs(letter, 0)
    if not (slope.is_Rational and rest.is_Rational and slope != 0):
        return None
    root = -rest / slope
    sign = part.rel_op if slope > 0 else _TURNED[part.rel_op]
    return Bound(letter, sign, Fraction(int(root.p), int(root.q)))


def contradicts_itself(assumption: Boolean) -> bool:
    """Whether no row provably meets the assumption, from the letters' ranges, definitions and exact arithmetic."""
    parts = [part.xreplace(_BY_DEFINITION) for part in conjuncts(assumption)]
    fixed = {b.letter: _rational(b.number) for b in map(bound_of, parts) if b is not None and b.sign == "=="}
    ranges = {letter: domain_of(letter) for part in parts for letter in part.free_symbols}
    if any(letter.is_integer and not value.is_Integer for letter, value in fixed.items()):
        return True
    for part in list(parts):
        bound = bound_of(part)
        if bound is None and isinstance(part, Relational):
            parts.append(part.subs(fixed))
        elif bound is not None and bound.sign != "!=":
            ranges[bound.letter] &= _allowed(bound)
    if any(isinstance(part, BooleanFalse) for part in parts) or any(_is_empty(*each) for each in ranges.items()):
        return True
    return any(_never(part, ranges) for part in parts if isinstance(part, Relational) and bound_of(part) is None)


def _allowed(bound: Bound) -> Set:
    """The numbers that a bound other than `!=` allows."""
    return Rel(Symbol("x", real=True), _rational(bound.number), bound.sign).as_set()


def _is_empty(letter: Symbol, values: Set) -> bool:
    return values is S.EmptySet or (bool(letter.is_integer) and (values & S.Integers) is S.EmptySet)


def _never(part: Relational, ranges: Mapping[Symbol, Set]) -> bool:
    """Whether the relation is proved false on the whole ranges of its letters."""
    domain = {letter: ranges[letter] for letter in part.free_symbols}
    for opposite in {"==": (Gt, Lt), "!=": ()}.get(part.rel_op, (part.negated.func,)):
        try:
            claim = opposite(part.lhs, part.rhs, evaluate=False)
            if certify(claim, domain, boxes=200, seconds=_SECONDS).verdict is Verdict.PROVED:
                return True
        except LocalistError:
            continue
    return False


def fixed_numbers(assumption: Boolean) -> dict[Symbol, Fraction]:
    """The letters that the assumption gives one value."""
    bounds = (bound_of(part) for part in conjuncts(assumption))
    return {bound.letter: bound.number for bound in bounds if bound is not None and bound.sign == "=="}


def shapes(assumption: Boolean) -> tuple[tuple[int, int], ...]:
    """A few block and complement sizes that meet the assumption's conditions on sizes alone; empty without any."""
    relations = (part for part in conjuncts(assumption) if isinstance(part, Relational))
    about = [part for part in relations if part.free_symbols and part.free_symbols <= {*SIZES}]
    if not about:
        return ()
    numbers = {int(n) for part in about for n in part.atoms(Rational) if n.is_Integer and abs(n) <= _MOST_KEYS}
    near = {abs(n) + step for n in numbers for step in (-1, 0, 1)} | _USUAL_SIZES
    found: list[tuple[int, int]] = []
    for block in sorted(near):
        others = near | {n - block for n in near} | {n * block for n in near} | {block // n for n in near if n}
        for rest in sorted(others):
            if block >= 1 and rest >= 1 and block + rest <= _MOST_KEYS:
                place = dict(zip(SIZES, (block, rest), strict=True))
                if all(part.subs(place) == S.true for part in about):
                    found.append((block, rest))
    found.sort(key=lambda size: (sum(size), size))
    return tuple(found[:: max(1, -(-len(found) // _SHAPES))])


def rows_for(claim: Boolean, assumption: Boolean) -> Iterator[AttentionRow]:
    """Rows of two levels whose sizes, temperature, dial, targets and separation are numbers that the caller names."""
    named: dict[Symbol, dict[Fraction, None]] = {letter: {} for letter in _SET}
    wanted = fixed_numbers(assumption)
    temperature = wanted.get(letters.tau, Fraction(1))
    for relation in sorted((*assumption.atoms(Relational), *claim.atoms(Relational)), key=str):
        bound = bound_of(relation)
        if bound is None:
            continue
        letter, number = bound.letter, bound.number
        if letter in _ALSO_SEPARATION or letter in _ALSO_MARGIN:
            number = number / temperature if letter in _ALSO_MARGIN and temperature else number
            letter = letters.d
        if letter in named:
            near = (number, number + 1, number - 1, number / 2, (number + 1) / 2)
            named[letter] |= dict.fromkeys([wanted[letter]] if letter in wanted else near)
    values = [[*named[letter], *(() if letter in wanted else usual)] for letter, usual in _SET.items()]
    sizes = shapes(assumption) or _USUAL_SHAPES
    for place in itertools.islice(_by_turns(values), _MOST_ROWS):
        point = dict(zip(_SET, place, strict=True))
        if all(domain_of(letter).contains(_rational(value)) == S.true for letter, value in point.items()):
            yield from (_row(point, block, rest) for block, rest in sizes)


def _by_turns(values: list[list[Fraction]]) -> Iterator[tuple[Fraction, ...]]:
    """All combinations, those of early values first."""
    ranked = itertools.product(*(range(len(each)) for each in values))
    for places in sorted(itertools.islice(ranked, 20_000), key=sum):
        yield tuple(each[i] for each, i in zip(values, places, strict=True))


def _row(point: Mapping[Symbol, Fraction], block: int, rest: int) -> AttentionRow:
    scores = (point[letters.d] * point[letters.tau],) * block + (Fraction(0),) * rest
    error = point[letters.u]
    return AttentionRow(
        scores=scores,
        block=block,
        temperature=point[letters.tau],
        dial=point[letters.lam],
        penalty=point[letters.pen],
        leak_target=point[letters.eps_target],
        fidelity_target=point[letters.F_target],
        values=(point[letters.spread], *(Fraction(0),) * (block + rest - 1)),
        seen=tuple(score - error for score in scores),
        weights=(1,) * (block + rest),
        family="built for an assumption",
    )


def _rational(number: Fraction) -> Rational:
    return Rational(number.numerator, number.denominator)
