"""Evaluates a statement's expressions in numpy, torch or Arb, and refuses nodes that it does not know.

A target is a table from sympy's node types to functions of that arithmetic. Stable forms live in the tables:
the logistic function is `expit` in numpy and `sigmoid` in torch, and a binary entropy never forms `1 - p`
from a rounded `p` where the argument shows how to avoid it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy
from sympy import Expr, Symbol
from sympy.core.relational import Relational

from theory.functions import BinaryDivergence, BinaryEntropy, CapShare, Logistic, Logit, LowestEntropy
from theory.stable import lowest_entropy

Operation = Callable[..., Any]


class UnknownNode(TypeError):
    """The expression contains a node that the target does not know."""


@dataclass(frozen=True)
class Target:
    """One arithmetic: how it reads an exact rational, and what each function node does.

    `operations[Pow]` is the square root, the one power that is not an integer; `choose` decides a Piecewise.
    """

    name: str
    number: Callable[[Fraction], Any]
    operations: Mapping[type, Operation]
    choose: Operation


def evaluate(expr: Expr, values: Mapping[Symbol, Any], target: Target) -> Any:
    """Value of `expr` in the target's arithmetic, every free letter taken from `values`.

    Raises `UnknownNode` for a node the target does not know and `KeyError` for a letter without a value.
    """
    memo: dict[Expr, Any] = {}

    def walk(node: Expr) -> Any:
        if node not in memo:
            memo[node] = step(node)
        return memo[node]

    def step(node: Expr) -> Any:
        if node.is_Symbol:
            return values[node]
        if node.is_Rational:
            return target.number(Fraction(int(node.p), int(node.q)))
        if node.is_Add or node.is_Mul:
            terms = [walk(arg) for arg in node.args]
            total = terms[0]
            for term in terms[1:]:
                total = total + term if node.is_Add else total * term
            return total
        if node.is_Pow:
            return power(node)
        if isinstance(node, sympy.Piecewise):
            return target.choose([(condition, walk, branch) for branch, condition in node.args])
        if isinstance(node, sympy.floor):
            # One division: if it is exact, so is the floor.
            above, below = sympy.fraction(sympy.together(node.args[0]))
            return target.operations[sympy.floor](walk(above) / walk(below))
        operation = target.operations.get(node.func)
        if operation is None:
            raise UnknownNode(f"{target.name} has no meaning for {node.func.__name__} in {node}")
        return operation(*(walk(arg) for arg in node.args))

    def power(node: Expr) -> Any:
        base, exponent = node.args
        if exponent == -1:
            return 1 / walk(base)
        if exponent == sympy.S.Half:
            return target.operations[sympy.Pow](walk(base))
        if exponent.is_Integer and int(exponent) > 0:
            return _times(walk(base), int(exponent))
        if exponent.is_Integer:
            return 1 / _times(walk(base), -int(exponent))
        if base.is_positive:
            return walk(base) ** walk(exponent)
        raise UnknownNode(f"{target.name} has no meaning for the power {node}")

    return walk(sympy.sympify(expr))


def _times(base: Any, count: int) -> Any:
    """`base^count` by squaring: Arb's own power takes a logarithm, which has no value on a ball around 0."""
    result = base
    for bit in bin(count)[3:]:
        result = result * result
        if bit == "1":
            result = result * base
    return result


def relation(condition: Relational, walk: Operation) -> tuple[Any, str, Any]:
    """Both sides of a relation, evaluated, and its sign."""
    return walk(condition.lhs), condition.rel_op, walk(condition.rhs)


def array_target(xp: Any, special: Any) -> Target:
    """Target for an array library: `(numpy, scipy.special)`, `(torch, torch.special)` or any pair with their names."""

    def binary_entropy(p: Any) -> Any:
        return special.entr(p) + special.entr(1 - p)

    def binary_divergence(p: Any, q: Any) -> Any:
        return special.xlogy(p, p / q) + special.xlogy(1 - p, (1 - p) / (1 - q))

    def choose(branches: list[tuple[Any, Operation, Expr]]) -> Any:
        *conditional, (last_condition, walk, last) = branches
        if last_condition != sympy.true:
            raise UnknownNode("a Piecewise must end with a branch that always applies")
        chosen = walk(last)
        for condition, walk, branch in reversed(conditional):
            left, sign, right = relation(condition, walk)
            chosen = xp.where(_COMPARE[sign](left, right), walk(branch), chosen)
        return chosen

    operations: dict[type, Operation] = {
        sympy.exp: xp.exp,
        sympy.log: xp.log,
        sympy.cos: xp.cos,
        sympy.acos: xp.arccos,
        sympy.asin: xp.arcsin,
        sympy.ceiling: xp.ceil,
        sympy.floor: xp.floor,
        sympy.Abs: xp.abs,
        sympy.Max: lambda *xs: _fold(xp.maximum, xs),
        sympy.Min: lambda *xs: _fold(xp.minimum, xs),
        sympy.Pow: xp.sqrt,
        Logistic: special.expit,
        Logit: special.logit,
        BinaryEntropy: binary_entropy,
        BinaryDivergence: binary_divergence,
        LowestEntropy: lambda n, r: lowest_entropy(n, r, xp, special),
        type(sympy.E): lambda: float(sympy.E),
        type(sympy.pi): lambda: float(sympy.pi),
    }
    if hasattr(special, "lambertw"):
        operations[sympy.LambertW] = lambda x, branch=0: special.lambertw(x, int(branch)).real
    if hasattr(special, "betainc"):
        operations[CapShare] = lambda p, t: special.betainc((p - 1) / 2, 0.5, (1 - t) * (1 + t)) / 2
    return Target(xp.__name__, float, operations, choose)


