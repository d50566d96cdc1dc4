"""Enclosures over a box are sound, as tight as the expression allows, and know which of their ends are taken."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from flint import arb
from sympy import Max, exp, lambdify, log, symbols

from proofs_check.inequalities.search import enclosure
from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.enclosure import Enclosure, affine_range
from proofs_check.inequalities.search.pool import Pool
from proofs_check.inequalities.search.spans import Span

x, y = symbols("x y", positive=True)
FLAGS = list(itertools.product((False, True), repeat=2))


def side(low, high, low_open=False, high_open=False):
    ends = (None if end is None else Fraction(end) for end in (low, high))
    return Side(*ends, low_open, high_open)


def ends(span):
    return float(span.low), float(span.high), span.low_open, span.high_open


@pytest.mark.parametrize(("low_open", "high_open"), FLAGS)
def test_an_affine_form_knows_which_signs_it_takes(low_open, high_open):
    box = {"x": side(0, 1, low_open, high_open)}
    assert ends(affine_range({"x": Fraction(3)}, box)) == (0, 1, low_open, high_open)
    assert ends(affine_range({"x": Fraction(-3)}, box)) == (-1, 0, high_open, low_open)
    assert ends(affine_range({"x": Fraction(-3), "": Fraction(3)}, box)) == (0, 1, high_open, low_open)


def test_an_affine_form_may_reach_infinity_on_either_side():
    inf = float("inf")
    assert ends(affine_range({"x": Fraction(2)}, {"x": side(1, None, False, True)})) == (1, inf, False, True)
    assert ends(affine_range({"x": Fraction(-2)}, {"x": side(1, None, False, True)})) == (-inf, -1, True, False)
    assert ends(affine_range({"x": Fraction(-2)}, {"x": side(None, 1, True, False)})) == (-1, inf, False, True)


@pytest.mark.parametrize(("low_open", "high_open"), FLAGS)
def test_a_kink_of_a_falling_form_is_chosen_where_its_end_is_not_taken(low_open, high_open):
    pool = Pool()
    node = pool.from_sympy(Max(1 - x, 0))
    box = {"x": side(1, 2, low_open, high_open)}
    assert Enclosure(pool, box).chooses(node) is not None
    assert ends(Enclosure(pool, box).span(node))[:2] == (0, 0)


def taken(low, high, low_open, high_open):
    return Span(arb(low), arb(high), low_open, high_open, True)


@pytest.mark.parametrize(("one", "other"), list(itertools.product(FLAGS, FLAGS)))
def test_the_larger_of_two_takes_an_end_where_it_is_attained(one, other):
    (one_low, one_high), (other_low, other_high) = one, other
    alike = enclosure._larger(taken(0, 1, *one), taken(0, 1, *other))
    assert ends(alike) == (0, 1, one_low or other_low, one_high and other_high)
    above = enclosure._larger(taken(2, 3, *one), taken(0, 1, *other))
    assert ends(above) == (2, 3, one_low, one_high)
    below = enclosure._larger(taken(0, 1, *one), taken(2, 3, *other))
    assert ends(below) == (2, 3, other_low, other_high)
    assert not alike.smooth
    across = enclosure._larger(taken(0, 3, *one), taken(1, 2, *other))
    assert ends(across) == (1, 3, other_low, one_high)


PRODUCTS = {
    **{f"x^{a} log x": (x**a * log(x), a, lambda a: 2.718281828459045 ** (-1 / a)) for a in (1, 2, 3, 7)},
    **{f"x^{a} e^-2x": (x**a * exp(-2 * x), a, lambda a: a / 2) for a in (1, 2, 3, 7)},
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_that_turns_is_enclosed_whole_and_tightly(name):
    expr, a, turn_of = PRODUCTS[name]
    turn = Fraction(turn_of(a)).limit_denominator(10**6)
    pool = Pool()
    node, value_at = pool.from_sympy(expr), lambdify(x, expr, "math")
    near = [turn * part for part in (Fraction(1, 2), Fraction(9, 10), Fraction(99, 100), 1, Fraction(11, 10), 2)]
    for low, high in itertools.combinations(near, 2):
        span = Enclosure(pool, {"x": side(low, high)}).span(node)
        points = [float(low + (high - low) * Fraction(i, 40)) for i in range(41)]
        points += [float(turn)] if low <= turn <= high else []
        values = [value_at(point) for point in points]
        assert span.low <= min(values) + 1e-15
        assert span.high >= max(values) - 1e-15
        assert span.low >= min(values) - 1e-9
        assert span.high <= max(values) + 1e-9
