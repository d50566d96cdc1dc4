"""Equal forms of an expression that keep their digits in float64, where the textbook form cancels or overflows.

`theory.stable` holds the same forms as numeric functions. Each rule is an identity of algebra; that of a two-level
row's entropy is a step of A4's derivation.
"""

from __future__ import annotations

from sympy import Add, Expr, Function, Mul, Piecewise, S, cancel, exp, factor, log
from sympy.codegen.cfunctions import expm1, log1p

from theory.functions import BinaryEntropy, Logistic, Logit
from theory.symbols import VOCABULARY


class EntropyOfLogit(Function):
    """`h(sigma(x))` in nats: the binary entropy, from the logit of its argument."""

    nargs = 1


def stable(expr: Expr) -> Expr:
    """The expression with each part in its stable form, from the leaves up."""
    if not expr.args:
        return expr
    if isinstance(expr, Piecewise):
        return Piecewise(*((stable(branch), condition) for branch, condition in expr.args))
    parts = [stable(part) for part in expr.args]
    written = expr if all(a is b for a, b in zip(parts, expr.args, strict=True)) else expr.func(*parts)
    if isinstance(written, log):
        return _log(written)
    if isinstance(written, Logit):
        return _logit(written)
    if isinstance(written, BinaryEntropy) and isinstance(written.args[0], Logistic):
        return EntropyOfLogit(*written.args[0].args)
    return _sum(written) if written.is_Add else written


def _log(written: Expr) -> Expr:
    """`log(1 + x)` keeps the digits of a small `x`; so does `log(a + e^h)` of a small binary entropy `h`."""
    argument = written.args[0]
    if not argument.is_Add:
        return written
    for part in argument.args:
        rest = argument - part
        if isinstance(part, exp) and isinstance(part.args[0], BinaryEntropy | EntropyOfLogit):
            return log(rest + 1) + log1p(expm1(part.args[0]) / (rest + 1))
    return log1p(argument - 1) if S.One in argument.args else written


def _logit(written: Expr) -> Expr:
    inner = written.args[0]
    if isinstance(inner, Logistic):
        return inner.args[0]
    # A leak of 1e-300 is lost in one minus itself.
    return -Logit(1 - inner) if inner.is_Add and (1 - inner).is_Symbol else written


def _sum(written: Expr) -> Expr:
    found = _two_level_entropy(written)
    if found is not None:
        return found
    if S.One in written.args:
        for part in written.args:
            if isinstance(-part, Logistic):
                return stable(written - 1 - part + Logistic(-(-part).args[0]))
            if isinstance(-part, exp):
                return written - 1 - part - expm1((-part).args[0])
    if S.NegativeOne in written.args:
        for part in written.args:
            if isinstance(part, exp):
                return written + 1 - part + expm1(part.args[0])
    return _of_shares(written)


def _two_level_entropy(written: Expr) -> Expr | None:
    """`log(m + k e^-x) + x sigma(-y)`, `y = x + log(m/k)`, as `h(sigma(y)) + sigma(y) log m + sigma(-y) log k`."""
    for whole in written.args:
        if not (isinstance(whole, log) and whole.args[0].is_Add and len(whole.args[0].args) == 2):
            continue
        for upper in whole.args[0].args:
            # A power of e may stand beside the number of keys, which is what remains without it.
            lower = whole.args[0] - upper
            powers = [part for part in Mul.make_args(lower) if isinstance(part, exp)]
            if len(powers) != 1 or upper.has(exp):
                continue
            gap, keys = -powers[0].args[0], lower / powers[0]
            logit = gap + log(upper / keys)
            term = gap * Logistic(-logit)
            if term in written.args:
                entropy = EntropyOfLogit(logit) + Logistic(logit) * log(upper) + Logistic(-logit) * log(keys)
                return written - whole - term + entropy
    return None


def _of_shares(written: Expr) -> Expr:
    """One minus a product of shares, such as `1 - lambda epsilon`, as a sum of positive terms; or as one quotient."""
    if S.One not in written.args or len(written.args) != 2:
        return written
    taken = 1 - written
    factors = Mul.make_args(taken)
    if len(factors) == 2 and all(_is_share(part) or _is_share(1 - part) for part in factors):
        first = next((part for part in factors if part.is_Symbol), factors[0])
        return Add(1 - first, first * (1 - taken / first))
    if written.free_symbols and all(map(_is_share, written.free_symbols)) and written.is_rational_function():
        quotient = factor(cancel(written))
        return quotient if quotient.is_Mul else written
    return written


def _is_share(expr: Expr) -> bool:
    return expr.is_Symbol and expr in VOCABULARY and VOCABULARY[expr].domain.sup == 1 and bool(expr.is_nonnegative)
