"""Expressions as a flat list of nodes, each naming earlier ones: what a certificate stores and the search evaluates.

The node `["+", 3, 5]` adds nodes 3 and 5. Numbers are exact rationals, as text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import sympy
from sympy import Expr, Symbol

from proofs_check.inequalities.search.moments import Moment
from theory.errors import DomainError
from theory.functions import BinaryDivergence, BinaryEntropy, Logistic, Logit

Node = tuple[Any, ...]

_ONE_ARGUMENT: dict[type, str] = {
    sympy.exp: "exp",
    sympy.log: "log",
    sympy.cos: "cos",
    sympy.sin: "sin",
    sympy.acos: "acos",
    sympy.asin: "asin",
    sympy.tan: "tan",
    sympy.atan: "atan",
    sympy.LambertW: "lambertw",
    sympy.Abs: "abs",
    Logistic: "logistic",
    Logit: "logit",
    BinaryEntropy: "entropy",
}
_LONGEST = 4096
_TERMS = 64
# The float exponent 0.1 is a root of order 2^55: beyond this order a power is an exponential of a logarithm.
_HIGHEST_ROOT = 64
KINKS = ("abs", "max", "min", "case")


class Pool:
    """The nodes of every expression that one certificate uses; equal nodes are stored once.

    `aliases` of a node are other nodes of the same value wherever both have one: enclosures that may be tighter.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._index: dict[Node, int] = {}
        self._known: dict[Expr, int] = {}
        self.aliases: dict[int, list[int]] = {}

    def node(self, *parts: Any) -> int:
        """Index of that node, added if it is new."""
        if parts not in self._index:
            self._index[parts] = len(self.nodes)
            self.nodes.append(parts)
        return self._index[parts]

    def from_sympy(self, expr: Expr) -> int:
        """Index of a sympy expression; `DomainError` for a node without an interval rule."""
        expr = sympy.sympify(expr)
        if expr not in self._known:
            self._known[expr] = self._read(expr)
        return self._known[expr]

    def _read(self, expr: Expr) -> int:
        if expr.is_Symbol:
            return self.node("x", expr.name)
        if expr.is_Rational or expr.is_Float:
            return self.node("q", str(exact(expr)))
        if expr.is_Add or expr.is_Mul:
            return self.node("+" if expr.is_Add else "*", *(self.from_sympy(arg) for arg in expr.args))
        if expr.is_Pow:
            return self._power(*expr.args)
        if expr is sympy.E:
            return self.node("exp", self.node("q", "1"))
        if expr is sympy.pi:
            return self.node("pi")
        if isinstance(expr, sympy.Max | sympy.Min):
            return self._extreme("max" if isinstance(expr, sympy.Max) else "min", expr.args)
        if isinstance(expr, sympy.Piecewise):
            return self.cases(list(expr.args))
        if isinstance(expr, BinaryDivergence):
            return self.node("kl", *(self.from_sympy(arg) for arg in expr.args))
        if isinstance(expr, Moment) and expr.args[0].is_Integer:
            return self.node("moment", int(expr.args[0]), self.from_sympy(expr.args[1]))
        if isinstance(expr, sympy.sinh | sympy.cosh | sympy.tanh):
            return self._in_exponentials(expr.func, self.from_sympy(expr.args[0]))
        name = _ONE_ARGUMENT.get(expr.func)
        if name is None:
            raise DomainError(f"{expr.func.__name__} in {expr} must be a function that intervals are known for")
        return self.node(name, self.from_sympy(expr.args[0]))

    def _power(self, base: Expr, exponent: Expr) -> int:
        if exponent.is_Float:
            exponent = sympy.Rational(str(exact(exponent)))
        if base is sympy.E:
            return self.node("exp", self.from_sympy(exponent))
        if exponent.is_Rational and exponent.q <= _HIGHEST_ROOT:
            inner = self.from_sympy(base)
            if exponent.q != 1:
                inner = self.node("root", int(exponent.q), inner)
            return inner if exponent.p == 1 else self.node("^", inner, int(exponent.p))
        return self.node("exp", self.node("*", self.from_sympy(exponent), self.node("log", self.from_sympy(base))))

    def _in_exponentials(self, function: Any, inner: int) -> int:
        """A hyperbolic function, spelt as the replay expects it."""
        up, down = self.node("exp", inner), self.node("exp", self.node("*", self.node("q", "-1"), inner))
        if function is sympy.tanh:
            fall = self.node("*", self.node("q", "-1"), down)
            return self.node("*", self.node("+", up, fall), self.node("^", self.node("+", up, down), -1))
        half, other = self.node("q", "1/2"), self.node("q", "-1/2" if function is sympy.sinh else "1/2")
        return self.node("+", self.node("*", half, up), self.node("*", other, down))

    def _extreme(self, name: str, args: tuple[Expr, ...]) -> int:
        index = self.from_sympy(args[0])
        for arg in args[1:]:
            index = self.node(name, index, self.from_sympy(arg))
        return index

    def cases(self, branches: list[Any]) -> int:
        """Index of a Piecewise with branches `(value, condition)`, of which the first that applies is taken."""
        if not branches:
            return self.node("nothing")
        (branch, condition), *rest = branches
        if condition == sympy.true:
            return self.from_sympy(branch)
        if condition == sympy.false:
            return self.cases(rest)
        if not isinstance(condition, sympy.Le | sympy.Lt | sympy.Ge | sympy.Gt):
            raise DomainError(f"condition {condition} of a Piecewise must be a single inequality")
        difference = self.node(
            "+", self.from_sympy(condition.lhs), self.node("*", self.node("q", "-1"), self.from_sympy(condition.rhs))
        )
        return self.node("case", condition.rel_op, difference, self.from_sympy(branch), self.cases(rest))

    def children(self, index: int) -> tuple[int, ...]:
        """The nodes that a node names."""
        op, *parts = self.nodes[index]
        if op in ("x", "q", "pi", "nothing"):
            return ()
        if op == "^":
            return (parts[0],)
        return tuple(parts[1:]) if op in ("root", "moment", "case") else tuple(parts)

    def renamed(self, index: int, names: Mapping[int, int]) -> Node:
        """A node whose parts have other numbers."""
        op, *parts = self.nodes[index]
        first = 1 if op in ("root", "moment", "case") else 0
        last = first + len(self.children(index))
        return (op, *parts[:first], *(names[part] for part in parts[first:last]), *parts[last:])

    def below(self, *roots: int) -> list[int]:
        """All nodes that the roots depend on, themselves included, in rising order."""
        seen: set[int] = set()
        waiting = list(roots)
        while waiting:
            index = waiting.pop()
            if index not in seen:
                seen.add(index)
                waiting.extend(self.children(index))
        return sorted(seen)

    def affine(
        self, index: int, of_kink: Callable[[int], dict[str, Fraction] | None] = lambda index: None
    ) -> dict[str, Fraction] | None:
        """Coefficients by letter, the constant under "", where the node is affine with rational coefficients.

        `of_kink` gives the coefficients of a kink whose branch is known.
        """
        op, *parts = self.nodes[index]
        if op == "x":
            return {parts[0]: Fraction(1)}
        if op == "q":
            return {"": Fraction(parts[0])}
        if op in KINKS:
            return of_kink(index)
        if op not in ("+", "*"):
            return None
        total: dict[str, Fraction] = {} if op == "+" else {"": Fraction(1)}
        for part in parts:
            form = self.affine(part, of_kink)
            if form is None:
                return None
            if op == "+":
                total = {name: total.get(name, Fraction(0)) + form.get(name, Fraction(0)) for name in total | form}
                continue
            # One of the two must be a number.
            one, other = (total, form) if set(form) <= {""} else (form, total)
            if not set(other) <= {""}:
                return None
            total = {name: value * other.get("", Fraction(0)) for name, value in one.items()}
        return total


