"""F4's numbers: the least costly dials against exact conditions and solvers, the grid against enumeration and HiGHS."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, product

import cvxpy
import mpmath
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp, minimize

from proofs_check.inequalities.verdict import Verdict
from proofs_check.methods.sampling import sample
from proofs_check.methods.symbolic import check_derivation
from proofs_check.strategies import priced_layers
from theory.errors import DomainError
from theory.numbers import dial_costs
from theory.numbers.dial_costs import cheapest_layers, least_cost_dials, least_cost_on_grid
from theory.numbers.schedule_bounds import dial_gain
from theory.statements.least_cost import LEAST_COST

leaks = st.one_of(st.floats(1e-9, 1 - 1e-9), st.sampled_from([5e-324, 1e-300, 1e-17, 0.5, 0.9, 1 - 2**-53]))
weights = st.one_of(st.floats(1e-3, 1e3), st.sampled_from([5e-324, 1e-200, 1.0, 1e200]))
items = st.lists(st.tuples(weights, leaks), min_size=1, max_size=8)


def test_statement_is_derived_and_sampled_clean():
    assert check_derivation(LEAST_COST).verdict is Verdict.PROVED
    assert sample(LEAST_COST, 60).clean


# Leaks that float64 tells from 0 and 1, so that rounding an argument moves no dial far.
usual_layers = priced_layers().filter(lambda drawn: all(1e-6 < eps < 1 - 1e-6 for eps in drawn.leaks))


@given(usual_layers)
def test_dials_are_the_statements_priced_dials(drawn):
    priced = drawn.priced(drawn.price)
    found = least_cost_dials(list(map(float, drawn.weights)), list(map(float, drawn.leaks)), float(sum(priced)))
    assert np.allclose(found, list(map(float, priced)), rtol=0, atol=1e-8)


@given(usual_layers)
def test_cheapest_layers_cost_what_the_statement_says(drawn):
    costs, eps = list(map(float, drawn.weights)), list(map(float, drawn.leaks))
    fidelity = float(drawn.fidelity)
    found = cheapest_layers(costs, eps, fidelity, len(drawn.picked))
    assert np.isclose(cost(found, costs, eps), float(drawn.cost(drawn.only(drawn.cheapest()))), rtol=1e-9, atol=1e-300)


def cost(dials, weights, leaks):
    return float(np.sum(np.asarray(weights) * dial_gain(leaks, dials)))


def oracle(pairs, budget):
    """The dials by bisection on the multiplier, in 700 bits; a method that knows no breakpoints."""
    with mpmath.workprec(700):
        exact = [(mpmath.mpf(c), mpmath.mpf(e)) for c, e in pairs]

        def dials(log_nu):
            # exp of a logarithm, so that the search crosses hundreds of orders of magnitude.
            nu = mpmath.exp(log_nu)
            plain = [(1 - mpmath.sqrt(c * e * (1 - e) / nu)) / e for c, e in exact]
            return [min(max(dial, mpmath.mpf(0)), mpmath.mpf(1)) for dial in plain]

        low, high = mpmath.mpf(-400), mpmath.mpf(400)
        for _ in range(700):
            middle = (low + high) / 2
            low, high = (middle, high) if sum(dials(middle)) < mpmath.mpf(budget) else (low, middle)
        return dials(high)


@pytest.mark.parametrize("seed", range(16))
def test_dials_match_bisection_in_many_digits(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 9))
    spread = rng.choice([0.1, 3, 40])
    pairs = [
        (float(np.exp(rng.normal(0, spread))), float(rng.choice([rng.random(), 1e-8, 1e-17, 1 - 1e-9, 0.5])))
        for _ in range(count)
    ]
    budget = float(rng.choice([rng.random(), 1e-12, 0.5, 1 - 1e-12]) * count)
    found = least_cost_dials(*zip(*pairs, strict=True), budget)
    for dial, exact in zip(found, oracle(pairs, budget), strict=True):
        assert abs(mpmath.mpf(float(dial)) - exact) <= 1e-12 * exact + mpmath.mpf(10) ** -30


@given(items, st.floats(0, 1))
@example([(1.0, 5e-324), (1.0, 1 - 2**-53)], 0.5)
@example([(1.0, 0.5)] * 4, 0.25)
def test_dials_keep_the_budget_and_rise_as_marginal_costs_fall(pairs, share):
    costs, eps = zip(*pairs, strict=True)
    budget = share * len(pairs)
    dials = least_cost_dials(costs, eps, budget)
    assert ((dials >= 0) & (dials <= 1)).all()
    assert np.isclose(dials.sum(), budget, rtol=1e-12, atol=1e-30)
    # The conditions of Karush, Kuhn and Tucker in exact arithmetic, of dials that float64 rounds.
    marginals = []
    for c, leak, dial in zip(costs, eps, dials, strict=True):
        e, lam = Fraction(leak), Fraction(float(dial))
        slope = Fraction(c) * e * (1 - e) / (1 - lam * e) ** 2
        steepness = 2 * e * max(lam, 1 - lam) / (1 - lam * e) * Fraction(1, 2**50) + Fraction(1, 10**11)
        marginals.append((slope, steepness, dial))
    for (one, wide, low), (other, wider, high) in product(marginals, repeat=2):
        if low > 0 and high < 1:
            assert one * (1 - wide) <= other * (1 + wider)


@pytest.mark.parametrize("seed", range(10))
def test_no_other_dials_cost_less(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 7))
    costs, eps = rng.lognormal(size=count), rng.uniform(0.05, 0.95, count)
    budget = float(rng.uniform(0, count))
    dials = least_cost_dials(costs, eps, budget)
    least = cost(dials, costs, eps)
    rivals = rng.dirichlet(np.ones(count), 2000) * budget
    rivals = rivals[(rivals <= 1).all(axis=1)]
    assert all(cost(rival, costs, eps) >= least - 1e-12 for rival in rivals)
    found = minimize(
        lambda lam: cost(np.clip(lam, 0, 1), costs, eps),
        np.full(count, budget / count),
        bounds=[(0, 1)] * count,
        constraints=[{"type": "eq", "fun": lambda lam: lam.sum() - budget}],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert least <= found.fun + 1e-9
    lam = cvxpy.Variable(count)
    # c (1-eps) (1/(1 - lam eps) - 1): the cost in a form that the modelling language knows to be convex.
    terms = cvxpy.multiply(costs * (1 - eps), cvxpy.inv_pos(1 - cvxpy.multiply(eps, lam)) - 1)
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum(terms)), [cvxpy.sum(lam) == budget, lam >= 0, lam <= 1])
    problem.solve()
    assert np.allclose(lam.value, dials, atol=1e-3)
    assert abs(problem.value - least) < 1e-5 * max(1.0, least)


def test_extreme_budgets_and_leaks():
    assert least_cost_dials([1, 2, 3], [0.1, 0.5, 0.9], 0).tolist() == [0, 0, 0]
    assert least_cost_dials([1, 2, 3], [0.1, 0.5, 0.9], 3).tolist() == [1, 1, 1]
    # Items without leak are free, and share what they can take.
    assert least_cost_dials(1, [0.0, 0.5, 0.0], 1.0).tolist() == [0.5, 0, 0.5]
    assert least_cost_dials(1, [0.0, 0.5, 0.0], 2.5).tolist() == [1, 0.5, 1]
    # With tiny leaks the cost is linear: the cheapest is dialled first.
    assert least_cost_dials([2, 1], [1e-300, 1e-300], 1.0).tolist() == [0, 1]
    # A uniform dial is not the least costly: what a mutant of F4 says.
    assert cost([0.5, 0.5], [1, 4], [0.5, 0.5]) > cost(least_cost_dials([1, 4], [0.5, 0.5], 1), [1, 4], [0.5, 0.5])


@given(st.lists(st.tuples(weights, leaks), min_size=1, max_size=6), st.floats(1e-6, 1 - 1e-9), st.data())
def test_cheapest_layers_are_the_cheapest_of_all_sets(pairs, fidelity, data):
    costs, eps = map(np.array, zip(*pairs, strict=True))
    number = data.draw(st.integers(0, len(pairs)))
    dials = cheapest_layers(costs, eps, fidelity, number)
    own = []
    for leak, dial in zip(eps, dials, strict=True):
        e, f = Fraction(float(leak)), Fraction(fidelity)
        own.append(max(Fraction(0), 1 - (1 - e) / e * (1 - f) / f))
        assert dial == 0 or abs(Fraction(float(dial)) - own[-1]) <= own[-1] / 10**12
    each = [Fraction(float(c)) * lam * Fraction(float(e)) * (1 - Fraction(float(e))) / (1 - lam * Fraction(float(e)))
            for c, e, lam in zip(costs, eps, own, strict=True)]  # fmt: skip
    reached = [lam == 0 or dial > 0 for lam, dial in zip(own, dials, strict=True)]
    assert sum(reached) >= number
    spent = sum(c for c, dial in zip(each, dials, strict=True) if dial > 0)
    least = min(sum(chosen) for chosen in combinations(each, number))
    assert spent <= least * (1 + Fraction(1, 10**9))


def test_cheapest_layers_breaks_ties_by_the_first():
    assert cheapest_layers(1, [0.5, 0.5, 0.5], 0.9, 1).round(6).tolist() == [0.888889, 0, 0]


grids = st.integers(1, 4).flatmap(
    lambda levels: st.lists(
        st.lists(
            st.tuples(st.integers(-6, 12).map(lambda i: i / 4), st.integers(0, 5)), min_size=levels, max_size=levels
        ),
        min_size=1,
        max_size=5,
    )
)


def enumerated(losses, met, needed):
    """Least total over every choice of levels."""
    choices = product(*(range(len(row)) for row in losses))
    pairs = (
        (
            sum(row[i] for row, i in zip(losses, choice, strict=True)),
            sum(row[i] for row, i in zip(met, choice, strict=True)),
        )
        for choice in choices
    )
    return min(loss for loss, got in pairs if got >= needed)


@given(grids, st.floats(0, 1), st.sampled_from([1, 10**6]))
def test_grid_choice_is_the_best_of_all(grid, share, scale):
    losses, met = [[x for x, _ in row] for row in grid], [[scale * n for _, n in row] for row in grid]
    needed = int(share * sum(map(max, met)))
    found = least_cost_on_grid(losses, met, needed)
    assert sum(row[i] for row, i in zip(met, found.levels, strict=True)) >= needed
    assert found.total == sum(row[i] for row, i in zip(losses, found.levels, strict=True))
    assert found.total == found.lower_bound == pytest.approx(enumerated(losses, met, needed), abs=1e-12)


def measured(seed, items=200, levels=12):
    """Curves that first fall and then rise steeply, and the rows of 1e7 that each dial brings to a fidelity."""
    rng = np.random.default_rng(seed)
    dial = np.linspace(0, 1, levels)
    losses = rng.lognormal(size=(items, 1)) * 0.03 * dial**4 / (1.05 - dial) - 0.01 * dial * rng.random((items, 1))
    met = 1e7 / (1 + np.exp(rng.normal(5, 2, (items, 1)) - 10 * dial))
    return losses + 1e-4 * rng.normal(size=losses.shape), met.astype(np.int64)


@pytest.mark.parametrize(("seed", "share"), [(0, 0.5), (1, 0.9), (2, 0.999)])
def test_grid_choice_matches_highs_on_two_hundred_curves(seed, share):
    losses, met = measured(seed)
    needed = int(share * met.max(axis=1).sum())
    found = least_cost_on_grid(losses, met, needed)
    count, levels = losses.shape
    one_level = np.kron(np.eye(count), np.ones(levels))
    solved = milp(
        100 * losses.ravel(),
        integrality=np.ones(losses.size),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(one_level, 1, 1),
            LinearConstraint(met.ravel()[None] / 1e7, needed / 1e7, np.inf),
        ],
        options={"mip_rel_gap": 0},
    )
    assert solved.status == 0
    assert found.total == found.lower_bound
    assert found.total == pytest.approx(solved.fun / 100, abs=1e-7)


def test_a_search_that_drops_choices_says_how_far_from_best_it_may_be(monkeypatch):
    losses, met = measured(3, items=12, levels=5)
    needed = int(0.7 * met.max(axis=1).sum())
    best = least_cost_on_grid(losses, met, needed)
    assert best.total == best.lower_bound
    monkeypatch.setattr(dial_costs, "_WIDTHS", (1,))
    narrow = least_cost_on_grid(losses, met, needed)
    assert narrow.lower_bound <= best.total <= narrow.total
    assert narrow.lower_bound < narrow.total


def test_hard_grids_end_and_bound_what_they_leave_out():
    # Losses equal to contributions: every choice beside the threshold is about as good.
    rng = np.random.default_rng(5)
    met = rng.integers(10**6, 10**7, (60, 4))
    found = least_cost_on_grid(met, met, int(met.sum() / 4) + 1)
    assert found.lower_bound <= found.total <= found.lower_bound * (1 + 1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: least_cost_dials([1, 0], 0.5, 1), "cost=0 must be positive"),
        (lambda: least_cost_dials([1, 1], [0.5, 1], 1), r"leak=1 must lie in \[0, 1\)"),
        (lambda: least_cost_dials([1, 1], 0.5, 2.5), r"budget=2.5 must be one number in \[0, 2\]"),
        (lambda: least_cost_dials([1, 1], 0.5, [1, 1]), "budget=1 must be one number"),
        (lambda: least_cost_dials([[1, 1]], 0.5, 1), r"shape \(1, 2\) must be one number for each item"),
        (lambda: least_cost_dials([1, 1], [0.5] * 3, 1), r"shapes \(2,\), \(3,\) must fit one shape"),
        (lambda: cheapest_layers(1, [0.5, 0.5], 0.9, 3), "number of layers=3 must be at most 2"),
        (lambda: cheapest_layers(1, [0.5, 0.5], 1.0, 1), r"fidelity=1 must lie in \(0, 1\)"),
        (lambda: cheapest_layers(1, [0.0, 0.5], 0.9, 1), r"leak=0 must lie in \(0, 1\)"),
        (lambda: least_cost_on_grid([[0.0, 1.0]], [[0, 3]], 4), "needed=4 must be at most 3"),
        (lambda: least_cost_on_grid([[0.0, 1.0]], [[0, 3]], -1), "needed=-1 must be at least 0"),
        (lambda: least_cost_on_grid([[0.0, 1.0]], [[0, 0.5]], 0), "met=0.5 must be an integer from 0"),
        (lambda: least_cost_on_grid([[0.0, 1.0]], [[0, -1]], 0), "met=-1 must be an integer from 0"),
        (lambda: least_cost_on_grid([[0.0, float("nan")]], [[0, 1]], 0), "curves=nan must be finite"),
        (lambda: least_cost_on_grid([0.0], [1], 0), "must both be items x levels"),
    ],
)
def test_errors_name_the_value_and_the_rule(call, message):
    with pytest.raises(DomainError, match=message):
        call()
