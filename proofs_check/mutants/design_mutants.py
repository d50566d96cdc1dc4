"""Mutations of the statements D1 to G4."""

from __future__ import annotations

from sympy import Expr, Ge, Gt, Le, Lt, Max, Rational, S, ceiling, cos, log, sqrt
from sympy.logic.boolalg import Equivalent, Implies

from proofs_check.mutants.mutations import (
    Mutation,
    NamedMutation,
    assuming,
    assumption_dropped,
    claiming,
    flipped,
    in_bound,
    replaced,
    scaled_down,
    scaled_up,
)
from theory import design_symbols as letters
from theory.functions import BinaryEntropy, CapShare, Logit
from theory.statements.anchors import ANCHOR_ANGLE, BRACKET, KEY_ANGLE, PAIRS, RANDOM_COHERENCE, SCALE_NEEDED
from theory.statements.rules import STRENGTH_NEEDED
from theory.statements.schedules import EDGE
from theory.symbols import F, eps, eps_target, k, m, tau


def _edge(power: Expr) -> Expr:
    return (letters.layers - 1) * (letters.dial_needed / letters.dial_max) ** power


def _localised_from(power: Expr) -> Mutation:
    return claiming(Equivalent(Ge(letters.dial_here, letters.dial_needed), Ge(letters.layer, _edge(power))))


def _scale(needed: Expr) -> Mutation:
    return claiming(Implies(Ge(letters.alpha, needed), Le(eps, eps_target)))


def _strength(needed: Expr) -> Mutation:
    return claiming(Equivalent(Ge(letters.strength, needed), Ge(letters.F_ruled, letters.promise)))


def _random(coherence: Expr) -> Mutation:
    return claiming(Le(PAIRS * CapShare(letters.dimension, coherence), letters.failure))


def _budget_mutations(beta: int) -> tuple[NamedMutation, ...]:
    layers = letters.layers
    return (
        ("F1", f"beta {beta}", "limit taken for the budget", in_bound(lambda bound: layers * Rational(1, beta + 1))),
        ("F1", f"beta {beta}", "layers counted from 1", replaced(layers, layers + 1)),
    )


_anchor_mutations: tuple[NamedMutation, ...] = (
    ("D1", "margin", "inequality flipped", flipped),
    ("D1", "margin", "bound scaled by 1.01", scaled_up),
    ("D1", "margin", "key distance halved", replaced(letters.distance, letters.distance / 2)),
    (
        "D1",
        "margin",
        "keys of the other blocks taken to sit on their anchors",
        in_bound(lambda bound: letters.alpha * (cos(KEY_ANGLE) - letters.coherence)),
    ),
    (
        "D1",
        "margin",
        "angle not held at 0",
        in_bound(lambda bound: letters.alpha * (cos(KEY_ANGLE) - cos(ANCHOR_ANGLE - KEY_ANGLE))),
    ),
    ("D1", "margin", "sign of the coherence", replaced(letters.coherence, -letters.coherence)),
    (
        "D1",
        "simple",
        "distance counted once",
        replaced(letters.distance, letters.distance / 2),
    ),
    ("D1", "sign", "angle counted once", claiming(Equivalent(Gt(BRACKET, 0), Lt(KEY_ANGLE, ANCHOR_ANGLE)))),
    ("D1", "scale", "half the scale", _scale(SCALE_NEEDED / 2)),
    (
        "D1",
        "scale",
        "sizes swapped",
        _scale(SCALE_NEEDED.subs({m: k, k: m}, simultaneous=True)),
    ),
    (
        "D1",
        "scale",
        "temperature inverted",
        _scale(SCALE_NEEDED / tau**2),
    ),
    ("D2", "simplex least", "one anchor too few", replaced(letters.anchors, letters.anchors + 1)),
    ("D2", "simplex least", "inequality flipped", flipped),
    ("D2", "simplex least", "anchors taken to be orthogonal at best", in_bound(lambda bound: S.Zero)),
    ("D2", "simplex attained", "dimension for anchors", in_bound(lambda bound: -1 / letters.dimension)),
    ("D2", "orthoplex least", "strict", claiming(Gt(letters.coherence, 0))),
    (
        "D2",
        "orthoplex least",
        "one anchor too few",
        assuming(Gt(letters.anchors, letters.dimension)),
    ),
    ("D2", "orthoplex attained", "sizes not bounded", assumption_dropped),
    (
        "D2",
        "random",
        "half the dimension",
        _random(RANDOM_COHERENCE / 2),
    ),
    ("D3", "error", "inequality flipped", flipped),
    ("D3", "error", "bound scaled by 1.01", scaled_up),
    ("D3", "error", "M for M - 1, with its sign", in_bound(lambda b: b + 2 * letters.error * log(letters.blocks - 1))),
    (
        "D3",
        "error",
        "uncertainty of the error dropped",
        in_bound(lambda b: b + BinaryEntropy(letters.error)),
    ),
    ("D3", "error", "others dropped", in_bound(lambda b: b + letters.error * log(letters.blocks - 1))),
    ("D3", "error", "in bits", in_bound(lambda b: b / log(2))),
    (
        "D3",
        "error allowed",
        "no better than guessing allowed",
        assumption_dropped,
    ),
)

