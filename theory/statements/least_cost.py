"""F4: the dials of least cost, under a budget and for a number of layers; `theory.numbers.dial_costs` computes them.

A layer's cost is F3's, its weight times the fidelity gained. The layers may also be heads.
"""

from __future__ import annotations

from sympy import And, Eq, Equivalent, Expr, Ge, Gt, Le, Lt, Max, Min, S, sqrt, symbols

from theory.derivation import Equal, Positive, Step
from theory.design_symbols import (
    apart,
    cost_any,
    cost_cheapest,
    cost_level,
    cost_picked,
    cost_priced,
    dial_here,
    dial_priced,
    layers,
    price,
    price_more,
    reached,
    reached_any,
    slope_first,
    slope_last,
    spent,
    spent_any,
    spent_more,
    wanted,
    weight_of_layer,
)
from theory.statement import Clause, Kind, Statement
from theory.statements.schedules import LAYER_COST, POSITIVE_WEIGHTS, TWO_LAYERS
from theory.symbols import eps

INNER_DIAL = (1 - sqrt(weight_of_layer * eps * (1 - eps) / price)) / eps
PRICED_DIAL = Max(0, Min(1, INNER_DIAL))


def _derive() -> tuple[Step, ...]:
    weight, nu, saved, excess, leak_odds = symbols("c nu s x w", positive=True)
    odds, other = symbols("o v", positive=True)
    # Dials and leaks as ratios, so that their lying in (0, 1) is in the algebra.
    here, there, leak = 1 / (1 + odds), 1 / (1 + other), 1 / (1 + leak_odds)

    def cost(dial: Expr) -> Expr:
        return weight * LAYER_COST.subs({eps: leak, dial_here: dial}, simultaneous=True)

    def slope(dial: Expr) -> Expr:
        return (weight * LAYER_COST.subs(eps, leak)).diff(dial_here).subs(dial_here, dial)

    inner = INNER_DIAL.subs({eps: leak, weight_of_layer: weight, price: nu}, simultaneous=True)
    bend = weight * leak**2 * (1 - leak) / ((1 - leak * there) * (1 - leak * here) ** 2)
    # The prices at which a layer's dial leaves 0 and arrives at 1.
    first, last = (slope(end) for end in (S.Zero, S.One))
    return (
        Equal("at the inner dial the slope of a layer's cost is the price", slope(inner), nu),
        Equal("which is 0 at the slope of the dial 0", inner.subs(nu, first).simplify(), S.Zero),
        Equal("and 1 at that of the dial 1", inner.subs(nu, last).simplify(), S.One),
        Positive("it rises with the price, continuously: every budget from 0 to L has its price", inner.diff(nu)),
        Equal(
            "a layer's cost exceeds its tangent by a multiple of the squared difference of the dials",
            cost(there) - cost(here) - slope(here) * (there - here),
            bend * (there - here) ** 2,
        ),
        Positive("a positive one: the cost is convex, and strictly", bend),
        Positive(
            "at the dial 0 the slope may exceed the price: any other dial then costs more than the price of the move",
            ((nu + saved) - nu) * here,
        ),
        Positive(
            "at the dial 1 it may fall short of it: moving down saves less than that; so costs differ by at least the "
            "price of what the sums of the dials differ by",
            ((nu - saved) - nu) * (here - 1),
        ),
        Positive(
            "cost rises in the dial: of the dials that bring a layer to a fidelity, the least is the cheapest",
            slope(here),
        ),
        Positive(
            "and a layer of the N_f chosen that costs more than one left out by some excess is better exchanged for it",
            (cost(here) + excess) - cost(here),
        ),
    )


LEAST_COST = Statement(
    id="F4",
    name="least-cost-dials",
    title="Dials of one price cost least for their sum; N layers reach a fidelity cheapest at the N cheapest own dials",
    kind=Kind.SHARP,
    source="own, after seed claim on locality schedules (arXiv 2510.09338); Karush 1939, Kuhn and Tucker 1951",
    uses=("B1", "F3"),
    about="set of priced layers",
    assumptions=(TWO_LAYERS, POSITIVE_WEIGHTS),
    claim=(
        Clause("priced dial", Eq(dial_priced, PRICED_DIAL)),
        Clause("tangent", Ge(cost_any - price * spent_any, cost_priced - price * spent)),
        Clause("least", Le(cost_priced, cost_any), Ge(spent_any, spent)),
        Clause("unique", Lt(cost_priced, cost_any), And(Ge(spent_any, spent), Gt(apart, 0))),
        Clause("uniform dial", Le(cost_priced, cost_level)),
        Clause("rises with the price", Ge(spent_more, spent), Ge(price_more, price)),
        Clause("nothing", Equivalent(Eq(spent, 0), Le(price, slope_first))),
        Clause("everything", Equivalent(Eq(spent, layers), Ge(price, slope_last))),
        Clause("own dials", Ge(reached, wanted)),
        Clause("cheapest", Le(cost_cheapest, cost_any), Ge(reached_any, wanted)),
        Clause("other layers", Le(cost_cheapest, cost_picked)),
    ),
    derive=_derive,
)
