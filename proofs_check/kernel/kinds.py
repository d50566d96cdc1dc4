"""The kinds of instance that are defined in Coq, each with its file in `coq/`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sympy import Symbol

from theory import design_symbols as design
from theory import output_symbols as output
from theory import symbols as letters
from theory import unseen_symbols as unseen
from theory import weight_symbols as weights
from theory.files import read_text
from theory.statements import about
from theory.symbols import VOCABULARY

FOLDER = Path(__file__).parent / "coq"


@dataclass(frozen=True)
class CoqKind:
    """Where an instance kind is defined: the module, the type, and what an instance must meet.

    `possible` maps each conjunct of the module's predicate of that name to its reason: the letter whose domain it is,
    or whose meaning it is part of, or the sentence of `theory.statements.about` that it expresses. An assumption that
    is not a relation of letters has a predicate in `structure`, or a definition in `built_in` that enforces it.
    `extends` names the module whose type and letters it adds to.
    """

    module: str
    type: str
    possible: Mapping[str, Symbol | str]
    structure: Mapping[str, str] = field(default_factory=dict)
    built_in: Mapping[str, str] = field(default_factory=dict)
    extends: str = ""

    @cached_property
    def letters(self) -> frozenset[Symbol]:
        """The letters that the module, or the one it extends, defines as a number of the instance."""
        text = "".join(read_text(FOLDER / f"{module}.v") for module in (self.module, self.extends) if module)
        defined = re.findall(rf"^Definition (\w+)(?: \(a : {self.type}\) : R)? :=", text, re.M)
        fields = re.findall(r"[{;]\s*(\w+) : R(?=[\s;}])(?! *->)", text)
        return frozenset(letter for letter in VOCABULARY if coq_name(letter) in {*defined, *fields})


def coq_name(letter: Symbol) -> str:
    """The letter's name in Coq: `beta_1_t` for `beta_1^t`."""
    return letter.name.replace("^", "_")


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
    "row": CoqKind("Row", "row", _ROW),
    "row with chosen keys": CoqKind(
        "Chosen",
        "chosen",
        possible={
            "counted a <> []": about.CHOICE,
            "remaining a <> []": about.CHOICE,
            "0 < tau a": letters.tau,
        },
    ),
    "row by distance": CoqKind(
        "Distant",
        "distant",
        possible={
            "(0 < inside a)%nat": about.BLOCK_AND_COMPLEMENT,
            "(0 < outside a)%nat": about.BLOCK_AND_COMPLEMENT,
            "0 < a_s a": letters.slope,
            "0 < tau a": letters.tau,
            "0 < epsilon_target a < 1": letters.eps_target,
        },
    ),
    "context": CoqKind(
        "Context",
        "context",
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
        possible={
            "(forall i, In i a -> 0 < weight i /\\ 0 <= plain i <= 1 /\\ 0 <= ruled i <= 1)": about.SITUATIONS,
        },
    ),
    "rule set": CoqKind(
        "Rules",
        "rule_set",
        possible={
            "(0 < rules a)%nat": design.rules,
            "0 < tau a": letters.tau,
            "0 < F a < 1": letters.F,
            "0 < f a < 1": design.promise,
            "(forall j, 0 < weight a j)": about.MASSES,
            "(forall i, 0 <= strength a i)": design.strength,
            "(forall j, 0 <= other a j)": design.KL_any,
            "0 < sum (other a) (each a)": design.KL_any,
            "(forall i, 0 <= given_up a i)": design.promised_strength,
        },
        structure={"no empty target": "no_empty_target"},
    ),
    "reloaded checker": CoqKind(
        "Reloaded",
        "reloaded",
        possible={
            "(forall v, In v (versions a) -> Checker.possible (check v))": about.SITUATIONS,
            "(forall v, In v (versions a) -> caught (check v) <> [])": about.VERSIONS,
            "(early a < length (at_work a))%nat": design.early,
            "(forall v, In v (versions a) -> 0 < error v)": design.errors,
            "0 < alpha_E a < 1": design.error_all,
        },
    ),
    "copied anchor": CoqKind(
        "Copies",
        "copied",
        possible={
            "outside a <> []": about.COPIES,
            "(0 < copies a)%nat": design.copies,
            "(0 < few a)%nat": design.few,
            "(0 < many a)%nat": design.many,
            "0 < tau a": letters.tau,
            "0 < epsilon_target a < 1": letters.eps_target,
        },
        structure={"equal copies": "equal_copies"},
    ),
    "layer stack": CoqKind(
        "Stack",
        "stack",
        possible={
            "(position a < tokens a)%nat": unseen.output,
            "(forall l, In l (stacked a) -> 0 <= dial l <= 1)": unseen.dial_least,
        },
        structure={"same windows": "same_windows", "changed outside": "changed_outside"},
    ),
    "anchored head": CoqKind(
        "Anchored",
        "anchored",
        possible={
            "block a <> []": about.BLOCK_AND_COMPLEMENT,
            "others a <> []": about.BLOCK_AND_COMPLEMENT,
            "(forall i, In i (keys a) -> (owner i < anchors a)%nat)": about.ANCHOR_OF_KEY,
            "0 < tau a": letters.tau,
            "0 < epsilon_target a < 1": letters.eps_target,
            "0 < alpha a": design.alpha,
        },
        structure={
            "unit anchors": "unit_anchors",
            "along its anchor": "along_its_anchor",
            "equal keys": "equal_keys",
        },
    ),
    "truncated layer": CoqKind(
        "Truncated",
        "truncated",
        possible={
            "(0 < inside a)%nat": about.BLOCK_AND_COMPLEMENT,
            "(0 < outside a)%nat": about.BLOCK_AND_COMPLEMENT,
        },
    ),
    "moved logits": CoqKind("Logits", "logits", {"(1 < tokens a)%nat": about.ABOUT["moved logits"][0]}),
    "last layer": CoqKind(
        "Last",
        "last",
        possible={
            "Truncated.possible (layer a)": about.BLOCK_AND_COMPLEMENT,
            "(0 < width a)%nat": output.p_r,
            "0 < epsilon_ln a": output.eps_ln,
            "(forall x y, Rabs (activation a x - activation a y) <= steepest a * Rabs (x - y))": output.mlp,
        },
    ),
    "set of priced layers": CoqKind(
        "Priced",
        "priced_layers",
        possible={
            "(here a < layers a)%nat": about.LAYER_EXISTS,
            "(forall i, 0 < leak a i < 1)": about.LEAKS,
            "0 < nu_K a": design.price,
            "0 < nu_more a": design.price_more,
            "(forall i, 0 <= other a i <= 1)": design.spent_any,
            "0 < F_target a < 1": letters.F_target,
            "NoDup (picked a)": design.cost_picked,
            "(forall i, In i (picked a) -> (i < layers a)%nat)": design.cost_picked,
        },
        structure={"positive weights": "positive_weights"},
    ),
    "pointer channel": CoqKind(
        "Channel",
        "channel",
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
        possible={"0 < lambda_g a": weights.lam_g, "0 < rate a": about.RATE_POSITIVE},
        built_in={"differentiable": "g"},
    ),
    "descent": CoqKind(
        "Descent",
        "descent",
        possible={
            "gradients a <> []": about.RUN_NOT_EMPTY,
            "0 < eta a": weights.eta,
            "0 < lambda_g a": weights.lam_g,
            "0 <= mu a < 1": weights.mu,
            "(forall t, 0 <= rate a t)": about.RATES,
        },
        built_in={"proximal step last": "moved", "Euclidean proximal step": "shrunk"},
    ),
    "adam run": CoqKind(
        "Adam",
        "run",
        possible={
            "(0 < steps a)%nat": about.RUN_NOT_EMPTY,
            "(forall t, 0 <= rate a t)": about.ADAM_RATES,
            "0 <= stabiliser a": about.ADAM_RATES,
            "0 < lambda_g a": weights.lam_g,
            "0 <= beta_1 a < 1": weights.beta_1,
            "0 < beta_2 a < 1": weights.beta_2,
        },
        structure={"weight decay": "bounded_decay"},
        built_in={"proximal step last": "moved", "Euclidean proximal step": "shrunk"},
    ),
    "head": CoqKind(
        "Head",
        "head",
        possible={"(0 < width a)%nat": weights.d_k, "0 < temperature a": letters.tau},
        built_in={"no normalisation": "query"},
    ),
    "stationary head": CoqKind(
        "Stationary",
        "point",
        possible={
            "(0 < width a)%nat": weights.d_k,
            "0 < temperature a": letters.tau,
            "0 <= lambda_Q a": weights.lam_Q,
            "0 <= lambda_K a": weights.lam_K,
            "0 < lambda_g a": weights.lam_g,
        },
        structure={
            "no bias": "no_bias",
            "one live block": "one_live_block",
            "stationary": "stationary",
            "slope bounded": "slope_bounded",
        },
        built_in={"no normalisation": "outputs"},
    ),
    "surviving block": CoqKind(
        "Surviving",
        "head",
        possible={
            "(0 < width a)%nat": about.WIDTH_POSITIVE,
            "inside a <> []": about.BLOCK_AND_COMPLEMENT,
            "outside a <> []": about.BLOCK_AND_COMPLEMENT,
            "0 < temperature a": letters.tau,
        },
        built_in={"no key bias": "score", "no normalisation": "score", "others extinct": "score"},
    ),
    "sparse row": CoqKind(
        "Sparse",
        "sparse",
        possible={
            "(0 < inside a)%nat": about.BLOCK_AND_COMPLEMENT,
            "(0 < outside a)%nat": about.BLOCK_AND_COMPLEMENT,
            "0 < tau a": letters.tau,
            "(forall g, In g (groups a) -> 0 < penalty g)": weights.lam_each,
            "sum (above a (nu_B a)) (block a) = tau a": weights.level,
            "maximises a": about.ABOUT["sparse row"][-1],
            "(forall i, In i (keys a) -> 0 <= weight a i)": about.ARBITRARY_ROW,
            "0 < sum (weight a) (keys a)": about.ARBITRARY_ROW,
        },
        structure={"groups cover": "groups_cover"},
        built_in={"block free": "objective"},
    ),
    "row beside another": CoqKind("Beside", "row", _ROW, extends="Row"),
}
