"""Mutations of the statements on rows, contexts and truncated layers (A, B1-B4, B6, H1)."""

from __future__ import annotations

from sympy import Abs, And, Eq, Equivalent, Expr, Ge, Gt, Implies, Le, Max, exp, floor, log, true

from proofs_check.mutants.expression_mutations import LESS, MORE
from proofs_check.mutants.mutations import Given, Mutation, sizes_swapped
from theory import symbols as row
from theory.functions import BinaryDivergence, BinaryEntropy, Logistic, Logit
from theory.statements.context import LARGEST_RATIO
from theory.statements.dial import DIAL_BIAS, GATE
from theory.statements.distance_decay import DECAY_LEAK_FAR, SLOPE_NEEDED
from theory.statements.leak import LEAK_MAX, MARGIN_THRESHOLD
from theory.statements.penalty import PENALTY_NEEDED
from theory.statements.quantile_leak import QUANTILE_LEAK_MAX, leak_from
from theory.symbols import H_B, H_C, Delta, F, F_lam, d, delta_mean, eps, eps_target, k, lam, m, pen, r, tau

_KEPT, _KEPT_PENALISED = Le(eps, eps_target), Le(row.eps_pen, eps_target)
_SWAPPED = sizes_swapped(MARGIN_THRESHOLD)
_GAP, _RISING = row.sbar_C - row.sbar_B, Ge(row.lam_more, lam)
# k/m of the last query of a full window, and the separation that this query needs.
_LAST = (row.tokens - row.window) / row.window
_LAST_NEEDS = log(_LAST) + Logit(1 - eps_target)


def _seen(margin: Expr) -> Le:
    return Le(eps, LEAK_MAX.subs(d, margin))


def _ratio_of(windows: Expr) -> Expr:
    return row.window * floor(windows) / row.least_own


def _all_kept_from(size: Expr) -> Equivalent:
    return Equivalent(Le(row.eps_most, eps_target), Ge(row.d_T, size + Logit(1 - eps_target)))


def _slope_from(least: Expr) -> Equivalent:
    return Equivalent(Le(DECAY_LEAK_FAR, eps_target), Ge(row.slope, least))


