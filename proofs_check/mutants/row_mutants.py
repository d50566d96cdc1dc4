"""Mutations of the statements A1, A3, A6, B2-B4 and B6."""

from __future__ import annotations

from dataclasses import replace

from sympy import Abs, And, Eq, Equivalent, Ge, Gt, Implies, Le, Max, Rational, log
from sympy.logic.boolalg import Boolean

from proofs_check.mutants.mutations import (
    Mutation,
    NamedMutation,
    assuming,
    assumption_dropped,
    flipped,
    in_bound,
    replaced,
    scaled_down,
    sizes_swapped,
)
from theory.functions import BinaryDivergence, BinaryEntropy, Logistic, Logit
from theory.statement import Clause
from theory.statements.dial import DIAL_BIAS, GATE
from theory.statements.leak import LEAK_MAX, MARGIN_THRESHOLD
from theory.statements.penalty import PENALTY_NEEDED
from theory.symbols import (
    H_B,
    H_C,
    KL,
    TV,
    Delta,
    F,
    F_lam,
    H,
    H_mask,
    d,
    delta,
    delta_mean,
    delta_seen,
    eps,
    eps_lam,
    eps_pen,
    eps_target,
    k,
    lam,
    lam_more,
    m,
    o_null,
    o_plain,
    p_null,
    pen,
    r,
    reach,
    sbar_B,
    sbar_C,
    shift,
    spread,
    tau,
    u,
    vbar_B,
    vbar_C,
)


def _says(claim: Boolean) -> Mutation:
    """A mutation that replaces the claim and keeps the assumption."""

    def mutate(clause: Clause) -> Clause:
        return replace(clause, holds=claim)

    return mutate


_NEARLY = Rational(99, 100)
_below_the_gap = And(Ge(lam_more, lam), Le(DIAL_BIAS, sbar_C - sbar_B))
_SWAPPED = MARGIN_THRESHOLD.subs({m: k, k: m}, simultaneous=True)

