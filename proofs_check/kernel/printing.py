"""Prints a clause of the catalogue as a proposition of Coq about an instance of its kind; refuses unknown nodes.

A letter becomes the definition of the same name in the kind's module under `proofs_check/kernel/coq/`, applied to the
instance. Coq's functions are total: `/ 0`, `ln 0` and the like have a meaningless value. The clauses divide and take
logarithms only where their letters' domains, which the instance's assumptions imply, allow it.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import sympy
from sympy import Expr, Symbol, true
from sympy.core.relational import Eq, Relational
from sympy.logic.boolalg import And, Boolean, Equivalent, Implies

from proofs_check.kernel.kinds import COQ_KINDS, CoqKind, coq_name
from theory.functions import BinaryDivergence, BinaryEntropy, Logistic, Logit, LowestEntropy
from theory.lowering import UnknownNode
from theory.statement import Clause, Statement

# Precedence of a printed expression: sums, products, unary minus, arguments of a function.
_SUM, _PRODUCT, _SIGNED, _ATOM = range(4)
# The same for propositions: equivalences, implications, conjunctions, relations.
_IFF, _ARROW, _AND, _RELATION = range(4)

_FUNCTIONS: Mapping[type, str] = {
    sympy.exp: "exp",
    sympy.log: "ln",
    sympy.Abs: "Rabs",
    sympy.cos: "cos",
    sympy.acos: "acos",
    sympy.asin: "asin",
    sympy.ceiling: "ceiling",
    sympy.floor: "floor",
    Logistic: "Logistic",
    Logit: "Logit",
    BinaryEntropy: "BinaryEntropy",
    BinaryDivergence: "BinaryDivergence",
    LowestEntropy: "LowestEntropy",
}
# Those that Coq's own library of real numbers defines, for claims about numbers.
_STANDARD: Mapping[type, str] = {
    each: name for each, name in _FUNCTIONS.items() if name in ("exp", "ln", "Rabs", "cos", "acos", "asin")
} | {getattr(sympy, name): name for name in ("sin", "tan", "atan", "sinh", "cosh", "tanh")}
_CONSTANTS: Mapping[Expr, str] = {sympy.pi: "PI", sympy.E: "exp 1"}
_BRANCHES: Mapping[Expr, str] = {sympy.S.Zero: "LambertW_0", sympy.S.NegativeOne: "LambertW_m1"}
# The functions with a module of their own; the others are in `Functions.v`.
MODULES: Mapping[str, str] = {"LowestEntropy": "Lowest", "LambertW_0": "Lambert", "LambertW_m1": "Lambert"}
_FOLDED: Mapping[type, str] = {sympy.Max: "Rmax", sympy.Min: "Rmin"}

# Where an expression's letters come from: a kind of instance, or bound variables by their names in Coq.
Letters = CoqKind | Mapping[Symbol, str]


def clause_to_coq(statement: Statement, clause: Clause) -> str:
    """The proposition that the clause holds for every possible instance `a` that keeps the statement's assumptions.

    Raises `UnknownNode` for a kind, a letter or a node that has no definition in Coq.
    """
    kind = COQ_KINDS.get(statement.about)
    if kind is None:
        raise UnknownNode(f"Coq has no definition of a {statement.about}")
    claim = _proposition(clause.holds, kind, _ARROW)
    premises = ["possible a", *assumptions_to_coq(statement)]
    premises += [] if clause.given == true else [_proposition(clause.given, kind, _AND)]
    return f"forall a : {kind.type}, {' -> '.join([*premises, claim])}"


def assumptions_to_coq(statement: Statement) -> list[str]:
    """The statement's assumptions on an instance `a`, except those that the definitions of the kind enforce.

    Raises `UnknownNode` for an assumption that has no definition in Coq.
    """
    kind = COQ_KINDS[statement.about]
    printed = []
    for each in statement.assumptions:
        if each.condition is not None:
            printed.append(_proposition(each.condition, kind, _AND))
        elif each.name in kind.structure:
            printed.append(f"{kind.structure[each.name]} a")
        elif each.name not in kind.built_in:
            raise UnknownNode(f"Coq has no definition of the assumption {each.name!r} on a {kind.type}")
    return printed


def expression_to_coq(node: Expr, names: Mapping[Symbol, str]) -> str:
    """The expression over bound variables, in the functions of Coq's own library of real numbers.

    Raises `UnknownNode` for a node that has no definition there.
    """
    return _expression(node, names, _SUM)


def _proposition(claim: Boolean, kind: CoqKind, at_least: int) -> str:
    if isinstance(claim, Relational):
        sign = "=" if isinstance(claim, Eq) else claim.rel_op
        if sign not in ("=", "<=", "<", ">=", ">"):
            raise UnknownNode(f"Coq has no meaning for the relation {sign} in {claim}")
        return f"{_expression(claim.lhs, kind, _SUM)} {sign} {_expression(claim.rhs, kind, _SUM)}"
    if isinstance(claim, Implies):
        premise, conclusion = claim.args
        text = f"{_proposition(premise, kind, _AND)} -> {_proposition(conclusion, kind, _ARROW)}"
        return _bracketed(text, _ARROW, at_least)
    if isinstance(claim, Equivalent) and len(claim.args) == 2:
        # sympy keeps the two sides as a set: print them in sympy's own order.
        left, right = sorted(claim.args, key=sympy.default_sort_key)
        text = f"({_proposition(left, kind, _ARROW)}) <-> ({_proposition(right, kind, _ARROW)})"
        return _bracketed(text, _IFF, at_least)
    if isinstance(claim, And):
        parts = sorted(claim.args, key=sympy.default_sort_key)
        return _bracketed(" /\\ ".join(_proposition(part, kind, _RELATION) for part in parts), _AND, at_least)
    raise UnknownNode(f"Coq has no meaning for {type(claim).__name__} in {claim}")


def _bracketed(text: str, level: int, at_least: int) -> str:
    return text if level >= at_least else f"({text})"


def _expression(node: Expr, kind: Letters, at_least: int) -> str:
    text, level = _printed(node, kind)
    return _bracketed(text, level, at_least)


def _printed(node: Expr, kind: Letters) -> tuple[str, int]:
    own = isinstance(kind, CoqKind)
    if node.is_Symbol:
        if not isinstance(kind, CoqKind):
            return kind[node], _ATOM
        if node not in kind.letters:
            raise UnknownNode(f"Coq has no definition of the letter {node} on a {kind.type}")
        return f"{coq_name(node)} a", _SIGNED
    if node.is_Rational:
        return _number(Fraction(int(node.p), int(node.q)))
    if node.is_Add:
        return _sum(node, kind)
    if node.is_Mul:
        return _product(node, kind)
    if node.is_Pow:
        return _power(node, kind)
    if node in _CONSTANTS and not own:
        return _CONSTANTS[node], _SIGNED
    functions = _FUNCTIONS if own else _STANDARD
    if node.func in functions:
        return " ".join([functions[node.func], *(_expression(arg, kind, _ATOM) for arg in node.args)]), _SIGNED
    if isinstance(node, sympy.LambertW) and own:
        x, branch = (*node.args, sympy.S.Zero)[:2]
        if branch not in _BRANCHES:
            raise UnknownNode(f"Coq has no meaning for the branch {branch} in {node}")
        return f"{_BRANCHES[branch]} {_expression(x, kind, _ATOM)}", _SIGNED
    if node.func in _FOLDED:
        first, *rest = (_expression(arg, kind, _ATOM) for arg in sorted(node.args, key=sympy.default_sort_key))
        text = f"{_FOLDED[node.func]} {first} {rest[0]}"
        for other in rest[1:]:
            text = f"{_FOLDED[node.func]} ({text}) {other}"
        return text, _SIGNED
    raise UnknownNode(f"Coq has no meaning for {node.func.__name__} in {node}")


def _number(value: Fraction) -> tuple[str, int]:
    if value < 0:
        return f"- {_bracketed(*_number(-value), _SIGNED)}", _SUM
    return (str(value), _ATOM) if value.denominator == 1 else (f"{value.numerator} / {value.denominator}", _PRODUCT)


def _sum(node: Expr, kind: Letters) -> tuple[str, int]:
    text = ""
    for term in node.as_ordered_terms():
        negative = term.could_extract_minus_sign() and term.as_coeff_Mul()[0].is_negative
        part = _expression(-term if negative else term, kind, _PRODUCT)
        if not text:
            text = f"- {part}" if negative else part
        else:
            text += f" - {part}" if negative else f" + {part}"
    return text, _SUM


def _product(node: Expr, kind: Letters) -> tuple[str, int]:
    coefficient, rest = node.as_coeff_Mul()
    if coefficient.is_negative:
        return f"- {_expression(-node, kind, _SIGNED)}", _SUM
    over, under = [], []
    if coefficient.p != 1:
        over.append(_expression(sympy.Integer(coefficient.p), kind, _SIGNED))
    if coefficient.q != 1:
        under.append(_expression(sympy.Integer(coefficient.q), kind, _SIGNED))
    for factor in rest.as_ordered_factors():
        below = factor.is_Pow and factor.exp.is_Rational and factor.exp.is_negative
        part = _expression(1 / factor if below else factor, kind, _SIGNED)
        (under if below else over).append(part)
    text = " * ".join(over) or "1"
    if not under:
        return text, _PRODUCT
    divisor = under[0] if len(under) == 1 else "(" + " * ".join(under) + ")"
    return f"{text} / {divisor}", _PRODUCT


def _power(node: Expr, kind: Letters) -> tuple[str, int]:
    base, exponent = node.args
    if exponent.is_Rational and exponent.is_negative:
        return f"1 / {_expression(1 / node, kind, _SIGNED)}", _PRODUCT
    if exponent == sympy.S.Half:
        return f"sqrt {_expression(base, kind, _ATOM)}", _SIGNED
    if exponent.is_Integer:
        return f"{_expression(base, kind, _ATOM)} ^ {int(exponent)}", _SIGNED
    if base.is_positive:
        return f"Rpower {_expression(base, kind, _ATOM)} {_expression(exponent, kind, _ATOM)}", _SIGNED
    raise UnknownNode(f"Coq has no meaning for the power {node}")
