"""C6: from a head in which one feature block survives to a margin, and so to leak and entropy."""

from __future__ import annotations

from sympy import Ge, Le, sqrt

from theory.derivation import Equal, Step, cauchy_schwarz_step
from theory.statement import Assumption, Clause, Kind, Statement, Witness
from theory.statements.entropy import TWO_LEVEL
from theory.statements.leak import LEAK_MAX
from theory.statements.weights.gradient_bound import NO_NORMALISATION
from theory.symbols import H, d, delta, eps, k, m, tau
from theory.weight_symbols import d_k, pull, reach_off, s_in

MARGIN_FROM_WEIGHTS = s_in - reach_off * pull / sqrt(d_k)
_SEPARATION = MARGIN_FROM_WEIGHTS / tau


def _derive() -> tuple[Step, ...]:
    return (
        cauchy_schwarz_step("an off-target score <x, W_K q>/sqrt(d_k) is at most kappa |W_K q|/sqrt(d_k)"),
        Equal(
            "the other blocks add nothing to it, and the least target score is s_in",
            MARGIN_FROM_WEIGHTS + reach_off * pull / sqrt(d_k),
            s_in,
        ),
        Equal("A2 and A4 take that over the temperature", _SEPARATION * tau, MARGIN_FROM_WEIGHTS),
    )


NO_KEY_BIAS = Assumption("no key bias", "keys have no bias")
OTHERS_EXTINCT = Assumption("others extinct", "every block of W_K but the surviving one is zero")

WEIGHTS_TO_ATTENTION = Statement(
    id="C6",
    name="weights-to-attention",
    title="Where one feature block survives, small off-target features in it give a margin",
    kind=Kind.SHARP,
    source="own, after seed claim on pointer fidelity (arXiv 2510.09338); elementary",
    uses=("A2", "A4"),
    about="surviving block",
    assumptions=(NO_KEY_BIAS, NO_NORMALISATION, OTHERS_EXTINCT),
    claim=(
        Clause("margin", Ge(delta, MARGIN_FROM_WEIGHTS)),
        Clause("leak", Le(eps, LEAK_MAX.subs(d, _SEPARATION))),
        Clause("entropy", Le(H, TWO_LEVEL.subs(d, _SEPARATION)), Ge(_SEPARATION, 0)),
    ),
    witnesses=(Witness("margin", block=((s_in, m),), complement=((reach_off * pull / sqrt(d_k), k),)),),
    derive=_derive,
)
