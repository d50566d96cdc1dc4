"""A user's inequality over a box, read once into nodes, with what sympy assumes of its letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy
from sympy import Expr, Ge, Gt, Le, Lt, Symbol

from proofs_check.inequalities.points import exactly
from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.enclosure import Enclosure
from proofs_check.inequalities.search.polynomials import factored
from proofs_check.inequalities.search.pool import Pool
from proofs_check.inequalities.search.spans import NoValue
from proofs_check.inequalities.search.substitution import CASES, Change, letter_of
from theory.errors import DomainError

KINKED = (sympy.Abs, sympy.Max, sympy.Min, sympy.Piecewise)
_ALIAS_LIMIT = 80
_HYPERBOLIC = (sympy.sinh, sympy.cosh, sympy.tanh)
RELATIONS: dict[type, str] = {Ge: ">=", Gt: ">", Le: "<=", Lt: "<"}


@dataclass
class Question:
    """`difference >= 0` (or `> 0`) on `box`, in the letters after the changes of variable."""

    claim: Any
    domain: Mapping[Symbol, Side]
    box: dict[str, Side]
    pool: Pool
    lhs: int
    rhs: int
    plain: int
    difference: int
    expr: Expr
    changes: tuple[Change, ...] = ()
    by: str = "nothing"
    factor: int | None = None

    @property
    def relation(self) -> str:
        """The claim's relation sign."""
        return RELATIONS[type(self.claim)]

    def compares(self, inside: Enclosure) -> bool:
        """Whether the sides certainly compare on a box as the difference says."""
        if self.by.isdigit() and int(self.by) % 2 == 0:
            raised = self.pool.nodes[self.pool.nodes[self.difference][1]]
            if not inside.span(raised[1]).is_nonnegative():
                return False
        if self.factor is None:
            return True
        return Enclosure(self.pool, {**self.sides, **inside.box}).span(self.factor).is_positive()

    @cached_property
    def is_defined(self) -> bool:
        """Whether the sides certainly have values on all of the domain, and logarithms where these are compared."""
        inside = Enclosure(self.pool, self.sides)
        try:
            spans = [inside.span(side) for side in (self.lhs, self.rhs)]
        except NoValue:
            return False
        return self.by != "log" or all(span.is_positive() for span in spans)

    @property
    def strict(self) -> bool:
        """Whether equality makes the claim false."""
        return isinstance(self.claim, Gt | Lt)

    @property
    def sides(self) -> dict[str, Side]:
        """The intervals of the claim's own letters, by name."""
        return {symbol.name: side for symbol, side in self.domain.items()}


def check_claim(claim: Any) -> None:
    """Raises `DomainError` unless the claim is an inequality between functions with interval rules."""
    if type(claim) not in RELATIONS:
        raise DomainError(f"claim {claim} must be one of Le, Lt, Ge, Gt")
    try:
        for side in claim.args:
            Pool().from_sympy(side)
    except RecursionError:
        raise DomainError("claim must not be nested hundreds of functions deep") from None


def question_of(
    claim: Any,
    domain: Mapping[Symbol, Side],
    changes: tuple[Change, ...] = (),
    by: str = "nothing",
    cleared: bool = False,
) -> Question:
    """The claim as a question for the search; `DomainError` unless it is an inequality between known functions.

    The sides can be compared by their logarithms (`log`), exponentials (`exp`) or powers (`2`), and the difference
    can be `cleared` of its denominator.
    """
    check_claim(claim)
    pool = Pool()
    lhs, rhs = pool.from_sympy(claim.lhs), pool.from_sympy(claim.rhs)
    bigger, smaller = (lhs, rhs) if isinstance(claim, Ge | Gt) else (rhs, lhs)
    plain = pool.node("+", bigger, pool.node("*", pool.node("q", "-1"), smaller))
    compared = plain
    if by != "nothing":
        over = [pool.node("^", each, int(by)) if by.isdigit() else pool.node(by, each) for each in (bigger, smaller)]
        compared = pool.node("+", over[0], pool.node("*", pool.node("q", "-1"), over[1]))
    # sympy's arithmetic rounds floats, but not the rationals they store.
    sides = [exactly(side) for side in (claim.gts, claim.lts)]
    box = {symbol.name: domain[symbol] for symbol in domain if symbol in claim.free_symbols}
    own: dict[Symbol, Expr] = {symbol: letter_of(symbol.name, domain[symbol]) for symbol in claim.free_symbols}
    into = dict(own)
    for change in changes:
        old, written = letter_of(change.letter, box[change.letter]), change.expression(box)
        del box[change.letter]
        box[change.new] = change.side
        into = {symbol: inner.subs(old, written) for symbol, inner in into.items()}
    replaced = {symbol.name: pool.from_sympy(inner) for symbol, inner in into.items() if symbol.name not in box}
    add_aliases(pool, sides, replaced)
    # Cases keep denominators as they are, and positive on all of the domain.
    moved = all(change.kind in CASES for change in changes)
    sides = [side.subs(own if moved else into, simultaneous=True).rewrite(_HYPERBOLIC, sympy.exp) for side in sides]
    sides = [side.replace(sympy.LambertW, _lambert) for side in sides]
    if by == "log":
        sides = [sympy.expand_log(sympy.log(side), force=True) for side in sides]
    elif by != "nothing":
        sides = [side ** int(by) if by.isdigit() else sympy.exp(side) for side in sides]
    expr, factor = sides[0] - sides[1], None
    if cleared:
        expr, factor = without_denominator(expr)
    if moved and changes:
        expr = expr.subs({own[symbol]: inner for symbol, inner in into.items()}, simultaneous=True)
        expr = sympy.expand(expr) if expr.is_polynomial() else expr
    return Question(
        claim=claim,
        domain=domain,
        box=box,
        pool=pool,
        lhs=lhs,
        rhs=rhs,
        plain=plain,
        difference=replace_letters(pool, compared, replaced),
        expr=expr,
        changes=changes,
        by=by,
        factor=None if factor is None else pool.from_sympy(factor),
    )