MUTATIONS: tuple[Mutation, ...] = (
    ("A1", "identity", "size ratio inverted", Eq(Logit(F), Delta + log(k / m))),
    ("A1", "identity", "size ratio dropped", Eq(Logit(F), Delta)),
    ("A1", "soft margin", "temperature dropped", Le(delta_mean, Delta)),
    ("A1", "range", "temperature inverted", Le(row.reach, r / tau)),
    ("A2", "margin", "size ratio dropped", Logistic(-d)),
    ("A2", "margin", "block one too large", (m, m + 1)),
    ("A2", "exponential", "size ratio inverted", sizes_swapped),
    ("A3", "iff", "sizes swapped", Equivalent(_KEPT, Ge(Delta, _SWAPPED))),
    ("A3", "iff", "inequality flipped", Equivalent(_KEPT, Le(Delta, MARGIN_THRESHOLD))),
    ("A3", "iff", "margin for soft margin", Equivalent(_KEPT, Ge(d, MARGIN_THRESHOLD))),
    ("A3", "sufficient", "threshold scaled by 0.99", Implies(Ge(d, LESS * MARGIN_THRESHOLD), _KEPT)),
    ("A3", "sufficient", "size ratio dropped", Implies(Ge(d, Logit(1 - eps_target)), _KEPT)),
    ("A3", "sufficient", "taken for necessary", Implies(_KEPT, Ge(d, MARGIN_THRESHOLD))),
    ("A3", "necessary", "threshold scaled by 1/0.99", Implies(_KEPT, Ge(LESS * r, MARGIN_THRESHOLD))),
    ("A4", "attained", "linear term dropped", lambda bound: bound - d * Logistic(-(d + log(m / k)))),
    ("A4", "floor", "assumption d >= 0 dropped", Given(true)),
    ("A4", "floor", "floor of all keys", log(m + k)),
    ("A4", "one pair attained", "one key too few", (k, k - 1)),
    ("A4", "one pair attained", "two-level bound", log(m + k * exp(-d))),
    ("A4", "given fidelity", "mixing entropy dropped", F * log(m) + eps * log(k)),
    ("A4", "given separation", "assumption d >= 0 dropped", Given(true)),
    ("A4", "given separation", "linear term dropped", lambda bound: bound - d * Logistic(-(d + log(m / k)))),
    ("A4", "one pair", "one key too few", (k, k - 1)),
    ("A5", "quadratic", "8 taken for 16", lambda bound: bound / 2),
    ("A5", "law below quadratic", "8 taken for 16", lambda bound: bound / 2),
    ("A5", "dimension-free", "range halved", (r, r / 2)),
    ("A6", "margin", "errors counted once", Le(Abs(row.delta - row.delta_seen), row.u)),
    ("A6", "leak", "error added", _seen((row.delta_seen + 2 * row.u) / tau)),
    ("A6", "leak", "error left out", _seen(row.delta_seen / tau)),
    ("A6", "leak", "errors counted once", _seen((row.delta_seen - row.u) / tau)),
    ("A6", "leak", "temperature inverted", _seen((row.delta_seen - 2 * row.u) * tau)),
    ("A7", "largest ratio", "last query of a full window", _LAST),
    ("A7", "largest ratio", "tokens not rounded", (row.tokens - row.least_own) / row.least_own),
    ("A7", "largest ratio", "least own keys forgotten in the last window", _ratio_of(row.tokens / row.window)),
    ("A7", "largest ratio", "last query left out", _ratio_of((row.tokens - row.least_own - 1) / row.window)),
    ("A7", "largest ratio", "window for the least own keys", (row.least_own, row.window)),
    ("A7", "binding query", "last query taken to bind", Logistic(log(row.tokens / row.window - 1) - row.d_T)),
    ("A7", "iff", "margin threshold of the last query", _all_kept_from(log(_LAST))),
    ("A7", "iff", "ratio inverted", _all_kept_from(-log(LARGEST_RATIO))),
    ("A7", "iff", "least own keys taken as 1", _all_kept_from(log(LARGEST_RATIO * row.least_own))),
    ("A7", "sufficient", "threshold of the last query", Implies(Ge(row.d_T, _LAST_NEEDS), Le(row.eps_T, eps_target))),
    (
        "A7",
        "sufficient",
        "threshold scaled by 0.99",
        Implies(Ge(row.d_T, LESS * (log(LARGEST_RATIO) + Logit(1 - eps_target))), Le(row.eps_T, eps_target)),
    ),
    ("A7", "share", "share of one query more", lambda bound: bound + 1 / row.tokens),
    ("A8", "any choice", "whole block counted", (row.m_kept, m)),
    ("A8", "any choice", "one key more counted", (row.m_kept, row.m_kept + 1)),
    ("A8", "any choice", "keys singled out forgotten", (row.W_out, 0)),
    ("A8", "any choice", "one key for all the others", (row.k_rest, 1)),
    ("A8", "any choice", "one of the others forgotten", (row.k_rest, row.k_rest - 1)),
    ("A8", "any choice", "gap of the largest scores", leak_from(row.W_out, row.d_top)),
    ("A8", "any choice", "gap with its sign flipped", (row.d_rest, -row.d_rest)),
    ("A8", "any choice", "gap before the temperature", (row.d_rest, tau * row.d_rest)),
    ("A8", "quantiles", "least of all choices", Le(leak_from(row.W_top, row.d_top), QUANTILE_LEAK_MAX)),
    ("A8", "quantiles", "whole block counted", (row.m_kept, m)),
    ("A8", "attained", "odds for the leak", (row.W_out + row.k_rest * exp(-row.d_rest)) / row.m_kept),
    ("A8", "attained", "keys singled out counted again", (row.k_rest, k)),
    ("A9", "finite context", "block one too large", (m, m + 1)),
    ("A9", "finite context", "range of the contents dropped", (row.content, 0)),
    ("A9", "finite context", "temperature dropped", (tau, 1)),
    ("A9", "attained", "farthest factor dropped", DECAY_LEAK_FAR),
    ("A9", "any context", "factor of one key for the block's", (row.fade**m, row.fade ** (m + 1))),
    ("A9", "any context", "odds from the leak twice", lambda far: far / (1 + far)),
    ("A9", "slope needed", "range of the contents dropped", _slope_from(SLOPE_NEEDED.subs(row.content, 0))),
    ("A9", "slope needed", "slope scaled by 0.99", _slope_from(LESS * SLOPE_NEEDED)),
    ("A9", "slope needed", "slope scaled by 1.01", _slope_from(MORE * SLOPE_NEEDED)),
    ("A9", "slope suffices", "size of the block dropped", Given(Ge(row.slope, m * SLOPE_NEEDED / (m + 1)))),
    ("A9", "slope suffices", "any slope", Given(true)),
    ("B1", "leak", "dial inverted", (lam, 1 - lam)),
    ("B1", "leak", "denominator dropped", (1 - lam) * eps),
    ("B1", "odds", "sign flipped", (log(1 - lam), -log(1 - lam))),
    ("B1", "odds", "dial squared", (lam, lam**2)),
    ("B2", "mixture", "masses swapped", BinaryEntropy(F_lam) + row.eps_lam * H_B + F_lam * H_C),
    ("B2", "mixture", "mixing entropy dropped", lambda bound: bound - BinaryEntropy(F_lam)),
    ("B2", "slope", "temperature dropped", -_GAP),
    ("B2", "strict converse", "dial 0 too", Given(Le(DIAL_BIAS, _GAP))),
    ("B2", "strict converse", "three times the gap", Given(And(Gt(lam, 0), Le(DIAL_BIAS, 3 * _GAP)))),
    ("B2", "rises up to the gap", "either order of the dials", Given(Le(DIAL_BIAS, _GAP))),
    ("B2", "rises up to the gap", "smaller dial below the gap", Given(And(_RISING, Le(DIAL_BIAS, _GAP)))),
    ("B2", "falls beyond the gap", "either order of the dials", Given(Ge(DIAL_BIAS, _GAP))),
    ("B2", "falls beyond the gap", "below the gap too", Given(_RISING)),
    ("B2", "falls beyond the margin", "margin's sign flipped", Given(And(_RISING, Ge(DIAL_BIAS, delta_mean)))),
    ("B2", "falls beyond the margin", "either order of the dials", Given(Ge(DIAL_BIAS, -delta_mean))),
    ("B2", "peak", "larger entropy for the sum of both", Max(H_B, H_C)),
    ("B2", "whole way", "fidelity for leak", Equivalent(Le(row.H_mask, row.H), Le(F * (H_B - H_C), BinaryEntropy(F)))),
    ("B3", "total variation", "counted twice", Eq(row.TV, 2 * (F_lam - F))),
    ("B3", "divergence", "arguments swapped", Eq(row.KL, BinaryDivergence(F, F_lam))),
    ("B3", "output", "sign flipped", Eq(row.shift, (F_lam - F) * (row.vbar_C - row.vbar_B))),
    ("B3", "output", "plain fidelity not subtracted", Eq(row.shift, F_lam * (row.vbar_B - row.vbar_C))),
    ("B3", "output bound", "fidelity gained twice over", Le(Abs(row.shift), (F_lam - F) ** 2 * row.spread)),
    ("B4", "soft margin", "temperature dropped", Eq(row.eps_pen, Logistic(-(Delta + pen + log(m / k))))),
    ("B4", "soft margin", "penalty subtracted", Eq(row.eps_pen, Logistic(-(Delta - pen / tau + log(m / k))))),
    (
        "B4",
        "threshold",
        "temperature dropped",
        Implies(Ge(pen, Max(0, MARGIN_THRESHOLD - row.delta)), _KEPT_PENALISED),
    ),
    ("B4", "threshold", "sizes swapped", Implies(Ge(pen, Max(0, tau * _SWAPPED - row.delta)), _KEPT_PENALISED)),
    ("B4", "threshold", "threshold scaled by 0.99", Implies(Ge(pen, LESS * PENALTY_NEEDED), _KEPT_PENALISED)),
    ("B4", "exponential", "size ratio inverted", sizes_swapped),
    ("B4", "exponential", "penalty counted twice", (pen, 2 * pen)),
    ("B6", "gate", "dial for the gate", (GATE, lam)),
    ("B6", "gate", "not renormalised", (GATE, lam * F)),
    ("B6", "gate", "leak for the fidelity", (GATE, GATE.subs(F, 1 - F))),
    ("B6", "gate", "moved away from the block", (GATE, -GATE)),
    ("B6", "null key", "mass taken for the fidelity", Eq(row.p_null, F)),
    ("B6", "null key", "taken as one key of the block", Eq(row.p_null, F / (m + F))),
    ("B6", "fidelity", "mass for the odds", Eq(F, row.p_null)),
    ("B6", "plain output", "not renormalised", Eq(row.o_plain, row.o_null)),
    ("B6", "plain output", "over the null key's mass", Eq(row.o_plain, row.o_null / row.p_null)),
    # The theory's text: the move from truncated to plain attention, not the other way.
    ("H1", "output", "moved away from the block", eps * (row.vbar_C - row.vbar_B)),
    ("H1", "output", "fidelity for the leak", (eps, 1 - eps)),
    ("H1", "output", "not renormalised", -eps * row.vbar_C),
    ("H1", "output", "leak dropped", row.vbar_B - row.vbar_C),
    ("H1", "head", "one coordinate of the mean values", (eps * (row.vbar_B - row.vbar_C)) ** 2),
    ("H1", "head", "leak squared", (eps**2 * row.D_cut) ** 2),
    ("H1", "attained", "fidelity for the leak", (eps, 1 - eps)),
    ("H1", "attained", "leak squared", (eps**2 * row.D_cut) ** 2),
    ("H1", "layer", "norm of the projection dropped", row.R_cut**2),
    ("H1", "layer", "one head alone", (row.W_O * eps * row.D_cut) ** 2),
    ("H1", "layer by heads", "values before the projection", row.R_cut**2),
    ("H1", "layer by heads", "one head alone", (row.W_O * eps * row.D_cut) ** 2),
)
