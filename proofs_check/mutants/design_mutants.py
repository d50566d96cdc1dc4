"""Mutations of the statements on designs and the known results (D-G)."""

from __future__ import annotations

from sympy import Eq, Equivalent, Expr, Ge, Gt, Implies, Le, Lt, Max, Min, Rational, S, ceiling, cos, log, sqrt, true
from sympy.logic.boolalg import Boolean

from proofs_check.mutants.mutations import Given, Mutation, scaled_down, sizes_swapped
from theory import design_symbols as letters
from theory.design_symbols import TV_any, alpha, coherence, dial_here, distance, error, layers, missed, promise
from theory.functions import BinaryEntropy, CapShare, Logit
from theory.statements.anchors import (
    ABOVE_MEAN,
    ANCHOR_ANGLE,
    BRACKET,
    COPIES_FOR_LEAK,
    KEY_ANGLE,
    OUTSIDE,
    PAIRS,
    RANDOM_COHERENCE,
    SCALE_NEEDED,
    SEPARATION_WITH_COPIES,
)
from theory.statements.least_cost import INNER_DIAL
from theory.statements.rules import STRENGTH_NEEDED
from theory.statements.schedules import EDGE
from theory.symbols import Delta, F, eps, eps_target, k, m, tau

_OTHER_BLOCKS, _OTHER_KEYS = log(letters.blocks - 1), log(m + k - 1)


def _edge(power: Expr) -> Expr:
    return (layers - 1) * (letters.dial_needed / letters.dial_max) ** power


def _localised_from(power: Expr) -> Equivalent:
    return Equivalent(Ge(dial_here, letters.dial_needed), Ge(letters.layer, _edge(power)))


def _scale(needed: Expr) -> Implies:
    return Implies(Ge(alpha, needed), Le(eps, eps_target))


def _keeps_the_leak(condition: Boolean) -> Equivalent:
    return Equivalent(Le(eps, eps_target), condition)


def _strength(needed: Expr) -> Equivalent:
    return Equivalent(Ge(letters.strength, needed), Ge(letters.F_ruled, promise))


def _spends(total: Expr | int, priced: Boolean) -> Equivalent:
    return Equivalent(Eq(letters.spent, total), priced)


_ANCHORS: tuple[Mutation, ...] = (
    ("D1", "margin", "key distance halved", (distance, distance / 2)),
    (
        "D1",
        "margin",
        "keys of the other blocks taken to sit on their anchors",
        alpha * (cos(KEY_ANGLE) - coherence),
    ),
    ("D1", "margin", "angle not held at 0", alpha * (cos(KEY_ANGLE) - cos(ANCHOR_ANGLE - KEY_ANGLE))),
    ("D1", "margin", "sign of the coherence", (coherence, -coherence)),
    ("D1", "simple", "distance counted once", (distance, distance / 2)),
    ("D1", "sign", "angle counted once", Equivalent(Gt(BRACKET, 0), Lt(KEY_ANGLE, ANCHOR_ANGLE))),
    ("D1", "scale", "half the scale", _scale(SCALE_NEEDED / 2)),
    ("D1", "scale", "sizes swapped", _scale(sizes_swapped(SCALE_NEEDED))),
    ("D1", "scale", "temperature inverted", _scale(SCALE_NEEDED / tau**2)),
    ("D2", "simplex least", "one anchor too few", (letters.anchors, letters.anchors + 1)),
    ("D2", "simplex least", "anchors taken to be orthogonal at best", S.Zero),
    ("D2", "simplex attained", "dimension for anchors", -1 / letters.dimension),
    ("D2", "orthoplex least", "strict", Gt(coherence, 0)),
    ("D2", "orthoplex least", "one anchor too few", Given(Gt(letters.anchors, letters.dimension))),
    ("D2", "orthoplex attained", "sizes not bounded", Given(true)),
    (
        "D2",
        "random",
        "half the dimension",
        Le(PAIRS * CapShare(letters.dimension, RANDOM_COHERENCE / 2), letters.failure),
    ),
    ("D3", "error", "M for M - 1, with its sign", lambda bound: bound + 2 * error * _OTHER_BLOCKS),
    ("D3", "error", "uncertainty of the error dropped", lambda bound: bound + BinaryEntropy(error)),
    ("D3", "error", "others dropped", lambda bound: bound + error * _OTHER_BLOCKS),
    ("D3", "error", "in bits", lambda bound: bound / log(2)),
    ("D3", "error allowed", "no better than guessing allowed", Given(true)),
)

_LOG_COPIES = log(letters.copies)
_MORE_FOR_LEAK = Ge(letters.copies, COPIES_FOR_LEAK)

