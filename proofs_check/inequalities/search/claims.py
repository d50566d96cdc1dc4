"""A user's inequality over a box, read once into nodes, with what sympy assumes of its letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy
from sympy import Expr, Ge, Gt, Le, Lt, Symbol

from proofs_check.inequalities.points import exactly
from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.factoring import factored
from proofs_check.inequalities.search.pool import Pool
from proofs_check.inequalities.search.substitution import Change
from theory.errors import DomainError

KINKED = (sympy.Abs, sympy.Max, sympy.Min, sympy.Piecewise)
_ALIAS_LIMIT = 80
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
    hints: tuple[Mapping[str, Fraction], ...] = ()

    @property
    def relation(self) -> str:
        """The claim's relation sign."""
        return RELATIONS[type(self.claim)]

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
    hints: tuple[Mapping[str, Fraction], ...] = (),
) -> Question:
    """The claim as a question for the search; `DomainError` unless it is an inequality between known functions."""
    check_claim(claim)
    pool = Pool()
    lhs, rhs = pool.from_sympy(claim.lhs), pool.from_sympy(claim.rhs)
    bigger, smaller = (lhs, rhs) if isinstance(claim, Ge | Gt) else (rhs, lhs)
    plain = pool.node("+", bigger, pool.node("*", pool.node("q", "-1"), smaller))
    # sympy's arithmetic rounds floats, but not the rationals they store.
    expr = exactly(claim.gts) - exactly(claim.lts)
    box = {symbol.name: domain[symbol] for symbol in domain if symbol in claim.free_symbols}
    into: dict[Symbol, Expr] = {symbol: _letter(symbol.name, domain[symbol]) for symbol in claim.free_symbols}
    replaced: dict[str, int] = {}
    for change in changes:
        written = change.expression()
        del box[change.letter]
        box[change.new] = change.side
        replaced[change.letter] = pool.from_sympy(written)
        into.update({symbol: written for symbol in claim.free_symbols if symbol.name == change.letter})
    add_aliases(pool, [exactly(claim.lhs), exactly(claim.rhs)], replaced)
    return Question(
        claim=claim,
        domain=domain,
        box=box,
        pool=pool,
        lhs=lhs,
        rhs=rhs,
        plain=plain,
        difference=replace_letters(pool, plain, replaced),
        expr=expr.subs(into, simultaneous=True).rewrite((sympy.sinh, sympy.cosh, sympy.tanh), sympy.exp),
        changes=changes,
        hints=hints,
    )


def _letter(name: str, side: Side) -> Symbol:
    if side.low is not None and (side.low > 0 or (side.low == 0 and side.low_open)):
        return Symbol(name, positive=True)
    if side.low is not None and side.low >= 0:
        return Symbol(name, nonnegative=True)
    return Symbol(name, real=True)


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