def finite(expr: Expr) -> Expr:
    """The expression with every sum between numbers written out; `DomainError` for one of too many terms."""

    def terms(*parts: Any) -> Expr:
        body, *bounds = parts
        (letter, first, last), *more = bounds
        if more or not (first.is_Integer and last.is_Integer and 0 <= last - first < _TERMS):
            raise DomainError(f"a sum over {letter} must run between whole numbers and have at most {_TERMS} terms")
        return sympy.Add(*(body.xreplace({letter: sympy.Integer(i)}) for i in range(int(first), int(last) + 1)))

    return expr.replace(sympy.Sum, terms)


def exact(number: Expr) -> Fraction:
    """A sympy number as the rational it is; a float is the dyadic number it stores.

    Raises `DomainError` for one too long to write: Python writes no integer of more than 4,300 digits.
    """
    rational = sympy.Rational(number) if number.is_Float else number
    found = Fraction(int(rational.p), int(rational.q))
    bits = max(found.numerator.bit_length(), found.denominator.bit_length())
    if bits > _LONGEST:
        raise DomainError(f"a number of {bits} bits must have at most {_LONGEST}")
    return found


def rational(x: Fraction) -> Expr:
    """The number as sympy's."""
    return sympy.Rational(x.numerator, x.denominator)


def letters_of(expr: Expr) -> list[Symbol]:
    """The free letters, by name."""
    return sorted(expr.free_symbols, key=lambda symbol: symbol.name)
