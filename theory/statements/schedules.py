"""F1-F3: progressive schedules of the dial over the layers: their budget, how deep they localise, what they cost.

`lam_l = lam_max (l/(L-1))^beta` for `l = 0..L-1`. `theory.numbers.schedule_bounds` names the configurations.
"""

from __future__ import annotations

from functools import cache

from sympy import And, Eq, Equivalent, Expr, Ge, Gt, Le, Lt, Rational, S, ceiling, factor, oo, summation, symbols

from theory.derivation import Equal, Limit, Positive, Step
from theory.design_symbols import (
    budgets,
    cost,
    cost_even,
    cost_even_steeper,
    cost_steeper,
    depth,
    dial_here,
    dial_max,
    dial_needed,
    dial_steeper,
    gain,
    layer,
    layers,
    steeper,
    steepness,
)
from theory.statement import Assumption, Clause, Kind, Statement
from theory.symbols import eps

EDGE = (layers - 1) * (dial_needed / dial_max) ** (1 / steepness)
LAYER_COST = dial_here * eps * (1 - eps) / (1 - dial_here * eps)


@cache
def budget(beta: int) -> Expr:
    """Closed form in `L` of `sum over l of (l/(L-1))^beta`, computed by sympy."""
    if beta == 0:
        return layers
    index = symbols("l", integer=True, nonnegative=True)
    return factor(summation(index**beta, (index, 0, layers - 1)) / (layers - 1) ** beta)


TWO_LAYERS = Assumption("two layers", "there are at least 2 layers", Ge(layers, 2))
STEEPER = Assumption("steeper", "the steeper schedule has the larger exponent", Gt(steeper, steepness))
POSITIVE_WEIGHTS = Assumption("positive weights", "the weight of every layer is positive")
LEAKS_FIXED = Assumption("leaks fixed", "every layer has the same leak, before the dial, under both schedules")


def _derive_budget() -> tuple[Step, ...]:
    steps: list[Step] = []
    for beta in range(1, 6):
        powers = budget(beta) * (layers - 1) ** beta
        steps += [
            Equal(
                f"one layer more adds L^{beta} to the sum of powers",
                powers.subs(layers, layers + 1) - powers,
                layers**beta,
            ),
            Equal("and a single layer has none", powers.cancel().subs(layers, 1), S.Zero),
            Limit(
                f"the mean dial tends to lam_max/{beta + 1}",
                budget(beta) / layers,
                layers,
                oo,
                Rational(1, beta + 1),
                "-",
            ),
        ]
    return tuple(steps)


SCHEDULE_BUDGET = Statement(
    id="F1",
    name="schedule-budget",
    title="The budget of a schedule, in closed form",
    kind=Kind.IDENTITY,
    source="own, after seed claim on steep progressive schedules (arXiv 2510.09338); Faulhaber's sums",
    about="schedule",
    assumptions=(TWO_LAYERS,),
    claim=tuple(
        Clause(f"beta {beta}", Eq(letter, budget(beta), evaluate=False)) for beta, letter in enumerate(budgets, 1)
    ),
    derive=_derive_budget,
)


def _derive_depth() -> tuple[Step, ...]:
    share, exponent, top = symbols("x beta lambda_max", positive=True)
    return (
        Positive("the dial rises with depth", (top * share**exponent).diff(share)),
        Equal("and reaches the needed one at the edge", top * ((share / top) ** (1 / exponent)) ** exponent, share),
    )


LOCALISED_DEPTH = Statement(
    id="F2",
    name="localised-depth",
    title="How many layers reach a dial",
    kind=Kind.IDENTITY,
    source="own, after seed claim on steep progressive schedules (arXiv 2510.09338); elementary",
    about="schedule",
    assumptions=(TWO_LAYERS,),
    claim=(
        Clause("layer", Equivalent(Ge(dial_here, dial_needed), Ge(layer, EDGE)), Gt(steepness, 0)),
        Clause("depth", Eq(depth, layers - ceiling(EDGE)), And(Gt(steepness, 0), Le(dial_needed, dial_max))),
        Clause("none above", Eq(depth, 0), Gt(dial_needed, dial_max)),
    ),
    derive=_derive_depth,
)


def _derive_cost() -> tuple[Step, ...]:
    odds, leak_odds, other, exponent, extra = symbols("o w v beta c", positive=True)
    inside, outside, dial, second = symbols("Z_B Z_C x y", positive=True)
    # Dials and leaks as ratios, so that their lying in (0, 1) is in the algebra.
    here, there, leak = 1 / (1 + odds), 1 / (1 + other), 1 / (1 + leak_odds)
    from_sums = inside / (inside + outside * (1 - dial)) - inside / (inside + outside)
    cost_of = LAYER_COST.subs(eps, leak)
    slope = cost_of.diff(dial_here)
    tangent_gap = (
        cost_of.subs(dial_here, there) - cost_of.subs(dial_here, here) - slope.subs(dial_here, here) * (there - here)
    )
    shares_ratio = extra * second**exponent
    return (
        Equal(
            "the dial takes 1 - lam of the mass off the block (B1); what the block gains",
            from_sums,
            LAYER_COST.subs({eps: outside / (inside + outside), dial_here: dial}),
        ),
        Positive("it rises in the dial", slope.subs(dial_here, here)),
        Positive("an inner layer's dial x^beta, x < 1, falls in beta", -(here**exponent).diff(exponent)),
        Positive(
            "but it is convex in the dial, so it lies above its tangents: any sum of gaps to them is not negative",
            tangent_gap,
            strict=False,
        ),
        Positive(
            "at equal mean dial the steeper dials over the flatter, c x^(beta' - beta), rise with depth: below 1 "
            "first, then above",
            shares_ratio.diff(second),
        ),
        Positive(
            "slopes rise with the dial too, so the tangents' sum, slope times difference, is at least that of one "
            "slope times differences that sum to 0: at equal mean dial the steeper schedule costs more",
            cost_of.diff(dial_here, 2).subs(dial_here, here),
        ),
    )


SCHEDULE_COST = Statement(
    id="F3",
    name="schedule-cost",
    title="A steeper schedule costs less only because it spends less",
    kind=Kind.IDENTITY,
    source="own, after seed claim that steep schedules keep performance (arXiv 2510.09338); Karamata's inequality",
    uses=("B1", "B3", "F1"),
    about="schedule",
    assumptions=(TWO_LAYERS, STEEPER, POSITIVE_WEIGHTS, LEAKS_FIXED),
    claim=(
        Clause("layer", Eq(gain, LAYER_COST)),
        Clause("inner dial", Lt(dial_steeper, dial_here), And(Gt(layer, 0), Lt(layer, layers - 1))),
        Clause("steeper", Le(cost_steeper, cost)),
        Clause("strictly steeper", Lt(cost_steeper, cost), Ge(layers, 3)),
        Clause("equal mean dial", Ge(cost_even_steeper, cost_even)),
    ),
    derive=_derive_cost,
)