def without_denominator(expr: Expr) -> tuple[Expr, Expr | None]:
    """The numerator of an expression and the factor taken out of it; the expression and None where there is none."""
    top, bottom = sympy.fraction(sympy.together(sympy.expand_func(expr)))
    if not bottom.free_symbols or expr.has(*KINKED):
        return expr, None
    sign = -1 if bottom.could_extract_minus_sign() else 1
    return sympy.expand(sign * top), 1 / (sign * bottom)


def _lambert(inner: Expr) -> Expr:
    """`W` of an expression; `t` where that is `t e^t`."""
    for power in inner.atoms(sympy.exp):
        if power.args[0].is_nonnegative and inner == power.args[0] * power:
            return power.args[0]
    return sympy.LambertW(inner)


def add_aliases(pool: Pool, exprs: list[Expr], replaced: Mapping[str, int]) -> None:
    """Adds other forms of what must not be 0 or negative: sums under a fraction, a logarithm or a root."""
    guarded = {
        node.args[0]
        for expr in exprs
        for node in sympy.preorder_traversal(expr)
        if (isinstance(node, sympy.Pow) and not node.args[1].is_positive)
        or isinstance(node, sympy.log)
        or (isinstance(node, sympy.Pow) and node.args[1].is_Rational and node.args[1].q > 1)
    }
    for inner in sorted(guarded, key=sympy.default_sort_key):
        if not inner.free_symbols or inner.has(*KINKED) or inner.count_ops() > _ALIAS_LIMIT:
            continue
        node = replace_letters(pool, pool.from_sympy(inner), replaced)
        for form in (factored(sympy.together(inner)), sympy.cancel(sympy.together(inner))):
            alias = replace_letters(pool, pool.from_sympy(form), replaced)
            known = pool.aliases.setdefault(node, [])
            if alias != node and alias not in known:
                known.append(alias)


def replace_letters(pool: Pool, index: int, letters: Mapping[str, int]) -> int:
    """The same expression with letters replaced by nodes, without simplifying."""
    new: dict[int, int] = {}
    for old in pool.below(index):
        node = pool.nodes[old]
        new[old] = letters.get(node[1], old) if node[0] == "x" else pool.node(*pool.renamed(old, new))
    return new[index]


def resolved(expr: Expr, pool: Pool, choices: Mapping[int, bool]) -> Expr | None:
    """The expression with each kink replaced by the branch it takes; None where a choice is missing."""
    if not expr.has(*KINKED):
        return expr
    if isinstance(expr, sympy.Abs):
        inner = resolved(expr.args[0], pool, choices)
        side = choices.get(pool.from_sympy(expr))
        return None if inner is None or side is None else (inner if side else -inner)
    if isinstance(expr, sympy.Max | sympy.Min):
        return _resolved_extreme(expr, pool, choices)
    if isinstance(expr, sympy.Piecewise):
        return _resolved_cases(list(expr.args), pool, choices)
    args = [resolved(arg, pool, choices) for arg in expr.args]
    return None if any(arg is None for arg in args) else expr.func(*args)


def _resolved_extreme(expr: Expr, pool: Pool, choices: Mapping[int, bool]) -> Expr | None:
    name = "max" if isinstance(expr, sympy.Max) else "min"
    best, index = expr.args[0], pool.from_sympy(expr.args[0])
    for arg in expr.args[1:]:
        index = pool.node(name, index, pool.from_sympy(arg))
        side = choices.get(index)
        if side is None:
            return None
        best = best if side else arg
    return resolved(best, pool, choices)


def _resolved_cases(branches: list[Any], pool: Pool, choices: Mapping[int, bool]) -> Expr | None:
    for i, (branch, condition) in enumerate(branches):
        if condition == sympy.true:
            return resolved(branch, pool, choices)
        side = choices.get(pool.cases(branches[i:]))
        if side is None:
            return None
        if side:
            return resolved(branch, pool, choices)
    return None
