"""H1, H4: what an output loses when a layer drops the keys off the block, and what it no longer depends on.

H1 is about one layer. H4 is about all of them: where every layer has dial 1 and the same windows, no token outside a
position's window reaches its output.
"""

from __future__ import annotations

from sympy import Eq, Expr, Le, S, symbols

from theory.derivation import Equal, Positive, Step
from theory.design_symbols import layers
from theory.statement import Assumption, Clause, Kind, Statement
from theory.symbols import W_O, D_cut, R_cut, S_cut, eps, o_B, o_plain, r_cut, r_far, r_layer, vbar_B, vbar_C
from theory.unseen_symbols import dial_least, hard_layers, output, output_alone, output_changed

TRUNCATION_SHIFT_MAX = eps * D_cut


def _derive_truncation() -> tuple[Step, ...]:
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
    derive=_derive_truncation,
)


def _derive_isolation() -> tuple[Step, ...]:
    inside, outside, inner, outer = symbols("Z_B Z_C v_B v_C", positive=True)
    inside_next, outside_next, other = symbols("Y_B Y_C u_C", positive=True)
    dial, dial_next = symbols("lambda_1 lambda_2", real=True)
    odds = symbols("o", positive=True)

    def attended(dial: Expr, inside: Expr, outside: Expr, inner: Expr, outer: Expr) -> Expr:
        """A head's output under the dial, from the sums of exponentials in and off the block and the mean values."""
        return (inside * inner + (1 - dial) * outside * outer) / (inside + (1 - dial) * outside)

    first = attended(dial, inside, outside, inner, outer)
    # The values of the next layer are what the first one gives: in the block `first`, outside something else.
    second = attended(dial_next, inside_next, outside_next, first, other)
    return (
        Equal("at dial 1 a head's output is the mean of its block's values", first.subs(dial, 1), inner),
        Equal("no score outside has an effect on it", first.diff(outside).subs(dial, 1), S.Zero),
        Equal("and no value outside", first.diff(outer).subs(dial, 1), S.Zero),
        Equal(
            "the next layer with the same windows mixes only what such outputs hold, and what acts on each position by "
            "itself adds nothing: so by induction over the layers",
            second.subs({dial: 1, dial_next: 1}),
            inner,
        ),
        Positive(
            "one layer below dial 1 lets in a share of what is outside, and a later one passes it on",
            second.diff(outer).subs({dial_next: 1, dial: 1 / (1 + odds)}),
        ),
    )


ISOLATION = Statement(
    id="H4",
    name="isolation",
    title="With dial 1 and the same windows in every layer, an output depends on its own window alone",
    kind=Kind.IDENTITY,
    source="own; elementary (induction over the layers)",
    uses=("B1", "B6"),
    about="layer stack",
    assumptions=(
        Assumption("same windows", "every layer has the same windows"),
        Assumption("changed outside", "no token of the position's own window changes"),
    ),
    claim=(
        Clause("isolation", Eq(output_changed, output), Eq(dial_least, 1)),
        Clause("window alone", Eq(output_alone, output), Eq(hard_layers, layers)),
    ),
    derive=_derive_isolation,
)
