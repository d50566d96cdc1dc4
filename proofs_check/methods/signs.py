"""Signs of expressions on their letters' whole domains, and the algebra of logarithms that rests on them.

`log(x y) = log x + log y` and `log(x^n) = n log x` are false for negative numbers: only logarithms whose factors are
known to be nonnegative are expanded. Where `log(x y)` has a value and neither factor is negative, both are positive.
"""

from __future__ import annotations

from functools import lru_cache

import sympy
from flint import ctx
from sympy import E, Expr, Ge, Gt, Interval, Mul, expand_log, factor, log, together

from proofs_check.deciding.undefined import Demand, demands
from proofs_check.inequalities.search.domains import side_of
from proofs_check.inequalities.search.enclosure import Enclosure
from proofs_check.inequalities.search.interval import certify
from proofs_check.inequalities.search.pool import Pool
from proofs_check.inequalities.search.spans import NoValue, Span
from proofs_check.inequalities.verdict import Verdict
from proofs_check.methods.step_claims import domain_of
from theory.errors import DomainError


def is_positive(expr: Expr) -> bool:
    """Whether the expression is defined and certainly above 0 on the whole domains of its letters."""
    span = _span(expr)
    return bool(expr.is_positive) or (span is not None and span.is_positive())


def is_nonnegative(expr: Expr) -> bool:
    """Whether the expression is defined and certainly not below 0 there."""
    span = _span(expr)
    return bool(expr.is_nonnegative) or (span is not None and span.is_nonnegative())


def is_nonzero(expr: Expr) -> bool:
    """Whether the expression is defined and certainly not 0 there."""
    return bool(expr.is_nonzero) or is_positive(expr) or is_positive(-expr)


@lru_cache(maxsize=4096)
def _span(expr: Expr) -> Span | None:
    box = {}
    try:
        for letter in expr.free_symbols:
            side = side_of(letter, domain_of(letter))
            if side is None:
                return None
            box[letter.name] = side
        pool = Pool()
        with ctx.workprec(64):
            return Enclosure(pool, box).span(pool.from_sympy(expr))
    except (DomainError, NoValue):
        return None


def spread_logs(expr: Expr) -> Expr:
    """The expression with logs of products and powers as sums; only factors known to be nonnegative are taken out."""
    return expand_log(expr.replace(log, lambda x: _spread(factor(together(x)))))


def _spread(x: Expr) -> Expr:
    total, rest = 0 * x, []
    for part in Mul.make_args(x):
        base, exponent = part.as_base_exp()
        if base is E:
            # Positive wherever the exponent has a value, which is then real.
            total += exponent
        elif part.is_Rational and part.is_positive:
            total += log(part)
        elif exponent.is_real and is_nonnegative(base):
            total += exponent * log(base)
        elif exponent.is_even and is_nonnegative(-base):
            total += exponent * log(-base)
        else:
            rest.append(part)
    return total + log(Mul(*rest)) if rest else total


_HOLDS = {">": is_positive, ">=": is_nonnegative, "!=": is_nonzero}
_BOXES = 200


def has_values(expr: Expr) -> bool:
    """Whether the expression is proved to have a value on the whole domains of its letters."""
    return all(_is_met(*demand) for demand in demands(expr))


def have_values_together(one: Expr, other: Expr) -> bool:
    """Whether each expression is proved to have a value wherever the other has one: no pole of one side alone."""
    ours, theirs = _factored_demands(one), _factored_demands(other)
    shared = ours & theirs
    return all(_is_met(*demand) or _is_met_beside(*demand, shared) for demand in ours ^ theirs)


def _is_met(expr: Expr, sign: str) -> bool:
    return _HOLDS[sign](expr) or _HOLDS[sign](factor(together(expr)))


def _factored_demands(expr: Expr) -> frozenset[Demand]:
    """The demands on an expression, with "not 0" and "above 0" taken apart by factor.

    A factor that is an even power, or not negative, is above 0 where it is not 0; the product of the others must be
    above 0.
    """
    found: set[Demand] = set()
    for each, sign in demands(expr):
        if sign == ">=":
            found.add((each, sign))
            continue
        numerator, denominator = together(each).as_numer_denom()
        signed = sympy.S.One
        for part in (*Mul.make_args(factor(numerator)), *Mul.make_args(factor(denominator))):
            base, exponent = part.as_base_exp()
            if sign == ">" and not (part.is_positive or (exponent.is_even and base.is_real) or is_nonnegative(part)):
                signed *= part
            elif not (base.is_number or base is E):
                found.add((_one_sign(base), "!="))
        if signed != 1:
            found.add((signed, ">"))
    return frozenset(found)


def _one_sign(expr: Expr) -> Expr:
    return -expr if expr.could_extract_minus_sign() else expr


def _is_met_beside(expr: Expr, sign: str, shared: frozenset[Demand]) -> bool:
    """Whether a demand is proved by boxes, without the ends of ranges at which neither side has a value."""
    domain = {}
    for letter in expr.free_symbols:
        values = domain_of(letter)
        shut = [any(each.subs(letter, end) == 0 for each, _ in shared) for end in (values.start, values.end)]
        domain[letter] = Interval(values.start, values.end, values.left_open or shut[0], values.right_open or shut[1])
    relation = Ge if sign == ">=" else Gt
    tried = (expr, -expr) if sign == "!=" else (expr,)
    try:
        verdicts = [certify(relation(each, 0, evaluate=False), domain, boxes=_BOXES).verdict for each in tried]
    except DomainError:
        return False
    return Verdict.PROVED in verdicts