_rule_mutations: tuple[NamedMutation, ...] = (
    ("E1", "composition", "strengths subtracted", replaced(letters.boost_other, -letters.boost_other)),
    ("E1", "composition", "temperature inverted", replaced(tau, 1 / tau)),
    ("E1", "composition", "other key's rules forgotten", replaced(letters.boost_other, S.Zero)),
    (
        "E1",
        "one rule",
        "temperature dropped",
        _strength(STRENGTH_NEEDED / tau),
    ),
    (
        "E1",
        "one rule",
        "log for logit",
        claiming(
            Equivalent(
                Ge(letters.strength, Max(0, tau * (log(letters.promise) - log(F)))),
                Ge(letters.F_ruled, letters.promise),
            )
        ),
    ),
    (
        "E1",
        "one rule",
        "fidelity and promise swapped",
        claiming(
            Equivalent(
                Ge(letters.strength, Max(0, tau * (Logit(F) - Logit(letters.promise)))),
                Ge(letters.F_ruled, letters.promise),
            )
        ),
    ),
    ("E1", "least change", "inequality flipped", flipped),
    ("E1", "least change", "normalisation dropped", in_bound(lambda bound: letters.promised_strength / tau)),
    (
        "E1",
        "least change attained",
        "promises taken for fidelities",
        replaced(letters.kept_strength, letters.promised_strength),
    ),
    ("E1", "a solution exists", "least mass dropped", in_bound(lambda b: b - log(letters.least_mass))),
    ("E2", "shared promise", "one over the number of rules", in_bound(lambda bound: 1 / letters.rules)),
    ("E2", "shared promise", "scaled by 0.99", scaled_down),
    ("E2", "every row", "inequality flipped", flipped),
    ("E2", "cover", "inequality flipped", flipped),
    ("E2", "cover", "one target fewer", in_bound(lambda bound: (letters.cover - 1) / letters.rules)),
    ("E2", "disjoint targets", "targets overlap", assumption_dropped),
    (
        "E2",
        "certificate",
        "an eighth too low",
        claiming(Equivalent(Lt(letters.slack, Rational(-1, 8)), Lt(letters.slack_dual, 0))),
    ),
    ("E3", "expectation", "probabilities swapped", replaced(letters.missed, 1 - letters.missed)),
    ("E3", "expectation", "misses thought independent", replaced(letters.mean_missed, letters.mean_plain)),
    ("E3", "expectation", "fidelity after a miss thought 0", in_bound(lambda b: b.subs(letters.mean_missed, 0))),
    ("E3", "at least", "misses forgotten", in_bound(lambda bound: letters.promise)),
    ("E3", "at least", "inequality flipped", flipped),
    ("E3", "independent misses", "not independent", assumption_dropped),
)

_schedule_mutations: tuple[NamedMutation, ...] = (
    *(mutation for beta in (2, 3, 4, 5) for mutation in _budget_mutations(beta)),
    ("F1", "beta 1", "last layer forgotten", in_bound(lambda bound: (letters.layers - 1) / S(2))),
    (
        "F2",
        "layer",
        "exponent inverted",
        _localised_from(letters.steepness),
    ),
    ("F2", "depth", "floor for ceiling", in_bound(lambda bound: letters.layers + ceiling(-EDGE))),
    ("F2", "depth", "one layer too few", in_bound(lambda bound: bound - 1)),
    ("F2", "depth", "L for L - 1", in_bound(lambda bound: bound.subs(letters.layers - 1, letters.layers))),
    ("F2", "depth", "exponent dropped", in_bound(lambda bound: letters.layers - ceiling(_edge(S.One)))),
    ("F3", "layer", "remaining leak dropped", in_bound(lambda b: b * (1 - letters.dial_here * eps))),
    ("F3", "layer", "linear in the dial", in_bound(lambda b: letters.dial_here * eps)),
    ("F3", "layer", "dial inverted", replaced(letters.dial_here, 1 - letters.dial_here)),
    ("F3", "inner dial", "last layer too", assumption_dropped),
    ("F3", "steeper", "inequality flipped", flipped),
    ("F3", "strictly steeper", "two layers", assumption_dropped),
    ("F3", "equal mean dial", "inequality flipped", flipped),
)


_known_mutations: tuple[NamedMutation, ...] = (
    ("G1", "norm", "inequality flipped", flipped),
    ("G1", "norm", "bound scaled by 1.01", scaled_up),
    ("G1", "norm", "stretch dropped", replaced(sqrt((m + k) / (m + k - 1)), S.One)),
    ("G1", "norm", "one key fewer", replaced(k, k + 1)),
    ("G1", "norm", "norm halved", replaced(letters.norm, letters.norm / 2)),
    ("G2", "entropies", "mixing entropy dropped", in_bound(lambda bound: letters.TV_any * log(m + k - 1))),
    ("G2", "entropies", "others dropped", in_bound(lambda bound: bound - letters.TV_any * log(m + k - 1))),
    ("G2", "entropies", "variation halved", replaced(letters.TV_any, letters.TV_any / 2)),
    ("G2", "entropies", "inequality flipped", flipped),
    ("G2", "entropies", "bound scaled by 0.99", scaled_down),
    ("G3", "Euclidean", "inequality flipped", flipped),
    ("G3", "Euclidean", "1/4 for 1/2", in_bound(lambda bound: bound / 4)),
    ("G3", "Euclidean", "squared twice", in_bound(lambda bound: bound**2)),
    ("G3", "Euclidean", "1/sqrt(5) for 1/2", in_bound(lambda bound: Rational(4, 5) * bound)),
    ("G3", "Euclidean", "temperature forgotten", in_bound(lambda bound: bound * tau**2)),
    ("G4", "variance", "inequality flipped", flipped),
    ("G4", "variance", "the 1 dropped", in_bound(lambda bound: bound - 1)),
    ("G4", "variance", "logarithm not squared", in_bound(lambda bound: log(m + k - 1) / 4)),
    ("G4", "variance", "8 for 4", in_bound(lambda bound: log(m + k - 1) ** 2 / 8)),
    ("G4", "variance", "half of it", in_bound(lambda bound: bound / 2)),
)

MUTATIONS: tuple[NamedMutation, ...] = (*_anchor_mutations, *_rule_mutations, *_schedule_mutations, *_known_mutations)
