"""H1: what the output loses when the keys off the block are dropped."""

from __future__ import annotations

from sympy import Eq, Le, symbols

from theory.derivation import Equal, Positive, Step
from theory.statement import Clause, Kind, Statement
from theory.symbols import W_O, D_cut, R_cut, S_cut, eps, o_B, o_plain, r_cut, r_far, r_layer, vbar_B, vbar_C

TRUNCATION_SHIFT_MAX = eps * D_cut


def _derive() -> tuple[Step, ...]:
    inside, outside, odds, other_odds = symbols("Z_B Z_C o p", positive=True)
    first, second, third, fourth = symbols("v_1 v_2 v_3 v_4", real=True)
    below, further_below = symbols("l u", nonnegative=True)
    reach = symbols("D", positive=True)
    share, other_share = 1 / (1 + odds), 1 / (1 + other_odds)
    plain = (inside * vbar_B + outside * vbar_C) / (inside + outside)
    pairs = (
        share * other_share * (first - third)
        + share * (1 - other_share) * (first - fourth)
        + (1 - share) * other_share * (second - third)
        + (1 - share) * (1 - other_share) * (second - fourth)
    )
    return (
        Equal(
            "renormalised attention gives the block's mean, and plain attention mixes in the other mean by the leak",
            vbar_B - plain,
            outside / (inside + outside) * (vbar_B - vbar_C),
        ),
        Equal(
            "the gap of two means is the mean of the gaps over the pairs of a key inside and one outside",
            share * first + (1 - share) * second - other_share * third - (1 - other_share) * fourth,
            pairs,
        ),
        Positive(
            "a mean is at most as long as the longest: for the values of a head, and after the projection. The heads' "
            "moves, stacked, are as long as the root of the sum of their squares",
            reach - (share * (reach - below) + (1 - share) * (reach - further_below)),
            strict=False,
        ),
    )


TRUNCATION = Statement(
    id="H1",
    name="truncation",
    title="Dropping the keys off the block moves the output by the leak times the gap of the mean values",
    kind=Kind.IDENTITY,
    source="own; elementary",
    uses=("B6",),
    about="truncated layer",
    # Bounds on lengths are stated in squares, which have an exact form on an instance.
    claim=(
        Clause("output", Eq(o_B - o_plain, eps * (vbar_B - vbar_C))),
        Clause("head", Le(r_cut**2, TRUNCATION_SHIFT_MAX**2)),
        Clause("attained", Eq(r_far**2, TRUNCATION_SHIFT_MAX**2)),
        Clause("layer", Le(r_layer**2, (W_O * R_cut) ** 2)),
        Clause("layer by heads", Le(r_layer**2, S_cut**2)),
    ),
    derive=_derive,
)
