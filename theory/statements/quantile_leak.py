"""A8: how much attention leaks off the target block, with some keys singled out on either side."""

from __future__ import annotations

from sympy import Eq, Expr, Le, exp, symbols

from theory.derivation import Equal, Positive, RisesFromZero, Step
from theory.statement import Clause, Kind, Statement
from theory.statements.leak import LEAK_MAX
from theory.symbols import W_out, W_top, d, d_rest, d_top, eps, eps_levels, k, k_rest, m, m_kept


def leak_from(singled: Expr, gap: Expr) -> Expr:
    """Largest leak, given the weight of the keys singled out and the gap from the other keys to those counted."""
    outside = singled + k_rest * exp(-gap)
    return outside / (m_kept + outside)


QUANTILE_LEAK_MAX = leak_from(W_out, d_rest)


def _derive() -> tuple[Step, ...]:
    depth, outside = symbols("w O", positive=True)
    more, less = symbols("u l", nonnegative=True)
    # Weights over that of the least key counted: the block has `more` than the keys counted at their least, the keys
    # outside have `less` than the bound takes.
    leak = outside / (m_kept + more + outside)
    taken = outside + less
    level = symbols("b", real=True)
    counted, apart = m_kept * exp(level), W_out * exp(level) + k_rest * exp(level - d_rest)
    nothing_chosen = {W_out: 0, k_rest: k, m_kept: m, d_rest: d}
    return (
        RisesFromZero(
            "e^-w <= 1: no key weighs more than the largest of its kind, and none counted less than the least counted",
            1 - exp(-depth),
            depth,
        ),
        Positive(
            "so the leak is at most that of the largest weight outside and the least weight inside",
            taken / (m_kept + taken) - leak,
            strict=False,
        ),
        Equal(
            "equality where the keys counted are the block, all at one level, and the others outside are too",
            apart / (counted + apart),
            QUANTILE_LEAK_MAX,
        ),
        Equal(
            "with no key singled out and the whole block counted it is A2",
            QUANTILE_LEAK_MAX.subs(nothing_chosen, simultaneous=True),
            LEAK_MAX.expand(func=True),
        ),
    )


QUANTILE_LEAK = Statement(
    id="A8",
    name="quantile-leak",
    title="Singling out sinks and leaving out low keys of the block bounds the leak, whichever keys are chosen",
    kind=Kind.SHARP,
    source="own; attained where the whole block is counted, approached where its other keys fall",
    uses=("A2",),
    about="row with chosen keys",
    claim=(
        Clause("any choice", Le(eps, QUANTILE_LEAK_MAX)),
        Clause("quantiles", Le(eps, leak_from(W_top, d_top))),
        Clause("attained", Eq(eps_levels, QUANTILE_LEAK_MAX)),
    ),
    derive=_derive,
)
