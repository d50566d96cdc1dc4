"""The kinds of instance that are defined in Coq, each with its file in `coq/` and its letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sympy import Symbol

from theory import design_symbols as design
from theory import symbols as letters
from theory import weight_symbols as weights
from theory.statements import about


@dataclass(frozen=True)
class CoqKind:
    """Where an instance kind is defined: the module, the type, and the letters that have a definition there.

    `possible` maps each conjunct of the module's predicate of that name to its reason: the letter whose domain it is,
    or the sentence of `theory.statements.about` that it expresses. An assumption that is not a relation of letters has
    a predicate in `structure`, or a definition in `built_in` that enforces it.
    """

    module: str
    type: str
    letters: frozenset[Symbol]
    possible: Mapping[str, Symbol | str]
    structure: Mapping[str, str] = field(default_factory=dict)
    built_in: Mapping[str, str] = field(default_factory=dict)


# The letters of the whole context (A7); the other letters of `theory.symbols` are those of one row.
_OF_CONTEXT = frozenset(
    {
        letters.tokens,
        letters.window,
        letters.least_own,
        letters.ratio_T,
        letters.d_T,
        letters.eps_T,
        letters.eps_most,
        letters.share_kept,
        letters.share_within,
        letters.H_T,
        letters.H_most,
    }
)
_OF_ROW = frozenset(value for value in vars(letters).values() if isinstance(value, Symbol)) - _OF_CONTEXT


_ROW: Mapping[str, Symbol | str] = {
    "block a <> []": about.BLOCK_AND_COMPLEMENT,
    "others a <> []": about.BLOCK_AND_COMPLEMENT,
    "0 < tau a": letters.tau,
    "0 <= lambda a < 1": letters.lam,
    "0 <= pi a": letters.pen,
    "0 < epsilon_target a < 1": letters.eps_target,
    "0 < F_target a < 1": letters.F_target,
    "(forall i, In i (keys a) -> 0 <= weight i)": about.ARBITRARY_ROW,
    "0 < sum weight (keys a)": about.ARBITRARY_ROW,
    "0 <= lambda_more a < 1": letters.lam_more,
}

COQ_KINDS: Mapping[str, CoqKind] = {
    "row": CoqKind("Row", "row", _OF_ROW, _ROW),
    "context": CoqKind(
        "Context",
        "context",
        _OF_CONTEXT | {letters.eps_target},
        possible={
            "(0 < tokens a)%nat": letters.tokens,
            "(0 < keys a)%nat": letters.window,
            "(0 < own a)%nat": letters.least_own,
            "0 < epsilon_target a < 1": letters.eps_target,
        },
    ),
    "checker": CoqKind(
        "Checker",
        "checker",
        frozenset(
            {
                design.missed,
                design.mean_fidelity,
                design.mean_fired,
                design.mean_missed,
                design.mean_plain,
                design.promise,
            }
        ),
        possible={
            "(forall i, In i a -> 0 < weight i /\\ 0 <= plain i <= 1 /\\ 0 <= ruled i <= 1)": about.SITUATIONS,
        },
    ),
    "pointer channel": CoqKind(
        "Channel",
        "channel",
        frozenset({design.blocks, design.information, design.error, design.error_allowed}),
        possible={
            "(forall i j, 0 <= weight a i j)": about.WEIGHTS_OF_POINTER,
            "0 < total a": about.WEIGHTS_OF_POINTER,
            "0 <= epsilon_allowed a <= 1": design.error_allowed,
        },
        structure={"uniform target": "uniform_target"},
    ),
    "schedule": CoqKind(
        "Schedule",
        "schedule",
        frozenset(
            {
                letters.eps,
                design.layers,
                design.layer,
                design.steepness,
                design.steeper,
                design.dial_max,
                design.dial_needed,
                design.dial_here,
                design.dial_steeper,
                design.depth,
                design.gain,
                design.cost,
                design.cost_steeper,
                design.cost_even,
                design.cost_even_steeper,
                *design.budgets,
            }
        ),
        possible={
            "(here a < layers a)%nat": about.LAYER_EXISTS,
            "0 <= beta_s a": design.steepness,
            "0 <= beta_t a": design.steeper,
            "0 < lambda_max a <= 1": design.dial_max,
            "0 < lambda_star a <= 1": design.dial_needed,
            "(forall i, 0 < leak a i < 1)": about.LEAKS,
        },
        structure={"positive weights": "positive_weights"},
        built_in={"leaks fixed": "cost"},
    ),
    "weight block": CoqKind(
        "Weights",
        "weights",
        frozenset({weights.w, weights.g, weights.lam_g, weights.move}),
        possible={"0 < lambda_g a": weights.lam_g, "0 < rate a": about.RATE_POSITIVE},
        built_in={"differentiable": "g"},
    ),
    "descent": CoqKind(
        "Descent",
        "descent",
        frozenset(
            {
                weights.w_0,
                weights.w_1,
                weights.eta,
                weights.lam_g,
                weights.G,
                weights.mu,
                weights.b_0,
                weights.N,
                weights.N_mu,
                weights.mu_T,
                weights.b_T,
                weights.gain_mu,
                weights.w_T,
            }
        ),
        possible={
            "gradients a <> []": about.RUN_NOT_EMPTY,
            "0 < eta a": weights.eta,
            "0 < lambda_g a": weights.lam_g,
            "0 <= mu a < 1": weights.mu,
            "(forall t, 0 <= rate a t)": about.RATES,
        },
        built_in={"proximal step last": "moved", "Euclidean proximal step": "shrunk"},
    ),
    "surviving block": CoqKind(
        "Surviving",
        "head",
        frozenset(
            {
                letters.m,
                letters.k,
                letters.tau,
                letters.delta,
                letters.eps,
                letters.H,
                weights.d_k,
                weights.s_in,
                weights.reach_off,
                weights.pull,
            }
        ),
        possible={
            "(0 < width a)%nat": about.WIDTH_POSITIVE,
            "inside a <> []": about.BLOCK_AND_COMPLEMENT,
            "outside a <> []": about.BLOCK_AND_COMPLEMENT,
            "0 < temperature a": letters.tau,
        },
        built_in={"no key bias": "score", "no normalisation": "score", "others extinct": "score"},
    ),
    "row beside another": CoqKind(
        "Beside",
        "row",
        _OF_ROW
        | {
            design.norm,
            design.surprise_variance,
            design.H_any,
            design.TV_any,
            design.moved_row,
            design.moved_scores,
        },
        possible=_ROW,
    ),
}
