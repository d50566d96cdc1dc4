"""Ways to write a polynomial in which its sign shows: factors over roots, squares, and Bernstein's basis.

Nothing here is trusted: the replay compares every form with the claim by an algebra of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

import sympy
from sympy import Expr, Poly, Symbol

from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.pool import rational

_TERMS, _DEGREE, _BASIS = 60, 12, 300
# sympy looks for a prime beyond the largest coefficient: seconds for 20 digits, minutes for 300.
_LARGEST = 2**64
# sympy takes e^2048 for the power of a letter: seconds each time, for a polynomial without factors.
_HIGHEST_POWER = 64


def polynomial(expr: Expr, letters: list[Symbol]) -> Poly | None:
    """The expression as a polynomial whose coefficients hold none of its letters; None for another, or a long one."""
    if not letters or expr.count_ops() > 10 * _TERMS:
        return None
    try:
        poly = Poly(expr, *letters)
    except sympy.PolynomialError:
        return None
    if poly.total_degree() > _DEGREE or len(poly.terms()) > _TERMS or poly.total_degree() < 1:
        return None
    return poly if all(c.is_number for c in poly.coeffs()) else None


def positive_forms(expr: Expr, sides: Mapping[Symbol, Side]) -> Iterator[Expr]:
    """Forms of a polynomial that may be above 0 term by term; none for another expression."""
    letters = sorted(sides, key=lambda letter: letter.name)
    poly = polynomial(expr, letters)
    if poly is None or plainly_positive(poly.as_expr()):
        return
    roots = [c for c in poly.atoms(sympy.Pow) if c.is_number and c.is_algebraic]
    constant, factors = sympy.factor_list(expr, *letters, **({"extension": roots} if roots else {}))
    parts = [(squares(factor, letters), times) for factor, times in factors]
    yield sympy.Mul(constant, *(part**times for part, times in parts))
    spread = bernstein(poly, sides)
    if spread is not None:
        yield spread


def plainly_positive(expr: Expr) -> bool:
    """Whether a sum has no minus sign and no letter that may be negative: no other form shows more."""
    signed = any(term.could_extract_minus_sign() for term in sympy.Add.make_args(expr))
    return not signed and all(letter.is_nonnegative for letter in expr.free_symbols)


def squares(expr: Expr, letters: list[Symbol]) -> Expr:
    """The expression with the squares of letters completed, wherever their coefficient is a positive number."""
    expr = sympy.expand(expr)
    for letter in letters:
        degree = sympy.degree(expr, letter)
        for step in (letter, letter**2):
            power = sympy.degree(step, letter)
            if degree != 2 * power or any(n % power for (n,) in Poly(expr, letter).monoms()):
                continue
            c, b, a = (expr.coeff(letter, power * n) for n in range(3))
            if not a.is_number or not a.is_positive or (b == 0 and power == 1):
                continue
            whole = step + sympy.expand(b / (2 * a))
            rest = sympy.expand(c - b**2 / (4 * a))
            return a * whole**2 + squares(rest, letters)
    return expr


def bernstein(poly: Poly, sides: Mapping[Symbol, Side]) -> Expr | None:
    """The polynomial in powers of the distances to the ends of its box; None for a letter without a lower end."""
    expr, back = poly.as_expr(), {}
    if prod(poly.degree(letter) + 1 for letter in poly.gens) > _BASIS:
        return None
    for letter in poly.gens:
        side, up, down = sides[letter], sympy.Dummy(), sympy.Dummy()
        if side.low is None or side.is_point:
            return None
        low, high, degree = rational(side.low), None if side.high is None else rational(side.high), poly.degree(letter)
        if high is None:
            expr, back[up] = expr.subs(letter, low + up), letter - low
            continue
        # With `up + down = 1`, the letter is `low down + high up`.
        terms = Poly(expr, letter).terms()
        expr = sympy.Add(*(c * (low * down + high * up) ** k * (up + down) ** (degree - k) for (k,), c in terms))
        back |= {up: (letter - low) / (high - low), down: (high - letter) / (high - low)}
    return sympy.expand(expr).xreplace(back)


def factored(expr: Expr) -> Expr:
    """The expression in factors; unchanged if it holds a very large number or exponent."""
    if any(max(abs(number.p), number.q) > _LARGEST for number in expr.atoms(sympy.Rational)):
        return expr
    multiples = [power.exp.as_coeff_Mul()[0] for power in expr.atoms(sympy.Pow, sympy.exp)]
    if any(number.is_Rational and max(abs(number.p), number.q) > _HIGHEST_POWER for number in multiples):
        return expr
    return sympy.factor(expr)
