"""Converts claims to nested lists of text and numbers for a worker process, and back, without loss."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Dummy, Float, Rational, Symbol

from proofs_check.inequalities.search.moments import Moment
from theory.errors import DomainError
from theory.functions import BinaryDivergence, BinaryEntropy, Logistic, Logit

# Every node with an interval rule; nothing else is built from data.
_HEADS: dict[str, Any] = {
    head.__name__: head
    for head in (
        *(sympy.Le, sympy.Lt, sympy.Ge, sympy.Gt),
        *(sympy.Add, sympy.Mul, sympy.Pow, sympy.exp, sympy.log, sympy.Abs, sympy.Max, sympy.Min, sympy.Piecewise),
        *(sympy.cos, sympy.sin, sympy.acos, sympy.asin, sympy.sinh, sympy.cosh, sympy.tanh),
        *(Logistic, Logit, BinaryEntropy, BinaryDivergence, Moment),
    )
}
_CONSTANTS = {"E": sympy.E, "pi": sympy.pi, "true": sympy.true, "false": sympy.false}


def to_data(expr: Any) -> list[Any]:
    """An expression or a relation as data; `DomainError` for one without an interval rule."""
    for name, constant in _CONSTANTS.items():
        if expr is constant:
            return ["constant", name]
    if type(expr) in (Symbol, Dummy):
        # As declared, not as inferred: the declaration is part of how sympy spells the claim.
        assumed = dict(getattr(expr, "_assumptions_orig", expr.assumptions0))
        return ["letter", expr.name, assumed, expr.dummy_index if type(expr) is Dummy else None]
    if isinstance(expr, Rational):
        return ["rational", f"{int(expr.p):x}", f"{int(expr.q):x}"]
    if isinstance(expr, Float):
        sign, mantissa, exponent, bits = expr._mpf_
        return ["float", sign, f"{int(mantissa):x}", int(exponent), bits, expr._prec]
    name = type(expr).__name__
    if _HEADS.get(name) is not type(expr):
        raise DomainError(f"{name} in {expr} must be a function that intervals are known for")
    if isinstance(expr, sympy.Piecewise):
        return [name, *([to_data(value), to_data(condition)] for value, condition in expr.args)]
    return [name, *(to_data(arg) for arg in expr.args)]


def from_data(data: list[Any]) -> Any:
    """The expression that the data describes, unevaluated."""
    head, *parts = data
    if head == "constant":
        return _CONSTANTS[parts[0]]
    if head == "letter":
        name, assumed, index = parts
        return Symbol(name, **assumed) if index is None else Dummy(name, dummy_index=index, **assumed)
    if head == "rational":
        return Rational(int(parts[0], 16), int(parts[1], 16))
    if head == "float":
        sign, mantissa, exponent, bits, precision = parts
        return Float((sign, int(mantissa, 16), exponent, bits), precision=precision)
    if head == "Piecewise":
        branches = [(from_data(value), from_data(condition)) for value, condition in parts]
        return sympy.Piecewise(*branches, evaluate=False)
    return _HEADS[head](*(from_data(part) for part in parts), evaluate=False)