_REDUNDANCY: tuple[Mutation, ...] = (
    ("D4", "score saved", "half saved", (letters.eps_up, (letters.eps_up + letters.eps_one) / 2)),
    (
        "D4",
        "separation saved",
        "half of log R saved",
        _keeps_the_leak(Ge(Delta, SEPARATION_WITH_COPIES + _LOG_COPIES / 2)),
    ),
    ("D4", "separation saved", "log R lost", _keeps_the_leak(Ge(Delta, SEPARATION_WITH_COPIES + 2 * _LOG_COPIES))),
    (
        "D4",
        "separation saved",
        "R for log R",
        _keeps_the_leak(Ge(Delta, SEPARATION_WITH_COPIES + _LOG_COPIES - letters.copies)),
    ),
    ("D4", "floor", "rises by less than log R", log(letters.copies + 1) / 2),
    ("D4", "floor", "in bits", _LOG_COPIES / log(2)),
    ("D4", "floor", "all keys", log(letters.copies + k)),
    ("D4", "entropy paid", "nat for nat", letters.H_up + _LOG_COPIES),
    ("D4", "entropy paid", "leak for fidelity", letters.H_up + eps * _LOG_COPIES),
    ("D4", "at least the floor", "copies below the mean outside too", Given(true)),
    ("D4", "copies for the leak", "ends exchanged", _keeps_the_leak(Le(letters.copies, COPIES_FOR_LEAK))),
    (
        "D4",
        "copies for the leak",
        "odds of the target inverted",
        (_keeps_the_leak(Ge(letters.copies, OUTSIDE * eps_target / (1 - eps_target)))),
    ),
    ("D4", "copies for the leak", "leak for its odds", _keeps_the_leak(Ge(letters.copies, OUTSIDE / eps_target))),
    ("D4", "one interval", "the smaller entropy", Min(letters.H_few, letters.H_many)),
    ("D4", "one interval", "bounded from above only", letters.H_many),
    ("D4", "one interval", "bounded from below only", letters.H_few),
    ("D4", "entropy falls first", "g for g - 1", Given(Le(letters.copies, ABOVE_MEAN * OUTSIDE))),
    ("D4", "entropy falls first", "ends exchanged", Given(Ge(letters.copies, (ABOVE_MEAN - 1) * OUTSIDE))),
    ("D4", "entropy rises", "g - 2 for g - 1", Given(Ge(letters.few, (ABOVE_MEAN - 2) * OUTSIDE))),
    # The leak bounds the copies from below and the entropy from above only: false for a lax leak far above the rest.
    ("D4", "rises where the leak is kept", "whatever the separation", Given(Le(letters.eps_few, eps_target))),
    ("D4", "rises where the leak is kept", "any leak", Given(Le(ABOVE_MEAN * eps_target, 1))),
)

_RULES: tuple[Mutation, ...] = (
    ("E1", "composition", "strengths subtracted", (letters.boost_other, -letters.boost_other)),
    ("E1", "composition", "temperature inverted", (tau, 1 / tau)),
    ("E1", "composition", "other key's rules forgotten", (letters.boost_other, S.Zero)),
    ("E1", "one rule", "temperature dropped", _strength(STRENGTH_NEEDED / tau)),
    ("E1", "one rule", "log for logit", _strength(Max(0, tau * (log(promise) - log(F))))),
    ("E1", "one rule", "fidelity and promise swapped", _strength(Max(0, tau * (Logit(F) - Logit(promise))))),
    ("E1", "least change", "normalisation dropped", letters.promised_strength / tau),
    (
        "E1",
        "least change attained",
        "promises taken for fidelities",
        (letters.kept_strength, letters.promised_strength),
    ),
    ("E1", "a solution exists", "least mass dropped", lambda bound: bound - log(letters.least_mass)),
    ("E2", "shared promise", "one over the number of rules", 1 / letters.rules),
    ("E2", "shared promise", "scaled by 0.99", scaled_down),
    ("E2", "cover", "one target fewer", (letters.cover - 1) / letters.rules),
    ("E2", "disjoint targets", "targets overlap", Given(true)),
    (
        "E2",
        "certificate",
        "an eighth too low",
        Equivalent(Lt(letters.slack, Rational(-1, 8)), Lt(letters.slack_dual, 0)),
    ),
    ("E3", "expectation", "probabilities swapped", (missed, 1 - missed)),
    ("E3", "expectation", "misses thought independent", (letters.mean_missed, letters.mean_plain)),
    ("E3", "expectation", "fidelity after a miss thought 0", (letters.mean_missed, S.Zero)),
    ("E3", "at least", "misses forgotten", promise),
    ("E3", "independent misses", "not independent", Given(true)),
    ("E4", "attained", "misses subtracted", promise - letters.missed_mean),
    ("E4", "attained", "late misses for the mean", (letters.missed_mean, letters.missed_late)),
    ("E4", "at least", "misses forgotten", promise),
    ("E4", "own promises", "misses forgotten", lambda bound: bound / (1 - letters.missed_mean)),
    ("E4", "late misses", "last q for the mean", promise * (1 - letters.missed_late)),
    ("E4", "late misses", "one time fewer", promise * (1 - (letters.early - 1) / letters.times - letters.missed_late)),
    ("E4", "from bounds", "numbers below the misses too", Given(true)),
    ("E4", "from bounds", "some number below its misses", Given(Ge(letters.spare, -Rational(1, 4)))),
    ("E4", "all bounds covered", "half the error", 1 - letters.error_all / 2),
)