def _fold(pairwise: Operation, terms: tuple[Any, ...]) -> Any:
    total = terms[0]
    for term in terms[1:]:
        # Turns a constant, as in Max(0, x), into an array like the other term.
        total = pairwise(total + 0 * term, term + 0 * total)
    return total


_COMPARE: dict[str, Operation] = {
    ">=": lambda a, b: a >= b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    "<": lambda a, b: a < b,
}


class Undecided(ArithmeticError):
    """The compared balls overlap; more precision may decide."""


def arb_target() -> Target:
    """Target for Arb's balls at the current precision; every result encloses the true value."""
    from flint import arb, fmpq

    def number(value: Fraction) -> Any:
        return arb(fmpq(value.numerator, value.denominator))

    def entropy_term(p: Any) -> Any:
        return arb(0) if p == 0 else -p * p.log()

    def logistic(x: Any) -> Any:
        return 1 / (1 + (-x).exp())

    def choose(branches: list[tuple[Any, Operation, Expr]]) -> Any:
        for condition, walk, branch in branches:
            if condition == sympy.true:
                return walk(branch)
            left, sign, right = relation(condition, walk)
            compare = _COMPARE[sign]
            if compare(left, right):
                return walk(branch)
            if not _COMPARE[_OPPOSITE[sign]](left, right):
                raise Undecided(f"cannot tell on which side of {condition} the value lies")
        raise Undecided("no branch of the Piecewise applies")

    operations: dict[type, Operation] = {
        sympy.exp: lambda x: x.exp(),
        sympy.log: lambda x: x.log(),
        sympy.cos: lambda x: x.cos(),
        sympy.acos: lambda x: x.acos(),
        sympy.asin: lambda x: x.asin(),
        sympy.ceiling: lambda x: x.ceil(),
        sympy.floor: lambda x: x.floor(),
        sympy.Abs: abs,
        sympy.Max: lambda *xs: _reduce(lambda a, b: a.max(b), xs),
        sympy.Min: lambda *xs: _reduce(lambda a, b: a.min(b), xs),
        sympy.Pow: lambda x: x.sqrt(),
        Logistic: logistic,
        Logit: lambda p: (p / (1 - p)).log(),
        BinaryEntropy: lambda p: entropy_term(p) + entropy_term(1 - p),
        BinaryDivergence: lambda p, q: -entropy_term(p) - entropy_term(1 - p) - p * q.log() - (1 - p) * (1 - q).log(),
        LowestEntropy: _lowest_entropy_in_arb,
        CapShare: lambda p, t: (1 - t * t).beta_lower((p - 1) / 2, arb(1) / 2, regularized=True) / 2,
        sympy.LambertW: lambda x, branch=None: x.lambertw(0 if branch is None else int(branch.unique_fmpz())),
        type(sympy.E): lambda: arb.const_e(),
        type(sympy.pi): lambda: arb.pi(),
    }
    return Target("Arb", number, operations, choose)


def _lowest_entropy_in_arb(n: Any, r: Any) -> Any:
    """A5's finite minimum; tries every number of upper keys that may be the minimiser."""
    from flint import arb

    keys = int(n.unique_fmpz())
    if keys == 1:
        return arb(0)
    if r == 0:
        return arb(keys).log()
    if not r > 0:
        raise Undecided("cannot tell the logit range from 0")
    shrink = 1 - (-r).exp()
    best = keys * (r / shrink - 1) * (-r).exp() / shrink
    if not best.is_finite():
        raise Undecided("the best number of upper keys is not known yet")
    first = max(1, min(keys - 1, int(best.lower().floor().unique_fmpz())))
    last = max(1, min(keys - 1, int(best.upper().ceil().unique_fmpz())))
    if last - first > 8:
        raise Undecided("too many candidates for the best number of upper keys")
    entropies = []
    for top in range(first, last + 1):
        below = (keys - top) * (-r).exp() / top
        entropies.append((arb(top) * (1 + below)).log() + r * below / (1 + below))
    return _reduce(lambda a, b: a.min(b), tuple(entropies))


def _reduce(pairwise: Operation, terms: tuple[Any, ...]) -> Any:
    total = terms[0]
    for term in terms[1:]:
        total = pairwise(total, term)
    return total


_OPPOSITE = {">=": "<", ">": "<=", "<=": ">", "<": ">="}
