"""Ways to write a polynomial in which its sign shows: factors over roots, squares, and Bernstein's basis.

Nothing here is trusted: the replay compares every form with the claim by an algebra of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import product
from math import comb, prod

import sympy
from sympy import Expr, Poly, Symbol

from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.pool import rational

_TERMS, _DEGREE, _BASIS = 60, 12, 300


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
    if poly is None:
        return
    roots = [c for c in poly.atoms(sympy.Pow) if c.is_number and c.is_algebraic]
    constant, factors = sympy.factor_list(expr, *letters, **({"extension": roots} if roots else {}))
    parts = [(squares(factor, letters), times) for factor, times in factors]
    yield sympy.Mul(constant, *(part**times for part, times in parts))
    spread = bernstein(poly, sides)
    if spread is not None:
        yield spread


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
    """The polynomial in powers of the distances to the ends of its box; None for a letter without an end."""
    letters = list(poly.gens)
    bases: list[list[tuple[Expr, list[Fraction]]]] = []
    if any(side.low is None or side.is_point for side in sides.values()):
        return None
    if prod(poly.degree(letter) + 1 for letter in letters) > _BASIS:
        return None
    for letter in letters:
        bases.append(_basis(letter, sides[letter], poly.degree(letter)))
    total = []
    for choice in product(*bases):
        weight = sympy.Add(
            *(
                c * prod((row[n] for (_, row), n in zip(choice, powers, strict=True)), start=sympy.Integer(1))
                for powers, c in poly.terms()
            )
        )
        if weight != 0:
            total.append(weight * sympy.Mul(*(term for term, _ in choice)))
    return sympy.Add(*total)


def _basis(letter: Symbol, side: Side, degree: int) -> list[tuple[Expr, list[Expr]]]:
    """Nonnegative terms in a letter, each with its coefficient in every power of the letter."""
    low = rational(side.low) if side.low is not None else sympy.Integer(0)
    if side.high is None:
        rows = [
            [comb(n, k) * low ** (n - k) if k <= n else sympy.Integer(0) for n in range(degree + 1)]
            for k in range(degree + 1)
        ]
        return [((letter - low) ** k, row) for k, row in enumerate(rows)]
    high = rational(side.high)
    width = high - low
    found = []
    for k in range(degree + 1):
        # The blossom of x^n at k ends `high` and the rest `low`.
        row = []
        for n in range(degree + 1):
            picks = (
                comb(k, j) * comb(degree - k, n - j) * high**j * low ** (n - j)
                for j in range(n + 1)
                if n - j <= degree - k
            )
            row.append(sympy.Rational(1, comb(degree, n)) * sum(picks, sympy.Integer(0)))
        term = comb(degree, k) * (letter - low) ** k * (high - letter) ** (degree - k) / width**degree
        found.append((term, row))
    return found