MUTATIONS: tuple[NamedMutation, ...] = (
    ("A1", "identity", "size ratio inverted", _says(Eq(Logit(F), Delta + log(k / m)))),
    ("A1", "identity", "size ratio dropped", _says(Eq(Logit(F), Delta))),
    ("A1", "mean margin", "inequality flipped", flipped),
    ("A1", "soft margin", "temperature dropped", _says(Le(delta_mean, Delta))),
    ("A1", "top", "inequality flipped", flipped),
    ("A1", "range", "temperature inverted", _says(Le(reach, r / tau))),
    ("A1", "range", "bound scaled by 0.99", scaled_down),
    ("A3", "iff", "sizes swapped", _says(Equivalent(Le(eps, eps_target), Ge(Delta, _SWAPPED)))),
    ("A3", "iff", "inequality flipped", _says(Equivalent(Le(eps, eps_target), Le(Delta, MARGIN_THRESHOLD)))),
    ("A3", "iff", "margin for soft margin", _says(Equivalent(Le(eps, eps_target), Ge(d, MARGIN_THRESHOLD)))),
    (
        "A3",
        "sufficient",
        "threshold scaled by 0.99",
        _says(Implies(Ge(d, _NEARLY * MARGIN_THRESHOLD), Le(eps, eps_target))),
    ),
    ("A3", "sufficient", "size ratio dropped", _says(Implies(Ge(d, Logit(1 - eps_target)), Le(eps, eps_target)))),
    ("A3", "sufficient", "taken for necessary", _says(Implies(Le(eps, eps_target), Ge(d, MARGIN_THRESHOLD)))),
    (
        "A3",
        "necessary",
        "threshold scaled by 1/0.99",
        _says(Implies(Le(eps, eps_target), Ge(_NEARLY * r, MARGIN_THRESHOLD))),
    ),
    ("A6", "margin", "errors counted once", _says(Le(Abs(delta - delta_seen), u))),
    ("A6", "margin", "bound scaled by 0.99", scaled_down),
    ("A6", "leak", "error added", _says(Le(eps, LEAK_MAX.subs(d, (delta_seen + 2 * u) / tau)))),
    ("A6", "leak", "error left out", _says(Le(eps, LEAK_MAX.subs(d, delta_seen / tau)))),
    ("A6", "leak", "errors counted once", _says(Le(eps, LEAK_MAX.subs(d, (delta_seen - u) / tau)))),
    ("A6", "leak", "temperature inverted", _says(Le(eps, LEAK_MAX.subs(d, (delta_seen - 2 * u) * tau)))),
    ("B2", "mixture", "masses swapped", in_bound(lambda bound: BinaryEntropy(F_lam) + eps_lam * H_B + F_lam * H_C)),
    ("B2", "mixture", "mixing entropy dropped", in_bound(lambda bound: bound - BinaryEntropy(F_lam))),
    ("B2", "slope", "temperature dropped", in_bound(lambda bound: sbar_B - sbar_C)),
    ("B2", "falls", "assumption dropped", assumption_dropped),
    ("B2", "rises first", "assumption dropped", assumption_dropped),
    ("B2", "strict converse", "assumption dropped", assumption_dropped),
    ("B2", "strict converse", "dial 0 too", assuming(Le(DIAL_BIAS, sbar_C - sbar_B))),
    ("B2", "strict converse", "three times the gap", assuming(And(Gt(lam, 0), Le(DIAL_BIAS, 3 * (sbar_C - sbar_B))))),
    ("B2", "rises up to the gap", "either order of the dials", assuming(Le(DIAL_BIAS, sbar_C - sbar_B))),
    ("B2", "rises up to the gap", "smaller dial below the gap", assuming(_below_the_gap)),
    ("B2", "falls beyond the gap", "either order of the dials", assuming(Ge(DIAL_BIAS, sbar_C - sbar_B))),
    ("B2", "falls beyond the gap", "below the gap too", assuming(Ge(lam_more, lam))),
    (
        "B2",
        "falls beyond the margin",
        "margin's sign flipped",
        assuming(And(Ge(lam_more, lam), Ge(DIAL_BIAS, delta_mean))),
    ),
    ("B2", "falls beyond the margin", "either order of the dials", assuming(Ge(DIAL_BIAS, -delta_mean))),
    ("B2", "peak", "larger entropy for the sum of both", in_bound(lambda bound: Max(H_B, H_C))),
    ("B2", "mean margin suffices", "assumption dropped", assumption_dropped),
    (
        "B2",
        "whole way",
        "fidelity for leak",
        _says(Equivalent(Le(H_mask, H), Le(F * (H_B - H_C), BinaryEntropy(F)))),
    ),
    ("B3", "total variation", "counted twice", _says(Eq(TV, 2 * (F_lam - F)))),
    ("B3", "divergence", "arguments swapped", _says(Eq(KL, BinaryDivergence(F, F_lam)))),
    ("B3", "output", "sign flipped", _says(Eq(shift, (F_lam - F) * (vbar_C - vbar_B)))),
    ("B3", "output", "plain fidelity not subtracted", _says(Eq(shift, F_lam * (vbar_B - vbar_C)))),
    ("B3", "output bound", "fidelity gained twice over", _says(Le(Abs(shift), (F_lam - F) ** 2 * spread))),
    ("B3", "output bound", "inequality flipped", flipped),
    ("B4", "maximiser", "inequality flipped", flipped),
    ("B4", "soft margin", "temperature dropped", _says(Eq(eps_pen, Logistic(-(Delta + pen + log(m / k)))))),
    ("B4", "soft margin", "penalty subtracted", _says(Eq(eps_pen, Logistic(-(Delta - pen / tau + log(m / k)))))),
    (
        "B4",
        "threshold",
        "temperature dropped",
        _says(Implies(Ge(pen, Max(0, MARGIN_THRESHOLD - delta)), Le(eps_pen, eps_target))),
    ),
    (
        "B4",
        "threshold",
        "sizes swapped",
        _says(Implies(Ge(pen, Max(0, tau * _SWAPPED - delta)), Le(eps_pen, eps_target))),
    ),
    (
        "B4",
        "threshold",
        "threshold scaled by 0.99",
        _says(Implies(Ge(pen, _NEARLY * PENALTY_NEEDED), Le(eps_pen, eps_target))),
    ),
    ("B4", "exponential", "size ratio inverted", sizes_swapped),
    ("B4", "exponential", "penalty counted twice", replaced(pen, 2 * pen)),
    ("B6", "gate", "dial for the gate", replaced(GATE, lam)),
    ("B6", "gate", "not renormalised", replaced(GATE, lam * F)),
    ("B6", "gate", "leak for the fidelity", replaced(GATE, GATE.subs(F, 1 - F))),
    ("B6", "gate", "moved away from the block", replaced(GATE, -GATE)),
    ("B6", "null key", "mass taken for the fidelity", _says(Eq(p_null, F))),
    ("B6", "null key", "taken as one key of the block", _says(Eq(p_null, F / (m + F)))),
    ("B6", "fidelity", "mass for the odds", _says(Eq(F, p_null))),
    ("B6", "plain output", "not renormalised", _says(Eq(o_plain, o_null))),
    ("B6", "plain output", "over the null key's mass", _says(Eq(o_plain, o_null / p_null))),
)
