"""H4: where every layer has dial 1 and the same windows, no token outside a position's window reaches its output."""

from __future__ import annotations

from sympy import Eq, Expr, S, symbols

from theory.derivation import Equal, Positive, Step
from theory.design_symbols import layers
from theory.statement import Assumption, Clause, Kind, Statement
from theory.unseen_symbols import dial_least, hard_layers, output, output_alone, output_changed


def _derive() -> tuple[Step, ...]:
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
    derive=_derive,
)