_SCHEDULES: tuple[Mutation, ...] = (
    *(("F1", f"beta {beta}", "limit taken for the budget", layers / S(beta + 1)) for beta in (2, 3, 4, 5)),
    *(("F1", f"beta {beta}", "layers counted from 1", (layers, layers + 1)) for beta in (2, 3, 4, 5)),
    ("F1", "beta 1", "last layer forgotten", (layers - 1) / S(2)),
    ("F2", "layer", "exponent inverted", _localised_from(letters.steepness)),
    ("F2", "depth", "floor for ceiling", layers + ceiling(-EDGE)),
    ("F2", "depth", "one layer too few", lambda bound: bound - 1),
    ("F2", "depth", "L for L - 1", (layers - 1, layers)),
    ("F2", "depth", "exponent dropped", layers - ceiling(_edge(S.One))),
    ("F3", "layer", "remaining leak dropped", lambda bound: bound * (1 - dial_here * eps)),
    ("F3", "layer", "linear in the dial", dial_here * eps),
    ("F3", "layer", "dial inverted", (dial_here, 1 - dial_here)),
    ("F3", "inner dial", "last layer too", Given(true)),
    ("F3", "strictly steeper", "two layers", Given(true)),
)

_SLOPE = letters.weight_of_layer * eps * (1 - eps)

_LEAST_COST: tuple[Mutation, ...] = (
    ("F4", "priced dial", "weight dropped", (letters.weight_of_layer, S.One)),
    ("F4", "priced dial", "not divided by the leak", Max(0, Min(1, eps * INNER_DIAL))),
    ("F4", "priced dial", "root dropped", Max(0, Min(1, (1 - _SLOPE / letters.price) / eps))),
    ("F4", "priced dial", "fidelity dropped", Max(0, Min(1, (1 - sqrt(_SLOPE / (1 - eps) / letters.price)) / eps))),
    ("F4", "priced dial", "not held at 0", Min(1, INNER_DIAL)),
    ("F4", "priced dial", "not held at 1", Max(0, INNER_DIAL)),
    ("F4", "tangent", "another price", lambda bound: bound + (letters.price - letters.price_more) * letters.spent),
    ("F4", "least", "smaller sums too", Given(true)),
    ("F4", "least", "the uniform dial", Le(letters.cost_level, letters.cost_any)),
    ("F4", "unique", "the same dials too", Given(Ge(letters.spent_any, letters.spent))),
    ("F4", "uniform dial", "strict", Lt(letters.cost_priced, letters.cost_level)),
    ("F4", "rises with the price", "at every price", Given(true)),
    ("F4", "nothing", "last slope for the first", _spends(0, Le(letters.price, letters.slope_last))),
    ("F4", "everything", "first slope for the last", _spends(layers, Ge(letters.price, letters.slope_first))),
    ("F4", "own dials", "one layer more", lambda bound: bound + 1),
    ("F4", "cheapest", "whichever layers, the dearest too", Le(letters.cost_picked, letters.cost_any)),
    ("F4", "cheapest", "one layer fewer", Given(Ge(letters.reached_any, letters.wanted - 1))),
)

_KNOWN: tuple[Mutation, ...] = (
    ("G1", "norm", "stretch dropped", (sqrt((m + k) / (m + k - 1)), S.One)),
    ("G1", "norm", "one key fewer", (k, k + 1)),
    ("G1", "norm", "norm halved", (letters.norm, letters.norm / 2)),
    ("G2", "entropies", "mixing entropy dropped", TV_any * _OTHER_KEYS),
    ("G2", "entropies", "others dropped", lambda bound: bound - TV_any * _OTHER_KEYS),
    ("G2", "entropies", "variation halved", (TV_any, TV_any / 2)),
    ("G3", "Euclidean", "1/4 for 1/2", lambda bound: bound / 4),
    ("G3", "Euclidean", "squared twice", lambda bound: bound**2),
    ("G3", "Euclidean", "1/sqrt(5) for 1/2", lambda bound: Rational(4, 5) * bound),
    ("G3", "Euclidean", "temperature forgotten", lambda bound: bound * tau**2),
    ("G4", "variance", "the 1 dropped", lambda bound: bound - 1),
    ("G4", "variance", "logarithm not squared", _OTHER_KEYS / 4),
    ("G4", "variance", "8 for 4", _OTHER_KEYS**2 / 8),
    ("G4", "variance", "half of it", lambda bound: bound / 2),
)

MUTATIONS: tuple[Mutation, ...] = (*_ANCHORS, *_REDUNDANCY, *_RULES, *_SCHEDULES, *_LEAST_COST, *_KNOWN)
